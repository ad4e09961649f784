"""A day at the desk: a family moves in, a card is worn, somebody leaves."""

import io
import json
import re
import time
from datetime import timedelta
from pathlib import Path

import openpyxl
import pytest
import zxingcpp
from django.utils import timezone

from firmware_tools.ceremony import make_keys, sign_trust, write_trust
from firmware_tools.key_files import OfficePublic
from office import repository
from office.alerts import Matter, raise_alert
from office.home import Home
from office.ingest.beat import Beat
from office.issuing import Codes
from office.keyring import Keyring
from office.models import Act, Alert, IngesterBeat, Pass, Person
from office.places import Place
from office.web import charts, follower, importing
from office.web.hub import HUB, Reader
from office.web.models import HourCount, Inside, PersonFile
from tests.office_pages.desk import SITE, Desk

TODAY = timezone.now()
A_PASS = {
    "kind": "resident",
    "zones": ["main"],
    "begins": f"{TODAY:%Y-%m-%dT00:00}",
    "ends": f"{TODAY + timedelta(days=300):%Y-%m-%dT00:00}",
    "uses": "0",
    "why": "moved in",
}


def test_a_pass_is_drafted_reviewed_by_another_and_printed(desk: Desk) -> None:
    """C01, C02, C03, C12."""
    clerk, approver = desk.browser("chen"), desk.browser("wang")
    answer = clerk.post("/people/new", {**A_PASS, "name": "赵敏", "unit": "3-502", "phone": "138"})
    assert answer.status_code == 302
    one = Pass.objects.get()
    assert (one.state, one.drafted_by) == ("draft", "chen")
    assert clerk.post("/review/decide", {"pass": one.pass_id, "decision": "approve"}).status_code == 403
    assert "赵敏" in approver.get("/review").text
    approver.post("/review/decide", {"pass": [one.pass_id], "decision": "approve"})
    one.refresh_from_db()
    assert (one.state, one.approved_by) == ("live", "wang")

    png = clerk.get(f"/passes/{one.pass_id}/code.png").content
    cv2 = pytest.importorskip("cv2")
    numpy = pytest.importorskip("numpy")
    (seen,) = zxingcpp.read_barcodes(cv2.imdecode(numpy.frombuffer(png, numpy.uint8), 0))
    assert seen.text == Codes.here().of(one)
    assert clerk.get(f"/passes/{one.pass_id}/code.svg").content.startswith(b"<?xml")
    sheet = clerk.get("/badges").text
    assert "赵敏" in sheet
    assert "<svg" in sheet


def test_two_approvers_at_once_approve_once(desk: Desk) -> None:
    one = desk.holder(live=False)
    wish = {"pass": one.pass_id, "decision": "approve"}
    first, second = desk.browser("wang"), desk.browser("wang")
    assert "1 draft approved" in first.post("/review/decide", wish, follow=True).text
    assert "wanted a draft" in second.post("/review/decide", wish, follow=True).text
    assert Act.objects.filter(what="approve", subject=one.pass_id).count() == 1


def test_a_refused_draft_needs_a_reason(desk: Desk) -> None:
    one = desk.holder(live=False)
    browser = desk.browser("wang")
    assert (
        "reason"
        in browser.post("/review/decide", {"pass": one.pass_id, "decision": "refuse"}, follow=True).text
    )
    browser.post("/review/decide", {"pass": one.pass_id, "decision": "refuse", "why": "lives elsewhere"})
    one.refresh_from_db()
    assert one.state == "revoked"


def test_a_year_is_the_most(desk: Desk) -> None:
    """C04."""
    late = {**A_PASS, "name": "Wu", "ends": f"{TODAY + timedelta(days=400):%Y-%m-%dT00:00}"}
    assert "at most 366" in desk.browser("chen").post("/people/new", late).text
    assert not Pass.objects.exists()


def test_what_ends_within_thirty_days_is_due(desk: Desk) -> None:
    """C04."""
    desk.holder("Soon", days=29)
    desk.holder("Later", days=40)
    page = desk.browser("chen").get("/renewals").text
    assert "Soon" in page
    assert "Later" not in page


def test_a_worn_card_is_printed_again_and_stays_the_same_pass(desk: Desk) -> None:
    """C14, C17."""
    one = desk.holder()
    before = Codes.here().of(one)
    answer = desk.browser("chen").post(f"/passes/{one.pass_id}/replace", {"why": "worn"})
    assert answer["Location"] == f"/badges?pass={one.pass_id}"
    one.refresh_from_db()
    assert Codes.here().of(one) == before
    assert Act.objects.filter(what="replace", subject=one.pass_id, who="chen").exists()


