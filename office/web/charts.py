"""Charts as numbers for a template to draw in SVG: no script, no style, a table beside them says the same."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count

from office.models import Pass
from office.web.models import HourCount, Inside

HEIGHT: Final = 100
_PITCH: Final = 20
_BAR: Final = 14


@dataclass(frozen=True, slots=True)
class Bar:
    """An hour: its counts, and where its two parts stand; y grows downwards."""

    label: str
    admitted: int
    refused: int
    x: int
    y_admitted: int
    h_admitted: int
    y_refused: int
    h_refused: int


@dataclass(frozen=True, slots=True)
class Share:
    """A row of a bar chart: of 0 to 100 of the greatest."""

    label: str
    count: int
    width: int


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the site in figures."""

    hours: list[Bar]
    gates: list[Share]
    kinds: list[Share]
    width: int = 24 * _PITCH
    height: int = HEIGHT
    bar: int = _BAR

    @property
    def admitted(self) -> int:
        return sum(bar.admitted for bar in self.hours)

    @property
    def refused(self) -> int:
        return sum(bar.refused for bar in self.hours)


def day(now: datetime, offset_min: int) -> Day:
    """The site's day that a moment lies in."""
    local = now + timedelta(minutes=offset_min)
    first = int(local.timestamp()) // 86400 * 24
    rows = HourCount.objects.filter(hour__gte=first, hour__lt=first + 24).values_list(
        "hour", "gate__name", "kind", "count"
    )
    hours: Counter[tuple[int, str]] = Counter()
    gates: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for hour, gate, kind, count in rows:
        hours[hour - first, kind] += count
        gates[gate] += count if kind in ("pass.admitted", "pass.refused") else 0
        kinds[kind] += count
    most = max((hours[h, "pass.admitted"] + hours[h, "pass.refused"] for h in range(24)), default=0) or 1
    return Day([_bar(hour, hours, most) for hour in range(24)], _shares(gates), _shares(kinds))


def inside_by_kind() -> list[Share]:
    """How many holders of each kind of pass are inside."""
    held = Pass.objects.filter(pass_id__in=Inside.objects.values("pass_id"))
    return _shares(Counter(dict(held.order_by().values_list("kind").annotate(Count("pk")))))


def _bar(hour: int, counts: Counter[tuple[int, str]], most: int) -> Bar:
    admitted, refused = counts[hour, "pass.admitted"], counts[hour, "pass.refused"]
    tall, rest = HEIGHT * admitted // most, HEIGHT * refused // most
    x = hour * _PITCH + (_PITCH - _BAR) // 2
    return Bar(f"{hour:02}", admitted, refused, x, HEIGHT - tall, tall, HEIGHT - tall - rest, rest)


def _shares(counts: Counter[str]) -> list[Share]:
    most = max(counts.values(), default=0) or 1
    return [Share(label, count, 100 * count // most) for label, count in counts.most_common(12)]
