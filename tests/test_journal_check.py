"""A journal taken off the card and looked through: whatever was done to it is found, and where."""

import json
import random
import sqlite3
from contextlib import closing

import pytest

from agent.core.chain import Checkpoint, extend
from agent.core.events import Event, Kind, Place, lead
from agent.core.feed import Ack
from agent.stores.journal import JournalStore
from agent.stores.journal_check import check, check_file
from agent.stores.journal_reader import JournalReader
from tests.core.builders import MALLORY, SITE, at, ed25519, public

KEY = ed25519("the north gate's own key")
OFFICE = ed25519("office acknowledgements")
LENGTHS = (7, 420, 203)  # events of each epoch
LAST = sum(LENGTHS)
STARTS = (1, 8, 428)


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    path = tmp_path_factory.mktemp("card") / "journal.db"
    for length in LENGTHS:
        with closing(JournalStore(path, SITE, "north", KEY.sign)) as store:
            store.begin_epoch(at(0))
            store.append([Event(Kind.ADMITTED, at(n), {"pass": f"{n:016x}"}) for n in range(length - 1)])
    return path


@pytest.fixture
def card(journal):
    """The journal in memory, to do harm to; forgotten afterwards."""
    with closing(sqlite3.connect(journal)) as kept, closing(sqlite3.connect(":memory:")) as copy:
        kept.backup(copy)
        yield copy


def flaw(card, acked=None):
    return check(card, public(KEY), acked).flaw


def tail(card, n) -> str:
    return card.execute("SELECT tail FROM event WHERE n = ?", (n,)).fetchone()[0]


def head(card, n) -> bytes:
    return card.execute("SELECT head FROM event WHERE n = ?", (n,)).fetchone()[0]


def place(card, n) -> Place:
    first_n, name = card.execute(
        "SELECT first_n, name FROM epoch WHERE first_n <= ? ORDER BY first_n DESC", (n,)
    ).fetchone()
    return Place(SITE, "north", name, n - first_n + 1)


def rehash(card, first, last):
    """Make the heads of rows first to last follow from what stands there, as a forger would."""
    for n in range(first, last + 1):
        where = place(card, n)
        before = head(card, n - 1) if where.seq > 1 else bytes(32)
        new = extend(before, lead(where) + tail(card, n).encode())
        card.execute("UPDATE event SET head = ? WHERE n = ?", (new, n))


def test_an_untouched_journal_is_good(journal):
    found = check_file(journal, public(KEY))
    assert found.flaw is None
    assert (found.events, found.epochs, found.signatures) == (LAST, 3, 1 + 3 + 2)
    assert (found.first.seq, found.last.seq) == (1, LENGTHS[-1])


def test_an_empty_journal_is_good(tmp_path):
    JournalStore(tmp_path / "journal.db", SITE, "north", KEY.sign).close()
    assert check_file(tmp_path / "journal.db", public(KEY)).flaw is None


def test_with_another_gates_key_nothing_is_good(journal):
    assert check_file(journal, public(MALLORY)).flaw.n == 7


def test_what_is_no_journal_is_told_apart(tmp_path):
    (tmp_path / "journal.db").write_bytes(b"\0\xff" * 4096)
    with pytest.raises(sqlite3.DatabaseError):
        check_file(tmp_path / "journal.db", public(KEY))


