"""The journal's house is kept: days are closed, and what the office has signed for may go, in good order."""

import json
import time
from contextlib import closing
from dataclasses import replace

import pytest

from agent.core.chain import Checkpoint
from agent.core.events import Event, Kind, Place
from agent.core.feed import Ack
from agent.core.moments import Trust
from agent.stores import acknowledged
from agent.stores.housekeeping import CLOSE_EVERY_S, STEP_EVERY_S, Housekeeping
from agent.stores.journal import JournalStore
from agent.stores.journal_check import check_file
from agent.stores.journal_reader import JournalReader
from agent.stores.writer import JournalWriter, open_journal
from tests.core.builders import DAY, MALLORY, SITE, at, ed25519, listed, public
from tests.small_office import eventually

KEY, OFFICE = ed25519("gate north"), ed25519("office acknowledgements")
HEAD = listed(ack_keys=(public(OFFICE),)).head
LATER = 200 * DAY


class Clock:
    def __init__(self):
        self.moment = at(LATER)

    def now(self):
        return self.moment


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
def store(path):
    """Two starts and 900 events of long ago, accounted for; then today."""
    for number, length in enumerate((450, 450)):
        one = JournalStore(path, SITE, "north", KEY.sign)
        one.begin_epoch(at(number * 1000))
        one.append([Event(Kind.EXIT, at(number * 1000 + n)) for n in range(length - 1)])
        one.close()
    with closing(JournalStore(path, SITE, "north", KEY.sign)) as one:
        one.begin_epoch(at(3 * DAY))
        one.close_day(at(3 * DAY), 0)
        one.append([Event(Kind.EXIT, at(LATER - 10 + n)) for n in range(5)])
        yield one


def keep_house(tmp_path, clock=None, head=HEAD, days=180):
    return Housekeeping(
        SITE,
        "north",
        clock=clock or Clock(),
        head=lambda: head,
        ack_file=tmp_path / "ack.json",
        keep_days=days,
    )


def office_has(store, tmp_path, seq, *, key=OFFICE, gate="north", head=None):
    """The office's word about an event of the second start."""
    with closing(JournalReader(tmp_path / "journal.db")) as reader:
        place = reader.run_after(450).header.first
    _, ours = store.find(place.epoch, seq)
    point = Checkpoint(Place(SITE, gate, place.epoch, seq), head or ours)
    acknowledged.keep(tmp_path / "ack.json", Ack(point, key.sign(point.signed_by_office())))


def purge_all(house, store):
    for _ in range(20):
        if house(store) != STEP_EVERY_S:
            return


def rows(path):
    with closing(JournalReader(path)) as reader:
        return [n for n, _ in reader.bodies()]


def test_what_the_office_signed_for_goes_a_run_at_a_time_and_the_rest_still_verifies(store, path, tmp_path):
    office_has(store, tmp_path, 250)
    house = keep_house(tmp_path)
    assert house(store) == STEP_EVERY_S
    assert rows(path)[0] == 201
    assert check_file(path, public(KEY)).flaw is None
    purge_all(house, store)
    assert rows(path)[0] == 651  # the 200th of the second start; its 250th is not a run's end
    found = check_file(path, public(KEY))
    assert found.flaw is None
    assert found.first.seq == 201
    with closing(JournalReader(path)) as reader:
        run = reader.run_after(0)
        assert run.header.checked(run.bodies, public(KEY)) is None
        assert reader.find(run.header.first.epoch, 200) == (650, run.header.before)
        purged = [json.loads(line) for _, line in reader.bodies() if b"journal.purged" in line]
    assert [event["data"]["events"] for event in purged] == [650]


def test_a_whole_start_may_go_and_the_next_still_says_what_it_follows(store, path, tmp_path):
    office_has(store, tmp_path, 450)
    purge_all(keep_house(tmp_path), store)
    assert rows(path)[0] == 901
    assert check_file(path, public(KEY)).flaw is None
    with closing(JournalStore(path, SITE, "north", KEY.sign)) as again:
        again.begin_epoch(at(LATER + 1))
    assert check_file(path, public(KEY)).flaw is None


def no_word(store, tmp_path):
    pass


def a_strangers_word(store, tmp_path):
    office_has(store, tmp_path, 250, key=MALLORY)


def a_word_about_another_gate(store, tmp_path):
    office_has(store, tmp_path, 250, gate="south")


def a_word_about_another_journal(store, tmp_path):
    office_has(store, tmp_path, 250, head=bytes(32))


def no_word_at_all(store, tmp_path):
    (tmp_path / "ack.json").write_bytes(b"\xff" * 5000)


@pytest.mark.parametrize(
    "word",
    [no_word, a_strangers_word, a_word_about_another_gate, a_word_about_another_journal, no_word_at_all],
)
def test_nothing_goes_without_the_offices_word(store, path, tmp_path, word):
    word(store, tmp_path)
    assert keep_house(tmp_path)(store) == CLOSE_EVERY_S
    assert rows(path)[0] == 1


def test_nothing_goes_that_is_young_or_while_the_clock_is_unsure_or_without_a_list(store, path, tmp_path):
    office_has(store, tmp_path, 450)
    unsure = Clock()
    unsure.moment = replace(unsure.moment, trust=Trust.UNKNOWN)
    for house in (
        keep_house(tmp_path, days=300),
        keep_house(tmp_path, clock=unsure),
        keep_house(tmp_path, head=None),
    ):
        house(store)
        assert rows(path)[0] == 1


def test_a_purge_that_the_gate_did_not_make_is_found(store, path, tmp_path):
    office_has(store, tmp_path, 250)
    purge_all(keep_house(tmp_path), store)
    store._connection.execute("UPDATE anchor SET signature = zeroblob(64)")
    assert "purged" in check_file(path, public(KEY)).flaw.what


def test_the_writer_closes_the_day_while_nobody_comes(path, tmp_path):
    clock = Clock()
    clock.moment = at(0)
    with closing(JournalWriter(lambda: open_journal(path, SITE, "north", KEY.sign), clock)) as journal:
        assert journal.append(Event(Kind.EXIT, at(0)))
        clock.moment = at(DAY)
        journal.keep_house(keep_house(tmp_path, clock))

        def closed():
            with closing(JournalReader(path)) as reader:
                return any(b"day.closed" in line for _, line in reader.bodies())

        eventually(closed)
        assert journal.append(Event(Kind.EXIT, at(DAY)))


def test_a_clock_that_jumps_ahead_and_back_closes_each_account_once(path, tmp_path):
    clock = Clock()
    house = keep_house(tmp_path, clock)
    with closing(JournalStore(path, SITE, "north", KEY.sign)) as store:
        store.begin_epoch(at(0))
        for utc in (0, 40 * DAY, -40 * DAY, DAY, 41 * DAY, 2 * DAY):
            clock.moment = at(time.monotonic(), utc=at(utc).utc)
            house(store)
            store.append([Event(Kind.EXIT, clock.moment.not_before(store.tip.utc))])
    with closing(JournalReader(path)) as reader:
        events = [json.loads(line) for _, line in reader.bodies()]
    days = [event["data"] for event in events if event["type"] == "menshen.day.closed"]
    assert [(day["first_seq"], day["last_seq"]) for day in days] == [(1, 2), (3, 6)]
    times = [event["time"] for event in events]
    assert times == sorted(times)
    assert check_file(path, public(KEY)).flaw is None
