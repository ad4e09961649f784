"""The sheets there are: their columns, and their rows one after the other, however many.

Rows are texts. What of a person is told, the mask decides; what is asked of the database is asked
in chunks, so that a year of events needs no more memory than a day.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from office.faults import OfficeFault
from office.feed import Wish
from office.gaps import days as of_days
from office.gaps import touching
from office.identity.register import holders
from office.models import Gap, Pass, Person, Site
from office.sheets.attendance import attended
from office.sheets.masks import Mask
from office.web.models import Visit
from office.web.words import SAID, missing

Row = tuple[str, ...]
_CHUNK: Final = 2000
_SECONDS: Final = len("2026-05-01 08:30:05")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a sheet is to hold.

    Args:
        since, until: the end is exclusive; None is without bound. Attendance wants both.
        gate: empty is all gates.
    """

    site: Site
    mask: Mask
    since: datetime | None = None
    until: datetime | None = None
    gate: str = ""

    def clock(self, moment: datetime | float | None) -> str:
        """A moment on the site's clock; empty for none."""
        if moment is None:
            return ""
        here = timezone(timedelta(minutes=self.site.utc_offset_min))
        if isinstance(moment, (int, float)):
            return datetime.fromtimestamp(int(moment), here).isoformat(" ")[:_SECONDS]
        return moment.astimezone(here).isoformat(" ")[:_SECONDS]

    def within(self, field: str) -> dict[str, datetime]:
        """The span as Django's filter wants it for a field."""
        bounds = {f"{field}__gte": self.since, f"{field}__lt": self.until}
        return {name: bound for name, bound in bounds.items() if bound is not None}


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of sheet.

    Args:
        of_people: it is about who people are, and not for those who see no names.
    """

    label: Promise
    columns: tuple[Promise, ...]
    rows: Callable[[Asked], Iterator[Row]]
    of_people: bool = False


def _events(asked: Asked) -> Iterator[Row]:
    wish = Wish(
        gates=(asked.gate,) if asked.gate else (),
        since_utc=asked.since.timestamp() if asked.since else None,
        until_utc=asked.until.timestamp() if asked.until else None,
    )
    found = wish.events().order_by("pk")
    columns = ("pk", "at_utc", "gate__name", "kind", "reason", "pass_id")
    names: dict[str, str] = {"": ""}
    lost = list(touching(wish.since_utc, wish.until_utc, wish.gates).order_by("place", "pk"))
    after = 0
    while chunk := list(found.filter(pk__gt=after).values_list(*columns)[:_CHUNK]):
        after = chunk[-1][0]
        if asked.mask is not Mask.NONE:
            new = {one[-1] for one in chunk} - names.keys()
            names |= dict.fromkeys(new, "") | {one: name for one, (name, _pk) in holders(new).items()}
        for pk, at_utc, gate, kind, reason, pass_id in chunk:
            while lost and (lost[0].place or 0) < pk:
                yield _gap(asked, lost.pop(0))
            person = asked.mask.named(names.get(pass_id, ""))
            yield (str(pk), asked.clock(at_utc), gate, _said(kind), _said(reason), pass_id, person)
    for gap in lost:
        yield _gap(asked, gap)


def _gap(asked: Asked, gap: Gap) -> Row:
    """Events that will never come, as a row in their place, with the number of the event before it."""
    what = _said("feed.gap")
    return (str(gap.place or ""), asked.clock(gap.behind_utc), gap.gate.name, what, missing(gap), "", "")


def _visits(asked: Asked) -> Iterator[Row]:
    found = Visit.objects.filter(**asked.within("at")).select_related("gate", "held", "key").order_by("pk")
    if asked.gate:
        found = found.filter(gate__name=asked.gate)
    mask = asked.mask
    for one in _chunked(found):
        yield (
            str(one.pk),
            asked.clock(one.at),
            one.gate.name,
            _said(one.kind),
            _said(one.state),
            mask.named(one.name),
            mask.numbered(one.phone),
            mask.named(one.host),
            mask.placed(one.company),
            mask.numbered(one.plate),
            one.purpose,
            one.held.pass_id if one.held else "",
            one.decided_by,
            asked.clock(one.entered_utc),
            asked.clock(one.left_utc),
        )


def _people(asked: Asked) -> Iterator[Row]:
    found = Pass.objects.select_related("person__key", "person__file__key").order_by("pk")
    mask, zones = asked.mask, asked.site.zones
    for one in _chunked(found):
        file = getattr(one.person, "file", None)
        yield (
            str(one.person_id),
            mask.named(one.person.name),
            mask.placed(file.unit if file else ""),
            mask.numbered(file.phone if file else ""),
            one.pass_id,
            _said(one.kind),
            _said(one.state),
            asked.clock(one.not_before),
            asked.clock(one.not_after),
            ", ".join(name for bit, name in enumerate(zones) if one.zones >> bit & 1),
        )


def _attendance(asked: Asked) -> Iterator[Row]:
    if asked.since is None or asked.until is None:
        raise OfficeFault("attendance wants both a first and a last day")
    days = attended(asked.since, asked.until, asked.site.utc_offset_min, asked.gate)
    names = names_of({one.person for one in days}) if asked.mask is not Mask.NONE else {}
    lost = touching(asked.since.timestamp(), asked.until.timestamp(), [asked.gate] if asked.gate else ())
    spans = [(*of_days(gap), f"{gap.gate}: {_said('feed.gap')}") for gap in lost]
    for one in days:
        yield (
            one.day,
            str(one.person),
            asked.mask.named(names.get(one.person, "")),
            _said(one.kind),
            asked.clock(one.first_in_utc),
            asked.clock(one.last_out_utc),
            f"{one.inside_s / 3600:.2f}",
            str(one.passages),
            str(one.open_ends),
            "; ".join(remark for began, ended, remark in spans if began <= one.day <= ended),
        )


def names_of(people: set[int]) -> dict[int, str]:
    """Names by the numbers of people; one that was deleted is empty."""
    numbers = sorted(people)
    found: dict[int, str] = {}
    for first in range(0, len(numbers), 500):
        chunk = Person.objects.select_related("key").in_bulk(numbers[first : first + 500])
        found |= {pk: person.name for pk, person in chunk.items()}
    return found


def _chunked(found: QuerySet[Any]) -> Iterator[Any]:
    """Rows by growing number, a chunk a query: no cursor stays open while a slow reader reads."""
    after = 0
    while chunk := list(found.filter(pk__gt=after)[:_CHUNK]):
        yield from chunk
        after = chunk[-1].pk


def _said(word: str) -> str:
    return str(SAID.get(word, word))


_NUMBER, _GATE, _KIND, _PASS, _PERSON = _("Number"), _("Gate"), _("Kind"), _("Pass"), _("Person")
TABLES: Final[Mapping[str, Table]] = {
    "events": Table(
        _("Events"), (_NUMBER, _("Time"), _GATE, _("What"), _("Reason"), _PASS, _PERSON), _events
    ),
    "visits": Table(
        _("Visits"),
        (
            _NUMBER,
            _("Asked"),
            _GATE,
            _KIND,
            _("State"),
            _("Name"),
            _("Telephone"),
            _("Host"),
            _("Company"),
            _("Plate"),
            _("Purpose"),
            _PASS,
            _("Decided by"),
            _("Came in"),
            _("Went out"),
        ),
        _visits,
        of_people=True,
    ),
    "people": Table(
        _("People and passes"),
        (
            _NUMBER,
            _("Name"),
            _("Flat or company"),
            _("Telephone"),
            _PASS,
            _KIND,
            _("State"),
            _("From"),
            _("Until"),
            _("Zones"),
        ),
        _people,
        of_people=True,
    ),
    "attendance": Table(
        _("Attendance"),
        (
            _("Day"),
            _NUMBER,
            _PERSON,
            _KIND,
            _("First in"),
            _("Last out"),
            _("Hours inside"),
            _("Passages"),
            _("Open ends"),
            _("Remarks"),
        ),
        _attendance,
    ),
}
