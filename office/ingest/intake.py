"""The rules by which events enter the office's database.

A batch of messages is one transaction. Each message is checked whole against
its gate's key, then joined to the gate's contiguous position: the office
holds everything up to there, and its hash. Only what follows on is stored. A
message beyond a gap is left alone, since the gate sends again from the last
acknowledgement, and so the feed never shows an event before its
predecessors. What is wrong becomes an alert and never an exception.

    first epoch ──▶ opened ─ 2 ─ 3 … n      `opened` names (epoch, n, head) of the one before:
                                  ╰──▶ opened ─ 2 …   joined only once the office has n

Where several ingesters share a subscription, the message before may be in
another's hands: then one beyond a gap is held back for a moment.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from django.db import transaction
from django.utils import timezone

from agent.core.chain import GENESIS, Checkpoint, extend_all
from agent.core.events import Kind, Place
from agent.core.feed import Ack, Purged, Rewind, ack_topic
from agent.core.keys import PublicKey
from office import gaps
from office.alarms import Alarm, alarms_in
from office.alerts import Matter, raise_alert
from office.ingest.again import Again, lacking
from office.ingest.batch import Batch
from office.ingest.checked import Complaint, Run, checked, gate_of
from office.ingest.gaps import Gaps
from office.ingest.line import read
from office.ingest.opened import Flaw, Opened, opened
from office.ingest.rows import Rows
from office.logs import log
from office.models import Epoch, Gate

_MAX_HELD: Final = 256


class Reply(NamedTuple):
    """What is to be published after the commit."""

    topic: str
    payload: bytes
    retain: bool


class Intake:
    """Takes messages in; one per process, used by one thread."""

    def __init__(
        self,
        site: str,
        sign: Callable[[bytes], bytes],
        *,
        hold_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        utc: Callable[[], float] = time.time,
    ) -> None:
        """Be ready to take messages of one site.

        Args:
            sign: Ed25519 over bytes with the office's acknowledgement key.
            hold_s: how long a message beyond a gap may wait for those before it.
            clock: monotonic seconds.
            utc: seconds since 1970.
        """
        self._site, self._sign, self._clock, self._utc = site, sign, clock, utc
        self._hold_s = hold_s
        self._gaps = Gaps(clock)
        self._held: list[tuple[float, Run]] = []  # until when, what
        self._repeated = Again()

    @property
    def is_holding(self) -> bool:
        """Whether messages are held back: then call take() again soon, if only with none."""
        return bool(self._held)

    def take(self, messages: Sequence[tuple[str, bytes]]) -> list[Reply]:
        """Store what can be stored of (topic, payload) messages.

        Returns:
            What to publish, in this order: acknowledgements, one for each epoch that was heard
            of, also if nothing new came, since the gate may have missed one; requests to rewind.
        Raises:
            django.db.DatabaseError: nothing was stored; the same call may be made again.
        """
        return self.join([(topic, opened(topic, payload)) for topic, payload in messages])

    def join(self, messages: Sequence[tuple[str, Opened | Flaw]]) -> list[Reply]:
        """The same, of (topic, message) that were opened before."""
        names = {gate_of(topic, self._site) for topic, _ in messages}
        gates = {gate.name: gate for gate in Gate.objects.filter(site__name=self._site, name__in=names)}
        until = self._clock() + self._hold_s
        runs = list(self._held)
        visit = _Visit()
        for topic, message in messages:
            try:
                runs.append((until, checked(topic, message, self._site, gates)))
            except Complaint as complaint:
                visit.complaints.append(complaint)
        with transaction.atomic():
            batch = Batch()
            held = self._join_all(batch, runs, visit)
            batch.finish()
            for each in visit.complaints:
                _record(each)
            self._raise(visit.alarms)
        self._held = held
        return self._replies(visit)

    def _raise(self, alarms: Sequence[Alarm]) -> None:
        if not alarms:
            return
        told_on = {alarm.gate for alarm in alarms}
        known = set(
            Gate.objects.filter(site__name=self._site, name__in=told_on).values_list("name", flat=True)
        )
        for alarm in alarms:
            if alarm.gate in known:
                raise_alert(alarm.kind, alarm.gate, alarm.detail, timezone.now(), alarm.about)

    def set_aside(self, topic: str, fault: Exception) -> None:
        """Record that a message made this very code fail; the others must not wait for it.

        Raises:
            django.db.DatabaseError: it was not recorded.
        """
        gate = Gate.objects.filter(site__name=self._site, name=gate_of(topic, self._site)).first()
        found = f"a message that this version of the office can't take in: {type(fault).__name__}: {fault}"
        _record(Complaint(Matter.NOT_TAKEN, found, gate.name if gate else ""))

    def _join_all(
        self, batch: Batch, runs: list[tuple[float, Run]], visit: "_Visit"
    ) -> list[tuple[float, Run]]:
        """Join what follows on, in whatever order it came; returns what may still wait."""
        beyond = runs
        joined = True
        while joined and beyond:
            joined, left = False, []
            for until, run in beyond:
                if self._join(batch, run, visit):
                    joined = True
                else:
                    left.append((until, run))
            beyond = left
        now = self._clock()
        held: list[tuple[float, Run]] = []
        for until, run in beyond:
            if now < until and len(held) < _MAX_HELD:
                held.append((until, run))
            else:
                self._note_gap(batch, run, visit)
        return held

    def _join(self, batch: Batch, run: Run, visit: "_Visit") -> bool:
        """Store what of a run follows on; False if there is a gap before it."""
        place, last = run.header.first, run.header.last_seq
        epoch = batch.epoch(run.gate, place.epoch)
        if epoch is None:
            try:
                epoch = self._begin(batch, run, visit)
            except Complaint as complaint:
                visit.complaints.append(complaint)
                return True
        if epoch is None or place.seq > epoch.upto + 1:
            return self._steps_over(batch, run) and self._join(batch, run, visit)
        self._gaps.closed(run.gate.name)
        visit.heard(run.gate, epoch)
        if last <= epoch.upto:
            self._again(batch, run, epoch, visit)
            return True
        known = epoch.upto + 1 - place.seq
        # By the hash this compares everything that was ever kept of this epoch.
        if extend_all(run.header.before, run.bodies[:known]) != bytes(epoch.head):
            found = f"what comes before event {epoch.upto + 1} differs from what is kept"
            visit.complaints.append(_fork(run, found))
            return True
        if known:
            _fill(batch, run, epoch, visit)
        # A gate ends an epoch before it begins the next; whoever goes on behind that is a second one.
        if epoch != batch.newest(run.gate) and batch.is_followed(run.gate, epoch.name):
            found = f"it goes on behind event {epoch.upto}, and another history has followed that already"
            visit.complaints.append(_fork(run, found))
        batch.move(epoch, last, run.header.head, _rows(run, known))
        visit.alarms += alarms_in(run.gate.name, run.columns.part(known), run.bodies[known:])
        return True

    def _again(self, batch: Batch, run: Run, epoch: Epoch, visit: "_Visit") -> None:
        """A run that is kept already, it seems.

        Its own end is acknowledged before the position. A gate whose card was put back does not
        know the position: its window would stand still.
        """
        if self._repeated.is_as_kept(batch, run, epoch):
            _fill(batch, run, epoch, visit)
            visit.repeated[run.gate.pk] = run
        else:
            found = f"events {run.header.first.seq} to {run.header.last_seq} differ from those kept"
            visit.complaints.append(_fork(run, found))

    def _begin(self, batch: Batch, run: Run, visit: "_Visit") -> Epoch | None:
        """A new epoch, if its first event is here and what it follows on is kept.

        Raises:
            Complaint: it is no beginning of an epoch.
        """
        if run.header.first.seq != 1:
            return None
        first, gate, about = read(run.bodies[0]), run.gate, run.header.first.epoch
        name, seq, head = (first.data.get(key) for key in ("prev_epoch", "prev_seq", "prev_head"))
        complain = visit.complaints.append
        if first.kind != Kind.JOURNAL_OPENED or run.header.before != GENESIS:
            raise Complaint(Matter.MALFORMED, "an epoch that does not begin by opening", gate.name)
        if name is None:
            if batch.newest(gate):
                found = "the gate began a first journal again; expected only after its device was replaced"
                complain(Complaint(Matter.JOURNAL_LOST, found, gate.name, about))
        elif isinstance(name, str) and type(seq) is int and isinstance(head, str):
            before = batch.epoch(gate, name)
            if before is None or before.upto < seq:
                return None
            if before.upto > seq:
                found = f"the journal went back to event {seq} of {name}; the office holds {before.upto}"
                complain(Complaint(Matter.ROLLED_BACK, found, gate.name, about))
            elif bytes(before.head).hex() != head or batch.is_followed(gate, name):
                complain(_fork(run, f"another history follows event {seq} of {name}"))
        else:
            raise Complaint(Matter.MALFORMED, "an epoch with a broken link", gate.name)
        # Whatever was wrong with what came before, what comes now is signed, new and kept.
        return batch.begin(gate, about, GENESIS, name or "")

    def _steps_over(self, batch: Batch, run: Run) -> bool:
        """Go on behind a gap that the gate signed for and somebody accepted; whether that was so."""
        purged = _purged_before(run)
        gap = purged and gaps.accepted(run.gate, _held(batch, run, purged), purged, self._sign)
        if not gap:
            return False
        batch.step_over(gap, run.columns.at_utc[0])
        log.warning("ingest.gap_closed", gate=run.gate.name, after=gap.after, to=gap.to, by=gap.by)
        return True

    def _note_gap(self, batch: Batch, run: Run, visit: "_Visit") -> None:
        """A gap closes by itself when the gate sends again; one that stays is an alert."""
        place, purged = run.header.first, _purged_before(run)
        held = _held(batch, run, purged)
        if held:
            visit.heard(run.gate, held)
        after = f"{held.name}/{held.upto}" if held else "the beginning"
        if purged:
            lost = gaps.see(run.gate, held, purged, batch.latest_utc(run.gate))
            found = f"the gate has let go of what came after {after}, up to {lost.to}; see menshen-office gap"
            visit.complaints.append(Complaint(Matter.GAP, found, run.gate.name, place.epoch))
            return
        gap = self._gaps.note(run.gate.name, (held.name, held.upto) if held else ("", 0))
        if self._gaps.should_rewind(gap):
            visit.rewinds[run.gate.pk] = run.gate, held
        if gap.persists:
            found = f"nothing between {after} and {place.epoch}/{place.seq} for {gap.age_s:.0f} s"
            visit.complaints.append(Complaint(Matter.GAP, found, run.gate.name, place.epoch))

    def _replies(self, visit: "_Visit") -> list[Reply]:
        replies = [
            self._ack(run.header.checkpoint, retain=False)
            for run in visit.repeated.values()
            if run.header.last_seq < visit.epochs[run.gate.pk, run.header.first.epoch][1].upto
        ]
        replies += [
            self._ack(self._checkpoint(gate.name, epoch), retain=True)
            for gate, epoch in visit.epochs.values()
        ]
        for gate, epoch in visit.rewinds.values():
            held = self._checkpoint(gate.name, epoch) if epoch else Rewind.beginning(self._site, gate.name)
            at_ms = int(self._utc() * 1000)
            asked = Rewind(held, at_ms, self._sign(Rewind.signed(held, at_ms)))
            replies.append(Reply(ack_topic(self._site, gate.name), asked.to_bytes(), retain=False))
            log.warning("ingest.rewind", gate=gate.name, epoch=held.place.epoch, upto=held.place.seq)
        return replies

    def _checkpoint(self, gate: str, epoch: Epoch) -> Checkpoint:
        return Checkpoint(Place(self._site, gate, epoch.name, epoch.upto), bytes(epoch.head))

    def _ack(self, checkpoint: Checkpoint, *, retain: bool) -> Reply:
        ack = Ack(checkpoint, self._sign(checkpoint.signed_by_office()))
        return Reply(ack_topic(self._site, checkpoint.place.gate), ack.to_bytes(), retain)


class _Visit:
    """What came out of one batch."""

    def __init__(self) -> None:
        self.complaints: list[Complaint] = []
        self.alarms: list[Alarm] = []
        self.epochs: dict[tuple[int, str], tuple[Gate, Epoch]] = {}
        self.repeated: dict[int, Run] = {}  # by gate: the last run that was kept already
        self.rewinds: dict[int, tuple[Gate, Epoch | None]] = {}

    def heard(self, gate: Gate, epoch: Epoch) -> None:
        self.epochs[gate.pk, epoch.name] = gate, epoch


def _held(batch: Batch, run: Run, purged: Purged | None) -> Epoch | None:
    """Where the office stands before a run beyond it: in the epoch that the run goes on with, else in the newest."""
    goes_on = purged.checkpoint.place if purged else run.header.first
    return batch.epoch(run.gate, goes_on.epoch) or batch.newest(run.gate)


def _purged_before(run: Run) -> Purged | None:
    """The gate's signed word that it has nothing older than this run, if it came with it and fits."""
    purged, header = run.header.purged, run.header
    if purged is None or not purged.holds(PublicKey.parse(run.gate.journal_key)):
        return None
    gone, first = purged.checkpoint, header.first
    if first.seq > 1:
        before = Place(first.site, first.gate, first.epoch, first.seq - 1)
        return purged if gone == Checkpoint(before, header.before) else None
    said = read(run.bodies[0])
    link = tuple(said.data.get(key) for key in ("prev_epoch", "prev_seq", "prev_head"))
    fits = link == (gone.place.epoch, gone.place.seq, gone.head.hex())
    return purged if fits and said.kind == Kind.JOURNAL_OPENED else None


def _fill(batch: Batch, run: Run, epoch: Epoch, visit: _Visit) -> None:
    """Keep what a run brings of an accepted gap after all; it stands in the feed where it came in."""
    first = run.header.first.seq
    for seq in lacking(batch, run, epoch):
        at = seq - first
        batch.fill(_rows(run, at, at + 1))
        visit.alarms += alarms_in(run.gate.name, run.columns.part(at, at + 1), run.bodies[at : at + 1])


def _fork(run: Run, detail: str) -> Complaint:
    return Complaint(Matter.FORK, detail, run.gate.name, run.header.first.epoch)


def _rows(run: Run, first: int, last: int | None = None) -> Rows:
    """Some of a run's bodies, as a slice says, as they go into the table."""
    place = run.header.first
    return Rows(
        run.gate.pk, place.epoch, place.seq + first, run.columns.part(first, last), run.bodies[first:last]
    )


def _record(complaint: Complaint) -> None:
    raise_alert(complaint.matter, complaint.gate, complaint.detail, timezone.now(), complaint.about)
    log.warning(
        f"ingest.{complaint.matter}", gate=complaint.gate, about=complaint.about, detail=complaint.detail
    )
