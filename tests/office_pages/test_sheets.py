"""Sheets leave the office masked by role, harmless, on record, and piece by piece (C15, C16, C10)."""

import csv
import http.client
import io
import re
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import openpyxl
import pyrage
import pytest
from click.testing import CliRunner
from django.db.models import Max
from django.utils import timezone

from agent.core.events import Kind
from office import registry
from office.backup import folder
from office.backup.lockbox import Lock
from office.cli import main
from office.faults import OfficeFault
from office.home import use
from office.incident import paper
from office.keyring import audit_key
from office.models import Act, Event
from office.sheets.attendance import attended
from office.sheets.masks import Mask
from office.sheets.tables import TABLES, Asked
from office.sheets.taking import Taker, take
from office.sheets.writing import xlsx_chunks
from office.web import files, visits
from office.web.models import VisitRules
from tests.office_pages.desk import EPOCH, Desk
from tests.office_pages.serving import served_at

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", '=HYPERLINK("http://x","y")']
MINE = pyrage.x25519.Identity.generate()
KEYED = {"seal": "key", "recipient": str(MINE.to_public())}
FULL = ("chen", "wang")
WORDS = "correct horse battery staple"
TODAY = f"{timezone.now() + timedelta(hours=8):%Y-%m-%d}"


def asked(desk: Desk, who: str, table: str, form: str = "csv", **more: str):
    said = {"table": table, "form": form, "since": TODAY, "until": TODAY, "why": "monthly report"}
    said |= KEYED if who in FULL else {"seal": "none"}
    return asked_as(desk, who, said | more)


def asked_as(desk: Desk, who: str, said: dict[str, str]):
    return desk.browser(who).post("/exports", said)


def opened(response) -> bytes:
    """What was sent, decrypted by whoever it is for."""
    whole = b"".join(response.streaming_content)
    return pyrage.decrypt(whole, [MINE]) if whole.startswith(b"age-encryption.org/v1") else whole


def rows(response) -> list[list[str]]:
    assert response.status_code == 200
    assert response.headers["Content-Disposition"].startswith("attachment"), response.content.decode()
    text = opened(response).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def a_morning(desk: Desk) -> str:
    held = desk.holder("李伟")
    files.change(held.person, {"unit": "3-502", "phone": "13800138000"}, "chen")
    desk.event(desk.gate(), pass_id=held.pass_id)
    return held.pass_id


def test_names_are_told_by_role(desk: Desk) -> None:
    """C10, C15: whole for the desk, in part for who checks, not at all for who keeps the gates."""
    pass_id = a_morning(desk)
    for who, name, phone in (
        ("chen", "李伟", "13800138000"),
        ("wang", "李伟", "13800138000"),
        ("liu", "李**", "138****00"),
    ):
        assert rows(asked(desk, who, "events"))[1][-2:] == [pass_id, name]
        assert rows(asked(desk, who, "attendance"))[1][2] == name
        assert rows(asked(desk, who, "people"))[1][1:4] == [name, "3-502" if phone.isdigit() else "**", phone]
    for who in ("zhao", "admin"):
        assert rows(asked(desk, who, "events"))[1][-2:] == [pass_id, ""]
        assert rows(asked(desk, who, "attendance"))[1][2] == ""
        for table in ("people", "visits"):
            refused = asked(desk, who, table)
            assert "Content-Disposition" not in refused.headers
            assert "李" not in refused.content.decode()


def test_what_names_people_leaves_encrypted(desk: Desk) -> None:
    """C29: by a passphrase that is nowhere kept, or a key; in the open it is masked."""
    a_morning(desk)
    said = {"table": "people", "form": "csv", "since": TODAY, "until": TODAY, "why": "the fire brigade"}
    by_words = {**said, "seal": "passphrase", "words": WORDS, "again": WORDS}
    taken = asked_as(desk, "chen", by_words)
    assert taken.headers["Content-Disposition"].endswith('.csv.age"')
    whole = b"".join(taken.streaming_content)
    assert "李伟".encode() not in whole
    assert "李伟" in pyrage.passphrase.decrypt(whole, WORDS).decode("utf-8-sig")
    assert "encrypted by a passphrase" in Act.objects.filter(what="export").latest("n").why
    assert not Act.objects.filter(why__contains="horse").exists()
    masked = rows(asked_as(desk, "chen", {**said, "seal": "masked"}))
    assert masked[1][1:4] == ["李**", "**", "138****00"]
    for wrong in (
        {"seal": "none"},
        {},
        {"seal": "office"},
        {"seal": "key", "recipient": "age1nobody"},
        {"seal": "key"},
        {"seal": "passphrase"},
        {"seal": "passphrase", "words": "short", "again": "short"},
        {"seal": "passphrase", "words": WORDS, "again": WORDS + "r"},
    ):
        refused = asked_as(desk, "chen", said | wrong)
        assert "Content-Disposition" not in refused.headers, wrong
        assert 'class="errorlist"' in refused.content.decode()
        assert WORDS not in refused.content.decode()


