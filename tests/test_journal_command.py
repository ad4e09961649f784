"""menshen-agent journal, as somebody with a card in their hand types it."""

import json
import sqlite3
from contextlib import closing

import pytest
from click.testing import CliRunner

from agent.cli import main
from agent.core.events import Event, Kind
from agent.stores.journal import JournalStore
from tests.core.builders import SITE, at, ed25519, public

KEY = ed25519("the north gate's own key")


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "journal.db"
    with closing(JournalStore(path, SITE, "north", KEY.sign)) as store:
        store.begin_epoch(at(0))
        store.append([Event(Kind.ADMITTED, at(n), {"pass": f"{n:016x}"}) for n in range(30)])
        store.append([Event(Kind.REFUSED, at(31), {"reason": "expired"})])
    return path


@pytest.fixture
def record(tmp_path):
    path = tmp_path / "north.json"
    path.write_text(json.dumps({"gate": "north", "journal_key": str(public(KEY))}))
    return path


def run(*words):
    return CliRunner().invoke(main, ["journal", *map(str, words)])


def test_a_whole_journal_is_told_so(journal, record):
    for key in (record, public(KEY)):
        done = run("verify", journal, "--key", key)
        assert done.exit_code == 0
        assert "32 events good" in done.output
        assert "the journal is whole" in done.output


def test_the_first_wrong_event_is_named(journal, record):
    with closing(sqlite3.connect(journal)) as db, db:
        db.execute("UPDATE event SET tail = replace(tail, 'admitted', 'refused') WHERE n = 9")
    done = run("verify", journal, "--key", record)
    assert done.exit_code == 1
    assert "8 events good" in done.output
    assert "first wrong: row 9, epoch" in done.output
    assert "event 9" in done.output


def test_show_gives_the_newest_last(journal):
    done = run("show", journal, "--last", 2)
    first, second = done.output.splitlines()
    assert "pass.admitted    pass=000000000000001d" in first
    assert "pass.refused     reason=expired" in second
    assert run("show", journal, "--kind", "pass.refused").output == second + "\n"
    assert "pass=0000000000000003" in run("show", journal, "--pass", "0000000000000003").output


def test_export_writes_the_lines_as_they_were_hashed(journal):
    lines = run("export", journal).output.splitlines()
    assert len(lines) == 32
    assert all(json.loads(line)["specversion"] == "1.0" for line in lines)
    assert len(run("export", journal, "--kind", "pass.refused").output.splitlines()) == 1


@pytest.mark.parametrize("key", ["ed25519:00", "nowhere.json"])
def test_a_key_that_is_none_is_told_in_a_sentence(journal, key):
    done = run("verify", journal, "--key", key)
    assert done.exit_code == 3
    assert "no gate's key in" in done.output


def test_what_is_no_journal_is_told_in_a_sentence(tmp_path, record):
    file = tmp_path / "holiday.jpg"
    file.write_bytes(b"\xff\xd8" * 4000)
    for words in (("verify", file, "--key", record), ("show", file), ("export", file)):
        done = run(*words)
        assert done.exit_code == 3
        assert "cannot be read as a journal" in done.output


def test_lines_that_are_no_events_stop_nothing(journal):
    with closing(sqlite3.connect(journal)) as db, db:
        db.execute("UPDATE event SET tail = 'torn' WHERE n = 9")
    done = run("show", journal, "--last", 100)
    assert done.exit_code == 0
    assert "left out" in done.output


def test_an_ack_that_is_none_is_told_in_a_sentence(journal, record):
    done = run("verify", journal, "--key", record, "--ack", record)
    assert done.exit_code == 3
    assert "is no acknowledgement" in done.output
