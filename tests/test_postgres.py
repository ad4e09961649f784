"""The office on PostgreSQL, by one setting: the same rules, the same commands, a real server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyrage import x25519

from office.database import SETTING, database
from office.faults import OfficeFault
from tests import brokers, postgres
from tests.small_office import eventually

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.server() as one:
        yield one


def run(server: postgres.Server, *command: str, database: str = "office") -> str:
    address = server.address.replace("/office?", f"/{database}?")
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env={**os.environ, SETTING: address, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_every_rule_of_the_intake_holds_on_postgresql(server: postgres.Server) -> None:
    """The whole of test_intake once more; the setting is read when a process begins."""
    said = run(
        server, "pytest", "-q", "-n0", "-p", "no:cacheprovider", str(ROOT / "tests" / "test_intake.py")
    )
    assert " passed" in said


def test_gaps_are_accepted_there_too(server: postgres.Server) -> None:
    """What of test_gaps speaks to the database in a way of its own."""
    _empty(server)
    tests, some = (
        str(ROOT / "tests" / "test_gaps.py"),
        "behind_an or stands or turn_up or deletion or touches",
    )
    assert " passed" in run(server, "pytest", "-q", "-n0", "-p", "no:cacheprovider", tests, "-k", some)


def test_the_audit_log_is_as_fast_there(server: postgres.Server) -> None:
    """C21: the triggers, the chain and its check; the alterations of copies need no database."""
    _empty(server)
    tests = str(ROOT / "tests" / "test_audit.py")
    said = run(server, "pytest", "-q", "-n0", "-p", "no:cacheprovider", tests, "-k", "not thousand")
    assert " passed" in said


def test_people_are_sealed_there_too(server: postgres.Server) -> None:
    """C10: found, deleted, and kept apart from a change of secrets by the server's locks."""
    _empty(server)
    tests = str(ROOT / "tests" / "test_identity.py")
    assert " passed" in run(server, "pytest", "-q", "-n0", "-p", "no:cacheprovider", tests)


def test_codes_are_in_no_row_there_either(server: postgres.Server) -> None:
    """C10: and what an older version stored goes and comes back."""
    _empty(server)
    tests = str(ROOT / "tests" / "test_codes.py")
    assert " passed" in run(server, "pytest", "-q", "-n0", "-p", "no:cacheprovider", tests)


def _empty(server: postgres.Server) -> None:
    subprocess.run(
        [server.programs / "psql", "-qh", server.directory, "-U", "office", "-d", "office"],
        input="DROP SCHEMA public CASCADE; CREATE SCHEMA public;",
        text=True,
        check=True,
        timeout=20,
    )


def test_an_office_is_founded_and_read_by_its_commands(server: postgres.Server, tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    _empty(server)
    run(server, "office.cli", "site", "harbour", "--zones", "main", "--home", home)
    assert not (tmp_path / "home" / "office.db").exists()
    words = ("--kind", "visitor", "--person", "李伟", "--zone", "main", "--by", "chen")
    pass_id = run(
        server, "office.cli", "issue", *words, "--from", "2026-01-01", "--until", "2026-12-31", "--home", home
    )
    assert "李伟" in run(server, "office.cli", "passes", "--home", home)
    history = run(server, "office.cli", "history", "--home", home)
    assert pass_id.strip() in history
    assert run(server, "office.cli", "feed", "--format", "jsonl", "--home", home) == ""


def test_it_is_backed_up_and_restored_by_commands(server: postgres.Server, tmp_path: Path) -> None:
    """C30: pg_dump in one snapshot with the people's keys, into another database and home."""
    home, back, file = (str(tmp_path / name) for name in ("home", "back", "may.age"))
    _empty(server)
    run(server, "office.cli", "site", "harbour", "--zones", "main", "--home", home)
    words = ("--kind", "visitor", "--person", "李伟", "--zone", "main", "--by", "chen")
    days = ("--from", "2026-01-01", "--until", "2026-12-31")
    run(server, "office.cli", "issue", *words, *days, "--home", home)
    mine = x25519.Identity.generate()
    (tmp_path / "key.txt").write_text(f"# mine\n{mine}\n")
    run(server, "office.cli", "backup", file, "--to", str(mine.to_public()), "--home", home)
    key = ("--identity", str(tmp_path / "key.txt"))
    subprocess.run(
        [server.programs / "createdb", "-h", server.directory, "-U", "office", "elsewhere"],
        check=True,
        timeout=20,
    )
    run(server, "office.cli", "restore", file, *key, "--home", back, database="elsewhere")
    passes = run(server, "office.cli", "passes", "--home", home)
    assert "李伟" in passes
    assert run(server, "office.cli", "passes", "--home", back, database="elsewhere") == passes
    run(server, "office.cli", "audit", "verify", "--home", back, database="elsewhere")
    with pytest.raises(AssertionError, match="wanted an empty one"):
        run(server, "office.cli", "restore", file, *key, "--home", f"{back}2", database="elsewhere")


def test_the_settings_say_what_libpq_is_told(tmp_path: Path) -> None:
    found = database(tmp_path, "postgresql://office@db.site.example:5433/menshen?sslmode=verify-full")
    assert [found[name] for name in ("USER", "HOST", "PORT", "NAME")] == [
        "office",
        "db.site.example",
        "5433",
        "menshen",
    ]
    assert found["OPTIONS"]["sslmode"] == "verify-full"


@pytest.mark.parametrize(
    "address", ["mysql://x/y", "postgresql://x:secret@[/y", "postgresql://a/b?nonsense=secret"]
)
def test_an_address_that_is_none_is_a_sentence_without_its_password(tmp_path: Path, address: str) -> None:
    with pytest.raises(OfficeFault, match=SETTING) as told:
        database(tmp_path, address)
    assert "secret" not in str(told.value)


def test_an_ingester_that_starts_before_its_database_waits_for_it(tmp_path: Path) -> None:
    with postgres.server() as server, brokers.mosquitto(tmp_path / "broker") as broker:
        environment = {**os.environ, SETTING: server.address, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "office.cli"]
        home = str(tmp_path / "home")
        subprocess.run(
            [*command, "site", "harbour", "--home", home], env=environment, check=True, timeout=100
        )
        server.stop()
        log = tmp_path / "log"
        with log.open("wb") as file:
            address = f"{brokers.LOOPBACK}:{broker.port}"
            ingester = subprocess.Popen(
                [*command, "ingest", "--broker", address, "--home", home],
                env=environment,
                stdout=file,
                stderr=file,
            )
        try:
            eventually(lambda: "can't be reached" in log.read_text())
            server.start()
            eventually(lambda: "ingest.listening" in log.read_text())
        finally:
            ingester.terminate()
            assert ingester.wait(20) == 0
