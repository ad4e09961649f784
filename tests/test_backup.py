"""An office is backed up while it goes on, and comes back whole, without whoever was deleted (C30, C10)."""

import contextlib
import io
import sqlite3
import subprocess
import sys
import threading
from datetime import date, timedelta
from pathlib import Path

import pyrage
import pytest
from click.testing import CliRunner
from django.db import connection, connections
from django.utils import timezone

from office.home import prepare, use

prepare()

from django.contrib.sessions.models import Session  # noqa: E402
from django.db.migrations.recorder import MigrationRecorder  # noqa: E402

from office import registry  # noqa: E402
from office.audit import keeper  # noqa: E402
from office.backup import archive, checking, dumps, folder, making, peoples_keys, restoring  # noqa: E402
from office.backup.lockbox import Key, Lock  # noqa: E402
from office.cli import main  # noqa: E402
from office.faults import OfficeFault  # noqa: E402
from office.identity import secret  # noqa: E402
from office.identity.sealed import PersonKey  # noqa: E402
from office.issuing import Codes  # noqa: E402
from office.keyring import Keyring, audit_key  # noqa: E402
from office.models import Act, Alert, Event, Pass, Person  # noqa: E402
from office.retention import people  # noqa: E402
from office.web import lookup, visits  # noqa: E402
from office.web.models import Visit  # noqa: E402
from tests.office_pages.desk import Desk  # noqa: E402

