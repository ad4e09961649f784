"""The office goes through a gate's day, event for event."""

from collections import Counter
from dataclasses import replace

import pytest
from click.testing import CliRunner

from agent.core.closing import Statement
from agent.core.events import Kind, Place
from office.cli import main
from tests.signing_gate import SITE, Desk, SigningGate

from django.test import Client  # isort: skip  after signing_gate has set Django up
from office import home as homes  # isort: skip
from office.models import Act, Epoch, Event  # isort: skip
from office.retention import events as letting_go  # isort: skip
from office.reconcile import KEPT, Finding, Verdict, reconcile  # isort: skip
from office.web import accounts, server  # isort: skip
from office.web.models import Account  # isort: skip
from office.web.roles import Role  # isort: skip

DAY = "2026-03-01"


pytest_plugins = "tests.desk_plugin"


class Days:
    """A gate that restarted once in a day of 304 events, and closed it."""

    def __init__(self) -> None:
        self.morning = SigningGate().opened().busy(299)
        self.evening = self.morning.restarted("00000000000000b2").busy(3)
        self.statement = Statement(
            DAY,
            Place(SITE, "north", self.morning.epoch, 1),
            Place(SITE, "north", self.evening.epoch, 4),
            self.evening.head(4),
            Counter({"journal.opened": 2, "pass.refused.expired": 302}),
        )

    def close(self, statement: Statement | None = None) -> None:
        said = statement or self.statement
        signature = self.evening.key.sign(said.signed_by_gate())
        self.evening.journal(Kind.DAY_CLOSED, **replace(said, signature=signature).facts())

    def arrive(self, desk: Desk) -> None:
        desk.takes(self.morning, self.morning.message(1, 200), self.morning.message(201, 300))
        desk.takes(self.evening, self.evening.message(1, len(self.evening.bodies)))


@pytest.fixture
def days(desk: Desk) -> Days:
    one = Days()
    desk.knows(one.morning)
    return one


def found(desk: Desk) -> Finding:
    (one,) = reconcile(SITE, DAY, desk.keys.ack.sign)
    return one


def test_a_day_that_adds_up_is_countersigned_once(desk: Desk, days: Days) -> None:
    days.close()
    days.arrive(desk)
    for _ in range(2):
        assert found(desk) == Finding("north", Verdict.COMPLETE, 304)
    act = Act.objects.get(what=KEPT)
    assert (act.subject, act.why.split(",")[0]) == (f"north/{DAY}", "to 00000000000000b2/4")
    made = bytes.fromhex(act.why.rpartition(" ")[2])
    assert made == desk.keys.ack.sign(days.statement.signed_by_office())


def test_without_a_statement_the_office_waits(desk: Desk, days: Days) -> None:
    days.arrive(desk)
    assert found(desk).verdict is Verdict.WAITING


def test_what_is_missing_is_named(desk: Desk, days: Days) -> None:
    days.close()
    days.arrive(desk)
    Event.objects.filter(epoch=days.morning.epoch, seq__in=[7, 100, 101, 102]).delete()
    one = found(desk)
    assert (one.verdict, one.missing) == (Verdict.MISSING, 4)
    assert one.detail == f"{days.morning.epoch}/7, {days.morning.epoch}/100 to 102"
    assert not Act.objects.filter(what=KEPT).exists()


def test_an_epoch_that_is_missing_is_named(desk: Desk, days: Days) -> None:
    days.close()
    days.arrive(desk)
    Event.objects.filter(epoch=days.morning.epoch).delete()
    Epoch.objects.filter(name=days.morning.epoch).delete()
    one = found(desk)
    assert (one.verdict, one.missing, one.detail) == (Verdict.MISSING, 304, f"all of {days.morning.epoch}")


