"""Visitors: from the form behind a gate's printed code to the way out (C07, C33).

A visitor drafts, somebody at the desk approves, or the host from a phone; so
no visitor's pass has one author. On the way out the pass is revoked: a visit is one visit.
"""

import secrets
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from agent.core.allowlist import PassKind
from office import registry
from office.alerts import Matter, raise_alert
from office.faults import OfficeFault
from office.models import Gate, Person
from office.registry import Application
from office.web.models import PersonFile, Visit, VisitState
from office.web.visit_rules import rules_for

FIELDS: Final = ("phone", "host", "company", "plate")
MOST_WAITING: Final = 50
"""At one gate; more are a prank or a fair, and the desk has to know first."""
_FORM: Final = "visitor form"
_OPEN: Final = (VisitState.APPROVED, VisitState.ENTERED)
_WAITS_FOR: Final = timedelta(hours=2)


def ask(gate: Gate, answers: Mapping[str, str], kind: PassKind = PassKind.VISITOR) -> Visit:
    """Put a visitor into the desk's queue.

    Args:
        kind: of the pass that is asked for.
        answers: name, purpose, and those of FIELDS that the site asks for; others are not kept. `once`
            is the form's own: the same form sent again with the same name is the same visit.
    Raises:
        OfficeFault: too many wait already.
    """
    name, once = " ".join(answers["name"].split()), answers.get("once", "")
    with transaction.atomic():
        Gate.objects.select_for_update().get(pk=gate.pk)  # the second of two waits here for the first
        same = Visit.objects.filter(gate=gate, once=once).exclude(once="").select_related("key")
        for visit in same:
            if visit.name == name and visit.token:
                return visit
        return _ask(gate, name, once, answers, kind)


def _ask(gate: Gate, name: str, once: str, answers: Mapping[str, str], kind: PassKind) -> Visit:
    now = timezone.now()
    waiting = Visit.objects.filter(gate=gate, state=VisitState.WAITING, at__gt=now - _WAITS_FOR).count()
    if waiting >= MOST_WAITING:
        raise OfficeFault(_("Too many visitors wait at this gate just now. Please ask at the desk."))
    token = secrets.token_urlsafe(24)
    visit = Visit(
        token_hash=Visit.hashed(token),
        kind=kind,
        once=once,
        gate=gate,
        at=now,
        consent_at=now,
        purpose=answers["purpose"],
    )
    visit.name, visit.token = name, token
    for field in set(rules_for(kind).asks) & set(FIELDS):
        setattr(visit, field, answers.get(field, ""))
    visit.save()
    return visit


def approve(pk: int, *, by: str) -> Visit:
    """Give a visitor a pass, from now for as many hours as the site says.

    Raises:
        OfficeFault: somebody was quicker, or no such pass can be made.
    """
    with transaction.atomic():
        visit = _waiting(pk)
        now = timezone.now()
        site = registry.the_site()
        application = Application(
            kind=PassKind(visit.kind),
            person=f"{visit.name} #{visit.pk}",  # a visit is its own file, also of a resident's namesake
            zones=(visit.gate.zone,) if visit.gate.zone else tuple(site.zones),
            not_before=now,
            not_after=now + timedelta(hours=rules_for(PassKind(visit.kind)).hours),
        )
        made = registry.draft(application, by=_FORM, why=f"visit {visit.pk}")
        visit.held = registry.approve(made.pass_id, by=by)
        visit.state, visit.decided_by = VisitState.APPROVED, by
        visit.save()
    return visit


def refuse(pk: int, *, by: str, why: str) -> None:
    """Send a visitor away, with a reason that they are shown.

    Raises:
        OfficeFault: somebody was quicker, or there is no reason.
    """
    if not why.strip():
        raise OfficeFault(_("Write a reason to refuse."))
    with transaction.atomic():
        visit = _waiting(pk)
        visit.state, visit.decided_by, visit.why = VisitState.REFUSED, by, why.strip()[:200]
        visit.save()
        registry.note(by, "visit.refuse", f"visit {visit.pk}", "")


def _waiting(pk: int) -> Visit:
    visit = Visit.objects.select_for_update().select_related("gate").filter(pk=pk).first()
    if visit is None or visit.state != VisitState.WAITING:
        raise OfficeFault(_("This visit is decided already; somebody was quicker."))
    return visit


def at_the_door_of(person: Person) -> list[Visit]:
    """Visitors who wait and have named this person, or exactly the flat, as whom they visit.

    Where the site lets only the desk decide about a kind, the host is not asked.
    """
    file = PersonFile.objects.select_related("key").filter(person=person).first()
    named = {_plain(word) for word in (person.name, file.unit if file else "")} - {""}
    fresh = Visit.objects.filter(state=VisitState.WAITING, at__gt=timezone.now() - _WAITS_FOR)
    return [
        visit
        for visit in fresh.select_related("key", "gate").order_by("pk")
        if _plain(visit.host) in named and rules_for(PassKind(visit.kind)).hosts
    ]


def _plain(words: str) -> str:
    """As people mean it: without case, spaces and the shape of a dash."""
    return "".join(words.casefold().replace("－", "-").replace("–", "-").split())


def saw(passages: Iterable[tuple[str, float, bool]]) -> None:
    """Follow visitors through the gates; belongs into the transaction of who counts the events.

    Args:
        passages: pass id, seconds since 1970, and whether it was on the way in; in their order.
    """
    passages = list(passages)
    found = Visit.objects.filter(held__pass_id__in={one[0] for one in passages}, state__in=_OPEN)
    visits = {visit.held.pass_id: visit for visit in found.select_related("held") if visit.held}
    for pass_id, at_utc, inwards in passages:
        visit = visits.get(pass_id)
        if visit is None:
            continue
        if inwards:
            visit.state = VisitState.ENTERED
            visit.entered_utc = visit.entered_utc or at_utc
        else:
            visit.state, visit.left_utc = VisitState.LEFT, at_utc
            del visits[pass_id]
            registry.move("revoke", pass_id, by="office", why="left; the visit is closed")
        visit.save()


def look_after() -> int:
    """End what is over, and raise the alert about whoever is still inside then; look at least once a minute.

    Returns:
        How many stay too long.
    """
    now = timezone.now()
    Visit.objects.filter(state=VisitState.APPROVED, held__not_after__lte=now).update(state=VisitState.ENDED)
    Visit.objects.filter(state=VisitState.WAITING, at__lte=now - _WAITS_FOR).update(state=VisitState.ENDED)
    over = Visit.objects.filter(state=VisitState.ENTERED, held__not_after__lte=now, overstay=False)
    late = list(over.select_related("gate", "held"))
    for visit in late:
        with transaction.atomic():
            raise_alert(
                Matter.OVERSTAY, visit.gate.name, f"visit {visit.pk} has not left", now, f"visit {visit.pk}"
            )
            Visit.objects.filter(pk=visit.pk).update(overstay=True)
    return len(late)
