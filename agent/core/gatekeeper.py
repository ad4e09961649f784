"""The gatekeeper: everything a gate sees and hears, and what it does about it.

It has no hands and no clock. `see` takes a sighting, `hear` a notice, `tick`
the passing of time; each answers with actions, in the order in which they
are to be performed. All that it remembers is bounded.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from agent.core.actions import Action, Actions, Record, Show
from agent.core.allowlist import Allowlist, Freshness, PassKind
from agent.core.answers import REFUSALS, WELCOME
from agent.core.curb import Curb
from agent.core.decision import Admit, Decision, Reason, Refuse
from agent.core.door import Door
from agent.core.doorkeeper import Doorkeeper
from agent.core.events import Event, Fact, Kind
from agent.core.hearsay import AlarmsHeard, counts_here
from agent.core.introductions import Introductions
from agent.core.judge import Post, judge, vouch
from agent.core.memory import UNUSED, Memory
from agent.core.moments import Moment, Trust
from agent.core.notices import (
    CameraChanged,
    CameraState,
    FalseWord,
    ListRefused,
    ListSwitched,
    MachineChanged,
    Notice,
    Told,
)
from agent.core.passes import HolderCertificate, Malformed, Pass, RotatingPass, parse
from agent.core.presence import Presence
from agent.core.sighting import Sighting
from agent.core.suspicion import TRAVEL_S, Alert, Suspicion

_WORTHLESS: Final = frozenset(
    {
        Reason.MALFORMED,
        Reason.FORGED,
        Reason.NO_LIST,
        Reason.UNKNOWN_PASS,
        Reason.WRONG_SITE,
        Reason.REPLAYED,
    }
)
"""Refusals of codes that anyone can show in any number: they prove nobody's presence, and are curbed."""
_NOBODYS_FAULT: Final = frozenset(
    {Reason.CLOCK_UNSURE, Reason.LIST_DEAD, Reason.LOCKED_DOWN, Reason.INTERLOCKED, Reason.FULL}
)
"""Refusals of real passes for the gate's own reasons: coming again is not suspicious."""


