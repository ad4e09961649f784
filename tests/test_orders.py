"""An order on its whole way: signed in the office, over a real broker, through sync, to the gate's journal."""

import contextlib
import json
import random
import threading
import time
from contextlib import closing
from types import SimpleNamespace

import pytest

from agent.brokers.config import BrokerConfig
from agent.brokers.paho import PahoBroker
from agent.core.feed import order_topic, status_topic
from agent.core.moments import Moment, Trust
from agent.core.notices import OpenOrder, Order
from agent.core.orders import MAX_BYTES, MAX_LIFE_S, What
from agent.order_desk import OrderDesk
from agent.stores.box import MOST, Box, BoxReader
from agent.stores.journal_reader import JournalReader
from agent.stores.writer import JournalWriter, open_journal
from agent.wiring.ordering import OrderCarrier
from office import orders
from office.faults import OfficeFault
from office.ingest.subscriber import Address
from office.keyring import OnlineKey
from tests import brokers
from tests.core.builders import ed25519, public
from tests.small_office import GATE, SITE, eventually

GATE_KEY, OFFICE_KEY = ed25519("gate"), OnlineKey(1, ed25519("the office's order key"))


class Clock:
    """The real time, seen so far as a test lets it."""

    trust = Trust.SYNCED

    def now(self):
        return Moment(time.time(), time.monotonic(), self.trust)


class GateAtWork:
    """The gate process's half, without a door."""

    def __init__(self, folder):
        self.path, self.orders, self.clock = folder / "journal.db", folder / "orders", Clock()
        self.start()

    def start(self):
        self.journal = JournalWriter(lambda: open_journal(self.path, SITE, GATE, GATE_KEY.sign), self.clock)
        self.desk = OrderDesk(
            SITE,
            GATE,
            reader=BoxReader(self.orders, MAX_BYTES, left_before_s=MAX_LIFE_S),
            keys=lambda: (public(ed25519("the office's order key")),),
            journal=self.journal,
            clock=self.clock,
            spent=dict(self.journal.recall().spent),
        )

    def hears(self):
        self.desk._look_at = float("-inf")
        return list(self.desk.news())

    def events(self, kind):
        with closing(JournalReader(self.path)) as reader:
            found = [json.loads(line) for _, line in reader.bodies()]
        return [event["data"] for event in found if event["type"] == f"menshen.{kind}"]

    def reasons(self):
        return [data["reason"] for data in self.events("order.refused")]


@pytest.fixture
def gate(tmp_path):
    one = GateAtWork(tmp_path)
    yield one
    one.journal.close()


@contextlib.contextmanager
def carrying(gate, port):
    """Sync's half."""
    topic = order_topic(SITE, GATE)
    config = BrokerConfig(host=brokers.LOOPBACK, port=port, retry_first_s=0.05, retry_most_s=0.2)
    link = PahoBroker(
        config, client_id=GATE, status_topic=status_topic(SITE, GATE), topics=(topic,), flagged=(topic,)
    )
    stop = threading.Event()
    carrier = OrderCarrier(SimpleNamespace(site=SITE, gate=GATE, order_folder=gate.orders), link)
    thread = threading.Thread(target=carrier.serve, args=(stop,))
    thread.start()
    try:
        eventually(lambda: link.online)
        yield link
    finally:
        stop.set()
        thread.join()
        link.close()


def order(what=What.OPEN, gate=GATE, key=OFFICE_KEY, utc=None, **terms):
    return orders.order(SITE, gate, what, by="wang", why="救护车", key=key, utc=utc or time.time(), **terms)


def until_heard(gate):
    heard = []
    eventually(lambda: heard.extend(gate.hears()) or heard)
    return heard


def test_an_order_is_obeyed_and_a_second_copy_is_not(gate, tmp_path):
    with brokers.mosquitto(tmp_path / "broker") as broker, carrying(gate, broker.port):
        address = Address(brokers.LOOPBACK, broker.port)
        message = order()
        orders.send(address, SITE, GATE, message)
        assert until_heard(gate) == [OpenOrder("wang")]
        (obeyed,) = gate.events("order.obeyed")
        assert (obeyed["order"], obeyed["by"], obeyed["why"]) == ("open", "wang", "救护车")
        orders.send(address, SITE, GATE, message)
        eventually(lambda: not gate.hears() and gate.reasons() == ["replayed"])


