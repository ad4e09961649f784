"""Alerts: what a person must look at. A matter is one row, its repeats a count."""

from datetime import datetime
from enum import StrEnum

from django.db.models import F

from office.models import Alert


class Matter(StrEnum):
    """Every kind of alert the office raises by itself."""

    UNKNOWN_GATE = "unknown_gate"  # no gate of this name is on record
    WRONG_SIGNATURE = "wrong_signature"  # not this gate's key, or not what it signed
    MALFORMED = "malformed"  # not a message of the feed at all
    MISDIRECTED = "misdirected"  # a message of one gate on the topic of another
    FORK = "fork"  # two histories for one place: a restored or cloned card
    ROLLED_BACK = "rolled_back"  # a journal that has forgotten events the office holds
    JOURNAL_LOST = "journal_lost"  # a gate that had a journal began a first one again
    OVERSTAY = "overstay"  # a visitor is inside after the pass has ended
    GAP = "gap"  # events are missing, and they do not come
    DIFFERENCES = "differences"  # a restored office knows less than its gates; see office.differences
    BACKUP = "backup"  # the newest backup is too old or gone, or none could be made
    INTAKE = "intake"  # no events come in: no ingester runs, or its broker is away; see office.ingest.beat
    DAY = "day"  # a gate's day does not add up; see office.daily
    NOT_TAKEN = "not_taken"  # a message that made the ingester itself fail; the gate keeps its events


def raise_alert(matter: str, gate: str, detail: str, now: datetime, about: str = "") -> None:
    """Record it, or count it once more.

    Args:
        matter: a Matter, or the kind of a gate's event (see office.alarms).
        gate: a gate on record, else empty, so that strangers can't add rows.
        about: an epoch, for matters that are one each.
    """
    key = {"kind": matter, "gate": gate, "about": about}
    latest = {"detail": detail[:500], "last_at": now}
    if not Alert.objects.filter(**key).update(count=F("count") + 1, **latest):
        Alert.objects.create(**key, **latest, first_at=now)