def test_a_changed_file_is_in_the_history_without_what_it_says(desk: Desk) -> None:
    """C10, C14."""
    person = desk.holder().person
    desk.browser("chen").post(
        f"/people/{person.pk}/file", {"unit": "3-502", "phone": "13800138000", "note": ""}
    )
    assert PersonFile.objects.get(person=person).phone == "13800138000"
    (act,) = Act.objects.filter(what="file", subject=f"person {person.pk}")
    assert (act.who, act.why) == ("chen", "unit, phone")
    assert "13800138000" not in desk.browser("liu").get("/history").text


def test_stopping_a_pass_wants_a_reason(desk: Desk) -> None:
    one = desk.holder()
    browser = desk.browser("chen")
    browser.post(f"/passes/{one.pass_id}/move", {"what": "suspend", "why": " "})
    one.refresh_from_db()
    assert one.state == "live"
    for what, state in (("suspend", "suspended"), ("resume", "live"), ("revoke", "revoked")):
        browser.post(f"/passes/{one.pass_id}/move", {"what": what, "why": "lost"})
        one.refresh_from_db()
        assert one.state == state
    assert browser.post(f"/passes/{one.pass_id}/move", {"what": "draft", "why": "x"}).status_code == 404


def test_publishing_before_the_first_ceremony_says_what_to_do(desk: Desk) -> None:
    assert "menshen-office publish" in desk.browser("wang").post("/publish", follow=True).text


def test_the_gates_are_told_from_the_page(desk: Desk, tmp_path: Path) -> None:
    """C03, C11."""
    home = Home(desk.home)
    office = OfficePublic.model_validate(Keyring.load(home.keys).office_public(SITE))
    make_keys(tmp_path / "offline", b"a long passphrase for a test")
    signed = sign_trust(tmp_path / "offline", office, b"a long passphrase for a test", TODAY)
    write_trust(tmp_path / "trust", *signed)
    Place(str(tmp_path / "trust"), str(tmp_path / "published")).remember(home)
    one = desk.holder()
    approver = desk.browser("wang")
    assert "with 1 passes is published" in approver.post("/publish", follow=True).text
    assert repository.last_number(tmp_path / "published") >= 1
    stamp = (tmp_path / "published" / "timestamp.json").read_bytes()
    approver.post(f"/passes/{one.pass_id}/move", {"what": "revoke", "why": "lost"})
    assert (tmp_path / "published" / "timestamp.json").read_bytes() != stamp
    (desk.home / "published.json").unlink()


# --- spreadsheets: C12 ---------------------------------------------------------

HEAD = ["姓名", "类别", "区域", "开始", "截止日期", "房号", "电话"]


def _xlsx(*rows: list) -> io.BytesIO:
    book = openpyxl.Workbook()
    for row in (HEAD, *rows):
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    out.seek(0)
    out.name = "people.xlsx"
    return out


def _csv(*rows: list, encoding: str = "utf-8") -> io.BytesIO:
    out = io.BytesIO("\r\n".join(",".join(map(str, row)) for row in (HEAD, *rows)).encode(encoding))
    out.name = "people.csv"
    return out


def _person(number: int) -> list:
    return [
        f"人{number}",
        "住户",
        "main",
        TODAY.date(),
        TODAY.date() + timedelta(days=300),
        f"1-{number}",
        "138",
    ]


def test_two_hundred_people_come_from_a_sheet(desk: Desk) -> None:
    """C12."""
    answer = desk.browser("chen").post("/people/import", {"sheet": _xlsx(*map(_person, range(200)))})
    assert answer["Location"] == "/review"
    assert Pass.objects.filter(state="draft", drafted_by="chen").count() == 200
    assert "1-7" in {one.unit for one in PersonFile.objects.all()}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_csv_from_any_spreadsheet_is_read(desk: Desk, encoding: str) -> None:
    desk.browser("chen").post("/people/import", {"sheet": _csv(_person(1), encoding=encoding)})
    assert Person.objects.get().name == "人1"


def test_a_sheet_says_who_has_a_phone_and_who_a_card(desk: Desk) -> None:
    rows = [[*_person(n), form] for n, form in enumerate(("手机", "card", ""))]
    text = "\r\n".join(",".join(map(str, row)) for row in ([*HEAD, "形式"], *rows))
    sheet = io.BytesIO(text.encode())
    sheet.name = "people.csv"
    assert desk.browser("chen").post("/people/import", {"sheet": sheet}).status_code == 302
    assert list(Pass.objects.order_by("pk").values_list("on_phone", flat=True)) == [True, False, False]
    sheet = io.BytesIO(text.replace("手机", "watch").encode())
    sheet.name = "people.csv"
    assert "wanted card or phone" in desk.browser("chen").post("/people/import", {"sheet": sheet}).text