MINE = pyrage.x25519.Identity.generate()
LOCK, KEY = Lock.to([str(MINE.to_public())]), Key((MINE,))
WORDS = "correct horse battery staple"
REMADE = {
    "office_personkey",
    "office_person",
    "office_act",
    "office_actseal",
    "office_restoration",
    "django_session",
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    desk = Desk(tmp_path_factory.mktemp("backup") / "home")
    place = use(desk.home, create=True)
    Keyring.make(place.keys)
    registry.make_site("willow-court", ["main", "garage"], 480)
    yield desk
    connections.close_all()


@pytest.fixture
def desk(opened) -> Desk:
    use(opened.home)
    opened.clear()
    PersonKey.objects.all().delete()
    return opened


def backup(desk: Desk, file: Path, lock: Lock = LOCK) -> Path:
    making.make(use(desk.home), file, lock, file.with_name("people.age"))
    return file


def restore(file: Path, home: Path, key: Key = KEY, **wish) -> restoring.Restored:
    return restoring.restore(
        home, restoring.Wish(file, key, **{"people": file.with_name("people.age"), **wish}), by="wang"
    )


def tables() -> dict[str, list[tuple]]:
    """Every row of every table of the database in use."""
    with connection.cursor() as cursor:
        found = {}
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')
            found[table] = sorted(map(repr, cursor.fetchall()))
    return found


def a_day(desk: Desk) -> Visit:
    gate = desk.gate()
    for name in ("Li Wei", "王芳"):
        desk.event(gate, pass_id=desk.holder(name).pass_id)
    visit = visits.ask(gate, {"name": "Zhao Min", "purpose": "visit", "host": "3-502"})
    visits.approve(visit.pk, by="wang")
    desk.epoch(gate)
    return visit


def test_an_office_is_back_from_its_backup(desk, tmp_path):
    """C30: every row of every table, every key, and every name."""
    a_day(desk)
    Session.objects.create(session_key="stolen", session_data="", expire_date=timezone.now())
    before, acts = tables(), Act.objects.count()
    people_before = {one.pk: one.name for one in Person.objects.all()}
    audit_key(use(desk.home).keys)  # made when it is first wanted, as by a command before
    pems = {one.name: one.read_bytes() for one in (desk.home / "keys").glob("*.pem")}
    back = restore(backup(desk, tmp_path / "may.age"), tmp_path / "new" / "home")
    assert (back.gone, back.unsure, back.manifest.site) == (0, "", "willow-court")
    after = tables()
    assert {name: rows for name, rows in after.items() if name not in REMADE} == {
        name: rows for name, rows in before.items() if name not in REMADE
    }
    assert {one.pk: one.name for one in Person.objects.all()} == people_before
    assert (Visit.objects.get().name, Visit.objects.get().host) == ("Zhao Min", "3-502")
    assert {one.name: one.read_bytes() for one in (back.home.keys).glob("*.pem")} == pems
    assert after["office_act"][: len(before["office_act"])] != []
    assert Act.objects.filter(n__lte=acts).count() == acts
    assert Act.objects.get(what="restore").who == "wang"
    assert keeper.verify(back.home).flaw == ""
    assert not Session.objects.exists(), "whoever was signed in signs in again"
    assert Person.of_name(registry.the_site(), "王芳").pk in people_before, "found again by its mark"
    modes = {
        one.stat().st_mode & 0o077 for one in (back.home.path, back.home.database, *back.home.keys.iterdir())
    }
    assert modes == {0}


def test_who_was_deleted_since_stays_deleted(desk, tmp_path):
    """C10, C30: an old backup with today's keys is the old office without them."""
    visit = a_day(desk)
    old = backup(desk, tmp_path / "old.age")
    leaving = next(one for one in Person.objects.all() if one.name == "Li Wei")
    registry.move("revoke", leaving.passes.get().pass_id, by="chen", why="moved out")
    people.forget(use(desk.home), leaving, by="wang", why="asked for it")
    backup(desk, tmp_path / "new.age")
    back = restore(old, tmp_path / "home")
    assert (back.gone, back.unsure) == (1, "")
    assert {one.name for one in Person.objects.all()} == {"", "王芳", f"Zhao Min #{visit.pk}"}
    gone = Person.objects.get(pk=leaving.pk)
    assert (gone.key_id, gone.mark, Codes.here().of(gone.passes.get())) == (None, None, "")
    assert [one.name for one in lookup.people("Li")] == []
    assert Event.objects.count() == 2, "what happened stays"


def test_the_backup_alone_says_nothing_of_people(desk, tmp_path):
    """C10: neither the secret nor a name is in it, and nothing plain is left on the disk."""
    a_day(desk)
    raw = secret.load(use(desk.home).keys).current.hex
    file = backup(desk, tmp_path / "may.age")
    plain = io.BytesIO()
    KEY.open(file, plain)
    plain.seek(0)
    home = tmp_path / "unpacked"
    (home / "keys").mkdir(parents=True)
    archive.unpack(plain, home, home / "db")
    whole = b"".join(one.read_bytes() for one in home.rglob("*") if one.is_file())
    assert b"willow-court" in whole
    for word in (raw.encode(), bytes.fromhex(raw), "王芳".encode(), b"Li Wei", b"3-502"):
        assert word not in whole
    assert not (home / "keys" / secret.FILE).exists()
    assert not list(desk.home.glob(".backup-*"))
    back = restore(file, tmp_path / "home", people=None)
    assert back.gone == 4
    assert back.unsure
    assert {one.name for one in Person.objects.all()} == {""}


def test_keys_older_than_the_backup_are_said_to_be(desk, tmp_path):
    a_day(desk)
    backup(desk, tmp_path / "old.age")
    keys = (tmp_path / "people.age").read_bytes()
    kept = peoples_keys.PeoplesKeys.open(tmp_path / "people.age", KEY)
    desk.holder("Sun Li")
    file = backup(desk, tmp_path / "new.age")
    (tmp_path / "people.age").write_bytes(keys)
    back = restore(file, tmp_path / "home")
    assert back.gone == 1
    if kept.made_at < back.manifest.made_at:  # to the second
        assert "before the backup" in back.unsure
    assert min(one.name for one in Person.objects.all()) == ""


def test_a_backup_is_of_one_moment(desk, tmp_path):
    """C30: events come in pairs all the while, and no copy has half a pair."""
    gate = desk.gate()
    for _ in range(200):
        desk.event(gate)
    place, stop = use(desk.home), threading.Event()

    def come() -> None:
        row = "INSERT INTO office_event(gate_id, epoch, seq, at_utc, kind, reason, pass_id, body) VALUES(?,?,?,0,'x','','',x'00')"
        with contextlib.closing(sqlite3.connect(place.database, timeout=20)) as writer:
            seq = 1000
            while not stop.is_set():
                with writer:
                    writer.executemany(row, [(gate.pk, "e", seq), (gate.pk, "e", seq + 1)])
                seq += 2

    writing = threading.Thread(target=come)
    writing.start()
    try:
        counts = []
        for number in range(8):
            dumps.dump(tmp_path / f"{number}.db")
            with contextlib.closing(sqlite3.connect(tmp_path / f"{number}.db")) as copy:
                counts.append(copy.execute("SELECT count(*) FROM office_event").fetchone()[0])
    finally:
        stop.set()
        writing.join()
    assert all(count % 2 == 0 for count in counts)
    assert counts == sorted(counts)
    assert counts[-1] > counts[0] >= 200, "events came in meanwhile"


def test_a_deletion_meanwhile_is_noticed(desk):
    """C10: the secrets that are kept are those that wrap the keys that are kept."""
    a, b, c = (secret.Secret.new() for _ in range(3))
    before, after = secret.Secrets(a, {a.name: a}), secret.Secrets(b, {b.name: b})
    for used in (a, b):
        found = peoples_keys.secrets_for([("k", used.name, b"")], before, after)
        assert used.name in found.known
    with pytest.raises(OfficeFault, match="begin again"):
        peoples_keys.secrets_for([("k", c.name, b"")], before, after)


def test_a_damaged_backup_leaves_nothing_behind(desk, tmp_path):
    """C30: cut off or altered anywhere, or of another key."""
    a_day(desk)
    good = backup(desk, tmp_path / "may.age").read_bytes()
    bad = tmp_path / "bad.age"
    places = [*range(0, len(good), len(good) // 12), len(good) - 1]
    for altered in [good[:place] for place in places] + [
        good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :] for place in places
    ]:
        bad.write_bytes(altered)
        with pytest.raises(OfficeFault, match=r"can't be opened|not a backup|passphrase"):
            restore(bad, tmp_path / "home")
        assert sorted(one.name for one in tmp_path.iterdir()) == ["bad.age", "may.age", "people.age"]
    other = Key((pyrage.x25519.Identity.generate(),))
    with pytest.raises(OfficeFault, match="is this its key"):
        restore(tmp_path / "may.age", tmp_path / "home", other)


def test_what_does_not_fit_is_refused(desk, tmp_path):
    a_day(desk)
    file = backup(desk, tmp_path / "may.age")
    with pytest.raises(OfficeFault, match="never replaces"):
        backup(desk, file)
    with pytest.raises(OfficeFault, match="not there yet"):
        restore(file, desk.home)
    noted = audit_key(desk.home / "keys").public
    wrong = Keyring.load(desk.home / "keys").ack.public
    with pytest.raises(OfficeFault, match="another office's"):
        restore(file, tmp_path / "home", noted=wrong)
    with pytest.raises(OfficeFault, match="can't be opened"):
        restore(file, tmp_path / "home", people=tmp_path / "nothing.age")
    empty = tmp_path / "empty"
    empty.write_text("# made by nobody\n")
    with pytest.raises(OfficeFault, match="no key in"):
        Key.of_file(empty)
    use(desk.home)
    tomorrow = MigrationRecorder.Migration.objects.create(app="office", name="9999_from_tomorrow")
    newer = backup(desk, tmp_path / "newer.age")
    tomorrow.delete()
    with pytest.raises(OfficeFault, match=r"office\.9999_from_tomorrow: install that version"):
        restore(newer, tmp_path / "home")
    assert not (tmp_path / "home").exists()
    assert restore(file, tmp_path / "home", noted=noted).gone == 0


def test_by_passphrase_from_the_command_line(desk, tmp_path):
    """C29, C30: the passphrase is in a file or asked for, never among the arguments."""
    a_day(desk)
    words = tmp_path / "words"
    words.write_text(WORDS + "\n")
    run, home = CliRunner(), str(desk.home)
    file = str(tmp_path / "may.age")

    def said(*line: str, code: int, given: str | None = None) -> str:
        done = run.invoke(main, [*line], input=given)
        assert done.exit_code == code, done.output
        return done.output

    by_file = ("--passphrase-file", str(words))
    assert "chmod 600" in said("backup", file, *by_file, "--home", home, code=1)
    words.chmod(0o600)
    assert "at least 12" in said("backup", file, "--home", home, given="short\nshort\n", code=1)
    assert "keep this newest one only" in said("backup", file, *by_file, "--home", home, code=0)
    assert Act.objects.get(what="backup").subject == "may.age"
    assert (tmp_path / "people-willow-court.age").read_bytes().startswith(b"-----BEGIN AGE")
    whole = Path(file).read_bytes()  # by hand, without menshen: two age files after each other
    armour, mark, rest = whole.partition(b"-----END AGE ENCRYPTED FILE-----\n")
    inner = pyrage.passphrase.decrypt(armour + mark, WORDS).decode()
    plain = pyrage.decrypt(rest, [pyrage.x25519.Identity.from_str(inner)])
    assert plain.startswith(b"\x28\xb5\x2f\xfd"), "zstd"
    new = str(tmp_path / "new")
    assert "can't be opened" in said("restore", file, "--home", new, given="wrong words here\n", code=1)
    assert "audit log is sound" in said("restore", file, "--home", new, given=f"{WORDS}\n", code=0)
    assert "王芳" in said("passes", "--home", new, code=0)
    assert Pass.objects.count() == 3


def test_without_a_terminal_nobody_is_asked(desk, tmp_path):
    """C30: as a timer runs it; the passphrase never stands on a screen."""
    command = [
        sys.executable,
        "-m",
        "office.cli",
        "backup",
        str(tmp_path / "may.age"),
        "--home",
        str(desk.home),
    ]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Error: there is no terminal")
    assert "Traceback" not in done.stderr


# --- by a timer ------------------------------------------------------------------


def timed(day: str, hour: int = 2) -> str:
    return f"willow-court-{day}T{hour:02}0000Z.age"


def test_the_newest_of_each_of_the_last_days_and_weeks_stays():
    """C30: days without a backup do not count."""
    first = date(2026, 3, 2)  # a Monday
    names = [timed(f"{first + timedelta(days=day)}", hour) for day in range(60) for hour in (2, 14)]
    kept = sorted(folder.kept(names, folder.Keeping(daily=3, weekly=4)))
    assert kept == [
        timed("2026-04-12", 14),
        timed("2026-04-19", 14),
        timed("2026-04-26", 14),
        timed("2026-04-28", 14),
        timed("2026-04-29", 14),
        timed("2026-04-30", 14),
    ]
    assert folder.kept([timed("2020-01-01"), "notes.txt"], folder.Keeping(1, 0)) == {timed("2020-01-01")}
    assert folder.kept([], folder.Keeping()) == set()


def test_a_folder_of_backups_is_kept_by_command(desk, tmp_path):
    """C30: each is opened again as soon as it is made; the old ones go only then."""
    a_day(desk)
    into, identity, home = tmp_path / "backups", tmp_path / "key.txt", str(desk.home)
    into.mkdir()
    identity.write_text(f"{MINE}\n")
    for name in (timed("2026-05-01"), timed("2026-05-02"), "holiday-photos.age", "people-of-last-year.age"):
        (into / name).write_bytes(b"old")

    def said(*line: str, code: int = 0) -> str:
        done = CliRunner().invoke(main, [*line, "--home", home])
        assert done.exit_code == code, done.output
        return done.output

    recipient = ("--to", str(MINE.to_public()))
    told = said("backup", str(into), "--daily", "2", "--weekly", "1", *recipient)
    assert "was opened again to try it" in told
    assert f"{timed('2026-05-01')} is removed" in told
    names = sorted(one.name for one in into.iterdir())
    (new,) = [name for name in names if name.startswith("willow-court-") and name != timed("2026-05-02")]
    assert names == sorted(
        ["holiday-photos.age", "people-of-last-year.age", "people-willow-court.age", timed("2026-05-02"), new]
    )
    assert "is as it was made on" in said("check-backup", str(into))
    assert "4 people's keys beside it" in said("check-backup", str(into), "--identity", str(identity))
    assert restore(into / new, tmp_path / "home", people=into / "people-willow-court.age").gone == 0
    use(desk.home)
    (into / new).write_bytes((into / new).read_bytes()[:-1])
    assert "not as it was made" in said("check-backup", str(into), code=1)
    assert "is it whole" in said("check-backup", str(into), "--identity", str(identity), code=1)
    other = str(into / timed("2026-05-02"))
    assert "does not remember" in said("check-backup", other, code=1)
    assert "no folder" in said("backup", str(tmp_path / "x.age"), "--daily", "2", *recipient, code=1)
    assert "keeps its own" in said("backup", str(into), "--without-people", *recipient, code=1)
    assert not list(desk.home.glob(".backup-*"))


def test_by_a_passphrase_it_is_tried_without_the_passphrase(desk, tmp_path):
    """C30: the key that tries it is thrown away with the process; what opens it later is the passphrase."""
    a_day(desk)
    added = folder.add(use(desk.home), tmp_path, Lock.by(WORDS), folder.Keeping())
    assert added.made.people == 4
    assert checking.check(use(desk.home), added.file, Key(passphrase=WORDS)).site == "willow-court"
    with pytest.raises(OfficeFault, match="can't be opened"):
        checking.check(use(desk.home), added.file, Key(passphrase="another one entirely"))


def test_a_backup_that_is_late_gone_or_failed_raises_an_alert(desk, tmp_path):
    """C30, C34: once for each, on the live page like any other."""
    place, now = use(desk.home), timezone.now()
    (desk.home / folder.FILE).unlink(missing_ok=True)
    folder.look_after(place, now)
    assert not Alert.objects.filter(kind="backup").exists(), "a site that keeps no folder is left in peace"
    into = tmp_path / "backups"
    into.mkdir()
    added = folder.add(place, into, LOCK, folder.Keeping(alert_after_h=26))
    for hours in (0, 25):
        folder.look_after(place, now + timedelta(hours=hours))
    assert not Alert.objects.filter(kind="backup").exists()
    for hours in (27, 28):
        folder.look_after(place, now + timedelta(hours=hours))
    late = Alert.objects.get(kind="backup")
    assert (late.count, late.about) == (1, added.file.name)
    assert "older than 26 hours" in late.detail
    Alert.objects.all().delete()
    added.file.unlink()
    folder.look_after(place, now)
    assert "not there any more" in Alert.objects.get(kind="backup").detail
    into.rename(tmp_path / "unplugged")
    with pytest.raises(OfficeFault, match="can't be written"):
        folder.add(place, into, LOCK, folder.Keeping())
    assert Alert.objects.filter(kind="backup", about="failed").count() == 1
