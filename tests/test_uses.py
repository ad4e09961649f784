"""What a gate remembers of passes on its card."""

import sqlite3
from contextlib import closing

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.core.allowlist import PassKind
from agent.core.events import Event, Kind
from agent.core.gatekeeper import Gatekeeper
from agent.core.memory import UNUSED, Memory, Use, Way
from agent.core.passback import Mode, Passback
from agent.core.passes import LONGEST_S
from agent.stores.journal import JournalStore
from agent.stores.uses import UseReader
from tests.core.builders import (
    ALICE,
    BOTH_WAYS,
    DAY,
    NOON,
    NORTH,
    SITE,
    at,
    grant,
    id_of,
    listed,
    records,
    rotating,
    sight,
    static,
    told,
)

KEY = Ed25519PrivateKey.generate()
EVERYBODY = 1000


def opened(path, mono: float = 0.0) -> JournalStore:
    """The journal of a gate that has just started."""
    store = JournalStore(path, SITE, "north", KEY.sign)
    store.begin_epoch(at(mono))
    return store


def admitted(name: str, mono: float = 0.0, **facts) -> Event:
    standing = {"pass": id_of(name).hex(), "kind": "resident", "direction": "in"}
    return Event(Kind.ADMITTED, at(mono), {**standing, **facts})


def test_what_a_pass_has_used_is_remembered_with_the_event(tmp_path):
    with closing(opened(tmp_path / "journal.db")) as store:
        store.append([admitted("card", 1.0), admitted("phone", 2.0, step=100)])
        store.append([admitted("phone", 3.0, step=102), admitted("phone", 4.0, step=101)])
        store.append([admitted("card", 5.0, direction="both", way="out")])
    with closing(opened(tmp_path / "journal.db")) as store:
        uses, whole = store.uses(EVERYBODY)
    assert whole
    assert list(uses.items()) == [
        (id_of("phone"), Use(3, 102, Way.IN, NOON + 4.0)),
        (id_of("card"), Use(1, None, Way.OUT, NOON + 5.0)),
    ], "that of longest ago first"


def test_what_the_card_remembers_is_what_the_gatekeeper_does(tmp_path):
    gate = Gatekeeper.at(BOTH_WAYS, listed(grant("alice", ALICE), grant("visitor")))
    days = [
        *((rotating("alice", ALICE, NOON + t), float(t)) for t in (0, 60, 120, 3600)),
        *((static("visitor"), float(t)) for t in (10, 20, 90_000)),
    ]
    with closing(opened(tmp_path / "journal.db")) as store:
        for text, mono in sorted(days, key=lambda day: day[1]):
            store.append(records(gate.see(sight(text), at(mono))))
        uses, _ = store.uses(EVERYBODY)
    for name in ("alice", "visitor"):
        assert uses[id_of(name)] == gate.memory.of(id_of(name)) != UNUSED


def test_passback_holds_over_a_reboot(tmp_path):
    site = listed(grant("alice", ALICE), passback={PassKind.RESIDENT: Passback(Mode.HARD)})
    path = tmp_path / "journal.db"
    with closing(opened(path)) as store:
        store.append(records(Gatekeeper.at(NORTH, site).see(sight(rotating("alice", ALICE)), at())))
    with closing(opened(path, 60.0)) as store:
        rebooted = Gatekeeper.at(NORTH, site, Memory(*store.uses(EVERYBODY)[:1]))
    code = sight(rotating("alice", ALICE, NOON + 90))
    assert told(rebooted.see(code, at(90.0))) == ["pass.refused passed_back"]


def test_of_many_passes_the_newest_are_recalled_and_the_others_asked_for(tmp_path):
    path = tmp_path / "journal.db"
    with closing(opened(path)) as store, closing(UseReader(path)) as reader:
        store.append(admitted(f"person {n}", float(n)) for n in range(100))
        uses, whole = store.uses(10)
        assert list(uses) == [id_of(f"person {n}") for n in range(90, 100)]
        assert not whole
        memory = Memory(uses, reader.use_of, whole=whole, most=10)
        assert memory.of(id_of("person 3")) == Use(1, None, Way.IN, NOON + 3.0)
        assert memory.of(id_of("nobody")) == UNUSED
        store.append([admitted("person 3", 200.0)])
        assert memory.of(id_of("person 3")).count == 2, "written since"


def test_a_use_that_cannot_be_read_keeps_nobody_out(tmp_path):
    reader = UseReader(tmp_path / "journal.db")
    assert reader.use_of(id_of("alice")) == UNUSED
    with closing(opened(tmp_path / "journal.db")) as store:
        store.append([admitted("alice")])
        assert reader.use_of(id_of("alice")).count == 1, "the file has come since"
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        db.execute("ALTER TABLE use RENAME TO lost")
    assert reader.use_of(id_of("alice")) == UNUSED
    reader.close()
    reader.close()


def test_a_pass_that_must_be_over_is_forgotten_at_the_next_start(tmp_path):
    path = tmp_path / "journal.db"
    with closing(opened(path)) as store:
        store.append([admitted("long ago", 0.0), admitted("last year", float(DAY))])
    with closing(opened(path, LONGEST_S + 1.0)) as store:
        assert list(store.uses(EVERYBODY)[0]) == [id_of("last year")]


def test_a_journal_from_before_ways_were_kept_keeps_its_uses(tmp_path):
    path = tmp_path / "journal.db"
    with closing(opened(path)) as store:
        store.append([admitted("card"), admitted("phone", 60.0, step=7)])
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM _sqlite_migrations WHERE name = 'ways_of_uses'")
        db.execute("ALTER TABLE use DROP COLUMN way")
        db.execute("ALTER TABLE use DROP COLUMN at_utc")
    with closing(opened(path, 90.0)) as store:
        assert store.uses(EVERYBODY)[0] == {
            id_of("card"): Use(1, None, None, NOON + 60.0),
            id_of("phone"): Use(1, 7, None, NOON + 60.0),
        }


def test_an_event_that_says_nothing_of_its_time_is_a_damaged_journal(tmp_path):
    path = tmp_path / "journal.db"
    with closing(opened(path)):
        pass
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM _sqlite_migrations WHERE name = 'ways_of_uses'")
        db.execute("ALTER TABLE use DROP COLUMN way")
        db.execute("ALTER TABLE use DROP COLUMN at_utc")
        db.execute("UPDATE event SET tail = 'nonsense'")
    with pytest.raises(sqlite3.DatabaseError, match="does not say when"):
        JournalStore(path, SITE, "north", KEY.sign)
