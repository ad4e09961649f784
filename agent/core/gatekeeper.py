"""The gatekeeper: everything a gate sees and hears, and what it does about it.

It has no hands and no clock. `see` takes a sighting, `hear` a notice, `tick`
the passing of time; each answers with actions, in the order in which they
are to be performed. All that it remembers is bounded.
"""

from dataclasses import dataclass, field
from typing import Final, assert_never

from agent.core.actions import Action, Actions, HoldUnlocked, Lock, Record, Show, Unlock
from agent.core.allowlist import Allowlist, Freshness
from agent.core.answers import ALARM, DOOR_HELD, FREE, REFUSALS, WELCOME
from agent.core.curb import Curb
from agent.core.decision import Admit, Decision, Reason, Refuse
from agent.core.door import Door, LockOrder, Signal, Timing
from agent.core.events import Event, Fact, Kind
from agent.core.introductions import Introductions
from agent.core.judge import Post, judge, vouch
from agent.core.memory import UNUSED, Memory
from agent.core.moments import Moment
from agent.core.notices import (
    CameraChanged,
    CameraState,
    ListRefused,
    ListSwitched,
    Notice,
    Order,
    Wire,
    WireChanged,
)
from agent.core.passes import HolderCertificate, Malformed, Pass, parse
from agent.core.presence import Presence
from agent.core.sighting import Sighting

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


@dataclass(slots=True)
class Gatekeeper:
    """One gate's mind.

    Args:
        post: where it stands.
        allowlist: the list in use; None until the first has been verified.
        memory: what each pass has used here before, from the journal.
        door: the leaf and its lock.
    """

    post: Post
    allowlist: Allowlist | None = None
    memory: Memory = field(default_factory=Memory)
    door: Door = field(default_factory=Door)
    locked_down: bool = False
    _present: Presence = field(default_factory=Presence)
    _introductions: Introductions = field(default_factory=Introductions)
    _curb: Curb = field(default_factory=Curb)
    _freshness: Freshness = Freshness.FRESH
    _welcomed_at: float = float("-inf")

    @classmethod
    def at(
        cls,
        post: Post,
        allowlist: Allowlist | None = None,
        memory: Memory | None = None,
        timing: Timing | None = None,
    ) -> "Gatekeeper":
        """A gatekeeper at its post, the door shut."""
        return cls(post, allowlist, Memory() if memory is None else memory, Door(timing or Timing()))

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
        if isinstance(decision, Admit) and self.locked_down and self.post.direction != "out":
            decision = Refuse(Reason.LOCKED_DOWN, decision.pass_id)
        if not isinstance(seen, Malformed) and self._was_answered(seen.pass_id, decision, sighting, now):
            return ()
        return (
            self._admit(decision, sighting, now)
            if isinstance(decision, Admit)
            else self._refuse(decision, now)
        )

    def _judge(self, seen: Pass | Malformed, now: Moment) -> Decision:
        if isinstance(seen, Malformed):
            return judge(seen, self.allowlist, self.post, UNUSED, now)
        use = self.memory.of(seen.pass_id)
        introduced = self._introductions.of(seen.pass_id, now.mono)
        return judge(seen, self.allowlist, self.post, use, now, introduced)

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
        if admit.note:
            facts["note"] = admit.note
        return (
            Record(Event(Kind.ADMITTED, now, facts)),
            *self._tell_door(Signal.GRANTED, now),
            Show(WELCOME),
            *self._tell_passback(admit, now),
        )

    def _tell_passback(self, admit: Admit, now: Moment) -> Actions:
        if self.post.direction != "in" or Reason.PASSED_BACK not in admit.note.split():
            return ()
        return (Record(Event(Kind.PASSED_BACK, now, {"pass": admit.pass_id.hex(), "kind": admit.kind})),)

    def _refuse(self, refuse: Refuse, now: Moment) -> Actions:
        actions: list[Action] = []
        if refuse.reason not in _WORTHLESS or self._curb.lets(now.mono):
            facts: dict[str, Fact] = {"reason": refuse.reason, "direction": self.post.direction}
            if refuse.pass_id is not None:
                facts["pass"] = refuse.pass_id.hex()
            if refuse.detail:
                facts["detail"] = refuse.detail
            actions.append(Record(Event(Kind.REFUSED, now, facts)))
        # A poster behind someone who was just let in must not turn their green light red.
        if now.mono - self._welcomed_at >= WELCOME.lasts_s:
            actions.append(Show(REFUSALS[refuse.reason]))
        return tuple(actions)

    # --- everything else -----------------------------------------------------

    def hear(self, notice: Notice, now: Moment) -> Actions:
        """Answer a button, a contact, the camera's health, a new list or an order."""
        match notice:
            case WireChanged(wire, active):
                return self._wire(wire, active=active, now=now)
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
            case Order(lockdown, by):
                self.locked_down = lockdown
                kind = Kind.LOCKDOWN_ON if lockdown else Kind.LOCKDOWN_OFF
                return (Record(Event(kind, now, {"by": by})),)
            case _:
                assert_never(notice)

    def _wire(self, wire: Wire, *, active: bool, now: Moment) -> Actions:
        match wire:
            case Wire.EXIT:
                if not active:
                    return ()
                pressed = Record(Event(Kind.EXIT, now))
                return (pressed, *self._tell_door(Signal.GRANTED, now), Show(WELCOME))
            case Wire.DOOR:
                return self._tell_door(Signal.LEAF_OPENED if active else Signal.LEAF_CLOSED, now)
            case Wire.FIRE:
                return self._tell_door(Signal.FIRE if active else Signal.FIRE_OVER, now)
            case Wire.TAMPER:
                kind = Kind.TAMPER_ON if active else Kind.TAMPER_OFF
                return (Record(Event(kind, now)), *((Show(ALARM),) if active else ()))
            case _:
                assert_never(wire)

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
        while (signal := self.door.due(now.mono)) is not None:
            actions += self._tell_door(signal, now)
        if self.allowlist and (freshness := self.allowlist.freshness(now.utc)) is not self._freshness:
            self._freshness = freshness
            kind = {Freshness.STALE: Kind.LIST_STALE, Freshness.DEAD: Kind.LIST_DEAD}.get(freshness)
            if kind:
                actions.append(Record(Event(kind, now, {"list": self.allowlist.head.number})))
        if curbed := self._curb.settle(now.mono):
            actions.append(Record(Event(Kind.REFUSALS_CURBED, now, {"count": curbed})))
        return tuple(actions)

    # --- the door ------------------------------------------------------------

    def _tell_door(self, signal: Signal, now: Moment) -> Actions:
        self.door, order, kind = self.door.hear(signal, now.mono)
        recorded: Actions = (Record(Event(kind, now)),) if kind else ()
        match order:
            case LockOrder.HOLD:
                # Fire comes before paper.
                return (HoldUnlocked(), *recorded, Show(FREE))
            case LockOrder.PULSE:
                return (*recorded, Unlock(self.door.timing.open_s))
            case LockOrder.REST:
                return (Lock(), *recorded)
            case None:
                alarm = {Kind.DOOR_FORCED: ALARM, Kind.DOOR_HELD: DOOR_HELD}.get(kind) if kind else None
                return (*recorded, Show(alarm)) if alarm else recorded
            case _:
                assert_never(order)