def test_what_the_broker_kept_is_not_obeyed(gate, tmp_path):
    with brokers.mosquitto(tmp_path / "broker") as broker:
        with carrying(gate, broker.port) as link:
            eventually(lambda: link.publish(order_topic(SITE, "elsewhere"), b"", retain=True))
        sender = PahoBroker(
            BrokerConfig(host=brokers.LOOPBACK, port=broker.port),
            client_id="thief",
            status_topic="thief/status",
        )
        eventually(lambda: sender.publish(order_topic(SITE, GATE), order(), retain=True))
        eventually(lambda: not sender._greeted._out_messages)
        sender.close()
        with carrying(gate, broker.port):
            eventually(lambda: not gate.hears() and gate.reasons() == ["retained"])
        assert gate.events("order.obeyed") == []


def test_an_order_is_obeyed_once_over_a_restart_of_the_gate(gate):
    box, message = Box(gate.orders, MAX_BYTES), order(What.LOCKDOWN)
    box.put(message)
    assert gate.hears() == [Order(lockdown=True, by="wang")]
    gate.journal.close()
    gate.start()
    assert gate.hears() == []
    box.put(message)
    assert gate.hears() == []
    assert gate.reasons() == ["replayed", "replayed"]


def test_with_an_unsure_clock_a_lockdown_is_obeyed_and_a_release_is_not(gate):
    box = Box(gate.orders, MAX_BYTES)
    gate.clock.trust = Trust.UNKNOWN
    box.put(order(What.LOCKDOWN))
    box.put(order(What.RELEASE))
    assert gate.hears() == [Order(lockdown=True, by="wang")]
    assert gate.reasons() == ["clock_unsure"]


def test_without_a_card_nothing_is_opened_from_afar(gate, tmp_path):
    class NoCard:
        def append(self, event):
            return False

    gate.desk._journal = NoCard()
    box = Box(gate.orders, MAX_BYTES)
    box.put(order(What.OPEN))
    box.put(order(What.LOCKDOWN))
    assert gate.hears() == [Order(lockdown=True, by="wang")]


def test_a_flood_of_bad_orders_opens_nothing_and_does_not_fill_the_card(gate, tmp_path):
    rng, good = random.Random(3), order()
    stranger = OnlineKey(1, ed25519("mallory"))
    bad = [
        order(key=stranger),
        order(gate="south"),
        order(utc=time.time() - 3600),
        good[:-1],
        b"x" * 4 * MAX_BYTES,
        b"",
        rng.randbytes(400),
    ]
    with brokers.mosquitto(tmp_path / "broker") as broker, carrying(gate, broker.port) as link:
        for n in range(300):
            eventually(lambda n=n: link.tell(order_topic(SITE, GATE), [bad[n % len(bad)]]))
            assert gate.hears() == []
        orders.send(Address(brokers.LOOPBACK, broker.port), SITE, GATE, good)
        assert until_heard(gate) == [OpenOrder("wang")]
    assert len(gate.events("order.refused")) <= 30
    assert {"forged", "foreign", "malformed"} <= set(gate.reasons())
    assert len(list(gate.orders.iterdir())) <= MOST


def test_a_directory_that_is_no_directory_holds_no_orders(tmp_path):
    (tmp_path / "orders").write_text("a file")
    assert BoxReader(tmp_path / "orders", MAX_BYTES).new() == []


def test_the_office_says_why_an_order_cannot_be_sent(tmp_path):
    with pytest.raises(OfficeFault, match="can't be reached"):
        orders.send(Address(brokers.LOOPBACK, brokers.free_port()), SITE, GATE, order())
    with pytest.raises(OfficeFault, match="an order is for now"):
        order(life_s=3600)
    with pytest.raises(OfficeFault, match="shorter"):
        orders.order(SITE, GATE, What.OPEN, by="w" * 65, why="", key=OFFICE_KEY, utc=0.0)