def test_the_offices_own_key_is_that_of_its_backups(desk: Desk, tmp_path) -> None:
    """C29, C30."""
    a_morning(desk)
    folder.add(use(desk.home), tmp_path, Lock.to([str(MINE.to_public())]), folder.Keeping())
    said = {"table": "people", "form": "csv", "since": TODAY, "until": TODAY, "why": "x", "seal": "office"}
    assert rows(asked_as(desk, "chen", said))[1][1] == "李伟"
    (desk.home / folder.FILE).unlink()


def test_what_is_missing_for_good_stands_in_the_sheets(desk: Desk) -> None:
    """C15, C20: in its place among the events, and beside each day that it touches."""
    a_morning(desk)
    desk.gap(desk.gate("south"), "restored")
    desk.event(desk.gate("east"))
    kinds = [row[2:5] for row in rows(asked(desk, "liu", "events"))[1:]]
    told = f"missing after {EPOCH}/1, to {EPOCH}/51; accepted by wang: restored"
    assert [row[0] for row in kinds] == ["north", "south", "east"]
    assert kinds[1] == ["south", "events are missing", told]
    assert [row[-1] for row in rows(asked(desk, "liu", "attendance"))] == [
        "Remarks",
        "south: events are missing",
    ]
    assert rows(asked(desk, "liu", "attendance", gate="north"))[1][-1] == ""


def test_who_took_what_and_why_is_on_record(desk: Desk) -> None:
    """C15, C21, C35."""
    a_morning(desk)
    before = Act.objects.aggregate(n=Max("n"))["n"]
    rows(asked(desk, "liu", "events", gate="north"))
    begun, ended = Act.objects.filter(n__gt=before, what__startswith="export").order_by("n")
    tomorrow = f"{datetime.fromisoformat(TODAY) + timedelta(days=1):%Y-%m-%d}"
    assert (begun.subject, begun.why) == (
        "events",
        f"csv, names part, not encrypted, from {TODAY} 00:00:00, until {tomorrow} 00:00:00, gate north: monthly report",
    )
    assert (ended.what, ended.why) == ("export.end", "1 rows, whole")
    taken = Act.objects.filter(what="export").count()
    said = asked(desk, "liu", "events", why=" ").content.decode()
    assert 'class="errorlist"' in said
    assert Act.objects.filter(what="export").count() == taken, "nothing was taken"


def test_a_sheet_that_nobody_waits_for_says_so(desk: Desk) -> None:
    """C21."""
    gate = desk.gate()
    for _ in range(1001):
        desk.event(gate)
    begun = take("events", "csv", Asked(registry.the_site(), Mask.NONE), Taker("liu", "test"))
    next(begun)
    begun.close()
    assert Act.objects.order_by("-n").first().why.endswith("rows, broken off")


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_no_cell_is_a_formula(desk: Desk, form: str) -> None:
    """C15: whatever a visitor writes into the form."""
    gate = desk.gate()
    VisitRules.objects.create(kind="visitor", asks=["phone", "host", "company", "plate"], notice="why")
    for words in FORMULAS:
        visits.ask(gate, dict.fromkeys(("name", "phone", "host", "company", "plate", "purpose"), words))
    response = asked(desk, "chen", "visits", form)
    if form == "csv":
        cells = [cell for row in rows(response) for cell in row]
    else:
        book = openpyxl.load_workbook(io.BytesIO(opened(response)))
        found = [cell for row in book.active.iter_rows() for cell in row]
        assert {cell.data_type for cell in found} <= {"s", "n", "inlineStr"}
        cells = [str(cell.value) for cell in found if cell.value is not None]
    assert len([one for one in cells if "HYPERLINK" in one]) >= 5
    assert not [one for one in cells if one.startswith(tuple("=+-@\t\r＝＋－＠"))]