@dataclass(slots=True)
class Gatekeeper:
    """One gate's mind.

    Args:
        post: where it stands.
        allowlist: the list in use; None until the first has been verified.
        memory: what each pass has used here before, from the journal.
        doorkeeper: who knows the leaf, the lock and the wires.
    """

    post: Post
    allowlist: Allowlist | None = None
    memory: Memory = field(default_factory=Memory)
    doorkeeper: Doorkeeper = field(default_factory=Doorkeeper)
    _present: Presence = field(default_factory=Presence)
    _introductions: Introductions = field(default_factory=Introductions)
    _curb: Curb = field(default_factory=Curb)
    _suspicion: Suspicion = field(default_factory=Suspicion)
    _alarms_heard: AlarmsHeard = field(default_factory=AlarmsHeard)
    _freshness: Freshness = Freshness.FRESH
    _welcomed_at: float = float("-inf")

    @classmethod
    def at(
        cls,
        post: Post,
        allowlist: Allowlist | None = None,
        memory: Memory | None = None,
        doorkeeper: Doorkeeper | None = None,
    ) -> "Gatekeeper":
        """A gatekeeper at its post, the door shut."""
        return cls(post, allowlist, Memory() if memory is None else memory, doorkeeper or Doorkeeper())

    @property
    def door(self) -> Door:
        """The leaf and its lock, as they stand."""
        return self.doorkeeper.door

    # --- codes ---------------------------------------------------------------

    def see(self, sighting: Sighting, now: Moment) -> Actions:
        """Answer a code; one that is still being held up has had its answer."""
        if self._present.still_shows(sighting.text, now.mono):
            self._introductions.still_shows(sighting.text, now.mono)
            return ()
        seen = parse(sighting.text)
        if isinstance(seen, HolderCertificate):
            return self._meet(seen, sighting, now)
        decision = self._judge(seen, now)
        if isinstance(decision, Admit) and (why := self.doorkeeper.forbids(decision, self.post.direction)):
            decision = Refuse(why, decision.pass_id)
        if not isinstance(seen, Malformed) and self._was_answered(seen.pass_id, decision, sighting, now):
            return ()
        return (
            self._admit(decision, sighting, now)
            if isinstance(decision, Admit)
            else self._refuse(self._told_where(decision, seen), now)
        )

    def _judge(self, seen: Pass | Malformed, now: Moment) -> Decision:
        if isinstance(seen, Malformed):
            return judge(seen, self.allowlist, self.post, UNUSED, now)
        use = self.memory.of(seen.pass_id)
        introduced = self._introductions.of(seen.pass_id, now.mono)
        return judge(seen, self.allowlist, self.post, use, now, introduced)

    def _told_where(self, refuse: Refuse, seen: Pass | Malformed) -> Refuse:
        """A refusal that names the other gate at which this code was used."""
        if refuse.reason is not Reason.REPLAYED or not isinstance(seen, RotatingPass):
            return refuse
        gate = self.memory.opened_elsewhere(seen.pass_id, seen.step)
        return (
            replace(refuse, detail=f"this code or a later one has opened gate {gate}", elsewhere=gate)
            if gate
            else refuse
        )

    def _meet(self, certificate: HolderCertificate, sighting: Sighting, now: Moment) -> Actions:
        """Let a genuine certificate introduce its holder; that alone opens and answers nothing."""
        refusal = vouch(certificate, self.allowlist, self.post)
        if refusal is None:
            self._introductions.introduce(sighting.text, certificate, now.mono)
            # A code of theirs that was refused a moment ago may be tried again.
            self._present.forget((certificate.pass_id, Reason.UNKNOWN_PASS))
            return ()
        if self._was_answered(certificate.pass_id, refusal, sighting, now):
            return ()
        return self._refuse(refusal, now)

    def _was_answered(self, pass_id: bytes, decision: Decision, sighting: Sighting, now: Moment) -> bool:
        """Whether the same answer was given to another code of this pass that is still held up."""
        doubt = decision.reason if isinstance(decision, Refuse) and decision.reason in _WORTHLESS else None
        if not self._present.still_holds((pass_id, doubt), sighting.text, now.mono):
            return False
        if doubt:
            self._curb.hold_back(now.mono)
        return True

    def _admit(self, admit: Admit, sighting: Sighting, now: Moment) -> Actions:
        copied = self._suspect_card(admit, now)
        self.memory.once_more(admit.pass_id, admit.step, admit.way, now.utc)
        self._welcomed_at = now.mono
        facts: dict[str, Fact] = {
            "pass": admit.pass_id.hex(),
            "kind": admit.kind,
            "direction": self.post.direction,
            "zone": self.post.zone,
            "list": self.allowlist.head.number if self.allowlist else 0,
            "effort": round(sighting.effort, 2),
        }
        if self.post.direction == "both":
            facts["way"] = admit.way
        if admit.step is not None:
            facts["step"] = admit.step
        if admit.counted:
            facts["uses"] = self.memory.here(admit.pass_id).count
        if admit.note:
            facts["note"] = admit.note
        return (
            Record(Event(Kind.ADMITTED, now, facts)),
            *self.doorkeeper.let_through(admit, now),
            *self._tell_passback(admit, now),
            *copied,
        )

    def _suspect_card(self, admit: Admit, now: Moment) -> Actions:
        """Tell of a printed card that was at another gate of the zone a moment ago."""
        last = self.memory.last_elsewhere(admit.pass_id) if admit.step is None else None
        if last is None or not 0 <= now.utc - last[1] < TRAVEL_S:
            return ()
        alert = self._suspicion.copied(admit.pass_id, last[0], now.mono)
        return (Record(Event(Kind.ALERT, now, alert)),) if alert else ()

    def _tell_passback(self, admit: Admit, now: Moment) -> Actions:
        if self.post.direction != "in" or Reason.PASSED_BACK not in admit.note.split():
            return ()
        return (Record(Event(Kind.PASSED_BACK, now, {"pass": admit.pass_id.hex(), "kind": admit.kind})),)

    def _refuse(self, refuse: Refuse, now: Moment) -> Actions:
        actions: list[Action] = []
        worthless = refuse.reason in _WORTHLESS
        if refuse.elsewhere and refuse.pass_id is not None:
            alert = self._suspicion.copied(refuse.pass_id, refuse.elsewhere, now.mono)
        else:
            alert = self._suspicion.guess(now.mono) if worthless else self._suspect(refuse, now)
        if not worthless or self._curb.lets(now.mono):
            facts: dict[str, Fact] = {"reason": refuse.reason, "direction": self.post.direction}
            if refuse.pass_id is not None:
                facts["pass"] = refuse.pass_id.hex()
            if refuse.detail:
                facts["detail"] = refuse.detail
            actions.append(Record(Event(Kind.REFUSED, now, facts)))
        if alert:
            actions.append(Record(Event(Kind.ALERT, now, alert)))
        answered = not worthless or self._suspicion.answers(now.mono)
        # A poster behind someone who was just let in must not turn their green light red.
        if answered and now.mono - self._welcomed_at >= WELCOME.lasts_s:
            actions.append(Show(REFUSALS[refuse.reason]))
        return tuple(actions)

    def _suspect(self, refuse: Refuse, now: Moment) -> Alert | None:
        if refuse.pass_id is None or refuse.reason in _NOBODYS_FAULT:
            return None
        odd_hour = refuse.reason is Reason.OUTSIDE_SCHEDULE
        return self._suspicion.refusal(refuse.pass_id, odd_hour=odd_hour, mono=now.mono)

    # --- everything else -----------------------------------------------------

    def hear(self, notice: Notice, now: Moment) -> Actions:
        """Answer a button, a contact, the camera's health, a new list or an order."""
        match notice:
            case CameraChanged(state):
                return self._camera(state, now)
            case ListSwitched(allowlist):
                self.allowlist = allowlist
                self._freshness = Freshness.FRESH
                head = allowlist.head
                facts: dict[str, Fact] = {"list": head.number, "issued": head.issued_utc}
                return (Record(Event(Kind.LIST_SWITCHED, now, facts)),)
            case ListRefused(why):
                return (Record(Event(Kind.LIST_REFUSED, now, {"why": why})),)
            case MachineChanged():
                return (Record(Event(notice.kind, now, notice.facts)),)
            case Told():
                return self._listen(notice, now)
            case FalseWord(gate):
                alert = self._suspicion.false_word(gate, now.mono)
                return (Record(Event(Kind.ALERT, now, alert)),) if alert else ()
            case _:
                return self.doorkeeper.hear(notice, now)

    def _listen(self, told: Told, now: Moment) -> Actions:
        """Remember what another gate has seen, and tell of its alarms once more, in case it can't."""
        for passage in told.passages:
            use = counts_here(passage, self.post.zone, now, used_codes=self.doorkeeper.rules.used_codes)
            self.memory.hear(passage.gate, passage.pass_id, use)
        return tuple(
            Record(
                Event(
                    Kind.FELLOW_ALARM,
                    now,
                    {
                        "gate": alarm.place.gate,
                        "what": alarm.kind,
                        "epoch": alarm.place.epoch,
                        "seq": alarm.place.seq,
                    },
                )
            )
            for alarm in self._alarms_heard.news(told.alarms, now.utc)
        )

    def _camera(self, state: CameraState, now: Moment) -> Actions:
        kinds = {
            CameraState.GOOD: Kind.CAMERA_BACK,
            CameraState.LOST: Kind.CAMERA_LOST,
            CameraState.FROZEN: Kind.CAMERA_FROZEN,
        }
        return (Record(Event(kinds[state], now)),)

    def tick(self, now: Moment) -> Actions:
        """Answer the passing of time: the pulse's end, a held door, an ageing list."""
        actions: list[Action] = []
        actions += self.doorkeeper.tick(now, free_time=self._free_time(now))
        if self.allowlist and (freshness := self.allowlist.freshness(now.utc)) is not self._freshness:
            self._freshness = freshness
            kind = {Freshness.STALE: Kind.LIST_STALE, Freshness.DEAD: Kind.LIST_DEAD}.get(freshness)
            if kind:
                actions.append(Record(Event(kind, now, {"list": self.allowlist.head.number})))
        if curbed := self._curb.settle(now.mono):
            actions.append(Record(Event(Kind.REFUSALS_CURBED, now, {"count": curbed})))
        return tuple(actions)

    def _free_time(self, now: Moment) -> bool:
        number = self.doorkeeper.rules.free_schedule
        if not number or self.allowlist is None or now.trust is Trust.UNKNOWN:
            return False
        if self.allowlist.freshness(now.utc) is Freshness.DEAD:
            return False
        return self.allowlist.head.in_schedule(number, PassKind.RESIDENT, now.utc)
