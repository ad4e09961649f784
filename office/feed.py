"""The feed: events in the order they came in, for people and for programs.

Names are added here, from the registry, and so exist only in the office.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Max, QuerySet

from agent.core.events import Kind
from office.gaps import told, touching
from office.identity.register import holders
from office.ingest.line import read
from office.models import Event, Gap
from office.spans import within

GAP: Final = "feed.gap"
"""The kind of an entry that stands for events which will never come; see office.gaps."""
_CHUNK: Final = 1000
# As Entry has them. Rows of columns: Django's objects would be half of the work.
_COLUMNS: Final = ("pk", "gate__name", "epoch", "seq", "at_utc", "kind", "reason", "pass_id", "body")
_RESULTS: Final = {"admitted": Kind.ADMITTED, "refused": Kind.REFUSED}


@dataclass(frozen=True, slots=True)
class Wish:
    """Which events; empty is all. Several gates or kinds mean any of them.

    Args:
        result: `admitted`, `refused`, or the reason of a refusal.
        since_utc, until_utc: seconds since 1970 by the gate's clock; the end is exclusive.
    """

    gates: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    result: str = ""
    pass_id: str = ""
    since_utc: float | None = None
    until_utc: float | None = None

    def events(self) -> QuerySet[Event]:
        """The events."""
        return within(self.since_utc, self.until_utc).filter(**self._conditions())

    def _conditions(self) -> dict[str, Any]:
        by_kind = {"kind": _RESULTS[self.result]} if self.result in _RESULTS else {"reason": self.result}
        wanted: dict[str, Any] = {
            "gate__name__in": self.gates,
            "kind__in": tuple(kind.removeprefix("menshen.") for kind in self.kinds),
            "pass_id": self.pass_id.lower(),
            **by_kind,
        }
        return {name: value for name, value in wanted.items() if value}


@dataclass(frozen=True, slots=True)
class Entry:
    """One event, with the name of the person whose pass it was; or a gap.

    Args:
        note: for people, what no other column says.
    """

    number: int
    gate: str
    epoch: str
    seq: int
    at_utc: float
    kind: str
    reason: str
    pass_id: str
    person: str
    data: Mapping[str, Any]
    note: str = ""


def newest() -> int:
    """The number of the newest event; 0 if there is none."""
    return Event.objects.aggregate(newest=Max("pk"))["newest"] or 0


def entries(wish: Wish, after: int = 0, upto: int | None = None) -> Iterator[Entry]:
    """Events in the order of ingestion, in chunks, however many there are; gaps where they are.

    Args:
        after: the number up to which everything was seen.
        upto: the newest that is wanted; None is the newest there is. Whoever follows asks for newest() first,
            and goes on from there: what was looked through in vain is then not looked through again.
    """
    upto = newest() if upto is None else upto
    gaps = _gaps(wish, after, upto)
    found = wish.events().filter(pk__lte=upto).order_by("pk").values_list(*_COLUMNS)
    while chunk := list(found.filter(pk__gt=after)[:_CHUNK]):
        after = chunk[-1][0]
        names = holders(pass_id for *_, pass_id, _ in chunk)
        for number, gate, epoch, seq, at_utc, kind, reason, pass_id, body in chunk:
            while gaps and gaps[0].number < number:
                yield gaps.pop(0)
            name, data = names.get(pass_id, ("", 0))[0], read(bytes(body)).data
            yield Entry(number, gate, epoch, seq, at_utc, kind, reason, pass_id, name, data)
    yield from gaps


def _gaps(wish: Wish, after: int, upto: int) -> list[Entry]:
    """The gaps that stand behind an event from after to upto, in the feed's order, each with that event's number.

    What is asked for may be among what is missing, so only a wish for other gates, kinds or times hides one.
    """
    if wish.kinds and GAP not in wish.kinds:
        return []
    found = touching(wish.since_utc, wish.until_utc, wish.gates).filter(place__gte=after, place__lt=upto)
    return [_entry(gap) for gap in found.order_by("place", "pk")]


def _entry(gap: Gap) -> Entry:
    """A gap as an entry, at the time of the event behind it."""
    data = {"after": gap.after, "to": gap.to, "by": gap.by, "why": gap.why}
    return Entry(
        gap.place or 0,
        gap.gate.name,
        gap.to_epoch,
        gap.to_seq,
        gap.behind_utc or 0.0,
        GAP,
        "",
        "",
        "",
        data,
        told(gap),
    )
