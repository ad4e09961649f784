"""The pages about days: muster, attendance, inspections; names by role, and in both languages."""

from datetime import timedelta

from django.utils import timezone

from office.models import Act, Event
from office.web import files, follower
from office.web.models import Inside
from tests.office_pages.desk import Desk

DAYS = (
    "/days",
    "/days/reconcile",
    "/days/attendance",
    "/days/inspections",
    "/days/inspections?cards=1",
    "/inside",
)


def a_morning(desk: Desk) -> None:
    north, garage = desk.gate(), desk.gate("east")
    type(garage).objects.filter(pk=garage.pk).update(zone="garage")
    for name, gate in (("李伟", north), ("Wang Fang", garage), ("An Na", north)):
        held = desk.holder(name)
        files.change(held.person, {"unit": f"of {name}"}, "chen")
        desk.event(gate, pass_id=held.pass_id)
    follower.catch_up()


def test_the_muster_list_is_by_zone_and_name(desk: Desk) -> None:
    """C24: who has to be found, where to begin, and a box to tick; a pass nobody knows is on it too."""
    a_morning(desk)
    Inside.objects.create(pass_id="ab" * 8, gate=desk.gate("west"), since_utc=timezone.now().timestamp())
    page = desk.browser("chen").get("/inside").content.decode()
    places = [page.index(words) for words in ("garage", "Wang Fang", "<h2>main", "ab" * 8, "An Na", "李伟")]
    assert places == sorted(places)
    assert page.count('class="print tick"') == 4
    assert "of 李伟" in page
    assert Act.objects.filter(who="chen", what="read", subject="inside").exists()
    hidden = desk.browser("zhao").get("/inside").content.decode()
    assert "李伟" not in hidden
    assert hidden.count('class="print tick"') == 4


def test_attendance_is_shown_by_person_and_day(desk: Desk) -> None:
    """C16: with names for whoever sees them, and on record whose."""
    a_morning(desk)
    today = f"{timezone.now() + timedelta(hours=8):%Y-%m-%d}"
    asked = {"since": today, "until": today, "gate": ""}
    page = desk.browser("liu").get("/days/attendance", asked).content.decode()
    assert page.count('<span class="pill alarm">1</span>') == 3, "ways in without ways out"
    assert "李伟" in page
    assert "3 people" in Act.objects.filter(who="liu", subject="attendance").order_by("-n").first().why
    page = desk.browser("zhao").get("/days/attendance", asked | {"gate": "east"}).content.decode()
    assert "Wang Fang" not in page
    assert page.count('<span class="pill alarm">1</span>') == 1
    for odd in (
        {"since": "x"},
        {"since": today, "until": "2019-01-01"},
        {"since": today, "until": "2199-01-01"},
    ):
        assert 'class="errorlist"' in desk.browser("liu").get("/days/attendance", odd).content.decode()


def test_inspections_say_which_gate_was_never_looked_at(desk: Desk) -> None:
    """C22, C17."""
    north = desk.gate()
    desk.gate("south")
    desk.event(north, kind="gate.inspected", passed=True, failed="", steps=5)
    desk.event(north, kind="gate.inspected", passed=False, failed="<b>broker</b>, light-red", steps=2)
    desk.event(north, kind="gate.inspected", passed=["x"])
    page = desk.browser("zhao").get("/days/inspections").content.decode()
    assert page.count("never") == 1
    assert "&lt;b&gt;broker&lt;/b&gt;, light-red" in page
    assert page.count('<span class="pill good">') == 1
    assert page.count(">failed<") == 2


def test_the_days_are_there_in_both_languages(desk: Desk) -> None:
    a_morning(desk)
    assert Event.objects.count() == 3
    for path in DAYS:
        english = desk.browser("liu").get(path)
        chinese = desk.browser("liu").get(path, headers={"accept-language": "zh-hans"})
        assert (english.status_code, chinese.status_code) == (200, 200), path
        assert 'lang="zh-hans"' in chinese.content.decode()
        assert english.content != chinese.content


def test_an_accepted_gap_is_told_on_each_page_about_its_days(desk: Desk) -> None:
    """C20: nobody takes a day with a gap for a whole one, in either language."""
    a_morning(desk)
    desk.gap(desk.gate("south"), "restored from the <b>March</b> backup")
    today = f"{timezone.now() + timedelta(hours=8):%Y-%m-%d}"
    told = "accepted by wang: restored from the &lt;b&gt;March&lt;/b&gt; backup"
    for path in (
        f"/days/reconcile?day={today}",
        f"/days/attendance?since={today}&until={today}&gate=",
        f"/days/attendance?since={today}&until={today}&gate=south",
        "/inside",
    ):
        page = desk.browser("chen").get(path).content.decode()
        assert page.count(told) == 1, path
        page = desk.browser("chen").get(path, headers={"accept-language": "zh-hans"}).content.decode()
        assert page.count("由 wang 确认接受：restored") == 1, path
    for path in (
        "/days/reconcile?day=2026-01-05",
        f"/days/attendance?since={today}&until={today}&gate=north",
        "/days/attendance?since=2026-01-05&until=2026-01-05&gate=",
    ):
        assert "accepted by" not in desk.browser("chen").get(path).content.decode(), path


def test_a_gap_of_last_week_is_no_matter_of_todays_muster(desk: Desk) -> None:
    """C24."""
    desk.gap(desk.gate("south"), "restored", hours_ago=7 * 24)
    assert "accepted by" not in desk.browser("chen").get("/inside").content.decode()
