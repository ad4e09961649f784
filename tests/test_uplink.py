"""A gate's events on their way to the office, over a real broker that comes and goes."""

import os
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.testing import capture_logs

from agent.brokers.config import BrokerConfig
from agent.brokers.paho import PahoBroker
from agent.core.events import Event, Kind
from agent.core.feed import ack_topic, status_topic
from agent.core.moments import Moment
from agent.stores.journal import JournalStore
from agent.stores.journal_reader import JournalReader
from agent.stores.pointer import Pointer, PointerStore
from agent.uplink import Uplink
from tests import brokers
from tests.small_office import GATE, SITE, Office, eventually, public, signed_ack

NOW = Moment(1_772_000_000.0, 1.0)


class Gate:
    """A gate's journal on disk, written as the gate process would."""

    def __init__(self, directory):
        self.key = Ed25519PrivateKey.generate()
        self.path = directory / "journal.db"
        self.pointer_path = directory / "sync" / "uplink.db"
        self._store = None

    def start(self):
        """Begin a new epoch, as each start of the gate does."""
        self.stop()
        self._store = JournalStore(self.path, SITE, GATE, self.key.sign)
        self._store.begin_epoch(NOW)

    def happens(self, count=1):
        self._store.append([Event(Kind.EXIT, NOW, {"i": i}) for i in range(count)])

    def stop(self):
        if self._store:
            self._store.close()
            self._store = None

    def lines(self):
        reader = self.reader()
        try:
            return [line for _, line in reader.bodies()]
        finally:
            reader.close()

    def reader(self):
        return JournalReader(self.path)


@dataclass
class Sync:
    uplink: Uplink
    broker: PahoBroker


@contextmanager
def sync(gate, port, keys, password_file=None):
    """Sync at work in its thread."""
    config = BrokerConfig(
        host=brokers.LOOPBACK,
        port=port,
        username=GATE if password_file else None,
        password_file=password_file,
        retry_first_s=0.05,
        retry_most_s=0.2,
    )
    broker = PahoBroker(
        config, client_id=GATE, status_topic=status_topic(SITE, GATE), topics=(ack_topic(SITE, GATE),)
    )
    uplink = Uplink(
        SITE,
        GATE,
        broker=broker,
        open_journal=gate.reader,
        open_pointer=lambda: PointerStore(gate.pointer_path),
        ack_keys=keys,
    )
    stop = threading.Event()
    thread = threading.Thread(target=uplink.serve, args=(stop,), name="uplink")
    thread.start()
    try:
        yield Sync(uplink, broker)
    finally:
        stop.set()
        thread.join()
        broker.close()


@pytest.fixture
def gate(tmp_path):
    gate = Gate(tmp_path)
    yield gate
    gate.stop()


