"""Reconciling each day by itself, and an alert for a day that does not add up (C20).

Once a gate has closed a day its statement is held against what is kept; what agrees is countersigned.
A day that is missing events, is another history, or has no statement long after its end, is an alert,
which closes by itself when the day adds up after all. A day on which a gate was off has no statement:
the next one joins the one before, and so says that there was nothing.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.db.models import Max

from office import reconcile
from office.alerts import Matter, raise_alert
from office.models import DayAccount, Event, Gate, Site
from office.reconcile import Finding, Verdict
from office.web import alerting

PATIENCE: Final = timedelta(hours=24)
"""So long after a day's end a gate may be away before somebody should know."""
DAYS_BACK: Final = 7
_AGAIN: Final = timedelta(hours=1)
_NOTHING: Final = "off"
_WELL: Final = frozenset({Verdict.COMPLETE, Verdict.LET_GO, _NOTHING})


def go_round(site: Site, now: datetime, sign: Callable[[bytes], bytes]) -> int:
    """Look at the last days of every gate, those at which there is something new to see.

    Args:
        sign: Ed25519 over bytes with the office's acknowledgement key.
    Returns:
        How many days were looked at.
    """
    looked = 0
    for gate in Gate.objects.filter(site=site).order_by("name"):
        newest = Event.objects.filter(gate=gate).aggregate(pk=Max("pk"))["pk"] or 0
        accounts = {one.day: one for one in DayAccount.objects.filter(gate=gate)}
        for day in _days(gate, site, now):
            account = accounts.get(f"{day}") or DayAccount(gate=gate, day=f"{day}")
            if _is_due(account, newest, now):
                _look(account, site, now, newest, sign)
                looked += 1
    return looked


def yesterday(site: Site, now: datetime) -> str:
    """How yesterday stands, at the worst of the gates: a verdict; empty if there is nothing to say."""
    day = _today(site, now) - timedelta(days=1)
    found = set(DayAccount.objects.filter(gate__site=site, day=f"{day}").values_list("verdict", flat=True))
    worst = (Verdict.FORK, Verdict.MISSING, Verdict.WAITING, Verdict.LET_GO, Verdict.COMPLETE)
    return next((str(one) for one in worst if one in found), "")


def _days(gate: Gate, site: Site, now: datetime) -> Iterator[date]:
    """The last days that are over, from the one on which the gate was first heard."""
    first = (
        Event.objects.filter(gate=gate, at_utc__gt=0).order_by("pk").values_list("at_utc", flat=True).first()
    )
    if first is None:
        return
    began = (datetime.fromtimestamp(first, UTC) + timedelta(minutes=site.utc_offset_min)).date()
    today = _today(site, now)
    for back in range(DAYS_BACK, 0, -1):
        if (day := today - timedelta(days=back)) >= began:
            yield day


def _today(site: Site, now: datetime) -> date:
    return (now.astimezone(UTC) + timedelta(minutes=site.utc_offset_min)).date()


def _is_due(account: DayAccount, newest: int, now: datetime) -> bool:
    """A day that is well rests; another is looked at again when its gate has sent more, or its hour has come."""
    if account.verdict in _WELL:
        return False
    if account.at is None or (newest > account.upto and account.verdict == Verdict.WAITING):
        return True
    return now - account.at >= _AGAIN


def _look(
    account: DayAccount, site: Site, now: datetime, newest: int, sign: Callable[[bytes], bytes]
) -> None:
    found = list(reconcile.of_gate(account.gate, site.name, account.day, sign))
    worst = max(found, key=lambda one: _ORDER.index(one.verdict))
    account.verdict, account.detail = str(worst.verdict), worst.said[:500]
    account.events, account.missing = sum(one.events for one in found), sum(one.missing for one in found)
    account.at, account.upto = now, newest
    if worst.verdict is Verdict.WAITING and reconcile.was_off(account.gate, site.name, account.day):
        account.verdict, account.detail = _NOTHING, ""
    account.save()
    if account.verdict in _WELL:
        alerting.close_by_itself(Matter.DAY, account.gate.name, account.day, "the day adds up now", now)
    elif worst.verdict is not Verdict.WAITING or now - _end(account.day, site) >= PATIENCE:
        _tell(account, worst, now)


_ORDER: Final = (Verdict.COMPLETE, Verdict.LET_GO, Verdict.WAITING, Verdict.MISSING, Verdict.FORK)


def _end(day: str, site: Site) -> datetime:
    midnight = datetime.combine(date.fromisoformat(day) + timedelta(days=1), datetime.min.time(), UTC)
    return midnight - timedelta(minutes=site.utc_offset_min)


def _tell(account: DayAccount, worst: Finding, now: datetime) -> None:
    """An alert, once for what is found; it comes up again when something else is."""
    said = {
        Verdict.MISSING: f"{account.day}: {account.missing} of {account.events} events are missing",
        Verdict.FORK: f"{account.day}: what is kept is another history than what the gate signed",
        Verdict.WAITING: f"{account.day}: the gate has not closed the day; is it off, or cut off?",
    }[worst.verdict]
    if not alerting.was_told(Matter.DAY, account.gate.name, account.day, said):
        raise_alert(Matter.DAY, account.gate.name, said, now, account.day)
