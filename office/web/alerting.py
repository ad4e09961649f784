"""Alerts, from the moment somebody takes one on to its outcome (C34).

An alert whose matter comes up again after it was closed is open again.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from office import registry
from office.faults import OfficeFault
from office.models import Alert
from office.web.models import Handling


def open_alerts() -> QuerySet[Alert]:
    """Those that nobody has closed, or that came up again since; newest first."""
    closed = Q(handling__closed_at__isnull=False) & Q(handling__closed_count__gte=F("count"))
    return Alert.objects.exclude(closed).select_related("handling").order_by("-last_at")


def was_told(matter: str, gate: str, about: str, detail: str) -> bool:
    """Whether an alert says this already, so that whoever looks every minute does not count it every minute."""
    return Alert.objects.filter(kind=matter, gate=gate, about=about, detail=detail[:500]).exists()


def close_by_itself(matter: str, gate: str, about: str, outcome: str, now: datetime) -> None:
    """Close an alert whose matter is no more; whoever had taken it on stays its owner."""
    alert = open_alerts().filter(kind=matter, gate=gate, about=about).first()
    if alert is None:
        return
    closed = {"outcome": outcome, "closed_by": "office", "closed_at": now, "closed_count": alert.count}
    first = {**closed, "owner": "office", "acknowledged_at": now}
    Handling.objects.update_or_create(alert=alert, defaults=closed, create_defaults=first)


def acknowledge(alert: Alert, by: str) -> None:
    """Become an alert's owner, also in place of another.

    Raises:
        OfficeFault: it is closed.
    """
    if not open_alerts().filter(pk=alert.pk).exists():
        raise OfficeFault("this alert is closed already; it opens again by itself if its matter comes up")
    fresh = {
        "owner": by,
        "acknowledged_at": timezone.now(),
        "closed_at": None,
        "closed_by": "",
        "outcome": "",
    }
    with transaction.atomic():
        Handling.objects.update_or_create(alert=alert, defaults=fresh)
        registry.note(by, "alert.acknowledge", f"alert {alert.pk}", alert.kind)


def close(alert: Alert, by: str, outcome: str) -> None:
    """Say how it came out.

    Raises:
        OfficeFault: nobody has taken it on, or there is no outcome to keep.
    """
    outcome = " ".join(outcome.split())[:500]
    handling = Handling.objects.filter(alert=alert).first()
    if handling is None or handling.closed_at is not None:
        raise OfficeFault("found an alert that nobody has acknowledged; acknowledge it first")
    if not outcome:
        raise OfficeFault("found no outcome; write what was the matter and what was done")
    handling.outcome, handling.closed_by, handling.closed_at = outcome, by, timezone.now()
    handling.closed_count = alert.count
    with transaction.atomic():
        handling.save()
        registry.note(by, "alert.close", f"alert {alert.pk}", outcome)
