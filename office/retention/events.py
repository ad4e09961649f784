"""Events that are due: the oldest of each epoch go, and the place is kept from which the chain goes on."""

from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import F, Min

from agent.core.chain import extend_all
from office.ingest.rows import one_writer
from office.models import Epoch, Event

_CHUNK: Final = 5000


def due(before: datetime) -> dict[int, int]:
    """How far each epoch may be let go of: epoch's number to the last sequence number.

    Only what is older than all that follows it; the newest event of a gate's newest epoch always
    stays, as the proof of how far the office came.
    """
    seconds, found = before.timestamp(), {}
    newest = set()
    seen: set[int] = set()
    for pk, gate in Epoch.objects.order_by("-pk").values_list("pk", "gate"):
        if gate not in seen:
            seen.add(gate)
            newest.add(pk)
    for epoch in Epoch.objects.filter(let_go__lt=F("upto")).order_by("pk"):
        young = Event.objects.filter(
            gate=epoch.gate_id, epoch=epoch.name, seq__gt=epoch.let_go, at_utc__gte=seconds
        ).aggregate(first=Min("seq"))["first"]
        last = epoch.upto - (epoch.pk in newest) if young is None else young - 1
        if last > epoch.let_go:
            found[epoch.pk] = last
    return found


def count(wanted: dict[int, int]) -> int:
    """How many events that is."""
    lets = Epoch.objects.in_bulk(wanted)
    return sum(last - lets[pk].let_go for pk, last in wanted.items())


def delete(wanted: dict[int, int]) -> int:
    """Let go of them, a piece at a time, so that the ingester never waits long.

    Returns:
        How many events were deleted.
    """
    deleted = 0
    for pk, last in wanted.items():
        while (gone := _piece(pk, last)) > 0:
            deleted += gone
    return deleted


def _piece(pk: int, last: int) -> int:
    with transaction.atomic():
        one_writer()
        epoch = Epoch.objects.get(pk=pk)
        upto = min(last, epoch.let_go + _CHUNK)
        if upto <= epoch.let_go:
            return 0
        piece = Event.objects.filter(
            gate=epoch.gate_id, epoch=epoch.name, seq__gt=epoch.let_go, seq__lte=upto
        )
        bodies = piece.order_by("seq").values_list("body", flat=True)
        epoch.let_go_head = extend_all(bytes(epoch.let_go_head), map(bytes, bodies.iterator()))
        epoch.let_go = upto
        epoch.save(update_fields=["let_go", "let_go_head"])
        gone, _ = piece.delete()
    return gone
