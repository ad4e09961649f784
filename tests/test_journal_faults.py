"""A card that is full, read-only, slow, or twice in the world: the gate goes on, and nothing is told wrongly."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

import agent.stores.journal_schema  # noqa: F401  beforehand, since the cards here have 0.2 s
from agent.core.events import Event, Kind
from agent.stores.journal import JournalStore
from agent.stores.journal_check import check_file
from agent.stores.journal_reader import JournalReader
from agent.stores.writer import JournalWriter, open_journal
from tests.core.builders import SITE, at, ed25519, public
from tests.small_office import eventually, signed_ack
from tests.test_journal import Clock

KEY = ed25519("the north gate's own key")


def event(n: int) -> Event:
    return Event(Kind.EXIT, at(n), {"i": n})


def written(path) -> list[int]:
    with closing(JournalReader(path)) as reader:
        found = [json.loads(line)["data"].get("i") for _, line in reader.bodies()]
    return [n for n in found if n is not None]


FILL = """
import resource, sys, time
from pathlib import Path
from agent.core.events import Event, Kind
from agent.stores.writer import JournalWriter, open_journal
from tests.core.builders import at, ed25519
from tests.test_journal import Clock
path, key = Path(sys.argv[1]), ed25519("the north gate's own key")
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as on a full card: the write fails, the process lives
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
journal = JournalWriter(lambda: open_journal(path, "willow-court", "north", key.sign), Clock(), 0.2)
journal.recall()
taken = [journal.append(Event(Kind.EXIT, at(n), {"i": n, "pad": "x" * 1500})) for n in range(300)]
assert taken[0] and not taken[-1] and journal.troubled, taken
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
until = time.monotonic() + 30
while journal.troubled and time.monotonic() < until: time.sleep(0.05)
assert journal.append(Event(Kind.EXIT, at(999), {"i": 300}))
journal.close()
"""


def test_a_full_disk_costs_no_event_once_there_is_room_again(tmp_path):
    path = tmp_path / "journal.db"
    done = subprocess.run(
        [sys.executable, "-c", FILL, path], check=False, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert written(path) == list(range(301))
    assert check_file(path, public(KEY)).flaw is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anything")
def test_a_file_that_became_read_only_is_waited_out_by_its_rights(tmp_path):
    path = tmp_path / "journal.db"
    with closing(JournalStore(path, SITE, "north", KEY.sign)) as store:
        store.begin_epoch(at(0))
    path.chmod(0o400)
    with closing(JournalWriter(lambda: open_journal(path, SITE, "north", KEY.sign), Clock(), 0.2)) as journal:
        assert not journal.append(event(1))
        path.chmod(0o600)
        eventually(lambda: not journal.troubled)
    assert written(path) == [1]


def test_a_journal_that_cannot_be_written_is_waited_out(tmp_path):
    path, writable = tmp_path / "journal.db", [False]

    def opened():
        store = open_journal(path, SITE, "north", KEY.sign)
        if not writable[0]:
            store._connection.execute("PRAGMA query_only = ON")  # what a card remounted read-only says
        return store

    with closing(JournalWriter(opened, Clock(), 0.2)) as journal:
        assert [journal.append(event(n)) for n in range(5)] == [False] * 5
        writable[0] = True
        eventually(lambda: not journal.troubled)
        assert journal.append(event(5))
    assert written(path) == list(range(6))
    assert check_file(path, public(KEY)).flaw is None


def test_a_slow_card_holds_nobody_up_for_longer_than_the_patience(tmp_path):
    path = tmp_path / "journal.db"

    class Slow(JournalStore):
        def append(self, events):
            time.sleep(0.5)
            super().append(events)

    with closing(JournalWriter(lambda: Slow(path, SITE, "north", KEY.sign), Clock(), 0.1)) as journal:
        journal.recall()
        began = time.monotonic()
        for n in range(50):
            journal.append(event(n))
        assert time.monotonic() - began < 5  # 50 of its writes would be 25 s
        eventually(lambda: not journal.troubled)
    assert written(path) == list(range(50))


def test_of_a_cloned_card_one_branch_is_told_apart_by_what_the_office_has(tmp_path):
    card = tmp_path / "journal.db"
    with closing(JournalStore(card, SITE, "north", KEY.sign)) as store:
        store.begin_epoch(at(0))
        store.append([event(n) for n in range(10)])
    clone = tmp_path / "clone.db"
    shutil.copy(card, clone)
    for path in (card, clone):
        with closing(JournalStore(path, SITE, "north", KEY.sign)) as store:
            store.begin_epoch(at(20))
            store.append([event(100)])
            place, head = store.tip.place, store.tip.head
    from agent.core.feed import Ack  # noqa: PLC0415

    office = Ack.from_bytes(signed_ack(KEY, place.epoch, place.seq, head))
    assert check_file(clone, public(KEY), office).flaw is None
    found = check_file(card, public(KEY), office).flaw
    assert "older state" in found.what


def test_a_row_that_is_torn_out_of_the_middle_ends_the_reading_there(tmp_path):
    path = tmp_path / "journal.db"
    with closing(JournalStore(path, SITE, "north", KEY.sign)) as store:
        store.begin_epoch(at(0))
        store.append([event(n) for n in range(300)])
        store._connection.execute("DELETE FROM event WHERE n = 250")
    with closing(JournalReader(path)) as reader:
        assert reader.run_after(0).last_n == 200
        with pytest.raises(sqlite3.DatabaseError):
            reader.run_after(200)
