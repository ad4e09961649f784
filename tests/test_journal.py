"""The journal on disk: order, durability, the chain, and a card that is slow, full, or torn."""

import json
import sqlite3
import threading
import time
from contextlib import closing

import pytest

import agent.stores.journal_schema  # noqa: F401  beforehand, since the cards here have 0.2 s
from agent.core.chain import GENESIS, Checkpoint, extend
from agent.core.closing import Statement
from agent.core.events import Event, Kind, Place, body
from agent.core.memory import Use, Way
from agent.stores.journal import JournalStore
from agent.stores.journal_reader import JournalReader
from agent.stores.writer import JournalWriter, Recollection, open_journal
from tests.core.builders import DAY, HOUR, SITE, at, ed25519, public

KEY = ed25519("the north gate's own key")


def opened(path) -> JournalStore:
    store = JournalStore(path, SITE, "north", KEY.sign)
    store.begin_epoch(at(0))
    return store


def admitted(name: str, mono: float = 0.0, step: int | None = None) -> Event:
    facts = {"pass": name.encode().hex(), "kind": "resident"}
    return Event(Kind.ADMITTED, at(mono), facts if step is None else {**facts, "step": step})


def runs(path) -> list:
    """Every run a reader gives, each checked against the gate's key as the office would."""
    with closing(JournalReader(path)) as reader:
        found, row = [], 0
        while run := reader.run_after(row):
            assert run.header.checked(run.bodies, public(KEY)) is None
            found.append(run)
            row = run.last_n
        assert row == reader.newest()
        return found


def kinds(path) -> list[str]:
    return [json.loads(body)["type"] for run in runs(path) for body in run.bodies]


def test_events_keep_their_order_and_every_run_ends_at_a_signed_head(tmp_path):
    with closing(opened(tmp_path / "journal.db")) as store:
        for n in range(30):
            store.append([admitted(f"p{n:02}", n)])
        store.append([admitted("batch", 40 + n) for n in range(470)])
    found = runs(tmp_path / "journal.db")
    assert [len(run.bodies) for run in found] == [200, 200, 101]
    ids = [json.loads(body)["id"].split("/")[1] for run in found for body in run.bodies]
    assert ids == [str(n + 1) for n in range(501)]


def test_only_the_checkpoints_that_a_message_may_end_at_are_kept(tmp_path):
    with closing(opened(tmp_path / "journal.db")) as store:
        for n in range(450):
            store.append([admitted("p", n)])
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        assert db.execute("SELECT n FROM checkpoint ORDER BY n").fetchall() == [(200,), (400,)]
        assert db.execute("SELECT n FROM tip").fetchall() == [(451,)]


def test_each_start_is_a_new_epoch_linked_to_the_head_before(tmp_path):
    path = tmp_path / "journal.db"
    with closing(opened(path)) as store:
        store.append([admitted("p")])
        before = store.tip
    with closing(opened(path)):
        first, second = runs(path)
    link = json.loads(second.bodies[0])["data"]
    assert link["prev_epoch"] == first.header.first.epoch != second.header.first.epoch
    assert (link["prev_seq"], link["prev_head"]) == (2, before.head.hex())


def test_a_write_that_fails_leaves_nothing_of_itself(tmp_path):
    path = tmp_path / "journal.db"
    with closing(opened(path)) as store:
        store.append([admitted("good")])
        with pytest.raises(TypeError):
            store.append([admitted("fine"), Event(Kind.FAULT, at(0), {"why": object()})])
        store.append([admitted("after")])
    assert kinds(path).count("menshen.pass.admitted") == 2


def test_a_changed_row_is_found_by_whoever_checks(tmp_path):
    path = tmp_path / "journal.db"
    with closing(opened(path)) as store:
        store.append([admitted("wang", n) for n in range(5)])
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE event SET tail = replace(tail, 'resident', 'visitor') WHERE n = 3")
    with closing(JournalReader(path)) as reader:
        run = reader.run_after(0)
        assert run.header.checked(run.bodies, public(KEY)) == "the events do not hash to the head"


