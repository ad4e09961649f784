"""Each day is reconciled by itself, and one that does not add up is an alert (C20)."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from agent.core.closing import Statement
from agent.core.events import Place
from tests.signing_gate import SITE, Desk
from tests.test_reconcile import DAY, Days

from office import daily, registry  # isort: skip  after signing_gate has set Django up
from office.models import Act, Alert, DayAccount, Event  # isort: skip
from office.reconcile import KEPT, Verdict  # isort: skip
from office.web import alerting, scene  # isort: skip

MIDNIGHT = datetime(2026, 3, 1, 16, tzinfo=UTC)  # where the site is
HOUR = timedelta(hours=1)


pytest_plugins = "tests.desk_plugin"


@pytest.fixture
def days(desk: Desk) -> Days:
    one = Days()
    desk.knows(one.morning)
    return one


def at(desk: Desk, hours: float) -> int:
    """The caretaker's round, some hours after the day's end."""
    return daily.go_round(registry.the_site(), MIDNIGHT + hours * HOUR, desk.keys.ack.sign)


def verdict(day: str = DAY) -> str:
    return DayAccount.objects.get(day=day).verdict


def test_a_day_that_adds_up_is_countersigned_by_itself_and_rests(desk: Desk, days: Days) -> None:
    """C20: nobody has to ask; and it is hashed once, not each minute."""
    assert at(desk, 0.1) == 0, "nothing was ever heard"
    days.close()
    days.arrive(desk)
    assert at(desk, -0.1) == 0, "the day is not over"
    assert at(desk, 0.1) == 1
    assert verdict() == Verdict.COMPLETE
    assert Act.objects.get(what=KEPT).subject == f"north/{DAY}"
    assert at(desk, 5) == 0
    assert not Alert.objects.exists()


def test_missing_events_are_an_alert_until_they_are_there(desk: Desk, days: Days) -> None:
    """C20, C34: on the live page, once, and closed by itself when the day adds up after all."""
    days.close()
    days.arrive(desk)
    lost = list(Event.objects.filter(epoch=days.morning.epoch, seq__in=[7, 8, 100]))
    Event.objects.filter(pk__in=[one.pk for one in lost]).delete()
    assert at(desk, 0.1) == 1
    alert = Alert.objects.get(kind="day")
    assert (alert.gate, alert.about, alert.detail) == (
        "north",
        DAY,
        f"{DAY}: 3 of 304 events are missing",
    )
    standing = scene.standing(names=False)
    assert alert in standing["alerts"]
    assert at(desk, 0.2) == 0, "not each minute"
    assert at(desk, 1.2) == 1
    alert.refresh_from_db()
    assert alert.count == 1, "the same is said once"
    Event.objects.bulk_create(lost)
    assert at(desk, 2.3) == 1
    assert verdict() == Verdict.COMPLETE
    assert not alerting.open_alerts().exists()
    alert.refresh_from_db()
    assert (alert.handling.closed_by, alert.handling.outcome) == ("office", "the day adds up now")


def test_another_history_is_an_alert(desk: Desk, days: Days) -> None:
    """C20, C21."""
    days.close()
    days.arrive(desk)
    event = Event.objects.get(epoch=days.evening.epoch, seq=2)
    event.body = bytes(event.body).replace(b"synced", b"unsure")
    event.save()
    at(desk, 0.1)
    assert "another history" in Alert.objects.get(kind="day").detail


def test_a_gate_that_does_not_close_its_day_is_an_alert_after_a_day(desk: Desk, days: Days) -> None:
    """C20: it may be away for a night without waking anybody; a late statement is taken at once."""
    days.arrive(desk)
    for hours in (0.1, 12, 23.5):
        at(desk, hours)
    assert verdict() == Verdict.WAITING
    assert not Alert.objects.exists()
    at(desk, 25)
    alerts = Alert.objects.filter(kind="day", about=DAY)
    assert "has not closed the day" in alerts.get().detail
    before = len(days.evening.bodies)
    days.close()
    desk.takes(days.evening, days.evening.message(before + 1, before + 1))
    at(desk, 25.1)
    assert verdict() == Verdict.COMPLETE
    assert not alerting.open_alerts().filter(about=DAY).exists()


def test_a_day_on_which_the_gate_was_off_is_no_alert(desk: Desk, days: Days) -> None:
    """C20: the next account joins the one before over it, and the gate has signed that."""
    days.close()
    days.arrive(desk)
    last = len(days.evening.bodies)
    later = Statement(
        "2026-03-03",
        Place(SITE, "north", days.evening.epoch, last),
        Place(SITE, "north", days.evening.epoch, last),
        days.evening.head(last),
        Counter({"day.closed": 1}),
    )
    days.close(later)
    desk.takes(days.evening, days.evening.message(last + 1, last + 1))
    at(desk, 2 * 24 + 1)
    found = {one.day: one.verdict for one in DayAccount.objects.all()}
    assert found == {DAY: "complete", "2026-03-02": "off", "2026-03-03": "complete"}
    assert not Alert.objects.exists()


def test_the_live_page_says_how_yesterday_stands(desk: Desk, days: Days) -> None:
    site, morning = registry.the_site(), MIDNIGHT + 8 * HOUR
    assert daily.yesterday(site, morning) == ""
    days.close()
    days.arrive(desk)
    daily.go_round(site, morning, desk.keys.ack.sign)
    assert daily.yesterday(site, morning) == "complete"
    DayAccount.objects.update(verdict="missing")
    assert daily.yesterday(site, morning) == "missing"
    assert daily.yesterday(site, morning + 24 * HOUR) == ""
