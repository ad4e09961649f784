"""The file of an incident holds what belongs to it, and any change of it is found (C11)."""

import io
import json
import zipfile
from datetime import timedelta

import pytest
from click.testing import CliRunner
from django.db import connections
from django.utils import timezone
from pyrage import decrypt, x25519

from office.home import prepare, use

prepare()

from office import registry  # noqa: E402
from office.alerts import Matter, raise_alert  # noqa: E402
from office.cli import main  # noqa: E402
from office.faults import OfficeFault  # noqa: E402
from office.incident import paper  # noqa: E402
from office.incident.gathering import About  # noqa: E402
from office.incident.taking import take  # noqa: E402
from office.keyring import Keyring, audit_key  # noqa: E402
from office.models import Act, Event, Gate  # noqa: E402
from office.web.models import RemoteOrder  # noqa: E402
from tests.office_pages.desk import Desk  # noqa: E402

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    desk = Desk(tmp_path_factory.mktemp("incident") / "home")
    place = use(desk.home, create=True)
    Keyring.make(place.keys)
    registry.make_site("willow-court", ["main", "garage"], 480)
    yield desk
    connections.close_all()


@pytest.fixture
def desk(opened) -> Desk:
    use(opened.home)
    opened.clear()
    return opened


def lately(**about) -> About:
    now = timezone.now()
    return About(now - HOUR, now + HOUR, **about)


def filed(desk: Desk, about: About) -> bytes:
    return b"".join(take(use(desk.home), about, by="wang", why="forced the door"))


def inside(whole: bytes) -> dict[str, list[dict]]:
    with zipfile.ZipFile(io.BytesIO(whole)) as packed:
        return {
            name: [json.loads(line) for line in packed.read(name).splitlines()]
            for name in packed.namelist()
            if name.endswith(".jsonl")
        }


def an_evening(desk: Desk) -> tuple[str, str]:
    north, south = desk.gate(), desk.gate("south")
    li, wang = desk.holder("李伟"), desk.holder("Wang Fang")
    for gate, one in ((north, li), (south, li), (north, wang)):
        desk.event(gate, pass_id=one.pass_id)
    desk.event(north, kind="door.forced")
    old = desk.event(north, pass_id=li.pass_id)
    Event.objects.filter(pk=old.pk).update(at_utc=old.at_utc - 7200)
    now = timezone.now()
    raise_alert(Matter.OVERSTAY, "north", "door forced", now, "x")
    RemoteOrder.objects.create(
        gate=north, what="lockdown", why="fight", asked_by="wang", asked_at=now, ends=now
    )
    return li.pass_id, wang.pass_id


def test_it_holds_what_belongs_to_a_person(desk):
    """C11: their events at all gates, what was done with their pass, and alerts and orders of that time."""
    li, wang = an_evening(desk)
    person = registry.find(li).person_id
    found = inside(filed(desk, lately(person=person)))
    assert [(one["gate"], json.loads(one["line"])["data"]["pass"]) for one in found["events.jsonl"]] == [
        ("north", li),
        ("south", li),
    ]
    assert [(one["name"], one["pass"]) for one in found["people.jsonl"]] == [("李伟", li)]
    assert {one["what"] for one in found["audit.jsonl"]} == {"draft", "approve"}
    heads = {one["n"]: one["head"] for one in found["audit.jsonl"]}
    assert heads == {act.n: bytes(act.head).hex() for act in Act.objects.filter(n__in=heads)}
    assert [one["detail"] for one in found["alerts.jsonl"]] == ["door forced"]
    assert [(one["gate"], one["what"], one["asked_by"]) for one in found["orders.jsonl"]] == [
        ("north", "lockdown", "wang")
    ]
    assert wang not in json.dumps(found)


def test_it_holds_what_belongs_to_a_gate_or_a_span(desk):
    """C11."""
    li, wang = an_evening(desk)
    assert len(inside(filed(desk, lately(gate="north")))["events.jsonl"]) == 3
    assert len(inside(filed(desk, lately()))["events.jsonl"]) == 4
    assert len(inside(filed(desk, lately(pass_id=wang.upper())))["events.jsonl"]) == 1
    assert inside(filed(desk, lately(pass_id=li, gate="south")))["orders.jsonl"] == []


