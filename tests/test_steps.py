"""A store's steps are taken when one is missing, and not even loaded when none is."""

import contextlib
import sqlite3
import subprocess
import sys

import pytest

from agent.stores import steps
from agent.stores.journal import JournalStore

OPENED = """
import sys
from pathlib import Path
from agent.stores.journal import JournalStore
JournalStore(Path(sys.argv[1]), "willow-court", "north", bytes).close()
print("sqlite_utils" in sys.modules)
"""


def opened_in_a_new_process(path) -> str:
    """Whether opening a journal loaded the library."""
    return subprocess.run(
        [sys.executable, "-c", OPENED, str(path)], capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()


def steps_of(path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as file:
        return [name for (name,) in file.execute("SELECT name FROM _sqlite_migrations ORDER BY rowid")]


def test_a_gate_that_starts_again_loads_nothing_to_bring_its_journal_up(tmp_path):
    assert opened_in_a_new_process(tmp_path / "journal.db") == "True"
    made = steps_of(tmp_path / "journal.db")
    assert made[-1] == "spent_orders"
    assert opened_in_a_new_process(tmp_path / "journal.db") == "False"
    assert steps_of(tmp_path / "journal.db") == made


def test_a_journal_of_an_older_release_gets_the_steps_that_it_lacks(tmp_path):
    path = tmp_path / "journal.db"
    JournalStore(path, "willow-court", "north", bytes).close()
    with contextlib.closing(sqlite3.connect(path)) as file, file:
        file.execute("DELETE FROM _sqlite_migrations WHERE name = 'spent_orders'")
        file.execute("DROP TABLE spent")
    with contextlib.closing(JournalStore(path, "willow-court", "north", bytes)) as journal:
        assert journal.spent() == {}
    assert "spent_orders" in steps_of(path)


@pytest.mark.parametrize("store", ["journal", "heard", "list"])
def test_a_file_that_is_no_database_is_named_as_before(tmp_path, store):
    path = tmp_path / "spoilt.db"
    path.write_bytes(b"no database at all, but long enough to be read as one" * 100)
    with contextlib.closing(sqlite3.connect(path)) as file, pytest.raises(sqlite3.DatabaseError):
        steps.take(file, store, "agent.stores.journal_schema")
