"""What is due today, and deleting it: first to be looked at, then done; once a day by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from office import registry
from office.audit import keeper
from office.home import Home
from office.keyring import audit_key
from office.models import Act, Alert, Site
from office.retention import events, people
from office.retention.receipts import Receipt
from office.retention.rules import Kept, cutoffs, days
from office.web.models import RemoteOrder, Visit, VisitState, WentOut

BY_ITSELF: Final = "schedule"
_HOUR_OF_DAY: Final = 3
_SIGN_INS: Final = (AccessAttempt, AccessFailureLog, AccessLog)


@dataclass(frozen=True, slots=True)
class Due:
    """Of one class: how many, and what ended before when."""

    kept: Kept
    count: int
    until: datetime
    rule_days: int


def due(now: datetime) -> list[Due]:
    """What would be deleted now; changes nothing."""
    lasting, until = days(), cutoffs(now)
    return [Due(kept, _count(kept, until[kept]), until[kept], lasting[kept]) for kept in Kept]


def _count(kept: Kept, until: datetime) -> int:
    match kept:
        case Kept.IDENTITY:
            return len(people.due_people(until)) + people.due_visits(until).count()
        case Kept.EVENTS:
            return events.count(events.due(until)) + _old_visits(until).count() + _old_orders(until).count()
        case Kept.SIGN_INS:
            return sum(one.objects.filter(attempt_time__lt=until).count() for one in _SIGN_INS)
        case Kept.ALERTS:
            return _closed_alerts(until).count()


def delete(home: Home, now: datetime, *, by: str) -> list[Receipt]:
    """Delete what is due, class by class, each with its receipt; the log is sealed over them.

    Returns:
        A receipt for each class of which anything was deleted.
    Raises:
        OfficeFault: keys can't be used or written; what has a receipt is deleted, the rest stands.
    """
    key, site = audit_key(home.keys), registry.the_site()
    receipts = []
    for one in due(now):
        if one.count:
            gone = _DELETERS[one.kept](home, one.until)
            receipt = Receipt(one.kept, gone, f"{one.until:%Y-%m-%dT%H:%M:%SZ}", one.rule_days, by)
            receipt.enter(site.name, key.sign)
            receipts.append(receipt)
    Session.objects.filter(expire_date__lt=now).delete()
    keeper.seal(home)
    return receipts


def _delete_identities(home: Home, until: datetime) -> int:
    return people.delete(home, people.due_people(until), list(people.due_visits(until)))


def _delete_events(_: Home, until: datetime) -> int:
    visits, orders = _old_visits(until).delete()[0], _old_orders(until).delete()[0]
    WentOut.objects.filter(
        at_utc__lt=until.timestamp()
    ).delete()  # follows from events, and is counted as none
    return events.delete(events.due(until)) + visits + orders


def _delete_sign_ins(_: Home, until: datetime) -> int:
    with transaction.atomic():
        return sum(one.objects.filter(attempt_time__lt=until).delete()[0] for one in _SIGN_INS)


def _delete_alerts(_: Home, until: datetime) -> int:
    with transaction.atomic():
        closed = _closed_alerts(until)
        count = closed.count()
        closed.delete()
    return count


_DELETERS: Final[dict[Kept, Callable[[Home, datetime], int]]] = {
    Kept.IDENTITY: _delete_identities,
    Kept.EVENTS: _delete_events,
    Kept.SIGN_INS: _delete_sign_ins,
    Kept.ALERTS: _delete_alerts,
}


def _old_visits(until: datetime) -> QuerySet[Visit]:
    """Visits whose identity is deleted, and that are as old as events may be."""
    over = (VisitState.LEFT, VisitState.ENDED, VisitState.REFUSED)
    return Visit.objects.filter(key=None, at__lt=until, state__in=over)


def _old_orders(until: datetime) -> QuerySet[RemoteOrder]:
    """Orders from the pages; that they were given stays in the audit log."""
    return RemoteOrder.objects.filter(asked_at__lt=until)


def _closed_alerts(until: datetime) -> QuerySet[Alert]:
    closed = Q(handling__closed_at__lt=until, handling__closed_count__gte=F("count"), last_at__lt=until)
    return Alert.objects.filter(closed)


def is_time(now: datetime) -> bool:
    """Whether the schedule's hour of this day, on the site's clock, has come and was not kept yet."""
    site = Site.objects.first()
    if site is None:
        return False
    local = now + timedelta(minutes=site.utc_offset_min)
    begin = local.replace(hour=_HOUR_OF_DAY, minute=0, second=0, microsecond=0)
    if local < begin:
        begin -= timedelta(days=1)
    return not Act.objects.filter(
        what="retention.run", at__gte=begin - timedelta(minutes=site.utc_offset_min)
    ).exists()


def keep(home: Home) -> list[Receipt]:
    """Do the day's deleting if it is time; the log says that it was looked, also if nothing was due."""
    now = timezone.now()
    if not is_time(now):
        return []
    registry.note(BY_ITSELF, "retention.run", "", "")
    return delete(home, now, by=BY_ITSELF)