OLD_TABLES = """
    CREATE TABLE epoch (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE event (n INTEGER PRIMARY KEY, epoch INTEGER NOT NULL REFERENCES epoch(id),
        seq INTEGER NOT NULL, body TEXT NOT NULL, head BLOB NOT NULL, UNIQUE (epoch, seq));
    CREATE TABLE checkpoint (n INTEGER PRIMARY KEY REFERENCES event(n), signature BLOB NOT NULL);
    CREATE TABLE use (pass TEXT PRIMARY KEY, count INTEGER NOT NULL, step INTEGER) WITHOUT ROWID;
    CREATE TABLE _sqlite_migrations (migration_set TEXT, name TEXT, applied_at TEXT);
    INSERT INTO _sqlite_migrations VALUES ('journal', 'events_and_checkpoints', '');
"""


def old_journal(path, lengths) -> list[bytes]:
    """A journal as the first gates wrote it: whole lines, a key beside each."""
    lines, n, link = [], 0, {}
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(OLD_TABLES)
        for number, length in enumerate(lengths, 1):
            name, head = f"{number:016x}", GENESIS
            db.execute("INSERT INTO epoch VALUES (?, ?)", (number, name))
            for seq in range(1, length + 1):
                n, place = n + 1, Place(SITE, "north", name, seq)
                event = Event(Kind.JOURNAL_OPENED, at(n), link) if seq == 1 else admitted("p", n)
                lines.append(body(event, place))
                head = extend(head, lines[-1])
                db.execute(
                    "INSERT INTO event VALUES (?, ?, ?, ?, ?)", (n, number, seq, lines[-1].decode(), head)
                )
                if seq % 200 == 0 or seq == length:
                    signed = KEY.sign(Checkpoint(place, head).signed_by_gate())
                    db.execute("INSERT INTO checkpoint VALUES (?, ?)", (n, signed))
            link = {"prev_epoch": name, "prev_seq": length, "prev_head": head.hex()}
    return lines


def test_a_journal_of_the_first_gates_goes_on_as_if_nothing_had_happened(tmp_path):
    path = tmp_path / "journal.db"
    lines = old_journal(path, [3, 450, 400])
    with closing(opened(path)) as store:
        store.append([admitted("next", 900)])
    found = [body for run in runs(path) for body in run.bodies]
    assert found[:-2] == lines
    assert json.loads(found[-2])["data"]["prev_seq"] == 400
    assert json.loads(found[-1])["data"]["pass"] == b"next".hex()
    assert [len(run.bodies) for run in runs(path)] == [3, 200, 200, 50, 200, 200, 2]


def test_an_old_journal_that_says_not_whose_it_is_is_set_aside(tmp_path):
    path = tmp_path / "journal.db"
    old_journal(path, [3])
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE event SET body = 'torn'")
    with closing(open_journal(path, SITE, "north", KEY.sign)) as store:
        assert store.tip is None
    assert len(list(tmp_path.glob("journal.db.damaged-*"))) == 1


# --- the day ---------------------------------------------------------------------


def statements(path) -> list[Statement]:
    events = [json.loads(body) for run in runs(path) for body in run.bodies]
    return [Statement.read(event, SITE, "north") for event in events if event["type"] == "menshen.day.closed"]


def test_a_day_is_accounted_for_across_restarts_and_each_event_once(tmp_path):
    path = tmp_path / "journal.db"
    with closing(opened(path)) as store:
        store.append([admitted("p", 1), Event(Kind.REFUSED, at(2), {"reason": "expired"})])
        assert not store.close_day(at(HOUR), 0)
        store.append([admitted("q", 3)])
    with closing(opened(path)) as store:
        assert store.close_day(at(DAY), 0)
        assert not store.close_day(at(DAY + HOUR), 0)
        store.append([admitted("q", DAY + HOUR)])
        assert store.close_day(at(2 * DAY), 0)
    first, second = statements(path)
    assert first.holds(public(KEY))
    assert second.holds(public(KEY))
    assert (first.day, second.day) == ("2026-03-02", "2026-03-03")
    assert first.counts == {"journal.opened": 2, "pass.admitted": 2, "pass.refused.expired": 1}
    assert second.counts == {"day.closed": 1, "pass.admitted": 1}
    with closing(JournalReader(path)) as reader:
        assert reader.find(first.last.epoch, first.last.seq) == (5, first.head)
        assert reader.find(second.first.epoch, second.first.seq)[0] == 6
        assert reader.find(second.last.epoch, second.last.seq) == (7, second.head)


