"""One transaction of the ingester: positions read once, rows gathered, all of it written at its end."""

from office.ingest.rows import Row, insert, one_writer
from office.models import Epoch, Event, Gate


class Batch:
    """What a batch of messages sees of the database; made and finished inside one transaction."""

    def __init__(self) -> None:
        """Wait for other ingesters; from here on, positions stand still but for us."""
        one_writer()
        self._epochs: dict[tuple[int, str], Epoch | None] = {}
        self._newest: dict[int, Epoch | None] = {}
        self._moved: dict[int, Epoch] = {}
        self._rows: list[Row] = []

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

    def move(self, epoch: Epoch, upto: int, head: bytes, rows: list[Row]) -> None:
        """Keep the rows that follow on, and move the position behind them."""
        self._rows += rows
        epoch.upto, epoch.head = upto, head
        self._moved[epoch.pk] = epoch

    def bodies(self, epoch: Epoch, first: int, last: int) -> list[bytes]:
        """The lines that are kept of an epoch, from one sequence number to another."""
        self._write()
        kept = Event.objects.filter(gate=epoch.gate_id, epoch=epoch.name, seq__range=(first, last))
        return [bytes(body) for body in kept.order_by("seq").values_list("body", flat=True)]

    def finish(self) -> None:
        """Write what was gathered; the commit is the caller's."""
        self._write()
        for epoch in self._moved.values():
            epoch.save(update_fields=["upto", "head"])

    def _write(self) -> None:
        insert(self._rows)
        self._rows = []
