"""Data are deleted by class and clock, with a receipt, and what follows still works (C10)."""

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from django.db import connections
from django.utils import timezone

from office.home import prepare, use

prepare()

from axes.models import AccessLog  # noqa: E402

from office import registry  # noqa: E402
from office.audit import keeper  # noqa: E402
from office.cli import main  # noqa: E402
from office.faults import OfficeFault  # noqa: E402
from office.identity.sealed import PersonKey  # noqa: E402
from office.issuing import Codes  # noqa: E402
from office.keyring import Keyring, audit_key  # noqa: E402
from office.models import Act, Alert, Event, Pass, Person, RetentionRule  # noqa: E402
from office.retention import people, rules, schedule  # noqa: E402
from office.retention.receipts import WHAT, Receipt  # noqa: E402
from office.retention.rules import Kept  # noqa: E402
from office.web import lookup, visits  # noqa: E402
from office.web.caretaker import Caretaker  # noqa: E402
from office.web.models import Handling, Inside, Visit, VisitState  # noqa: E402
from tests.office_pages.desk import Desk  # noqa: E402

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    desk = Desk(tmp_path_factory.mktemp("retention") / "home")
    place = use(desk.home, create=True)
    Keyring.make(place.keys)
    registry.make_site("willow-court", ["main", "garage"], 480)
    yield desk
    connections.close_all()


@pytest.fixture
def desk(opened) -> Desk:
    use(opened.home)
    opened.clear()
    RetentionRule.objects.all().delete()
    return opened


def counts(now) -> dict[str, int]:
    return {str(one.kept): one.count for one in schedule.due(now)}


def visitor(desk: Desk, name: str, *, gone_days: float | None) -> Visit:
    gate = desk.gate(f"gate-{Visit.objects.count()}")
    visit = visits.ask(gate, {"name": name, "purpose": "visit", "host": "3-502"})
    visit = visits.approve(visit.pk, by="wang")
    now = timezone.now().timestamp()
    visits.saw([(visit.held.pass_id, now, True)])
    if gone_days is not None:
        visits.saw([(visit.held.pass_id, now, False)])
        Visit.objects.update(left_utc=now - gone_days * 86400, at=timezone.now() - (gone_days + 0.1) * DAY)
        Pass.objects.filter(pk=visit.held_id).update(not_after=timezone.now() - gone_days * DAY)
    return Visit.objects.get(pk=visit.pk)


def test_a_visitor_is_forgotten_thirty_days_after_the_visit(desk):
    """C10: and not a day before."""
    visitor(desk, "Zhao Min", gone_days=29.9)
    now = timezone.now()
    assert counts(now)["identity"] == 0
    assert counts(now + DAY)["identity"] == 2  # the visit, and the file made for it
    (receipt,) = schedule.delete(use(desk.home), now + DAY, by="wang")
    assert (receipt.kept, receipt.count, receipt.rule_days, receipt.by) == ("identity", 2, 30, "wang")
    visit = Visit.objects.get()
    assert (visit.name, visit.host, visit.state) == ("", "", VisitState.LEFT)
    assert visit.held.person.name == ""
    assert Codes.here().of(visit.held) == ""
    assert not PersonKey.objects.filter(pk__in=[one.key_id for one in Person.objects.all() if one.key_id])
    assert counts(now + DAY)["identity"] == 0


def test_who_has_an_open_pass_or_is_inside_stays(desk):
    """C10."""
    desk.holder("Li Wei", days=200)
    desk.holder("Wang Fang", days=1)
    inside = visitor(desk, "Zhao Min", gone_days=None)
    Inside.objects.create(pass_id=inside.held.pass_id, gate=inside.gate, since_utc=timezone.now().timestamp())
    later = timezone.now() + 60 * DAY
    schedule.delete(use(desk.home), later, by="wang")
    names = {one.name for one in lookup.people("")}
    assert names == {"Li Wei", f"Zhao Min #{inside.pk}"}
    assert Visit.objects.get().name == "Zhao Min"


def test_a_revoked_pass_ends_when_it_was_revoked(desk):
    """C10."""
    one = desk.holder("Li Wei", days=200)
    registry.move("revoke", one.pass_id, by="chen", why="moved out")
    assert counts(timezone.now() + 29 * DAY)["identity"] == 0
    assert counts(timezone.now() + 31 * DAY)["identity"] == 1


def test_a_receipt_is_signed_and_stands_in_the_log(desk):
    """C10, C21."""
    visitor(desk, "Zhao Min", gone_days=31)
    place = use(desk.home)
    schedule.delete(place, timezone.now(), by="wang")
    act = Act.objects.filter(what=WHAT).order_by("-n").first()
    key = audit_key(place.keys).public
    assert Receipt.read(act.why, "willow-court", key).count == 2
    for was, is_now in (('"count":2', '"count":1'), ("wang", "chen"), ('"sig":"', '"sig":"00'), ("{", "[")):
        with pytest.raises(OfficeFault, match=r"not signed|no receipt"):
            Receipt.read(act.why.replace(was, is_now, 1), "willow-court", key)
    assert keeper.verify(place).flaw == ""


