"""A sign of life of each ingester, in the database, where the pages see it: whether events come in at all.

What is written is the office's clock and whether the broker serves us; a minute without it, and
nobody takes events in.
"""

import contextlib
import time
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db import DatabaseError
from django.utils import timezone

from office.alerts import Matter, raise_alert
from office.models import IngesterBeat
from office.web import alerting

_EVERY_S: Final = 10.0
_LATE: Final = timedelta(seconds=60)
_ALERT_AFTER: Final = timedelta(minutes=5)
_FORGOTTEN: Final = timedelta(days=7)
_SAID: Final = {
    "stopped": "no ingester runs, so events wait at the gates; start `menshen-office ingest` again",
    "cut_off": "the ingester can't reach its broker, so events wait at the gates; look at the broker",
}


class Intaking(StrEnum):
    """How the taking in of events stands."""

    WELL = "well"
    NEVER = "never"  # no ingester has ever run here
    STOPPED = "stopped"
    CUT_OFF = "cut_off"  # one runs, and its broker does not serve it


class Beat:
    """One ingester's; belongs to the thread that owns its database connection."""

    def __init__(self, name: str) -> None:
        self._name = name[:64]
        self._next = 0.0
        self._was = False

    def tick(self, *, listening: bool) -> None:
        """Say that it lives, every ten seconds and when something changes; a database that is away is no matter."""
        if time.monotonic() < self._next and listening == self._was:
            return
        self._next, self._was = time.monotonic() + _EVERY_S, listening
        with contextlib.suppress(DatabaseError):
            now = timezone.now()
            values = {"at": now, "listening": listening, "stopped": False}
            values |= {"listened_at": now} if listening else {}
            IngesterBeat.objects.update_or_create(name=self._name, defaults=values)

    def stop(self) -> None:
        """Say that it ends as it was told to."""
        with contextlib.suppress(DatabaseError):
            IngesterBeat.objects.filter(name=self._name).update(stopped=True, listening=False)


def standing(now: datetime) -> Intaking:
    """How it stands, of all ingesters together."""
    beats = list(IngesterBeat.objects.filter(at__gt=now - _FORGOTTEN))
    alive = [one for one in beats if not one.stopped and now - one.at < _LATE]
    if not beats:
        return Intaking.NEVER
    if not alive:
        return Intaking.STOPPED
    return Intaking.WELL if any(one.listening for one in alive) else Intaking.CUT_OFF


def look_after(now: datetime) -> None:
    """An alert after five minutes in which no events could come in; it closes by itself."""
    found = standing(now)
    if found in {Intaking.WELL, Intaking.NEVER}:
        for one in _SAID:
            alerting.close_by_itself(Matter.INTAKE, "", one, "events come in again", now)
        return
    if IngesterBeat.objects.filter(listened_at__gt=now - _ALERT_AFTER).exists():
        return
    open_already = alerting.open_alerts().filter(kind=Matter.INTAKE, about=found)
    if not open_already.exists():
        raise_alert(Matter.INTAKE, "", _SAID[found], now, found)
