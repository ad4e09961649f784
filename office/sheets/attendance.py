"""Who was there on which day: from the first way in to the last way out, worked out from the gates' events (C16).

A stay over midnight counts for both days, each its part. A way in without a way out, or the other way
round, counts nothing and is said: whoever pays by these hours has to ask.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from agent.core.events import Kind
from office.faults import OfficeFault
from office.ingest.line import read
from office.models import Pass
from office.spans import within
from office.web.follower import went_in

MOST_DAYS: Final = 92
_CHUNK: Final = 2000
_DAY_S: Final = 86_400


@dataclass(slots=True)
class Attended:
    """A person's day.

    Args:
        first_in_utc, last_out_utc: seconds since 1970; None if there was none.
        inside_s: between ways in and out that belong together.
        passages: how often a gate let the person through.
        open_ends: ways in or out that miss the other.
    """

    day: str
    person: int
    kind: str
    first_in_utc: float | None = None
    last_out_utc: float | None = None
    inside_s: float = 0.0
    passages: int = 0
    open_ends: int = 0


@dataclass(slots=True)
class _Ways:
    kind: str
    seen: list[tuple[float, bool]] = field(default_factory=list)


def attended(since: datetime, until: datetime, offset_min: int, gate: str = "") -> list[Attended]:
    """Days of everybody who passed, by day and person.

    Args:
        since, until: the end is exclusive; both at midnight of the site's clock.
        gate: only passages there; empty is all gates.
    Raises:
        OfficeFault: too many days at once, or none.
    """
    if not timedelta() < until - since <= timedelta(days=MOST_DAYS):
        raise OfficeFault(f"found {(until - since).days} days, wanted 1 to {MOST_DAYS} at once")
    span = within(since.timestamp(), until.timestamp())
    found = span.filter(kind=Kind.ADMITTED).exclude(pass_id="")
    if gate:
        found = found.filter(gate__name=gate)
    by_pass: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for pass_id, at_utc, body in found.values_list("pass_id", "at_utc", "body").iterator(_CHUNK):
        by_pass[pass_id].append((at_utc, went_in(read(bytes(body)).data)))
    days = [
        one
        for person, ways in _by_person(by_pass).items()
        for one in _days(person, ways.kind, sorted(ways.seen), offset_min)
    ]
    return sorted(days, key=lambda one: (one.day, one.person))


def _by_person(by_pass: dict[str, list[tuple[float, bool]]]) -> dict[int, _Ways]:
    people: dict[int, _Ways] = {}
    ids = sorted(by_pass)
    for first in range(0, len(ids), 500):
        held = Pass.objects.filter(pass_id__in=ids[first : first + 500])
        for pass_id, person, kind in held.values_list("pass_id", "person_id", "kind"):
            people.setdefault(person, _Ways(kind)).seen += by_pass[pass_id]
    return people


def _days(person: int, kind: str, ways: Iterable[tuple[float, bool]], offset_min: int) -> Iterator[Attended]:
    days: dict[int, Attended] = {}

    def on(at_utc: float) -> Attended:
        number = int(at_utc + 60 * offset_min) // _DAY_S
        if number not in days:
            days[number] = Attended(f"{datetime.fromtimestamp(number * _DAY_S, UTC):%Y-%m-%d}", person, kind)
        return days[number]

    came: float | None = None
    for at_utc, inwards in ways:
        day = on(at_utc)
        day.passages += 1
        if inwards:
            if came is not None:
                on(came).open_ends += 1
            came = at_utc
            day.first_in_utc = at_utc if day.first_in_utc is None else day.first_in_utc
        else:
            day.last_out_utc = at_utc
            if came is None:
                day.open_ends += 1
            else:
                for begin, length in _parts(came, at_utc, offset_min):
                    on(begin).inside_s += length
            came = None
    if came is not None:
        on(came).open_ends += 1
    yield from days.values()


def _parts(begin: float, end: float, offset_min: int) -> Iterator[tuple[float, float]]:
    """A stay cut at the site's midnights: where each part begins, and how many seconds it lasts."""
    while begin < end:
        midnight = (int(begin + 60 * offset_min) // _DAY_S + 1) * _DAY_S - 60 * offset_min
        cut = min(end, midnight)
        yield begin, cut - begin
        begin = cut