def test_events_go_after_half_a_year_and_identities_before(desk):
    """C10: each class its own clock; at least six months for the network's records."""
    gate, one = desk.gate(), desk.holder("Li Wei", days=1)
    old = [desk.event(gate, pass_id=one.pass_id) for _ in range(6)]
    desk.epoch(gate)
    Event.objects.filter(pk__in=[event.pk for event in old[:4]]).update(
        at_utc=(timezone.now() - 181 * DAY).timestamp()
    )
    assert counts(timezone.now())["events"] == 4
    schedule.delete(use(desk.home), timezone.now(), by="wang")
    assert Event.objects.count() == 2
    schedule.delete(use(desk.home), timezone.now() + 400 * DAY, by="wang")
    assert [event.seq for event in Event.objects.all()] == [old[-1].seq], "the newest always stays"


def test_sign_ins_and_closed_alerts_have_their_own_clocks(desk):
    """C10."""
    log = AccessLog.objects.create(username="chen", ip_address="127.0.0.1", user_agent="", path_info="/")
    AccessLog.objects.filter(pk=log.pk).update(attempt_time=timezone.now() - 181 * DAY)
    long_ago = timezone.now() - 370 * DAY
    for about, closed in (("a", True), ("b", False)):
        alert = Alert.objects.create(
            kind="gap", gate="", about=about, detail="", first_at=long_ago, last_at=long_ago
        )
        Handling.objects.create(
            alert=alert,
            owner="chen",
            acknowledged_at=long_ago,
            closed_at=long_ago if closed else None,
            closed_count=1,
        )
    kept = {one.kept: one.count for one in schedule.delete(use(desk.home), timezone.now(), by="wang")}
    assert kept["sign-ins"] == kept["alerts"] == 1
    assert [one.about for one in Alert.objects.all()] == ["b"]


@pytest.mark.parametrize(
    ("kept", "days", "fine"),
    [
        (Kept.IDENTITY, 14, True),
        (Kept.IDENTITY, 0, False),
        (Kept.IDENTITY, 181, False),
        (Kept.EVENTS, 179, False),
        (Kept.EVENTS, 365, True),
        (Kept.SIGN_INS, 30, False),
        (Kept.ALERTS, 4000, False),
        (Kept.EVENTS, -1, False),
    ],
)
def test_an_office_chooses_within_the_law(desk, kept, days, fine):
    """C10."""
    if fine:
        rules.choose(kept, days, by="admin")
        assert rules.days()[kept] == days
    else:
        with pytest.raises(OfficeFault, match="no longer than needed"):
            rules.choose(kept, days, by="admin")
        assert rules.days()[kept] == rules.BOUNDS[kept].usual


def test_it_is_done_by_itself_once_a_day_at_three(desk):
    """C10."""
    before = datetime(2030, 3, 1, 18, 59, tzinfo=UTC)  # 02:59 on the site's clock
    assert schedule.is_time(before)
    visitor(desk, "Zhao Min", gone_days=31)
    caretaker = Caretaker(use(desk.home))
    caretaker.go_round()
    assert Visit.objects.get().name == ""
    runs = Act.objects.filter(what="retention.run").count()
    caretaker.go_round()
    assert Act.objects.filter(what="retention.run").count() == runs
    assert not schedule.is_time(timezone.now())
    assert schedule.is_time(timezone.now() + DAY)


def test_a_person_who_asks_for_it_is_deleted_at_once(desk):
    """C10: unless a pass is open."""
    one = desk.holder("Li Wei")
    place = use(desk.home)
    with pytest.raises(OfficeFault, match="revoke it first"):
        people.forget(place, one.person, by="wang", why="asked")
    registry.move("revoke", one.pass_id, by="chen", why="moved out")
    with pytest.raises(OfficeFault, match="no reason"):
        people.forget(place, one.person, by="wang", why=" ")
    people.forget(place, one.person, by="wang", why="asked for it")
    assert Person.objects.get().name == ""
    with pytest.raises(OfficeFault, match="deleted already"):
        people.forget(place, Person.objects.get(), by="wang", why="again")


def test_the_command_looks_first(desk):
    """C10: a dry run unless told otherwise."""
    visitor(desk, "Zhao Min", gone_days=31)

    def said(*words):
        return CliRunner().invoke(main, ["retention", *words, "--home", str(desk.home)])

    assert "identity\t2\t" in said().stdout
    assert Visit.objects.get().name == "Zhao Min"
    assert said("--delete").exit_code == 1
    done = said("--delete", "--by", "wang")
    assert "identity\t2\t" in done.stdout, done.output
    assert Visit.objects.get().name == ""
    assert "identity\t30\t1\t180" in said("rules").stdout