def test_a_file_that_is_damaged_in_the_middle_is_named_up_to_there(journal, tmp_path):
    damaged = bytearray(journal.read_bytes())
    pages = len(damaged) // 4096
    for page in range(pages * 2 // 3, pages):
        damaged[page * 4096 : (page + 1) * 4096] = b"\xa5" * 4096
    (tmp_path / "journal.db").write_bytes(damaged)
    try:
        found = check_file(tmp_path / "journal.db", public(KEY)).flaw
    except sqlite3.DatabaseError:
        return
    assert found is not None


# --- a thousand ways -----------------------------------------------------------------


def edit(card, rng, but=()):
    n = rng.choice([n for n in range(1, LAST + 1) if n not in but])
    text = list(tail(card, n))
    at_char = rng.randrange(len(text))
    text[at_char] = "x" if text[at_char] != "x" else "y"
    card.execute("UPDATE event SET tail = ? WHERE n = ?", ("".join(text), n))
    return n


def edit_of_another_type(card, rng):
    n = rng.randint(1, LAST)
    harm = rng.choice(
        ["tail = 7", "tail = NULL", "head = 'x'", "tail = CAST(tail AS BLOB)", "head = zeroblob(32)"]
    )
    card.execute(f"UPDATE OR IGNORE event SET {harm} WHERE n = ?", (n,))
    return n if "NULL" not in harm else edit(card, rng)


def edit_with_a_new_head(card, rng):
    n = edit(card, rng, but=STARTS)
    rehash(card, n, n)
    # The next event no longer follows from it; the last of an epoch has a signature instead.
    return n if place(card, n).seq % 200 == 0 or n in (7, 427, LAST) else n + 1


def edit_with_all_heads(card, rng):
    n = edit(card, rng, but=STARTS)
    rehash(card, n, LAST)
    ends = [7, 207, 407, 427, 627, LAST]
    return next(end for end in ends if end >= n)


def deletion(card, rng):
    n = rng.randint(1, LAST)
    card.execute("DELETE FROM event WHERE n = ?", (n,))
    return n


def deletion_with_closed_ranks(card, rng):
    n = rng.randint(1, LAST - 1)
    card.execute("DELETE FROM event WHERE n = ?", (n,))
    card.execute("UPDATE event SET n = -n WHERE n > ?", (n,))
    card.execute("UPDATE event SET n = -n - 1 WHERE n < 0")
    return n


def reordering(card, rng):
    one, other = sorted(rng.sample(range(1, LAST + 1), 2))
    if tail(card, one) == tail(card, other):
        other = one
        return edit(card, rng)
    texts = tail(card, one), tail(card, other)
    card.execute("UPDATE event SET tail = ? WHERE n = ?", (texts[1], one))
    card.execute("UPDATE event SET tail = ? WHERE n = ?", (texts[0], other))
    return one


def truncation(card, rng):
    n = rng.randint(1, LAST - 1)
    for table in rng.choice([("event",), ("event", "checkpoint")]):
        card.execute(f"DELETE FROM {table} WHERE n > ?", (n,))
    card.execute("DELETE FROM epoch WHERE first_n > ?", (n,))
    # Without a forged end it is the next that is missing.
    return n + 1


def truncation_with_a_moved_end(card, rng):
    n = rng.choice([n for n in range(1, LAST) if n not in (7, 207, 407, 427, 627)])
    for table in ("event", "checkpoint"):
        card.execute(f"DELETE FROM {table} WHERE n > ?", (n,))
    card.execute("DELETE FROM epoch WHERE first_n > ?", (n,))
    if rng.random() < 0.5:
        card.execute("UPDATE tip SET n = ?", (n,))
        return n
    card.execute("DELETE FROM tip")
    return n


def beheading(card, rng):
    n = rng.randint(1, LAST - 1)
    card.execute("DELETE FROM event WHERE n <= ?", (n,))
    return 1


def insertion(card, rng):
    first = rng.randint(2, LAST)
    text = tail(card, first)
    card.execute("UPDATE event SET n = -n WHERE n >= ?", (first,))
    card.execute("UPDATE event SET n = -n + 1 WHERE n < 0")
    card.execute("INSERT INTO event VALUES (?, ?, ?)", (first, bytes(32), text))
    return first


def a_forged_end(card, rng):
    where = place(card, LAST)
    text = 'pass.admitted","time":"2026-03-02T12:00:00.000Z","data":{"clock":"synced"}}'
    new = Place(SITE, "north", where.epoch, where.seq + 1)
    after = extend(head(card, LAST), lead(new) + text.encode())
    card.execute("INSERT INTO event VALUES (?, ?, ?)", (LAST + 1, after, text))
    signature = rng.choice([MALLORY.sign(Checkpoint(new, after).signed_by_gate()), bytes(64), None])
    if signature:
        card.execute("UPDATE tip SET n = ?, signature = ?", (LAST + 1, signature))
    return LAST + 1


def a_forged_signature(card, rng):
    n = rng.choice([7, 207, 407, 427, 627])
    forged = rng.choice(
        [bytes(64), b"", MALLORY.sign(Checkpoint(place(card, n), head(card, n)).signed_by_gate())]
    )
    card.execute("UPDATE checkpoint SET signature = ? WHERE n = ?", (forged, n))
    return n


def a_missing_signature(card, rng):
    n = rng.choice([7, 207, 407, 427, 627])
    card.execute("DELETE FROM checkpoint WHERE n = ?", (n,))
    return n


def a_missing_epoch(card, rng):
    which = rng.randrange(2)
    first, after = STARTS[which], STARTS[which + 1]
    for table, column in (("event", "n"), ("checkpoint", "n"), ("epoch", "first_n")):
        card.execute(f"DELETE FROM {table} WHERE {column} >= ? AND {column} < ?", (first, after))
        for shift in (f"{column} = -{column} WHERE {column} >= {after}",):
            card.execute(f"UPDATE {table} SET {shift}")
        card.execute(f"UPDATE {table} SET {column} = -{column} - {after - first} WHERE {column} < 0")
    card.execute("UPDATE tip SET n = n - ?", (after - first,))
    return first


def a_renamed_epoch(card, rng):
    first = rng.choice(STARTS)
    column, value = rng.choice([("name", "f" * 16), ("gate", "south"), ("site", "harbour")])
    card.execute(f"UPDATE epoch SET {column} = ? WHERE first_n = ?", (value, first))
    return first


HARMS = [
    edit,
    edit_of_another_type,
    edit_with_a_new_head,
    edit_with_all_heads,
    deletion,
    deletion_with_closed_ranks,
    reordering,
    truncation,
    truncation_with_a_moved_end,
    beheading,
    insertion,
    a_forged_end,
    a_forged_signature,
    a_missing_signature,
    a_missing_epoch,
    a_renamed_epoch,
]


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_of_a_thousand_alterations_each_is_found_where_it_is(card, harm):
    rng = random.Random(harm.__name__)
    card.isolation_level = None
    for _ in range(63):  # 16 kinds: 1,008
        card.execute("BEGIN")
        wanted = harm(card, rng)
        found = flaw(card)
        card.execute("ROLLBACK")
        assert found is not None
        assert found.n == wanted, found
    assert flaw(card) is None


# --- what only the office can know ---------------------------------------------------


def office_has(card, n) -> Ack:
    point = Checkpoint(place(card, n), head(card, n))
    return Ack(point, OFFICE.sign(point.signed_by_office()))


def test_an_older_true_state_is_found_by_what_the_office_acknowledged(journal, tmp_path, card):
    word = office_has(card, LAST)
    older = tmp_path / "journal.db"
    with closing(JournalStore(older, SITE, "north", KEY.sign)) as store:
        store.begin_epoch(at(0))
    assert check_file(older, public(KEY)).flaw is None
    assert "older state" in check_file(older, public(KEY), word).flaw.what
    assert flaw(card, word) is None
    assert flaw(card, office_has(card, 300)) is None


def test_a_second_journal_of_the_same_gate_is_found_by_what_the_office_acknowledged(card):
    word = office_has(card, 100)
    other = Ack(Checkpoint(word.checkpoint.place, bytes(32)), word.signature)
    found = flaw(card, other)
    assert found.n == 100
    assert "two journals" in found.what


def test_nothing_of_a_journal_is_believed_to_be_of_its_kind(card):
    card.execute("UPDATE tip SET n = 'many'")
    assert "no gate wrote" in flaw(card).what


def test_a_flaw_is_a_sentence_with_its_place(card):
    deletion(card, random.Random(4))
    text = str(flaw(card))
    assert text.startswith("row ")
    assert "epoch" in text


def test_the_reader_refuses_what_was_changed_by_hand(journal, tmp_path):
    path = tmp_path / "journal.db"
    path.write_bytes(journal.read_bytes())
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM event WHERE n = 100")
    with closing(JournalReader(path)) as reader, pytest.raises(sqlite3.DatabaseError, match="missing"):
        reader.run_after(7)
    with closing(JournalReader(journal)) as reader:
        assert json.loads(next(reader.bodies())[1])["type"] == "menshen.journal.opened"