# --- the writer ------------------------------------------------------------------


class Clock:
    def now(self):
        return at(time.monotonic())


def writer_for(path, patience_s=5.0) -> JournalWriter:
    return JournalWriter(lambda: open_journal(path, SITE, "north", KEY.sign), Clock(), patience_s)


def test_append_returns_only_when_the_event_is_on_the_card(tmp_path):
    path = tmp_path / "journal.db"
    with closing(writer_for(path)) as journal:
        for n in range(20):
            assert journal.append(admitted("p", n))
            with closing(JournalReader(path)) as reader:
                assert reader.newest() == n + 2


def test_many_threads_append_and_none_is_lost(tmp_path):
    path = tmp_path / "journal.db"
    with closing(writer_for(path)) as journal:
        threads = [
            threading.Thread(target=lambda n=n: [journal.append(admitted(f"{n}{i}")) for i in range(25)])
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert kinds(path).count("menshen.pass.admitted") == 100


def test_a_card_that_does_not_take_events_stops_nobody_and_gets_them_later(tmp_path):
    """Another process holds the database's lock: what a hung card looks like to SQLite."""
    path = tmp_path / "journal.db"
    with closing(writer_for(path, patience_s=0.2)) as journal:
        assert journal.append(admitted("before"))
        with closing(sqlite3.connect(path, isolation_level=None)) as hog:
            hog.execute("BEGIN IMMEDIATE")
            assert not journal.append(admitted("during", 1))
            began = time.monotonic()
            assert not any(journal.append(admitted("during", 2 + n)) for n in range(50))
            assert (
                time.monotonic() - began < 5
            )  # known to be in trouble, nobody waits again: 50 x 0.2 s would be 10
            assert journal.troubled
            hog.execute("ROLLBACK")
        until = time.monotonic() + 20
        while journal.troubled and time.monotonic() < until:
            time.sleep(0.05)
        assert journal.append(admitted("after", 99))
    events = [json.loads(body) for run in runs(path) for body in run.bodies]
    passes = [bytes.fromhex(event["data"]["pass"]).decode() for event in events if "pass" in event["data"]]
    assert passes == ["before", *["during"] * 51, "after"]
    late = [event for event in events if event["data"].get("late") is True]
    assert len(late) >= 50  # the first was being written already
    (told,) = [event for event in events if event["type"] == "menshen.journal.late"]
    assert told["data"]["late"] == 51
    assert told["data"]["dropped"] == 0


def test_a_journal_that_cannot_be_opened_at_first_is_opened_when_it_can(tmp_path):
    path = tmp_path / "not-yet" / "journal.db"
    with closing(writer_for(path, patience_s=0.1)) as journal:
        assert not journal.append(admitted("early"))
        path.parent.mkdir()
        until = time.monotonic() + 20
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.05)
        while journal.troubled and time.monotonic() < until:
            time.sleep(0.05)
    assert kinds(path)[:2] == ["menshen.journal.opened", "menshen.pass.admitted"]


def test_a_torn_file_is_set_aside_and_a_new_journal_begun(tmp_path):
    path = tmp_path / "journal.db"
    path.write_bytes(b"\x00\xff" * 4096)
    with closing(writer_for(path)) as journal:
        assert journal.append(admitted("p"))
    assert kinds(path) == ["menshen.journal.opened", "menshen.pass.admitted"]
    (aside,) = tmp_path.glob("journal.db.damaged-*")
    assert aside.read_bytes() == b"\x00\xff" * 4096


def test_an_event_that_cannot_be_written_costs_only_itself(tmp_path):
    path = tmp_path / "journal.db"
    with closing(writer_for(path)) as journal:
        journal.append(Event(Kind.EXIT, at(0), {"why": object()}))
        assert journal.append(admitted("next"))
    assert kinds(path) == ["menshen.journal.opened", "menshen.gate.fault", "menshen.pass.admitted"]


def test_the_writer_recalls_uses_and_the_newest_time(tmp_path):
    path = tmp_path / "journal.db"
    with closing(writer_for(path)) as journal:
        journal.append(admitted("phone", 60.0, step=7))
    with closing(writer_for(path)) as journal:
        before = journal.recall()
    assert before == Recollection({b"phone": Use(1, 7, Way.IN, at(60.0).utc)}, True, at(60.0).utc)
