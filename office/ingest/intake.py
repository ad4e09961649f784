"""The rules by which events enter the office's database.

A batch of messages is one transaction. Each message is checked whole against
its gate's key, then joined to the gate's contiguous position: the office
holds everything up to there, and its hash. Only what follows on is stored. A
message beyond a gap is left alone, since the gate sends again from the last
acknowledgement, and so the feed never shows an event before its
predecessors. What is wrong becomes an alert and never an exception.

    first epoch ──▶ opened ─ 2 ─ 3 … n      `opened` names (epoch, n, head) of the one before:
                                  ╰──▶ opened ─ 2 …   joined only once the office has n
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from agent.core.chain import GENESIS, Checkpoint, extend_all
from agent.core.events import Kind, Place
from agent.core.feed import Ack, FeedFault, Header, ack_topic, log_topic, unpack_message
from agent.core.keys import PublicKey
from office.alerts import Matter, raise_alert
from office.ingest.line import read
from office.ingest.unfold import unfold
from office.logs import log
from office.models import Epoch, Event, Gate

GAP_PERSISTS_S: Final = 10.0  # a gate sends again after 2 s; five tries
_FORGOTTEN_S: Final = 60.0  # after such a silence a gap is a new one
_INSERT: Final = (
    "INSERT INTO office_event (gate_id, epoch, seq, at_utc, kind, reason, pass_id, body)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
)


class Complaint(Exception):
    """Why a message is not taken."""

    def __init__(self, matter: Matter, detail: str, gate: str = "", about: str = "") -> None:
        super().__init__(detail)
        # Parts of it may come from the message, and it is shown on terminals.
        self.detail = "".join(sign if sign.isprintable() else "?" for sign in detail[:500])
        self.matter, self.gate, self.about = matter, gate, about


@dataclass(frozen=True, slots=True)
class Run:
    """A message that has been checked whole."""

    gate: Gate
    header: Header
    bodies: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _Gap:
    """A position that a gate sends beyond: since when, and when last; monotonic seconds."""

    position: int
    since: float
    seen: float


class Intake:
    """Takes messages in; one per process, used by one thread."""

    def __init__(
        self, site: str, sign: Callable[[bytes], bytes], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Be ready to take messages of one site.

        Args:
            sign: Ed25519 over bytes with the office's acknowledgement key.
            clock: monotonic seconds.
        """
        self._site, self._sign, self._clock = site, sign, clock
        self._gaps: dict[str, _Gap] = {}  # by gate

    def take(self, messages: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        """Store what can be stored of (topic, payload) messages.

        Returns:
            Acknowledgements to publish, retained, as (topic, payload): one for each epoch
            that was heard of, also if nothing new came, since the gate may have missed one.
        Raises:
            django.db.DatabaseError: nothing was stored; the same call may be made again.
        """
        names = {topic.split("/")[3] for topic, _ in messages if topic.count("/") == 4}
        gates = {gate.name: gate for gate in Gate.objects.filter(site__name=self._site, name__in=names)}
        runs: list[Run] = []
        complaints: list[Complaint] = []
        for topic, payload in messages:
            try:
                runs.append(self._checked(topic, payload, gates))
            except Complaint as complaint:
                complaints.append(complaint)
        with transaction.atomic():
            # Several ingesters may run: whoever holds the gates' rows speaks for their positions.
            list(Gate.objects.select_for_update().filter(pk__in={run.gate.pk for run in runs}).order_by("pk"))
            heard = {}
            for run in runs:
                epoch = self._join(run, complaints)
                if epoch is not None:
                    heard[epoch.pk] = (run.gate.name, epoch)
            for each in complaints:
                _record(each)
        return [self._ack(gate, epoch) for gate, epoch in heard.values()]

    def _checked(self, topic: str, payload: bytes, gates: Mapping[str, Gate]) -> Run:
        claimed = topic.split("/")[3] if topic.count("/") == 4 else ""
        gate = gates.get(claimed)
        if gate is None:
            raise Complaint(
                Matter.UNKNOWN_GATE, f"a message from gate {claimed[:64]!r}, which is not on record"
            )
        try:
            header, packed = unpack_message(payload)
            place = header.first
            if topic != log_topic(place.site, place.gate):
                said = f"{place.site[:32]}/{place.gate[:32]}"
                raise Complaint(Matter.MISDIRECTED, f"a message that says it is from {said!r}", gate.name)
            bodies = unfold(packed)
        except FeedFault as fault:
            raise Complaint(Matter.MALFORMED, str(fault), gate.name) from fault
        flaw = header.checked(bodies, PublicKey.parse(gate.journal_key))
        if flaw:
            raise Complaint(Matter.WRONG_SIGNATURE, flaw, gate.name)
        return Run(gate, header, bodies)

    def _join(self, run: Run, complaints: list[Complaint]) -> Epoch | None:
        """Store what of a run follows on.

        Returns:
            The epoch to acknowledge: the run's own, or if the office can't have that yet, the
            gate's newest; None before its first.
        """
        place, last = run.header.first, run.header.last_seq
        epoch = Epoch.objects.filter(gate=run.gate, name=place.epoch).first()
        if epoch is None:
            epoch = self._begin(run, complaints)
        if epoch is None or place.seq > epoch.upto + 1:
            newest = epoch or Epoch.objects.filter(gate=run.gate).order_by("-pk").first()
            self._note_gap(run, newest, complaints)
            return newest
        self._gaps.pop(run.gate.name, None)
        if last <= epoch.upto:
            if not _is_kept(run, epoch):
                complaints.append(_fork(run, f"events {place.seq} to {last} differ from those kept"))
            return epoch
        known = epoch.upto + 1 - place.seq
        # By the hash this compares everything that was ever kept of this epoch.
        if extend_all(run.header.before, run.bodies[:known]) != bytes(epoch.head):
            complaints.append(
                _fork(run, f"what comes before event {epoch.upto + 1} differs from what is kept")
            )
            return epoch
        _insert(run, known)
        epoch.upto, epoch.head = last, run.header.head
        epoch.save()
        return epoch

    def _begin(self, run: Run, complaints: list[Complaint]) -> Epoch | None:
        """A new epoch, if its first event is here and what it follows on is kept."""
        if run.header.first.seq != 1:
            return None
        first, gate = read(run.bodies[0]), run.gate
        others = Epoch.objects.filter(gate=gate)
        name, seq, head = (first.data.get(key) for key in ("prev_epoch", "prev_seq", "prev_head"))
        if first.kind != Kind.JOURNAL_OPENED or run.header.before != GENESIS:
            complaints.append(
                Complaint(Matter.MALFORMED, "an epoch that does not begin by opening", gate.name)
            )
            return None
        if name is None:
            if others.exists():
                complaints.append(
                    Complaint(
                        Matter.JOURNAL_LOST,
                        "the gate began a first journal again; expected only after its device was replaced",
                        gate.name,
                        run.header.first.epoch,
                    )
                )
        elif isinstance(name, str) and type(seq) is int and isinstance(head, str):
            before = others.filter(name=name).first()
            if before is None or before.upto < seq:
                return None
            if before.upto > seq:
                detail = f"the journal went back to event {seq} of {name}; the office holds {before.upto}"
                complaints.append(Complaint(Matter.ROLLED_BACK, detail, gate.name, run.header.first.epoch))
            elif bytes(before.head).hex() != head or others.filter(prev_epoch=name).exists():
                complaints.append(_fork(run, f"another history follows event {seq} of {name}"))
        else:
            complaints.append(Complaint(Matter.MALFORMED, "an epoch with a broken link", gate.name))
            return None
        # Whatever was wrong with what came before, what comes now is signed, new and kept.
        return Epoch(gate=gate, name=run.header.first.epoch, upto=0, head=GENESIS, prev_epoch=name or "")

    def _note_gap(self, run: Run, newest: Epoch | None, complaints: list[Complaint]) -> None:
        """A gap closes by itself when the gate sends again; one that stays is an alert."""
        name, now = run.gate.name, self._clock()
        position = newest.upto if newest else 0
        gap = self._gaps.get(name)
        if gap is None or gap.position != position or now - gap.seen > _FORGOTTEN_S:
            gap = _Gap(position, now, now)
        self._gaps[name] = replace(gap, seen=now)
        if now - gap.since >= GAP_PERSISTS_S:
            place = run.header.first
            after = f"{newest.name}/{newest.upto}" if newest else "the beginning"
            detail = f"nothing between {after} and {place.epoch}/{place.seq} for {now - gap.since:.0f} s"
            complaints.append(Complaint(Matter.GAP, detail, name, place.epoch))

    def _ack(self, gate: str, epoch: Epoch) -> tuple[str, bytes]:
        checkpoint = Checkpoint(Place(self._site, gate, epoch.name, epoch.upto), bytes(epoch.head))
        ack = Ack(checkpoint, self._sign(checkpoint.signed_by_office()))
        return ack_topic(self._site, gate), ack.to_bytes()


def _is_kept(run: Run, epoch: Epoch) -> bool:
    """Whether all of a run, which ends at or before the position, is what was kept."""
    if run.header.last_seq == epoch.upto:
        return run.header.head == bytes(epoch.head)
    kept = Event.objects.filter(
        gate=run.gate, epoch=epoch.name, seq__range=(run.header.first.seq, run.header.last_seq)
    )
    return [bytes(body) for body in kept.order_by("seq").values_list("body", flat=True)] == list(run.bodies)


def _fork(run: Run, detail: str) -> Complaint:
    return Complaint(Matter.FORK, detail, run.gate.name, run.header.first.epoch)


def _insert(run: Run, skip: int) -> None:
    """Add a run's bodies from the skip-th on; executemany is 3 times as fast as the ORM's bulk_create."""
    first = run.header.first
    rows: list[tuple[Any, ...]] = []
    for seq, body in enumerate(run.bodies[skip:], first.seq + skip):
        line = read(body)
        rows.append((run.gate.pk, first.epoch, seq, line.at_utc, line.kind, line.reason, line.pass_id, body))
    with connection.cursor() as cursor:
        cursor.executemany(_INSERT, rows)


def _record(complaint: Complaint) -> None:
    raise_alert(complaint.matter, complaint.gate, complaint.detail, timezone.now(), complaint.about)
    log.warning(
        f"ingest.{complaint.matter}", gate=complaint.gate, about=complaint.about, detail=complaint.detail
    )
