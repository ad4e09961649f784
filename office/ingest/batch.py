"""One transaction of the ingester: positions read once, rows gathered, all of it written at its end."""

from django.db.models import Max
from django.utils import timezone

from office import gaps
from office.ingest.rows import Rows, insert, one_writer
from office.models import Epoch, Event, Gap, Gate


class Batch:
    """What a batch of messages sees of the database; made and finished inside one transaction."""

    def __init__(self) -> None:
        """Wait for other ingesters; from here on, positions stand still but for us."""
        one_writer()
        self._epochs: dict[tuple[int, str], Epoch | None] = {}
        self._newest: dict[int, Epoch | None] = {}
        self._moved: dict[int, Epoch] = {}
        self._rows: list[Rows] = []
        self._gaps: dict[int, list[Gap]] = {}

    def epoch(self, gate: Gate, name: str) -> Epoch | None:
        """A gate's epoch of this name, if anything of it is kept."""
        key = gate.pk, name
        if key not in self._epochs:
            self._epochs[key] = Epoch.objects.filter(gate=gate, name=name).first()
        return self._epochs[key]

    def newest(self, gate: Gate) -> Epoch | None:
        """The epoch that the office heard of last."""
        if gate.pk not in self._newest:
            newest = Epoch.objects.filter(gate=gate).order_by("-pk").first()
            # One object for each epoch: its position moves within the batch.
            self._newest[gate.pk] = newest and self._epochs.setdefault((gate.pk, newest.name), newest)
        return self._newest[gate.pk]

    def is_followed(self, gate: Gate, name: str) -> bool:
        """Whether some epoch said that it came after this one."""
        return Epoch.objects.filter(gate=gate, prev_epoch=name).exists()

    def begin(self, gate: Gate, name: str, genesis: bytes, before: str) -> Epoch:
        """A new epoch, of which nothing is kept yet."""
        epoch = Epoch.objects.create(gate=gate, name=name, upto=0, head=genesis, prev_epoch=before)
        self._epochs[gate.pk, name] = self._newest[gate.pk] = epoch
        return epoch

    def latest_utc(self, gate: Gate) -> float | None:
        """When the newest event was that is kept of a gate; None if there is none."""
        self._write()
        newest = Event.objects.filter(gate=gate).order_by("-pk").first()
        return newest.at_utc if newest else None

    def gaps(self, gate: Gate) -> list[Gap]:
        """The gaps that this gate's events went on behind."""
        if gate.pk not in self._gaps:
            self._gaps[gate.pk] = gaps.closed(gate)
        return self._gaps[gate.pk]

    def step_over(self, gap: Gap, behind_utc: float) -> None:
        """Move a gate's position over what will never be kept, and keep where that is in the feed."""
        self._write()
        gap.place = Event.objects.aggregate(newest=Max("pk"))["newest"] or 0
        gap.closed_at, gap.behind_utc = timezone.now(), behind_utc
        gap.save(update_fields=["place", "closed_at", "behind_utc"])
        self.gaps(gap.gate).append(gap)
        head = bytes(gap.to_head)
        epoch = self.epoch(gap.gate, gap.to_epoch) or self.begin(gap.gate, gap.to_epoch, head, "")
        self.move(epoch, gap.to_seq, head)

    def fill(self, rows: Rows) -> None:
        """Keep rows that were missing; the position is behind them already."""
        self._rows.append(rows)

    def move(self, epoch: Epoch, upto: int, head: bytes, rows: Rows | None = None) -> None:
        """Keep the rows that follow on, if any, and move the position behind them."""
        if rows:
            self._rows.append(rows)
        epoch.upto, epoch.head = upto, head
        self._moved[epoch.pk] = epoch

    def kept(self, epoch: Epoch, first: int, last: int) -> dict[int, bytes]:
        """The lines that are kept of an epoch, from one sequence number to another, by their numbers."""
        self._write()
        found = Event.objects.filter(gate=epoch.gate_id, epoch=epoch.name, seq__range=(first, last))
        return {seq: bytes(body) for seq, body in found.order_by("seq").values_list("seq", "body")}

    def finish(self) -> None:
        """Write what was gathered; the commit is the caller's."""
        self._write()
        for epoch in self._moved.values():
            epoch.save(update_fields=["upto", "head"])

    def _write(self) -> None:
        insert(self._rows)
        self._rows = []
