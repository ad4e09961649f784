"""Events that are due: the oldest of each epoch go, and the place is kept from which the chain goes on."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import F, Min, QuerySet

from office import gaps, torn
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
    for epoch in Epoch.objects.filter(let_go__lt=F("upto")).select_related("gate").order_by("pk"):
        young = Event.objects.filter(
            gate=epoch.gate_id, epoch=epoch.name, seq__gt=epoch.let_go, at_utc__gte=seconds
        ).aggregate(first=Min("seq"))["first"]
        last = epoch.upto - (epoch.pk in newest) if young is None else young - 1
        last = _outside(last, torn.holes(gaps.closed(epoch.gate), epoch.name))
        if last > epoch.let_go:
            found[epoch.pk] = last
    return found


def count(wanted: dict[int, int]) -> int:
    """How many events that is; of an accepted gap there are none."""
    lets = Epoch.objects.in_bulk(wanted)
    return sum(_events(lets[pk], last).count() for pk, last in wanted.items())


def delete(wanted: dict[int, int]) -> int:
    """Let go of them, a piece at a time, so that the ingester never waits long.

    Returns:
        How many events were deleted.
    """
    deleted = 0
    for pk, last in wanted.items():
        while (gone := _piece(pk, last)) is not None:
            deleted += gone
    return deleted


def _piece(pk: int, last: int) -> int | None:
    """Let go of the next events of an epoch; how many, None if there is nothing more to let go of."""
    with transaction.atomic():
        one_writer()
        epoch = Epoch.objects.select_related("gate").get(pk=pk)
        holes = torn.holes(gaps.closed(epoch.gate), epoch.name)
        last = _outside(last, holes)
        if last <= epoch.let_go:
            return None
        upto = min(last, epoch.let_go + _CHUNK)
        upto = next((hole.to for hole in holes if hole.after < upto < hole.to), upto)
        piece = _events(epoch, upto)
        chain = torn.Chain(epoch.let_go, bytes(epoch.let_go_head), holes)
        for seq, body in piece.order_by("seq").values_list("seq", "body").iterator():
            chain.take(seq, bytes(body))
        chain.stand(upto)
        epoch.let_go, epoch.let_go_head = upto, chain.head
        epoch.save(update_fields=["let_go", "let_go_head"])
        gone, _ = piece.delete()
    return gone


def _events(epoch: Epoch, upto: int) -> QuerySet[Event]:
    return Event.objects.filter(gate=epoch.gate_id, epoch=epoch.name, seq__gt=epoch.let_go, seq__lte=upto)


def _outside(last: int, holes: Sequence[torn.Hole]) -> int:
    """Not further than to the beginning of an accepted gap, since no head is known inside one."""
    return next((hole.after for hole in holes if hole.after < last < hole.to), last)
