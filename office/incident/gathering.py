"""What belongs to an incident: events, orders, alerts, visits and the audit log, of a span and of whom or where it is about.

Each record is a JSON object. Of an event the very line that the gate hashed is kept as text, so that
it can be found in the gate's journal; of an act its head, so that it can be found in a copy of the audit log.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q
from django.forms.models import model_to_dict

from office.audit import book
from office.audit.book import Deed
from office.faults import OfficeFault
from office.gaps import touching
from office.models import Act, Alert, Gate, Pass, Person
from office.spans import within
from office.web.models import RemoteOrder, Visit

MOST: Final = timedelta(days=366)
_CHUNK: Final = 1000


@dataclass(frozen=True, slots=True)
class About:
    """What an incident is about.

    Args:
        since, until: the end is exclusive.
        person: the number of a file; None is nobody in particular.
        pass_id, gate: empty is none in particular.
    """

    since: datetime
    until: datetime
    person: int | None = None
    pass_id: str = ""
    gate: str = ""

    def passes(self) -> list[str]:
        """The passes that it is about; none, if it is about all.

        Raises:
            OfficeFault: there is no such span, person, pass or gate.
        """
        if not timedelta() < self.until - self.since <= MOST:
            raise OfficeFault(
                f"found a span of {(self.until - self.since).days} days, wanted 1 to {MOST.days}"
            )
        if self.gate and not Gate.objects.filter(name=self.gate).exists():
            raise OfficeFault(f"found no gate {self.gate!r}; see `menshen-office gate list`")
        if self.person is not None and not Person.objects.filter(pk=self.person).exists():
            raise OfficeFault(
                f"found no person {self.person}; the number stands in the address of the file's page"
            )
        found = Pass.objects.all()
        if self.pass_id:
            found = found.filter(pass_id=self.pass_id.lower())
        if self.person is not None:
            found = found.filter(person=self.person)
        if self.pass_id and not found.exists():
            raise OfficeFault(f"found no pass {self.pass_id} that fits; look at its sixteen digits")
        is_about_some = self.pass_id or self.person is not None
        return sorted(found.values_list("pass_id", flat=True)) if is_about_some else []

    def facts(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "person": self.person,
            "pass": self.pass_id or None,
            "gate": self.gate or None,
        }


def records(about: About) -> dict[str, Iterator[dict[str, Any]]]:
    """Everything, by the name of the file that it belongs into.

    Raises:
        OfficeFault: as About.passes.
    """
    passes = about.passes()
    is_about_all = not passes and about.person is None
    return {
        "people.jsonl": iter(()) if is_about_all else _people(about, passes),
        "events.jsonl": _events(about, passes, is_about_all=is_about_all),
        "gaps.jsonl": _gaps(about),
        "visits.jsonl": _visits(about, passes, is_about_all=is_about_all),
        "alerts.jsonl": _alerts(about),
        "orders.jsonl": _orders(about),
        "audit.jsonl": _acts(about, passes, is_about_all=is_about_all),
    }


def _people(about: About, passes: list[str]) -> Iterator[dict[str, Any]]:
    for one in Pass.objects.filter(pass_id__in=passes).select_related("person__key").order_by("pk"):
        yield {
            "person": one.person_id,
            "name": one.person.name or None,
            "pass": one.pass_id,
            "kind": one.kind,
            "state": one.state,
            "from": one.not_before,
            "until": one.not_after,
            "drafted_by": one.drafted_by,
            "approved_by": one.approved_by,
        }
    if not passes and about.person is not None:
        yield {"person": about.person, "name": Person.objects.select_related("key").get(pk=about.person).name}


def _events(about: About, passes: list[str], *, is_about_all: bool) -> Iterator[dict[str, Any]]:
    found = within(about.since.timestamp(), about.until.timestamp())
    if about.gate:
        found = found.filter(gate__name=about.gate)
    if not is_about_all:
        found = found.filter(pass_id__in=passes)
    after = 0
    while chunk := list(found.filter(pk__gt=after).select_related("gate").order_by("pk")[:_CHUNK]):
        after = chunk[-1].pk
        for one in chunk:
            line = bytes(one.body).decode("utf-8", "backslashreplace")
            yield {"number": one.pk, "gate": one.gate.name, "epoch": one.epoch, "seq": one.seq, "line": line}


def _gaps(about: About) -> Iterator[dict[str, Any]]:
    """What was accepted as missing of the span; events of anybody may be among it."""
    gates = [about.gate] if about.gate else ()
    for gap in touching(about.since.timestamp(), about.until.timestamp(), gates):
        yield {
            "gate": gap.gate.name,
            "after": gap.after,
            "to": gap.to,
            "accepted_by": gap.by,
            "accepted_at": gap.accepted_at,
            "why": gap.why,
        }


def _visits(about: About, passes: list[str], *, is_about_all: bool) -> Iterator[dict[str, Any]]:
    found = Visit.objects.filter(at__lt=about.until).filter(
        Q(at__gte=about.since)
        | Q(left_utc__gte=about.since.timestamp())
        | Q(held__not_after__gte=about.since)
    )
    if about.gate:
        found = found.filter(gate__name=about.gate)
    if not is_about_all:
        found = found.filter(held__pass_id__in=passes)
    for one in found.select_related("gate", "held", "key").order_by("pk"):
        yield {
            "number": one.pk,
            "at": one.at,
            "gate": one.gate.name,
            "kind": one.kind,
            "state": one.state,
            "pass": one.held.pass_id if one.held else None,
            **{name: getattr(one, name) for name in ("name", "phone", "host", "company", "plate", "purpose")},
            "decided_by": one.decided_by,
            "why": one.why,
            "entered_utc": one.entered_utc,
            "left_utc": one.left_utc,
        }


def _alerts(about: About) -> Iterator[dict[str, Any]]:
    """Also those that name nobody: whoever investigates decides what belongs to it."""
    found = Alert.objects.filter(first_at__lt=about.until, last_at__gte=about.since)
    if about.gate:
        found = found.filter(gate=about.gate)
    for one in found.select_related("handling").order_by("pk"):
        handling = getattr(one, "handling", None)
        yield model_to_dict(one) | {"handling": model_to_dict(handling) if handling else None}


def _orders(about: About) -> Iterator[dict[str, Any]]:
    found = RemoteOrder.objects.filter(asked_at__gte=about.since, asked_at__lt=about.until)
    if about.gate:
        found = found.filter(gate__name=about.gate)
    for one in found.select_related("gate").order_by("pk"):
        yield model_to_dict(one) | {"gate": one.gate.name}


def _acts(about: About, passes: list[str], *, is_about_all: bool) -> Iterator[dict[str, Any]]:
    found = Act.objects.filter(at__gte=about.since, at__lt=about.until)
    if not is_about_all:
        subjects = [*passes, *([f"person {about.person}"] if about.person is not None else [])]
        found = found.filter(subject__in=subjects)
    for act in found.order_by("n").iterator(_CHUNK):
        line = book.act_line(act.n, act.at, Deed(act.who, act.what, act.subject, act.why))
        yield {**json.loads(line), "head": bytes(act.head).hex()}