def test_an_event_changed_in_the_database_is_a_fork(desk: Desk, days: Days) -> None:
    days.close()
    days.arrive(desk)
    event = Event.objects.get(epoch=days.evening.epoch, seq=2)
    event.body = bytes(event.body).replace(b"synced", b"unsure")
    event.save()
    assert found(desk).verdict is Verdict.FORK


def test_a_statement_that_counts_otherwise_or_is_not_signed_is_a_fork(desk: Desk, days: Days) -> None:
    days.close(replace(days.statement, counts={"journal.opened": 3, "pass.refused.expired": 301}))
    days.arrive(desk)
    assert "counted otherwise" in found(desk).detail
    days.evening.journal(Kind.DAY_CLOSED, **replace(days.statement, signature=bytes(64)).facts())
    desk.takes(days.evening, days.evening.message(5, 6))
    said = [one.detail for one in reconcile(SITE, DAY, desk.keys.ack.sign)]
    assert "not signed" in said[1]


def test_the_command_says_it_in_a_line_and_by_its_exit_code(desk: Desk, days: Days) -> None:
    def run(day: str):
        return CliRunner().invoke(main, ["reconcile", day, "--home", str(desk.home)])

    days.close()
    days.arrive(desk)
    done = run(DAY)
    assert (done.exit_code, done.stdout) == (0, "north\tcomplete\t304\t0\t-\n")
    waiting = run("2026-03-02")
    assert waiting.exit_code == 1
    assert waiting.stdout.startswith("north\twaiting\t0\t0\t")
    assert "wanted a date" in run("yesterday").stderr


def test_a_day_that_was_partly_deleted_on_schedule_says_so(desk: Desk, days: Days) -> None:
    """C10, C20: it is neither complete nor missing; a day after it is still gone through."""
    days.close()
    days.arrive(desk)
    morning = Epoch.objects.order_by("pk").first()
    assert letting_go.delete({morning.pk: 100}) == 100
    assert found(desk) == Finding(
        "north", Verdict.LET_GO, 304, detail="deleted on schedule: 00000000000000a1/1 to 100"
    )
    wanted = Counter({"journal.opened": 1, "pass.refused.expired": 203})
    again = replace(days.statement, first=Place(SITE, "north", days.morning.epoch, 101), counts=wanted)
    Event.objects.filter(kind=Kind.DAY_CLOSED).delete()
    before = len(days.evening.bodies)
    days.close(again)
    desk.takes(days.evening, days.evening.message(before + 1, before + 1))
    assert found(desk) == Finding("north", Verdict.COMPLETE, 204)


def test_the_page_shows_it_and_countersigns_on_request(desk: Desk, days: Days) -> None:
    """C20: looking changes nothing; what agrees is countersigned by a button, and who pressed it is on record."""
    days.close()
    days.arrive(desk)
    server.configure(homes.current(), server.Address("127.0.0.1", 0, ("testserver",)))
    accounts.add("liu", Role.AUDITOR, "Correct-Horse-9-Staple", by="tests")
    browser = Client()
    browser.force_login(Account.objects.get(username="liu"), backend="office.web.duties.DutyBackend")
    page = browser.get("/days/reconcile", {"day": DAY}).content.decode()
    assert "adds up" in page
    assert "304" in page
    assert not Act.objects.filter(what=KEPT).exists()
    page = browser.post("/days/reconcile", {"day": DAY}, follow=True).content.decode()
    assert "✓" in page
    assert Act.objects.get(what=KEPT).subject == f"north/{DAY}"
    assert Act.objects.get(what="reconcile").who == "liu"
    Event.objects.filter(epoch=days.morning.epoch, seq=7).delete()
    page = browser.get(
        "/days/reconcile", {"day": DAY}, headers={"accept-language": "zh-hans"}
    ).content.decode()
    assert "缺少事件" in page
    assert f"{days.morning.epoch}/7" in page
    for odd in ("", "x", "0001-01-01", "9999-12-31", "2026-02-30"):
        assert browser.get("/days/reconcile", {"day": odd}).status_code == 200
