"""Running totals worked out from the events: who is inside, how each gate is, how much happened when.

They are kept in tables, since counting the events each time takes longer the
longer a site runs. One follower in each `menshen-office serve` reads on from
where the last one stopped; what it read and how far it came are one
transaction, so a crash repeats nothing and skips nothing.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from agent.core.events import Kind
from agent.core.moments import Trust
from office.ingest.line import read
from office.models import Event, Gate, Site
from office.web import ordering, visits
from office.web.models import GateNow, HourCount, Inside, Progress, WentOut

_CHUNK: Final = 2000
# What a kind of event is the end of; the beginning is remembered as a trouble until then.
_UNDOES: Final[Mapping[str, frozenset[str]]] = {
    Kind.CAMERA_BACK: frozenset({Kind.CAMERA_LOST, Kind.CAMERA_FROZEN}),
    Kind.DOOR_CLOSED: frozenset({Kind.DOOR_HELD, Kind.DOOR_FORCED}),
    Kind.FIRE_OFF: frozenset({Kind.FIRE_ON}),
    Kind.TAMPER_OFF: frozenset({Kind.TAMPER_ON}),
    Kind.LOCKDOWN_OFF: frozenset({Kind.LOCKDOWN_ON}),
    Kind.MAINTENANCE_OFF: frozenset({Kind.MAINTENANCE_ON}),
    Kind.LIST_SWITCHED: frozenset({Kind.LIST_STALE, Kind.LIST_DEAD, Kind.LIST_REFUSED}),
    Kind.JOURNAL_OPENED: frozenset({Kind.CAMERA_LOST, Kind.CAMERA_FROZEN, Kind.DOOR_HELD, Kind.DOOR_FORCED}),
}
_TROUBLES: Final = frozenset().union(*_UNDOES.values())
_HOUR_S: Final = 3600


def catch_up() -> int:
    """Count all events that came in since the last time.

    Returns:
        How many there were.
    Raises:
        django.db.DatabaseError: nothing was counted; call again later.
    """
    counted = 0
    while (more := _count_a_chunk()) > 0:
        counted += more
    return counted


def _count_a_chunk() -> int:
    newest = Event.objects.aggregate(newest=Max("pk"))["newest"] or 0
    so_far = Progress.objects.values_list("event", flat=True).first() or 0
    if newest == so_far:
        return 0
    with transaction.atomic():
        Progress.objects.get_or_create(pk=1)
        progress = Progress.objects.select_for_update().get(pk=1)
        _wait_for_ingesters()
        if newest < progress.event:
            _begin_anew(progress)  # the database of events was restored from an older one
        chunk = list(
            Event.objects.filter(pk__gt=progress.event).select_related("gate").order_by("pk")[:_CHUNK]
        )
        if chunk:
            site = Site.objects.get()
            _count(chunk, site.utc_offset_min)
            _tell_inside(chunk)
            _tell_gates(chunk)
            ordering.heard(chunk)
            progress.event = chunk[-1].pk
            progress.save()
    return len(chunk)


def _wait_for_ingesters() -> None:
    """Make sure that no event with a smaller number is still to be committed.

    An ingester holds the rows of its gates until it commits. On SQLite this
    transaction has waited for all others already.
    """
    if connection.vendor != "sqlite":
        list(Gate.objects.select_for_update().order_by("pk").values_list("pk"))


def _begin_anew(progress: Progress) -> None:
    for totals in (Inside, WentOut, GateNow, HourCount):
        totals._default_manager.all().delete()  # noqa: SLF001  Django's public name for it
    progress.event = 0


def _count(chunk: Iterable[Event], offset_min: int) -> None:
    counts = Counter(
        (event.gate_id, int(event.at_utc + 60 * offset_min) // _HOUR_S, event.kind) for event in chunk
    )
    for (gate_id, hour, kind), count in counts.items():
        row, _ = HourCount.objects.get_or_create(gate_id=gate_id, hour=hour, kind=kind)
        row.count += count
        row.save(update_fields=["count"])


def _tell_inside(chunk: Iterable[Event]) -> None:
    """Note who came in and who went out, by the gates' clocks: what a gate tells late is late for no one else."""
    admitted = [event for event in chunk if event.kind == Kind.ADMITTED and event.pass_id]
    known_utc = _last_seen({event.pass_id for event in admitted})
    last: dict[str, tuple[Event, bool]] = {}
    passages = []
    for event in admitted:
        data = read(bytes(event.body)).data
        before_utc = known_utc.get(event.pass_id, float("-inf"))
        # A clock that nobody vouches for may be behind; then the order in which it is told is all there is.
        if event.at_utc < before_utc and data.get("clock") != Trust.UNKNOWN:
            continue
        known_utc[event.pass_id] = max(event.at_utc, before_utc)
        inwards = went_in(data)
        last[event.pass_id] = event, inwards
        passages.append((event.pass_id, event.at_utc, inwards))
    visits.saw(passages)
    came = {pass_id: event for pass_id, (event, inwards) in last.items() if inwards}
    went = [WentOut(pass_id=pass_id, at_utc=known_utc[pass_id]) for pass_id in last if pass_id not in came]
    Inside.objects.filter(pass_id__in=[one.pass_id for one in went]).delete()
    WentOut.objects.filter(pass_id__in=came).delete()
    WentOut.objects.bulk_create(
        went, update_conflicts=True, unique_fields=["pass_id"], update_fields=["at_utc"]
    )
    for pass_id, event in came.items():
        Inside.objects.update_or_create(
            pass_id=pass_id, defaults={"gate": event.gate, "since_utc": event.at_utc}
        )


def _last_seen(pass_ids: Collection[str]) -> dict[str, float]:
    """When passes were let through last, as far as that is known: seconds since 1970."""
    inside = Inside.objects.filter(pass_id__in=pass_ids).values_list("pass_id", "since_utc")
    return dict(inside) | dict(WentOut.objects.filter(pass_id__in=pass_ids).values_list("pass_id", "at_utc"))


def went_in(data: Mapping[str, Any]) -> bool:
    """Which way; a gate that serves both ways says in `way` how it took it, else it was in."""
    return (data.get("way") or data.get("direction")) != "out"


def _tell_gates(chunk: Iterable[Event]) -> None:
    now = timezone.now()
    gates: dict[int, GateNow] = {}
    for event in chunk:
        one = gates.get(event.gate_id)
        if one is None:
            one = gates[event.gate_id] = GateNow.objects.get_or_create(gate=event.gate)[0]
        one.at_utc, one.heard, one.kind, one.reason = event.at_utc, now, event.kind, event.reason
        undone = _UNDOES.get(event.kind, frozenset())
        one.troubles = [kind for kind in one.troubles if kind not in undone and kind != event.kind]
        if event.kind in _TROUBLES:
            one.troubles.append(event.kind)
        if event.kind == Kind.LIST_SWITCHED:
            number = read(bytes(event.body)).data.get("list")
            one.list_number = number if isinstance(number, int) and 0 <= number < 1 << 62 else one.list_number
    for one in gates.values():
        one.save()