def test_it_says_what_is_missing_of_its_time(desk):
    """C11, C20: whoever investigates must not take a gap for silence."""
    li, _ = an_evening(desk)
    desk.gap(Gate.objects.get(name="south"), "restored")
    (said,) = inside(filed(desk, lately(pass_id=li)))["gaps.jsonl"]
    assert (said["gate"], said["accepted_by"], said["why"]) == ("south", "wang", "restored")
    assert inside(filed(desk, lately(gate="north")))["gaps.jsonl"] == []


def test_any_change_of_it_is_found(desk, tmp_path):
    """C11: each file altered, taken out, put in, and the manifest altered or signed by another."""
    an_evening(desk)
    whole = filed(desk, lately())
    key = audit_key(desk.home / "keys").public
    good = tmp_path / "good.zip"
    good.write_bytes(whole)
    assert paper.check(good, key).by == "wang"
    with zipfile.ZipFile(good) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    changed = [files | {name: data + b"x"} for name, data in files.items()]
    changed += [{other: data for other, data in files.items() if other != name} for name in files]
    changed += [files | {"more.jsonl": b"{}"}, files | {"manifest.sig": b"00" * 64}]
    changed += [files | {"events.jsonl": files["events.jsonl"].replace(b"door.forced", b"door.opened")}]
    changed += [files | {"manifest.json": files["manifest.json"].replace(b'"wang"', b'"chen"')}]
    bad = tmp_path / "bad.zip"
    for each in changed:
        with zipfile.ZipFile(bad, "w") as packed:
            for name, data in each.items():
                packed.writestr(name, data)
        with pytest.raises(OfficeFault, match="not sound"):
            paper.check(bad, key)
    for cut in range(0, len(whole), len(whole) // 20):
        bad.write_bytes(whole[:cut])
        with pytest.raises(OfficeFault, match="not sound"):
            paper.check(bad, key)
    with pytest.raises(OfficeFault, match="another office's"):
        paper.check(good, Keyring.load(desk.home / "keys").ack.public)


def test_what_is_not_there_is_a_sentence(desk):
    an_evening(desk)
    now = timezone.now()
    for about, words in (
        (lately(person=99_999), "no person"),
        (lately(pass_id="0" * 16), "no pass"),
        (lately(gate="nowhere"), "no gate"),
        (About(now, now), "1 to 366"),
        (About(now - 400 * 24 * HOUR, now), "1 to 366"),
    ):
        with pytest.raises(OfficeFault, match=words):
            filed(desk, about)
    with pytest.raises(OfficeFault, match="no reason"):
        take(use(desk.home), lately(), by="wang", why=" ")


def test_the_commands_file_and_check_one(desk, tmp_path):
    """C11, C29: from a terminal, on record, and encrypted if it is to travel."""
    an_evening(desk)
    file, today = tmp_path / "case.zip", f"{timezone.now() + 8 * HOUR:%Y-%m-%d}"
    words = [
        "incident",
        "file",
        str(file),
        "--since",
        today,
        "--until",
        today,
        "--by",
        "wang",
        "--why",
        "a fight",
    ]
    words += ["--home", str(desk.home)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert file.stat().st_mode & 0o777 == 0o600
    assert Act.objects.filter(who="wang", what="export", subject="incident", why__contains="a fight").exists()
    key = str(audit_key(desk.home / "keys").public)
    said = CliRunner().invoke(main, ["incident", "verify", str(file), "--key", key])
    assert "sound: 8 files of site willow-court" in said.output
    assert "compare it" in CliRunner().invoke(main, ["incident", "verify", str(file)]).output
    mine = x25519.Identity.generate()
    done = CliRunner().invoke(main, [*words, "--to", str(mine.to_public())])
    assert done.exit_code == 0, done.output
    assert decrypt(file.read_bytes(), [mine]).startswith(b"PK")
