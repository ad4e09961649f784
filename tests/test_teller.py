"""What a gate says besides its log: each event as it happens, and how it does."""

import json
import subprocess
import threading
from contextlib import closing, contextmanager

import pytest

from agent.brokers.config import BrokerConfig
from agent.brokers.paho import PahoBroker
from agent.core.feed import event_topic, health_topic, status_topic
from agent.core.health import GateHealth, Machine
from agent.stores import vitals
from agent.teller import Teller
from tests import brokers
from tests.core.builders import at
from tests.small_office import GATE, SITE, Office, eventually, public
from tests.test_uplink import Gate, sync


class Noon:
    def now(self):
        return at()


@pytest.fixture
def broker(tmp_path):
    with brokers.mosquitto(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def gate(tmp_path):
    one = Gate(tmp_path)
    one.start()
    yield one
    one.stop()


def client(port, name, status, topics=()):
    config = BrokerConfig(host=brokers.LOOPBACK, port=port, retry_first_s=0.05, retry_most_s=0.2)
    return PahoBroker(config, client_id=name, status_topic=status, topics=topics)


def teller_over(gate, link, machine=Machine, prefix=""):
    return Teller(
        SITE,
        GATE,
        broker=link,
        open_journal=gate.reader,
        health_file=gate.path.with_name("health.json"),
        machine=machine,
        queue=lambda newest: newest,
        clock=Noon(),
        version="1.2.3",
        discovery_prefix=prefix,
    )


@contextmanager
def telling(gate, port, machine=lambda: Machine(1000, 41.5, 0), prefix=""):
    """A teller at work."""
    link = client(port, GATE, status_topic(SITE, GATE))
    teller = teller_over(gate, link, machine, prefix)
    stop = threading.Event()
    thread = threading.Thread(target=teller.serve, args=(stop,))
    thread.start()
    try:
        eventually(lambda: link.online and teller._told_n is not None)
        yield link
    finally:
        stop.set()
        thread.join()
        link.close()


@contextmanager
def ear(port, *topics):
    """Somebody who listens: (topic, payload) as they came."""
    link, heard = client(port, "ear", "ear/status", topics), []

    def hears(true):
        heard.extend(link.received(0.02))
        return true(heard)

    eventually(lambda: link.online)
    try:
        yield lambda true: eventually(lambda: hears(true))
    finally:
        link.close()


def test_mosquitto_sub_reads_live_events_one_a_line(gate, broker):
    gate.happens(500)  # a backlog, which is the log's business
    command = ["mosquitto_sub", "-h", brokers.LOOPBACK, "-p", str(broker.port), "-t", event_topic(SITE, "+")]
    with (
        telling(gate, broker.port),
        subprocess.Popen([*command, "-C", "3"], stdout=subprocess.PIPE) as listener,
    ):
        probe = [*command[:-1], "probe", "-C", "1", "-W", "1"]
        subprocess.run(probe, capture_output=True, check=False)  # by then the listener is there
        gate.happens(3)
        lines = [line.rstrip(b"\n") for line in listener.stdout]
    assert lines == gate.lines()[-3:]
    assert json.loads(lines[0])["type"] == "menshen.exit.pressed"


def test_a_backlog_that_cannot_leave_holds_no_live_event_up(gate, broker):
    gate.happens(5000)
    with (
        closing(Office(broker.port, public(gate.key))) as office,
        ear(broker.port, event_topic(SITE, GATE)) as hears,
        sync(gate, broker.port, lambda: (public(office.key),)) as at_work,
    ):
        office.answers = False
        teller = teller_over(gate, at_work.broker)
        stop = threading.Event()
        thread = threading.Thread(target=teller.serve, args=(stop,))
        thread.start()
        eventually(lambda: teller._told_n is not None)
        gate.happens()
        hears(lambda heard: [line for _, line in heard] == gate.lines()[-1:])
        assert at_work.uplink.acked < 5000
        stop.set()
        thread.join()


def test_events_of_a_time_without_a_link_are_left_to_the_log(gate, broker):
    with telling(gate, broker.port) as link:
        broker.kill()
        eventually(lambda: not link.online)
        gate.happens(7)
        broker.start()
        with ear(broker.port, event_topic(SITE, GATE)) as hears:
            eventually(lambda: link.online)
            said = []

            def one_was_heard(heard):
                if len(said) < 40:
                    gate.happens()
                    said.append(gate.lines()[-1])
                return heard

            hears(one_was_heard)
            hears(lambda heard: heard[-1][1] == said[-1])
            hears(lambda heard: all(line in said for _, line in heard))


def test_a_burst_arrives_whole_and_in_order(gate, broker):
    with ear(broker.port, event_topic(SITE, GATE)) as hears, telling(gate, broker.port):
        gate.happens(400)
        hears(lambda heard: [line for _, line in heard] == gate.lines()[-400:])


def test_health_is_retained_and_told_again_when_something_of_weight_changes(gate, broker):
    now = [Machine(1000, 41.5, 0)]
    file = gate.path.with_name("health.json")
    vitals.write(file, GateHealth(door="locked", list=7, list_issued=int(at().utc) - 60, list_state="fresh"))
    with telling(gate, broker.port, lambda: now[0]), ear(broker.port, health_topic(SITE, GATE)) as hears:
        hears(lambda heard: heard)
        hears(lambda heard: json.loads(heard[-1][1])["door"] == "locked")
        found = {}
        hears(lambda heard: found.update(json.loads(heard[-1][1])) or True)
        assert found["list_age_s"] == 60
        assert (found["queue"], found["disk_free_mb"], found["throttled"]) == (1, 1000, "none")
        vitals.write(file, GateHealth(door="forced"))
        hears(lambda heard: json.loads(heard[-1][1])["door"] == "forced")
        now[0] = Machine(1000, 82.0, 0x50005)
        hears(lambda heard: json.loads(heard[-1][1])["throttled"] == "under-voltage throttled")
        assert len(json.dumps(found)) < 500


def test_home_assistant_is_told_of_the_gate_if_that_is_wanted(gate, broker):
    with telling(gate, broker.port, prefix="homeassistant"), ear(broker.port, "homeassistant/#") as hears:
        hears(lambda heard: heard)
        hears(lambda heard: heard[0][0] == "homeassistant/device/menshen_harbour_north/config")
        told = []
        hears(lambda heard: told.append(json.loads(heard[0][1])) or True)
        assert told[0]["availability_topic"] == status_topic(SITE, GATE)
        assert told[0]["state_topic"] == health_topic(SITE, GATE)
        assert {one["platform"] for one in told[0]["components"].values()} == {"sensor"}


def test_a_journal_that_is_set_aside_is_let_go_of(gate, broker):
    with ear(broker.port, event_topic(SITE, GATE)) as hears, telling(gate, broker.port):
        gate.happens(20)
        hears(lambda heard: len(heard) == 20)
        gate.stop()
        gate.path.rename(gate.path.with_name("journal.db.damaged"))
        gate.start()
        said = []

        def heard_of_the_new_one(heard):
            if len(said) < 60:
                gate.happens()
                said.append(gate.lines()[-1])
            return heard[-1][1] in said

        hears(heard_of_the_new_one)
