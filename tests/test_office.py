"""A first day at the site office, by its commands alone."""

import csv
import io
import json
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
import zxingcpp
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import DatabaseError, connections

from agent.core.keys import PublicKey
from agent.core.passes import HolderCertificate, StaticPass, parse
from office.home import prepare

prepare()

from office.alerts import Matter, raise_alert  # noqa: E402
from office.cli import main  # noqa: E402
from office.feed_forms import harmless  # noqa: E402
from office.keyring import Keyring  # noqa: E402
from office.models import Act, Event, Gate, Pass, Site  # noqa: E402

GATE_KEY = "ed25519:" + Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
HOLDER_KEY = "ed25519:" + Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()


class Desk:
    """The commands, run in one home."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, *words: str) -> Result:
        result = CliRunner().invoke(main, [*words, "--home", str(self.home)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def done(self, *words: str) -> str:
        result = self.run(*words)
        assert result.exit_code == 0, result.stderr
        return result.stdout.strip()

    def refused(self, *words: str) -> str:
        result = self.run(*words)
        assert result.exit_code == 1, result.output
        assert result.stderr.startswith("Error: ")
        return result.stderr

    def issue(self, person: str = "Li Wei", kind: str = "resident", **options: str | bool) -> list[str]:
        wish = {"zone": "main", "from": "2026-01-01", "until": "2026-12-31", "by": "chen", **options}
        words = ["issue", "--person", person, "--kind", kind]
        for name, value in wish.items():
            words += [f"--{name.replace('_', '-')}", *([value] if isinstance(value, str) else [])]
        return words


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("office") / "home")
    desk.done("site", "harbour", "--zones", "main,garage", "--utc-offset", "+08:00")
    yield desk
    connections.close_all()


@pytest.fixture
def desk(opened: Desk) -> Desk:
    """The office as on its first morning: no people, no gates."""
    opened.done("passes")  # points Django at this home
    for model in (Event, Gate, Pass):
        model.objects.all().delete()
    return opened


# --- the site and its gates ----------------------------------------------------


def test_a_site_is_made_once_with_its_keys(opened: Desk) -> None:
    public = json.loads((opened.home / "office-public.json").read_text())
    assert public["site"] == "harbour"
    assert {path.stat().st_mode & 0o777 for path in (opened.home / "keys").iterdir()} == {0o600}
    assert (opened.home / "office.db").stat().st_mode & 0o777 == 0o600
    assert "already serves site harbour" in opened.refused("site", "harbour")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("site", "Harbour!"), "found name 'Harbour!'"),
        (("site", "harbour", "--zones", ",".join("abcdefghi")), "wanted 1 to 8"),
        (("site", "harbour", "--zones", "main,main"), "different ones"),
        (("site", "harbour", "--utc-offset", "8"), "such as +08:00"),
    ],
)
def test_a_site_that_no_pass_can_name_is_not_begun(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    assert says in Desk(tmp_path / "new").refused(*words)
    assert not (tmp_path / "new").exists()


def test_without_a_home_every_command_says_where_it_looked(tmp_path: Path) -> None:
    nowhere = Desk(tmp_path / "nowhere")
    for words in (("passes",), ("feed",), ("alerts",), ("gate", "list"), ("revoke", "00", "--by", "chen")):
        assert f"no office in {nowhere.home}" in nowhere.refused(*words)


def _record(tmp_path: Path, **changes: object) -> str:
    record = {
        "site": "harbour",
        "gate": "north",
        "device_id": "rpi-1",
        "journal_key": GATE_KEY,
        "direction": "in",
        "zone": "main",
    }
    file = tmp_path / "north.json"
    file.write_text(json.dumps({**record, **changes}))
    return str(file)


def test_a_gate_comes_on_record_and_only_a_named_replacement_takes_its_place(
    desk: Desk, tmp_path: Path
) -> None:
    for _ in range(2):
        desk.done("gate", "add", _record(tmp_path))
    assert desk.done("gate", "list") == "north\tmain\tin\trpi-1\tnothing yet"
    other = _record(tmp_path, device_id="rpi-2", journal_key=HOLDER_KEY)
    assert "repeat with --replace" in desk.refused("gate", "add", other)
    desk.done("gate", "add", other, "--replace", "--by", "chen")
    assert "rpi-2" in desk.done("gate", "list")
    assert "gate.replaced" in desk.done("history", "north")


@pytest.mark.parametrize(
    "changes",
    [
        {"site": "elsewhere"},
        {"zone": "attic"},
        {"gate": "../north"},
        {"journal_key": "rsa:00"},
        {"journal_key": "p256:" + "00" * 32},
        {"journal_key": None},
        {"device_id": 7},
    ],
)
def test_a_record_of_another_shape_is_refused(desk: Desk, tmp_path: Path, changes: dict[str, object]) -> None:
    desk.refused("gate", "add", _record(tmp_path, **changes))
    assert not Gate.objects.exists()


def test_a_record_that_is_no_record_is_refused(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    for content in (b"", b"[]", b"\xff", b"[" * 50_000, b"7"):
        file.write_bytes(content)
        desk.refused("gate", "add", str(file))
    desk.refused("gate", "add", str(tmp_path / "absent.json"))


# --- passes: C01 to C04 ----------------------------------------------------------


def test_of_several_drafts_all_are_approved_or_none(desk: Desk, tmp_path: Path) -> None:
    ids = [desk.done(*desk.issue(person, "visitor")) for person in ("Li Wei", "Zhao Min")]
    assert "another person" in desk.refused("approve", *ids, "--by", "chen")
    desk.refused("approve", *ids, "ffffffffffffffff", "--by", "wang")
    assert set(Pass.objects.values_list("state", flat=True)) == {"draft"}
    assert "2 passes for one picture" in desk.refused(
        "approve", *ids, "--by", "wang", "--png", str(tmp_path / "x.png")
    )
    lines = [line.split("\t") for line in desk.done("approve", *ids, "--by", "wang").splitlines()]
    assert [pass_id for pass_id, _ in lines] == ids
    assert all(isinstance(parse(text), StaticPass) for _, text in lines)


def test_a_printed_pass_is_drafted_by_one_and_approved_by_another(desk: Desk, tmp_path: Path) -> None:
    """C02, C03."""
    pass_id = desk.done(*desk.issue("赵敏", "visitor", uses="2", why="visits 3-502"))
    assert "another person" in desk.refused("approve", pass_id, "--by", " CHEN ")
    desk.refused("code", pass_id)
    png, svg = tmp_path / "card.png", tmp_path / "card.svg"
    text = desk.done("approve", pass_id, "--by", "wang", "--png", str(png), "--svg", str(svg))
    made = parse(text)
    assert isinstance(made, StaticPass)
    assert made.holds(Keyring.load(desk.home / "keys").issuer.public, "harbour")
    assert (made.pass_id.hex(), made.uses, made.zones) == (pass_id, 2, 1)
    one = Pass.objects.get(pass_id=pass_id)
    assert (one.not_before.timestamp(), one.not_after.timestamp()) == (
        made.not_before_utc,
        made.not_after_utc,
    )
    assert desk.done("code", pass_id) == text
    assert "is live, wanted a draft" in desk.refused("approve", pass_id, "--by", "wu")
    acts = [line.split("\t")[1:] for line in desk.run("history", pass_id).stdout.splitlines()]
    assert acts == [["chen", "draft", pass_id, "visits 3-502"], ["wang", "approve", pass_id, ""]]
    assert svg.read_text().startswith("<?xml")
    cv2 = pytest.importorskip("cv2")
    (seen,) = zxingcpp.read_barcodes(cv2.imread(str(png)))
    assert seen.text == text
    assert str(seen.ec_level) == "M"


def test_a_pass_with_a_holder_key_has_a_certificate_and_no_code_to_draw(desk: Desk, tmp_path: Path) -> None:
    pass_id = desk.done(*desk.issue(holder_key=HOLDER_KEY))
    assert isinstance(parse(desk.done("approve", pass_id, "--by", "wang")), HolderCertificate)
    another = desk.done(*desk.issue("Wu", holder_key=HOLDER_KEY))
    picture = str(tmp_path / "x.png")
    assert "a new one each time" in desk.refused("approve", another, "--by", "wang", "--png", picture)
    assert Pass.objects.get(pass_id=another).state == "draft"


def test_a_phone_is_invited_and_a_lost_one_followed_by_the_next(desk: Desk) -> None:
    """The commands' half of it; tests/office_pages/test_phones.py has the phone's."""
    pass_id = desk.done(*desk.issue(on_phone=True))
    invite = ("invite", pass_id, "--by", "chen", "--address")
    assert "approved one" in desk.refused(*invite, "https://office.example.org")
    assert desk.done("approve", pass_id, "--by", "wang") == ""
    assert "phones make no keys" in desk.refused(*invite, "http://office.example.org")
    link = desk.done(*invite, "https://office.example.org/pass/")
    assert re.fullmatch(r"https://office\.example\.org/pass/#[\w-]{32}", link)
    lost = (
        "lost-phone",
        pass_id,
        "--by",
        "chen",
        "--why",
        "stolen",
        "--address",
        "https://office.example.org",
    )
    assert "on no phone" in desk.refused(*lost)
    Pass.objects.filter(pass_id=pass_id).update(holder_key=HOLDER_KEY)
    assert desk.done(*lost) != link
    assert Pass.objects.get(pass_id=pass_id).holder_key == ""
    card = desk.done(*desk.issue("Wu"))
    desk.done("approve", card, "--by", "wang")
    assert "printed card" in desk.refused(
        "invite", card, "--by", "chen", "--address", "https://office.example.org"
    )


def test_one_person_has_one_live_pass_of_a_kind(desk: Desk) -> None:
    """C01."""
    first = desk.done(*desk.issue())
    assert first in desk.refused(*desk.issue(" Li   Wei "))
    desk.done(*desk.issue(kind="staff"))
    desk.done("approve", first, "--by", "wang")
    desk.refused(*desk.issue())
    desk.done("suspend", first, "--by", "wu", "--why", "card lost")
    desk.refused(*desk.issue())
    desk.done("resume", first, "--by", "wu")
    desk.done("revoke", first, "--by", "wu", "--why", "moved out")
    desk.refused("resume", first, "--by", "wu")
    second = desk.done(*desk.issue())
    assert second != first


def test_a_pass_whose_time_is_over_makes_room_for_the_next(desk: Desk) -> None:
    first = desk.done(*desk.issue(**{"from": "2025-02-01", "until": "2025-02-02"}))
    desk.done(*desk.issue())
    assert Pass.objects.get(pass_id=first).state == "ended"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"zone": "attic"}, "'attic', wanted some of main, garage"),
        ({"from": "2026-01-01", "until": "2027-01-02"}, "at most 366"),
        ({"from": "2026-01-02", "until": "2026-01-01"}, "not after the beginning"),
        ({"from": "2024-01-02", "until": "2024-02-01"}, "from 2025-01-01"),
        ({"from": "9999-12-31", "until": "9999-12-31"}, "wanted a date and time"),
        ({"from": "tomorrow"}, "found time 'tomorrow'"),
        ({"by": "  "}, "nobody's name"),
        ({"holder_key": "ed25519:00"}, "64 hex digits"),
        ({"holder_key": "ed25519:" + "01" + "00" * 31}, "small order"),
        (
            {"holder_key": "ed25519:26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"},
            "small order",
        ),
        ({"holder_key": "ed25519:" + "ff" * 32}, "prime"),
        ({"holder_key": "ed25519:02" + "00" * 31}, "not a point"),
        ({"holder_key": "p256:" + "ff" * 32}, "not a usable holder key"),
    ],
)
def test_a_pass_that_may_not_be_is_refused_with_the_reason(
    desk: Desk, options: dict[str, str], says: str
) -> None:
    """C04, and what no gate could check."""
    assert says in desk.refused(*desk.issue(**options))
    assert not Pass.objects.exists()


@pytest.mark.parametrize("person", ["", " ", "x" * 201, "Li\x1b[2JWei", "Li\x00"])
def test_a_name_that_is_none_is_refused(desk: Desk, person: str) -> None:
    desk.refused(*desk.issue(person))


def test_a_year_and_a_phone_key_of_either_kind_are_taken(desk: Desk) -> None:
    desk.done(*desk.issue(**{"from": "2028-01-01", "until": "2028-12-31"}, holder_key=HOLDER_KEY))  # 366 days
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    key = PublicKey.parse(f"p256{':odd' if numbers.y & 1 else ''}:{numbers.x:064x}")
    desk.done(*desk.issue("Wu", zone="garage", holder_key=str(key)))
    assert {one.zones for one in Pass.objects.all()} == {1, 2}


def test_the_history_can_not_be_changed(desk: Desk) -> None:
    """C02, C21: not even past Django."""
    desk.done(*desk.issue())
    with pytest.raises(DatabaseError, match="append-only"):
        Act.objects.all().delete()
    database = sqlite3.connect(desk.home / "office.db")
    with closing(database), pytest.raises(sqlite3.Error, match="append-only"):
        database.execute("UPDATE office_act SET who = 'nobody'")


# --- the feed -------------------------------------------------------------------


def _event(gate: Gate, seq: int, kind: str = "pass.admitted", reason: str = "", pass_id: str = "") -> Event:
    data = {"clock": "synced", "pass": pass_id}
    at_utc = 1772323200.0 + seq  # 2026-03-01 08:00 at the site
    line = {"type": f"menshen.{kind}", "time": "2026-03-01T00:00:00Z", "data": data}
    return Event.objects.create(
        gate=gate,
        epoch="00000000000000a1",
        seq=seq,
        at_utc=at_utc,
        kind=kind,
        reason=reason,
        pass_id=pass_id,
        body=json.dumps(line).encode(),
    )


@pytest.fixture
def busy(desk: Desk) -> Desk:
    site = Site.objects.get()
    north, south = (
        Gate.objects.create(site=site, name=name, device_id="d", journal_key=GATE_KEY, record={})
        for name in ("north", "south")
    )
    pass_id = desk.done(*desk.issue("=赵敏"))
    _event(north, 1, "journal.opened")
    _event(north, 2, pass_id=pass_id)
    _event(south, 1, "pass.refused", "expired", pass_id)
    _event(north, 3, "pass.refused", "forged")
    return desk


def test_the_feed_names_the_person_only_in_the_office(busy: Desk) -> None:
    lines = [json.loads(line) for line in busy.done("feed", "--format", "jsonl").splitlines()]
    assert [(line["gate"], line["kind"], line["person"]) for line in lines] == [
        ("north", "journal.opened", None),
        ("north", "pass.admitted", "=赵敏"),
        ("south", "pass.refused", "=赵敏"),
        ("north", "pass.refused", None),
    ]
    assert lines[1]["data"]["pass"] == lines[1]["pass"]


@pytest.mark.parametrize(
    ("words", "seqs"),
    [
        (("--gate", "south"), ["1"]),
        (("--kind", "menshen.pass.refused"), ["1", "3"]),
        (("--kind", "journal.opened", "--kind", "pass.admitted"), ["1", "2"]),
        (("--result", "admitted"), ["2"]),
        (("--result", "refused"), ["1", "3"]),
        (("--result", "forged"), ["3"]),
        (("--since", "2026-03-01T08:00:02"), ["2", "3"]),
        (("--until", "2026-02-28"), []),
        (("--until", "2026-03-01T00:00:02Z"), ["1", "1"]),
        (("--gate", "nowhere"), []),
    ],
)
def test_the_feed_is_narrowed(busy: Desk, words: tuple[str, ...], seqs: list[str]) -> None:
    table = list(csv.DictReader(io.StringIO(busy.done("feed", "--format", "csv", *words))))
    assert [row["seq"] for row in table] == seqs


def test_the_feed_follows_one_pass(busy: Desk) -> None:
    pass_id = Pass.objects.get().pass_id
    assert len(busy.done("feed", "--pass", pass_id.upper()).splitlines()) == 1 + 2


def test_no_cell_of_a_spreadsheet_is_a_formula(busy: Desk) -> None:
    rows = list(csv.DictReader(io.StringIO(busy.done("feed", "--format", "csv"))))
    assert rows[1]["person"] == "'=赵敏"
    for cell in ("=1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "＝1"):
        assert harmless(cell) == f"'{cell}"
    assert harmless("Li Wei") == "Li Wei"


def test_the_table_is_in_columns_also_with_chinese_names(busy: Desk) -> None:
    head, _, admitted, *_ = busy.done("feed").splitlines()
    assert admitted.startswith("2026-03-01 08:00:02.000  north")
    assert head.index("person") == admitted.index("=赵敏")


@pytest.fixture
def follower(busy: Desk) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "office.cli", "feed", "--follow", "--format", "jsonl"]
    process = subprocess.Popen(
        [*command, "--home", str(busy.home)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


def test_a_follower_sees_each_event_as_it_comes(busy: Desk, follower: subprocess.Popen[str]) -> None:
    assert follower.stdout
    past = [json.loads(follower.stdout.readline())["seq"] for _ in range(4)]
    assert past == [1, 2, 1, 3]
    _event(Gate.objects.get(name="north"), 4, "exit.pressed")
    assert json.loads(follower.stdout.readline())["kind"] == "exit.pressed"
    follower.send_signal(signal.SIGTERM)
    assert follower.wait(10) == 0
    assert follower.stderr
    assert follower.stderr.read() == ""


def test_a_follower_ends_when_its_reader_has_gone(busy: Desk, follower: subprocess.Popen[str]) -> None:
    assert follower.stdout
    follower.stdout.readline()
    follower.stdout.close()
    assert follower.wait(10) == 0
    assert follower.stderr
    assert follower.stderr.read() == ""


def test_alerts_are_listed_once_with_their_count(desk: Desk) -> None:
    for _ in range(3):
        raise_alert(Matter.FORK, "north", "another history", datetime(2026, 3, 1, tzinfo=UTC), "a1")
    assert desk.done("alerts") == "2026-03-01T08:00+08:00\tfork\tnorth\ta1\t3\tanother history"


# --- help ------------------------------------------------------------------------


def test_every_command_explains_itself_with_an_example() -> None:
    names = [*main.list_commands(click.Context(main)), "gate add", "gate list"]
    for name in names:
        result = CliRunner().invoke(main, [*name.split(), "--help"])
        assert result.exit_code == 0
        assert f"menshen-office {name.split()[0]}" in result.stdout or name == "gate", name


def test_a_command_that_is_not_understood_ends_with_2() -> None:
    for words in (["open-sesame"], ["issue"], ["feed", "--format", "xml"], ["issue", "--uses", "16"]):
        assert CliRunner().invoke(main, words).exit_code == 2