def test_both_forms_hold_the_same_in_the_readers_language(desk: Desk) -> None:
    """C15."""
    a_morning(desk)
    browser = desk.browser("chen")
    browser.cookies["django_language"] = "zh-hans"
    said = {"table": "people", "since": TODAY, "until": TODAY, "why": "x", **KEYED}
    table = rows(browser.post("/exports", said | {"form": "csv"}))
    sheet = browser.post("/exports", said | {"form": "xlsx"})
    book = openpyxl.load_workbook(io.BytesIO(opened(sheet)))
    assert [[str(cell or "") for cell in row] for row in book.active.iter_rows(values_only=True)] == table
    assert table[0][1] == "姓名"
    assert "住户" in table[1]


def test_what_one_sheet_of_a_workbook_can_not_hold_goes_on_in_the_next() -> None:
    """C15: spreadsheets end at a million rows."""
    whole = b"".join(xlsx_chunks(["n"], ([str(n)] for n in range(25)), 10))
    book = openpyxl.load_workbook(io.BytesIO(whole))
    found = [[row[0] for row in sheet.iter_rows(values_only=True)] for sheet in book.worksheets]
    assert [one[0] for one in found] == ["n", "n", "n"]
    assert [int(n) for one in found for n in one[1:]] == list(range(25))


def test_control_characters_do_not_break_a_workbook(desk: Desk) -> None:
    visits.ask(desk.gate(), {"name": "Li\x07Wei", "purpose": "\x00\x1f"})
    for form in ("csv", "xlsx"):
        assert list(take("visits", form, Asked(registry.the_site(), Mask.FULL), Taker("chen", "x")))


def test_many_events_come_in_pieces(desk: Desk) -> None:
    """C15: the first leaves before the last is read."""
    gate = desk.gate()
    Event.objects.bulk_create(
        Event(gate=gate, epoch="e", seq=n, at_utc=time.time(), kind="door.opened", body=b"{}")
        for n in range(1, 5001)
    )
    pieces = take("events", "csv", Asked(registry.the_site(), Mask.NONE), Taker("liu", "x"))
    first = next(pieces)
    assert first.count(b"\n") == 501
    assert first.count(b"\n") + sum(one.count(b"\n") for one in pieces) == 5001


def passed(desk: Desk, gate, pass_id: str, at: str, *, inwards: bool) -> None:
    event = desk.event(gate, pass_id=pass_id, way="in" if inwards else "out")
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC) - timedelta(hours=8)
    Event.objects.filter(pk=event.pk).update(at_utc=moment.timestamp())


def days(first: int, last: int) -> tuple[datetime, datetime]:
    begin = datetime(2026, 5, 1, tzinfo=UTC) - timedelta(hours=8)
    return begin + timedelta(days=first - 1), begin + timedelta(days=last)


def test_attendance_is_by_person_and_day(desk: Desk) -> None:
    """C16: two gates, out of order, lunch out, a night shift, and a way out that nobody saw."""
    north, south = desk.gate(), desk.gate("south")
    li, wang = desk.holder("Li Wei").pass_id, desk.holder("Wang Fang").pass_id
    passed(desk, south, li, "2026-05-01T12:00", inwards=False)
    passed(desk, north, li, "2026-05-01T08:00", inwards=True)
    passed(desk, north, li, "2026-05-01T13:00", inwards=True)
    passed(desk, north, li, "2026-05-01T17:30", inwards=False)
    passed(desk, north, wang, "2026-05-01T22:00", inwards=True)
    passed(desk, north, wang, "2026-05-02T06:00", inwards=False)
    passed(desk, north, wang, "2026-05-02T22:00", inwards=True)
    desk.event(north, kind=Kind.REFUSED, pass_id=li)
    found = attended(*days(1, 3), 480)
    said = [(one.day, one.inside_s / 3600, one.passages, one.open_ends) for one in found]
    assert said == [
        ("2026-05-01", 8.5, 4, 0),
        ("2026-05-01", 2.0, 1, 0),
        ("2026-05-02", 6.0, 2, 1),
    ]
    assert [one.day for one in attended(*days(1, 3), 480, "south")] == ["2026-05-01"]
    assert attended(*days(4, 9), 480) == []
    with pytest.raises(OfficeFault, match="1 to 92"):
        attended(*days(1, 200), 480)