def test_every_faulty_row_is_named_and_nothing_is_imported(desk: Desk) -> None:
    """C12."""
    faulty = [3, 5, 7, 8]
    rows = [_person(n) for n in range(9)]
    rows[1][1], rows[3][2], rows[5][4], rows[6] = "ghost", "attic", "2031-01-01", _person(0)
    answer = desk.browser("chen").post("/people/import", {"sheet": _xlsx(*rows)})
    assert answer.status_code == 422
    assert [int(row) for row in re.findall(r"<tr><td>(\d+)</td>", answer.text)] == faulty
    assert not Pass.objects.exists()
    assert not Person.objects.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.xlsx", b"PK\x03\x04 no book"),
        ("x.xlsx", b""),
        ("x.csv", b"\xff\xfe\x00\x81"),
        ("x.csv", b"name,kind\nA,resident"),
        ("x.csv", b'name,kind,zones,from,until\n"A'),
        ("x.csv", b"name,person,kind,zones,from,until\nA,A,resident,main,2026-01-01,2026-02-01"),
        ("x.csv", b"name,kind,zones,from,until\n" + b"A,resident,main,2026-01-01,2026-02-01\n" * 5002),
        ("x.csv", b"x" * (importing.MAX_BYTES + 1)),
    ],
)
def test_a_file_that_is_no_sheet_of_people_is_refused(desk: Desk, name: str, content: bytes) -> None:
    sheet = io.BytesIO(content)
    sheet.name = name
    assert desk.browser("chen").post("/people/import", {"sheet": sheet}).status_code == 422
    assert not Person.objects.exists()


# --- the live page ---------------------------------------------------------------


def test_who_is_inside_follows_the_gates(desk: Desk) -> None:
    """C06, C15."""
    north, out, both = desk.gate("north"), desk.gate("south", "out"), desk.gate("garage", "both")
    li, wu = desk.holder("Li Wei"), desk.holder("Wu", "staff")
    for gate, one, way in ((north, li, None), (both, wu, "in"), (out, li, None)):
        desk.event(gate, pass_id=one.pass_id, **({"way": way} if way else {}))
    assert follower.catch_up() == 3
    assert [one.pass_id for one in Inside.objects.all()] == [wu.pass_id]
    assert "Wu" in desk.browser("chen").get("/inside").text
    desk.event(both, pass_id=wu.pass_id, way="out")
    assert follower.catch_up() == 1
    assert follower.catch_up() == 0
    assert not Inside.objects.exists()
    assert sum(HourCount.objects.values_list("count", flat=True)) == 4


def test_who_came_in_by_a_gate_that_tells_late_and_has_left_since_is_not_inside(desk: Desk) -> None:
    """C06: the gate's cable was cut when they came, and mended after they had gone by another gate."""
    north, out = desk.gate("north"), desk.gate("south", "out")
    li, wu, ma = (desk.holder(name).pass_id for name in ("Li Wei", "Wu", "Ma"))
    began = time.time()
    for pass_id in (li, wu, ma):
        desk.event(out, pass_id=pass_id, at_utc=began + 600)
    follower.catch_up()
    desk.event(north, pass_id=li, at_utc=began)  # before leaving, and told now
    desk.event(north, pass_id=wu, at_utc=began + 900)  # came back
    desk.event(
        north, pass_id=ma, at_utc=began, clock="unknown"
    )  # whenever that was, it is what is known last
    follower.catch_up()
    assert {one.pass_id for one in Inside.objects.all()} == {wu, ma}
    desk.event(out, pass_id=wu, at_utc=began + 1000)
    follower.catch_up()
    assert {one.pass_id for one in Inside.objects.all()} == {ma}


def test_who_is_inside_is_counted_by_kind(desk: Desk) -> None:
    """C15."""
    north = desk.gate()
    for name, kind in (("Li", "resident"), ("Wu", "resident"), ("Ma", "staff")):
        desk.event(north, pass_id=desk.holder(name, kind).pass_id)
    follower.catch_up()
    assert [(one.label, one.count, one.width) for one in charts.inside_by_kind()] == [
        ("resident", 2, 100),
        ("staff", 1, 50),
    ]
    assert "Inside now" in desk.browser("zhao").get("/").text


def test_a_gate_in_trouble_says_so_until_it_is_over(desk: Desk) -> None:
    north = desk.gate()
    browser = desk.browser("zhao")
    for kind, troubled in (
        ("camera.lost", True),
        ("pass.refused", True),
        ("camera.back", False),
        ("door.forced", True),
    ):
        desk.event(north, kind)
        follower.catch_up()
        assert ("card gate alarm" in browser.get("/").text) is troubled, kind