@pytest.fixture
def broker(tmp_path):
    with brokers.mosquitto(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def office(broker, gate):
    office = Office(broker.port, public(gate.key))
    yield office
    office.close()
    assert office.faults == []


def keys_of(office):
    return lambda: (public(office.key),)


def test_events_reach_the_office_as_they_happen(gate, broker, office):
    gate.start()
    with sync(gate, broker.port, keys_of(office)):
        for count in range(2, 12):
            gate.happens()
            eventually(lambda count=count: len(office.events) == count)
    assert office.events == gate.lines()


def test_a_backlog_of_two_thousand_leaves_in_few_messages(gate, broker, office):
    gate.start()
    gate.happens(1200)
    gate.start()
    gate.happens(800)
    with sync(gate, broker.port, keys_of(office)) as at_work:
        eventually(lambda: at_work.uplink.acked == 2002)
    assert office.events == gate.lines()
    assert len(office.messages) <= 24


def test_nobody_is_there_yet_neither_broker_nor_journal(gate, broker, office):
    broker.stop()
    with sync(gate, broker.port, keys_of(office)) as at_work:
        gate.start()
        gate.happens(3)
        assert not at_work.broker.online
        broker.start()
        eventually(lambda: at_work.uplink.acked == 4)
    assert office.events == gate.lines()


@pytest.mark.parametrize("settings", ["persistence false", "persistence true\nautosave_interval 1"])
def test_a_broker_that_dies_again_and_again_loses_nothing(gate, tmp_path, settings):
    settings += f"\npersistence_location {tmp_path}{os.sep}"
    with brokers.mosquitto(tmp_path / "broker", settings=settings) as broker:
        office = Office(broker.port, public(gate.key))
        gate.start()
        with sync(gate, broker.port, keys_of(office)) as at_work:
            for round_ in range(4):
                gate.happens(250)
                if round_ % 2:
                    eventually(lambda: at_work.broker.online)
                broker.kill()
                gate.happens(50)
                broker.start()
            gate.happens()
            eventually(lambda: at_work.uplink.acked == 1202, 40)
        office.close()
    assert office.events == gate.lines()


def test_an_office_that_was_away_gets_everything_later(gate, broker):
    gate.start()
    gate.happens(50)
    key = Ed25519PrivateKey.generate()
    with sync(gate, broker.port, lambda: (public(key),)) as at_work:
        eventually(lambda: at_work.broker.online)
        office = Office(broker.port, public(gate.key))
        office.key = key
        eventually(lambda: at_work.uplink.acked == 51)
        office.close()
    assert office.events == gate.lines()


def test_sync_started_anew_sends_nothing_twice(gate, broker, office):
    gate.start()
    gate.happens(10)
    with sync(gate, broker.port, keys_of(office)) as at_work:
        eventually(lambda: at_work.uplink.acked == 11)
    office.messages.clear()
    gate.happens()
    with sync(gate, broker.port, keys_of(office)) as at_work:
        eventually(lambda: at_work.uplink.acked == 12)
    assert office.messages == [(12, 12)]
    assert office.events == gate.lines()


@pytest.mark.parametrize("harm", ["lost", "damaged", "of another journal"])
def test_without_its_pointer_the_offices_retained_word_carries_sync_forward(gate, broker, office, harm):
    gate.start()
    gate.happens(1500)
    with sync(gate, broker.port, keys_of(office)) as at_work:
        eventually(lambda: at_work.uplink.acked == 1501)
    if harm == "lost":
        gate.pointer_path.unlink()
    elif harm == "damaged":
        gate.pointer_path.write_bytes(b"no database at all" * 400)
    else:
        store = PointerStore(gate.pointer_path)
        store.save(Pointer("0" * 16, 9000, bytes(32)))
        store.close()
    office.answers = False  # only what the broker has retained
    with sync(gate, broker.port, keys_of(office)) as at_work:
        eventually(lambda: at_work.uplink.acked == 1501)
    assert office.events == gate.lines()
    store = PointerStore(gate.pointer_path)
    assert store.load().seq == 1501
    store.close()


def test_only_the_offices_true_word_about_our_own_events_moves_the_pointer(gate, broker, office):
    office.answers = False
    gate.start()
    gate.happens(9)
    reader = gate.reader()
    header = reader.run_after(0).header
    reader.close()
    epoch, head = header.first.epoch, header.head
    thief = Ed25519PrivateKey.generate()
    lies = {
        "uplink.ack_forged": signed_ack(thief, epoch, 10, head),
        "uplink.ack_forked": signed_ack(office.key, epoch, 10, b"\x07" * 32),
        "uplink.ack_unknown": signed_ack(office.key, epoch, 11, head),
        "uplink.ack_foreign": signed_ack(office.key, epoch, 10, head, gate="south"),
        "uplink.ack_malformed": b'{"v":1,"upto":"all"}' * 100,
    }
    with capture_logs() as logs, sync(gate, broker.port, keys_of(office)) as at_work:
        for event, lie in lies.items():
            office.say(lie)
            eventually(lambda event=event: event in [entry["event"] for entry in logs])
            assert at_work.uplink.acked == 0
        office.say(signed_ack(office.key, epoch, 10, head))
        eventually(lambda: at_work.uplink.acked == 10)


def test_an_old_word_retained_by_the_broker_never_moves_it_back(gate, broker, office):
    gate.start()
    gate.happens(9)
    reader = gate.reader()
    epoch = reader.run_after(0).header.first.epoch
    fifth = reader._connection.execute("SELECT head FROM event WHERE n = 5").fetchone()[0]
    reader.close()
    with sync(gate, broker.port, keys_of(office)) as at_work:
        eventually(lambda: at_work.uplink.acked == 10)
        office.say(signed_ack(office.key, epoch, 5, fifth))
    office.messages.clear()
    with sync(gate, broker.port, keys_of(office)) as at_work:
        gate.happens()
        eventually(lambda: at_work.uplink.acked == 11)
    assert office.messages == [(11, 11)]


def test_without_the_offices_key_the_first_window_alone_is_sent_until_a_list_brings_one(gate, broker, office):
    gate.start()
    gate.happens(1999)
    known = []
    with sync(gate, broker.port, lambda: tuple(known)) as at_work:
        eventually(lambda: len(office.events) == 800)
        assert at_work.uplink.acked == 0
        known.append(public(office.key))
        eventually(lambda: at_work.uplink.acked == 2000)
    assert office.events == gate.lines()


def test_a_wrong_password_is_mended_without_a_restart(gate, tmp_path):
    right, ours = tmp_path / "office.pw", tmp_path / "gate.pw"
    right.write_text("o-secret\n")
    ours.write_text("wrong-secret\n")
    with brokers.mosquitto(
        tmp_path / "broker", users={GATE: "n-secret", "office": "o-secret"}, acl=brokers.acl(SITE)
    ) as broker:
        office = Office(broker.port, public(gate.key), right)
        gate.start()
        with capture_logs() as logs, sync(gate, broker.port, keys_of(office), ours) as at_work:
            eventually(lambda: "broker.refused" in [entry["event"] for entry in logs])
            ours.write_text("n-secret\n")
            eventually(lambda: at_work.uplink.acked == 1)
        office.close()
    assert office.events == gate.lines()
    assert "secret" not in str(logs)


def test_a_journal_that_is_no_journal_is_waited_out(gate, broker, office):
    gate.path.write_bytes(b"not yet a database " * 100)
    with capture_logs() as logs, sync(gate, broker.port, keys_of(office)) as at_work:
        eventually(lambda: "uplink.journal_unreadable" in [entry["event"] for entry in logs])
        gate.path.unlink()
        gate.start()
        eventually(lambda: at_work.uplink.acked == 1)


def test_a_journal_that_was_set_aside_is_left_for_the_new_one(gate, broker, office):
    gate.start()
    gate.happens(20)
    with sync(gate, broker.port, keys_of(office)) as at_work:
        eventually(lambda: at_work.uplink.acked == 21)
        gate.stop()
        gate.path.rename(gate.path.with_name("journal.db.damaged"))
        office.forget()
        gate.start()
        gate.happens()
        eventually(lambda: office.events == gate.lines())
        eventually(lambda: at_work.uplink.acked == 2)


def test_what_breaks_next_to_it_is_told_once_and_outlived(gate, broker, office):
    broken = [OSError("the list's disk")]

    def keys():
        if broken:
            raise broken.pop()
        return (public(office.key),)

    gate.start()
    with capture_logs() as logs, sync(gate, broker.port, keys) as at_work:
        eventually(lambda: at_work.uplink.acked == 1)
    assert [entry["found"] for entry in logs if entry["event"] == "uplink.fault"] == [
        'OSError("the list\'s disk")'
    ]


def test_a_pointer_that_cannot_be_kept_stops_nothing(gate, broker, office):
    gate.pointer_path.parent.write_text("a file where the directory should be")
    gate.start()
    with sync(gate, broker.port, keys_of(office)) as at_work:
        eventually(lambda: at_work.uplink.acked == 1)
    with pytest.raises((OSError, sqlite3.Error)):
        PointerStore(gate.pointer_path)