def test_the_command_takes_the_same_sheets(desk: Desk, tmp_path) -> None:
    """C15: masked unless it is asked for otherwise."""
    a_morning(desk)
    by = ("--by", "wang", "--home", str(desk.home))
    for table in TABLES:
        for form in ("csv", "xlsx"):
            file = tmp_path / f"{table}.{form}"
            words = ("export", table, str(file), "--since", TODAY, "--until", TODAY, "--why", "audit")
            done = CliRunner().invoke(main, [*words, *by])
            assert done.exit_code == 0, done.output
            assert file.stat().st_mode & 0o777 == 0o600
    assert "李**" in (tmp_path / "events.csv").read_text(encoding="utf-8-sig")
    words = ("export", "events", str(tmp_path / "full.csv"), "--names", "full", "--why", "audit")
    assert CliRunner().invoke(main, [*words, *by]).exit_code == 0
    assert "李伟" in (tmp_path / "full.csv").read_text(encoding="utf-8-sig")
    done = CliRunner().invoke(main, [*words, "--to", KEYED["recipient"], *by])
    assert "李伟" in pyrage.decrypt((tmp_path / "full.csv.age").read_bytes(), [MINE]).decode("utf-8-sig")
    done = CliRunner().invoke(main, ["export", "events", "x.pdf", "--why", "audit", *by])
    assert "ends with .csv or .xlsx" in done.output
    done = CliRunner().invoke(main, ["export", "attendance", str(tmp_path / "a.csv"), "--why", "audit", *by])
    assert "both a first and a last day" in done.output
    assert not (tmp_path / "a.csv").exists()


@pytest.mark.parametrize(
    ("since", "until"),
    [("2026-05-02", "2026-05-01"), ("0001-01-01", "9999-12-31"), ("x", ""), (TODAY, "2999-01-01")],
)
def test_odd_days_are_a_sentence(desk: Desk, since: str, until: str) -> None:
    said = asked(desk, "chen", "attendance", since=since, until=until)
    assert said.status_code == 200
    assert 'class="errorlist"' in said.content.decode()


def test_an_incident_is_filed_from_the_page(desk: Desk, tmp_path) -> None:
    """C11: by the desk, not by who sees no whole names."""
    pass_id = a_morning(desk)
    asked_for = {"since": TODAY, "until": TODAY, "held": pass_id, "why": "a fight", **KEYED}
    for who in ("liu", "zhao", "admin"):
        assert desk.browser(who).post("/incident", asked_for).status_code == 403
    taken = desk.browser("wang").post("/incident", asked_for)
    file = tmp_path / "case.zip"
    assert taken.headers["Content-Disposition"].endswith('.zip.age"')
    file.write_bytes(opened(taken))
    assert paper.check(file, audit_key(desk.home / "keys").public).by == "wang"
    refused = desk.browser("wang").post("/incident", asked_for | {"held": "0" * 16})
    assert "sixteen digits" in refused.content.decode()


def test_a_sheet_comes_whole_through_the_real_server(desk: Desk) -> None:
    """C15: piece by piece, in the reader's language, and the end is on record."""
    gate = desk.gate()
    Event.objects.bulk_create(
        Event(gate=gate, epoch="e", seq=n, at_utc=time.time(), kind="door.opened", body=b"{}")
        for n in range(1, 3001)
    )
    cookies = "; ".join(f"{one.key}={one.value}" for one in desk.browser("liu").cookies.values())
    with served_at(desk) as served:
        page = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
        page.request("GET", "/exports", headers={"Cookie": cookies})
        answer = page.getresponse()
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', answer.read().decode())
        assert token
        cookies += f"; {answer.headers['Set-Cookie'].split(';')[0]}; django_language=zh-hans"
        said = {"table": "events", "form": "csv", "since": TODAY, "until": TODAY, "why": "x", "seal": "none"}
        body = urlencode(said | {"csrfmiddlewaretoken": token[1]})
        headers = {"Cookie": cookies, "Content-Type": "application/x-www-form-urlencoded"}
        page.request("POST", "/exports", body, headers)
        answer = page.getresponse()
        text = answer.read().decode("utf-8-sig")
        page.close()
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert text.count("\n") == 3001
    assert "时间" in text.splitlines()[0]
    assert Act.objects.order_by("-n").filter(what="export.end").first().why == "3000 rows, whole"
