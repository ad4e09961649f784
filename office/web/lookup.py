"""Events for a page: newest first, a screenful at a time, with the name if the reader may see it."""

from dataclasses import dataclass
from typing import Final

from django.db.models import QuerySet

from agent.core.events import Kind
from office.alarms import ALARMS
from office.feed import Wish
from office.identity.register import Register, holders
from office.models import Event, Pass, Person
from office.web.models import PersonFile

SCREENFUL: Final = 50
_MOST_PASSES: Final = 200
"""A name that fits more people than hold so many passes is too short to search by."""


@dataclass(frozen=True, slots=True)
class Row:
    """An event as a line of a table."""

    number: int
    gate: str
    at_utc: float
    kind: str
    reason: str
    pass_id: str
    person: str
    person_pk: int | None

    @property
    def tone(self) -> str:
        """How it is coloured, beside what it says."""
        if self.kind == "pass.admitted":
            return "good"
        if self.kind == "pass.refused":
            return "bad"
        return "alarm" if self.kind in _ALARMING else "plain"


_ALARMING: Final = frozenset(
    map(str, ALARMS | {Kind.FAULT, Kind.FELLOW_ALARM, Kind.MACHINE_HOT, Kind.POWER_CUT, Kind.POWER_LOW})
)


def newest(
    wish: Wish, *, person: str = "", before: int = 0, after: int = 0, limit: int = SCREENFUL
) -> list[Row]:
    """Events of a wish, newest first.

    Args:
        person: part of a name, or a pass id; empty is everybody.
        before, after: exclusive bounds on the event's number; 0 is none.
    """
    found = wish.events()
    if person:
        found = found.filter(pass_id__in=_passes_of(person))
    if before:
        found = found.filter(pk__lt=before)
    if after:
        found = found.filter(pk__gt=after)
    return _rows(found, limit)


def _rows(found: QuerySet[Event], limit: int) -> list[Row]:
    events = list(found.select_related("gate").defer("body").order_by("-pk")[:limit])
    names_of = holders(one.pass_id for one in events)
    return [
        Row(
            one.pk,
            one.gate.name,
            one.at_utc,
            one.kind,
            one.reason,
            one.pass_id,
            *names_of.get(one.pass_id, ("", None)),
        )
        for one in events
    ]


NAMES: Final = Register(Person)
FILES: Final = Register(PersonFile, "person_id")


def _passes_of(words: str) -> list[str]:
    named = Pass.objects.filter(person__in=sorted(NAMES.find(words))[:_MOST_PASSES])
    return [*named.values_list("pass_id", flat=True)[:_MOST_PASSES], words.lower()]


def people(words: str, limit: int = 100) -> list[Person]:
    """People by part of their name, flat or phone, or by a pass id; in the order of their names."""
    names = NAMES.read()
    if words:
        held = Pass.objects.filter(pass_id=words.lower()).values_list("person_id", flat=True)
        wanted = NAMES.find(words) | FILES.find(words) | set(held)
    else:
        wanted = set(names)
    first = sorted(wanted, key=lambda pk: (names.get(pk, {}).get("name", ""), pk))[:limit]
    found = Person.objects.select_related("key", "file__key").prefetch_related("passes").in_bulk(first)
    return [found[pk] for pk in first if pk in found]


def newest_of(pass_ids: list[str], limit: int = 10) -> list[Row]:
    """The last events of one person's passes."""
    return _rows(Event.objects.filter(pass_id__in=pass_ids), limit) if pass_ids else []
