"""People in the database: sealed, found, and deleted so that no copy holds them (C10)."""

import json
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.db import connection, connections, transaction

from office.home import Home, prepare, use

prepare()

from office import registry  # noqa: E402
from office.audit import keeper  # noqa: E402
from office.faults import OfficeFault  # noqa: E402
from office.identity import keeping, secret  # noqa: E402
from office.keyring import Keyring  # noqa: E402
from office.models import Pass, Person  # noqa: E402
from office.web import files, lookup, visits  # noqa: E402
from office.web.models import Visit  # noqa: E402
from tests.office_pages.desk import Desk  # noqa: E402


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    desk = Desk(tmp_path_factory.mktemp("identity") / "home")
    place = use(desk.home, create=True)
    Keyring.make(place.keys)
    registry.make_site("willow-court", ["main", "garage"], 480)
    yield desk
    connections.close_all()


@pytest.fixture
def desk(opened) -> Desk:
    opened.clear()
    return opened


def everything_on_disk(desk: Desk) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(FULL)")
    return b"".join(path.read_bytes() for path in desk.home.glob("office.db*"))


on_files = pytest.mark.skipif(connection.vendor != "sqlite", reason="looks into the database's own file")


@on_files
def test_no_name_stands_in_the_database(desk):
    """C10: nor a flat, a telephone, a visitor."""
    one = desk.holder("Aurelia Quintessa")
    files.change(one.person, {"unit": "Tower Seven", "phone": "13900001111", "note": "likes owls"}, "chen")
    visit = visits.ask(
        desk.gate(), {"name": "Bartholomew Visitor", "purpose": "visit", "host": "Room Ninety"}
    )
    stored = everything_on_disk(desk)
    for words in ("Aurelia", "Quintessa", "Tower Seven", "13900001111", "owls", "Bartholomew", "Ninety"):
        assert words.encode() not in stored
    assert Person.objects.get().name == "Aurelia Quintessa"
    assert Person.objects.get().file.phone == "13900001111"
    assert Visit.objects.get().host == "Room Ninety"
    assert visit.token.encode() not in stored, "the address of the visitor's page, which shows name and pass"
    assert Visit.objects.get(token_hash=Visit.hashed(visit.token)).token == visit.token


def test_people_are_found_by_any_part_of_what_is_sealed(desk):
    """C10: searching still works, whatever the case."""
    wei = desk.holder("Li Wei").person
    fang = desk.holder("王芳").person
    files.change(wei, {"unit": "3-502", "phone": "13800138000"}, "chen")
    assert [one.name for one in lookup.people("")] == ["Li Wei", "王芳"]
    for words, found in (("wei", wei), ("502", wei), ("138001", wei), ("芳", fang)):
        assert lookup.people(words) == [found], words
    assert lookup.people(wei.passes.get().pass_id.upper()) == [wei]
    assert lookup.people("nobody") == []
    files.change(wei, {"unit": "9-101"}, "chen")
    assert lookup.people("502") == []
    assert lookup.people("9-1") == [wei]


def test_the_same_name_is_the_same_file(desk):
    """C01."""
    desk.holder("Li Wei", "resident")
    desk.holder("Li Wei", "staff")
    assert Person.objects.count() == 1
    with pytest.raises(OfficeFault, match="one live pass"):
        desk.holder("Li Wei", "staff")


def test_whoever_is_deleted_is_deleted_from_every_copy(desk, tmp_path):
    """C10: a copy of the database from before, with the keys of today, opens everybody but them."""
    gone, stays = desk.holder("Aurelia Quintessa").person, desk.holder("Li Wei").person
    files.change(gone, {"phone": "13900001111"}, "chen")
    old_wrapped = bytes(gone.key.wrapped), gone.key.id
    old_secret = secret.load(desk.home / "keys").current.name
    assert keeping.delete_keys(use(desk.home), [gone.key_id]) == 1
    gone.refresh_from_db()
    assert (gone.name, gone.mark, gone.file.phone) == ("", None, "")
    assert lookup.people("Aurelia") == []
    assert Person.objects.get(pk=stays.pk).name == "Li Wei"
    assert desk.holder("Aurelia Quintessa").person != gone, "who comes back is a new file"
    now = secret.load(desk.home / "keys")
    assert old_secret not in now.known
    with pytest.raises(OfficeFault, match="does not hold"):
        now.named(old_secret)
    with pytest.raises(OfficeFault, match="can't be opened"):
        now.current.unwrap(*old_wrapped)
    assert desk.holder("Li Wei", "staff").person == stays, "who stays is found by name as before"
    with pytest.raises(OfficeFault, match="were deleted"):
        files.change(gone, {"phone": "1"}, "chen")


def test_a_deleted_persons_pass_and_events_stay_without_a_name(desk):
    """C10: each class its own clock."""
    gate, one = desk.gate(), desk.holder("Aurelia Quintessa")
    desk.event(gate, pass_id=one.pass_id)
    keeping.delete_keys(use(desk.home), [one.person.key_id])
    (row,) = lookup.newest_of([one.pass_id])
    assert (row.pass_id, row.person, row.person_pk) == (one.pass_id, "", one.person_id)


