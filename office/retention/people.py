"""Identities that are due: of whom no pass is open, and of visits that are over."""

from datetime import datetime

from django.db.models import Max, Q, QuerySet

from office import registry
from office.faults import OfficeFault
from office.home import Home
from office.identity.keeping import delete_keys
from office.models import Act, Pass, PassState, Person
from office.web.models import Inside, Visit, VisitState

_OPEN = (PassState.DRAFT, PassState.LIVE, PassState.SUSPENDED)
_OVER = (VisitState.WAITING, VisitState.LEFT, VisitState.ENDED, VisitState.REFUSED)


def due_people(before: datetime) -> list[Person]:
    """People whose last pass ended before a moment, and who are not inside."""
    ended = (
        Person.objects.filter(key__isnull=False, passes__isnull=False)
        .exclude(passes__in=Pass.objects.filter(state__in=_OPEN, not_after__gt=before))
        .exclude(passes__pass_id__in=Inside.objects.values("pass_id"))
        .distinct()
    )
    candidates = list(ended.prefetch_related("passes"))
    stopped = _stopped([one for person in candidates for one in person.passes.all()])
    return [
        person for person in candidates if max(_ended(one, stopped) for one in person.passes.all()) <= before
    ]


def _stopped(passes: list[Pass]) -> dict[str, datetime]:
    """When passes were revoked, by their ids."""
    ids = [one.pass_id for one in passes if one.state == PassState.REVOKED]
    found: dict[str, datetime] = {}
    for first in range(0, len(ids), 500):
        acts = Act.objects.filter(what="revoke", subject__in=ids[first : first + 500])
        found |= dict(acts.values_list("subject").annotate(at=Max("at")))
    return found


def _ended(one: Pass, stopped: dict[str, datetime]) -> datetime:
    return min(one.not_after, stopped.get(one.pass_id, one.not_after))


def due_visits(before: datetime) -> QuerySet[Visit]:
    """Visits that ended before a moment, and whose visitor is not inside."""
    seconds = before.timestamp()
    over = Q(state__in=_OVER) & (Q(left_utc__lte=seconds) | Q(left_utc=None, at__lte=before))
    stayed = Q(state__in=(VisitState.APPROVED, VisitState.ENTERED), held__not_after__lte=before)
    return (
        Visit.objects.filter(over | stayed, key__isnull=False)
        .exclude(held__not_after__gt=before, state=VisitState.ENDED)
        .exclude(held__pass_id__in=Inside.objects.values("pass_id"))
    )


def delete(home: Home, people: list[Person], visits: list[Visit]) -> int:
    """Delete who they are, for good; no code can be composed for their passes any more.

    Returns:
        How many people and visits lost their identity.
    """
    keys = [one.key_id for one in (*people, *visits) if one.key_id]
    return delete_keys(home, keys)


def forget(home: Home, person: Person, *, by: str, why: str) -> None:
    """Delete one person now, as they may ask for.

    Raises:
        OfficeFault: a pass of theirs is open, or there is no reason, or they are deleted already.
    """
    if not why.strip():
        raise OfficeFault("found no reason; the history keeps why a person was deleted before the time")
    if person.key_id is None:
        raise OfficeFault(f"person {person.pk} is deleted already")
    held = person.passes.filter(state__in=_OPEN).first()
    if held is not None:
        raise OfficeFault(
            f"pass {held.pass_id} of person {person.pk} is {held.state}; revoke it first, then delete the person"
        )
    visits = list(Visit.objects.filter(held__person=person, key__isnull=False))
    delete(home, [person], visits)
    registry.note(by, "person.delete", f"person {person.pk}", why)
