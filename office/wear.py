"""Which printed cards wear out, from how hard each was to read (C17).

A gate records the effort of each reading: 0 for a fresh card, 1 for the last
resort. A card is held against its own first readings, since a small one or one
at a dim gate is never easy. The trend of its readings says when it will fail.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from statistics import linear_regression, median
from typing import Final

from agent.core.events import Kind
from office.ingest.line import read
from office.models import Event, Pass, PassState

FAILS_AT: Final = 0.6
"""About there a card is read at one try in two."""
WORN: Final = 0.1
"""A card that needs so much more effort than when it was new is named."""
AT_FIRST: Final = 10
"""Readings, of either end of the time looked at; fewer say nothing."""
LOOK_BACK: Final = timedelta(days=180)
_FAR: Final = timedelta(days=365)

Reading = tuple[float, float]
"""Seconds since 1970, and the effort."""


@dataclass(frozen=True, slots=True)
class Worn:
    """A card to be replaced.

    Args:
        at_first, now: effort, median of ten readings.
        readings: that this is from.
        fails: when it will not be read any more if it goes on so; None if that is a year away or more.
    """

    pass_id: str
    at_first: float
    now: float
    readings: int
    fails: datetime | None


def worn_cards(now: datetime) -> list[Worn]:
    """The cards that wear out, the one that fails first before the others."""
    cards = Pass.objects.filter(on_phone=False, state=PassState.LIVE).values("pass_id")
    since = (now - LOOK_BACK).timestamp()
    events = (
        Event.objects.filter(kind=Kind.ADMITTED, pass_id__in=cards, at_utc__gte=since)
        .order_by("pass_id", "at_utc")
        .values_list("pass_id", "at_utc", "body")
        .iterator()
    )
    found = []
    for pass_id, its in groupby(events, key=lambda event: event[0]):
        worn = judged(pass_id, list(_readings(its)), now)
        if worn is not None:
            found.append(worn)
    return sorted(found, key=lambda one: (one.fails or now + _FAR, -one.now))


def _readings(events: "Iterator[tuple[str, float, bytes | memoryview[int]]]") -> Iterator[Reading]:
    for _, at_utc, body in events:
        effort = read(bytes(body)).data.get("effort")
        if isinstance(effort, int | float):
            yield at_utc, float(effort)


def judged(pass_id: str, readings: Sequence[Reading], now: datetime) -> Worn | None:
    """What one card's readings say, oldest first; None if it does not wear out, as far as they tell."""
    if len(readings) < 2 * AT_FIRST:
        return None
    first = median(effort for _, effort in readings[:AT_FIRST])
    last = median(effort for _, effort in readings[-AT_FIRST:])
    if last - first < WORN:
        return None
    times, efforts = zip(*readings, strict=True)
    fails = None
    if times[0] < times[-1]:
        slope, start = linear_regression(times, efforts)
        at = (FAILS_AT - start) / slope if slope > 0 else float("inf")
        if at < (now + _FAR).timestamp():
            fails = max(datetime.fromtimestamp(at, UTC), now)
    return Worn(pass_id, first, last, len(readings), fails)