@pytest.mark.parametrize("interrupted", ["before the commit", "after the commit"])
def test_a_change_of_secrets_that_is_interrupted_loses_nobody(desk, interrupted):
    """C10: whatever ends the process half-way, database and file still belong together."""
    desk.holder("Li Wei")
    keys = desk.home / "keys"
    before = secret.load(keys)
    new = secret.Secret.new()
    secret.replace(keys, secret.Secrets(new, {**before.known, new.name: new}))
    with transaction.atomic():
        keeping._wrap_anew(before, new)
        if interrupted == "before the commit":
            transaction.set_rollback(True)
    assert Person.objects.get().name == "Li Wei"
    desk.holder("Wang Fang")
    keeping.rotate(use(desk.home))
    assert [one.name for one in lookup.people("")] == ["Li Wei", "Wang Fang"]
    assert len(secret.load(keys).known) == 1


def test_secrets_change_while_people_are_drafted(desk):
    """C10: nobody is sealed under a secret that is just going."""
    faults, place = [], use(desk.home)

    def draft():
        try:
            for n in range(15):
                desk.holder(f"Person {threading.get_ident()} {n}")
        except Exception as fault:  # noqa: BLE001  the main thread tells
            faults.append(fault)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=draft) for _ in range(2)]
    for one in threads:
        one.start()
    for _ in range(6):
        keeping.rotate(place)
    for one in threads:
        one.join()
    keeping.rotate(place)
    assert faults == []
    assert len([one for one in lookup.people("Person") if one.name]) == 30


def test_a_lost_or_foreign_secret_is_a_sentence(desk):
    one = desk.holder("Li Wei")
    path = desk.home / "keys" / secret.FILE
    kept = path.read_bytes()
    other = secret.Secret.new()
    try:
        for data, said in (
            (secret.Secrets(other, {other.name: other}).to_bytes(), "restore the newest keys"),
            (b"{}", "can't be read"),
            (b"\0\xff", "can't be read"),
            (json.dumps({"current": "x", "secrets": {"x": "00"}}).encode(), "can't be read"),
        ):
            path.unlink()
            path.write_bytes(data)
            path.chmod(0o600)
            with pytest.raises(OfficeFault, match=said):
                _ = Person.objects.get(pk=one.person_id).name
        path.chmod(0o644)
        with pytest.raises(OfficeFault, match="open to other users"):
            _ = Person.objects.get(pk=one.person_id).name
    finally:
        path.unlink()
        path.write_bytes(kept)
        path.chmod(0o600)
    assert Person.objects.get().name == "Li Wei"


@on_files
def test_an_office_of_an_older_version_is_sealed_when_it_is_opened(tmp_path):
    """C10, C21: names move under keys, nothing of them is left in the file, and the history is chained."""
    home = tmp_path / "old"
    place = Home(home)
    Keyring.make(place.keys)
    connections.close_all()
    connection.settings_dict["NAME"] = place.database
    for app, state in (("web", "0002"), ("office", "0003")):
        call_command("migrate", app, state, verbosity=0)
    at = datetime(2026, 3, 1, tzinfo=UTC).isoformat(" ")
    with closing(sqlite3.connect(place.database)) as db, db:
        db.execute(
            "INSERT INTO office_site (id, name, zones, utc_offset_min, soft_ttl_s, shard_bits, unlisted_static,"
            " admit_when_dead, admit_when_clock_unknown, unlisted_holders, kind_schedules, holidays, passback)"
            " VALUES (1, 'willow-court', '[]', 480, 1, 0, 0, '[]', '[]', 1, '{}', '[]', '{}')"
        )
        db.execute("INSERT INTO office_gate VALUES (1, 'north', 'rpi', '', 'in', 'main', '{}', 1)")
        for n in range(1, 301):
            db.execute("INSERT INTO office_person VALUES (?, ?, 1)", (n, f"Methuselah {n}"))
            db.execute("INSERT INTO web_personfile VALUES (?, 'Ark Street', '139', '', ?)", (n, n))
            db.execute("INSERT INTO office_act VALUES (?, ?, 'chen', 'draft', 'x', '')", (n, at))
        db.execute(
            "INSERT INTO web_visit (id, token, gate_id, at, consent_at, name, purpose, phone, host, company,"
            " plate, state, decided_by, why, overstay)"
            " VALUES (1, 't', 1, ?, ?, 'Noah Visitor', 'visit', '', 'Ark', '', '', 'left', '', '', 0)",
            (at, at),
        )
    use(home)
    assert Person.objects.get(pk=17).name == "Methuselah 17"
    assert Person.objects.get(pk=17).file.unit == "Ark Street"
    assert Visit.objects.get(token_hash=Visit.hashed("t")).name == "Noah Visitor", "his page stays open"
    with transaction.atomic():
        assert Person.of_name(registry.the_site(), "Methuselah 5").pk == 5
    found = keeper.verify(place)
    assert (found.flaw, found.acts) == ("", 300)
    assert not Pass.objects.exists()
    stored = everything_on_disk(Desk(home))
    for words in (b"Methuselah", b"Ark Street", b"Noah"):
        assert words not in stored