def test_a_technician_sees_no_names(desk: Desk) -> None:
    """C10, C28."""
    one = desk.holder("Li Wei")
    desk.event(desk.gate(), pass_id=one.pass_id)
    follower.catch_up()
    for path in ("/", "/events", "/inside", "/events?q=Li"):
        assert "Li Wei" in desk.browser("liu").get(path).text
        assert "Li Wei" not in desk.browser("zhao").get(path).text
    assert one.pass_id not in desk.browser("zhao").get("/events?q=Li").text.replace('value="Li"', "")


def test_events_are_found_by_gate_result_person_and_time(desk: Desk) -> None:
    north, garage = desk.gate(), desk.gate("garage")
    li, wu = desk.holder("Li Wei"), desk.holder("Wu", "staff")
    desk.event(north, pass_id=li.pass_id)
    desk.event(garage, "pass.refused", wu.pass_id, "expired")
    for _ in range(60):
        desk.event(north, "door.opened")
    browser = desk.browser("chen")

    def lines(query: str) -> int:
        return browser.get(f"/events?{query}").text.count('<tr id="e')

    assert lines("gate=garage") == 1
    assert lines("result=refused") == 1
    assert lines("result=expired") == 1
    assert lines("q=li+wei") == 1
    assert lines(f"q={wu.pass_id}") == 1
    assert lines("until=2020-01-01T00:00") == 0
    first = browser.get("/events")
    assert first.text.count('<tr id="e') == 50
    older = re.search(r'href="\?([^"]*before=[^"]*)"', first.text)
    assert older
    assert lines(older[1]) == 12
    assert browser.get("/events?since=rubbish&gate=attic&before=-1").status_code == 200


def test_an_alert_has_an_owner_and_an_outcome_and_opens_again(desk: Desk) -> None:
    """C34."""
    now = timezone.now()
    raise_alert(Matter.FORK, "north", "two histories", now)
    alert = Alert.objects.get()
    zhao = desk.browser("zhao")
    assert (
        "acknowledge it first" in zhao.post(f"/alerts/{alert.pk}/close", {"outcome": "x"}, follow=True).text
    )
    zhao.post(f"/alerts/{alert.pk}/acknowledge")
    assert "zhao has it" in desk.browser("liu").get("/alerts").text
    assert desk.browser("liu").post(f"/alerts/{alert.pk}/acknowledge").status_code == 403
    zhao.post(f"/alerts/{alert.pk}/close", {"outcome": "the card was restored; a new one is in"})
    assert "No open alerts" in zhao.get("/alerts").text
    raise_alert(Matter.FORK, "north", "two histories", now)
    assert "No open alerts" not in zhao.get("/alerts").text


def test_both_languages_say_the_same(desk: Desk) -> None:
    browser = desk.browser("chen")
    assert "事件" in browser.get("/", headers={"accept-language": "zh-CN"}).text
    assert "Events" in browser.get("/", headers={"accept-language": "en"}).text
    browser.post("/language", {"language": "zh-hans", "next": "/people"})
    assert "人员" in browser.get("/people", headers={"accept-language": "en"}).text


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "'; DROP TABLE office_pass; --", "=cmd()", "{{ 7 }}"]
)
def test_a_hostile_name_is_only_a_name(desk: Desk, name: str) -> None:
    desk.browser("chen").post("/people/new", {**A_PASS, "name": name})
    page = desk.browser("chen").get("/people")
    assert "<script>alert" not in page.text
    assert Person.objects.get().name == name


def test_a_message_to_the_live_pages_is_one_line(desk: Desk) -> None:
    one = desk.holder("Li Wei")
    desk.event(desk.gate(), pass_id=one.pass_id)
    head, data, *rest = HUB.since(Reader("zh-hans", names=True), 0).decode().split("\n")
    assert head.startswith("id: ")
    assert "Li Wei" in json.loads(data.removeprefix("data: "))["rows"]
    assert rest == ["", ""]
    assert "Li Wei" not in HUB.since(Reader("en", names=False), 0).decode()


def test_the_live_page_says_when_no_events_come_in(desk: Desk) -> None:
    """C34: in a sentence, in both languages, and what to do."""
    desk.gate()
    IngesterBeat.objects.all().delete()
    chen = desk.browser("chen")
    assert "No events come in yet" in chen.get("/").text
    one = Beat("one")
    one.tick(listening=True)
    assert "No events come in" not in chen.get("/").text
    one.tick(listening=False)
    assert "the broker can't be reached" in chen.get("/").text
    one.stop()
    assert "Start menshen-office ingest again." in chen.get("/").text
    assert "没有事件进来" in chen.get("/", headers={"accept-language": "zh-hans"}).text
    IngesterBeat.objects.all().delete()
