"""A gate as it is wired, and what it does between people: it obeys the office, and says how it does."""

import threading
import time

import pytest

from agent.core.orders import MAX_BYTES, What
from agent.stores import vitals
from agent.stores.box import Box
from agent.wiring.gate import gate_process
from office.orders import order
from tests.house import SITE, House
from tests.small_office import eventually
from tests.test_gate_process import events_of


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("willow-court"))
    house.publish(order_keys=(house.keyring.order.public,))
    gate = house.enrol("north")
    gate.script()
    gate.bring_list()
    box = Box(gate.config.order_folder, MAX_BYTES)

    def given(what):
        message = order(SITE, "north", what, by="wang", why="", key=house.keyring.order, utc=time.time())
        box.put(message)

    with gate_process(gate.config) as parts:
        served = threading.Thread(target=parts.kiosk.serve)
        served.start()
        for what, sign in (
            (What.IDENTIFY, "gate.identified"),
            (What.LOCKDOWN, "lockdown.on"),
            (What.OPEN, "order.opened"),
        ):
            given(what)
            eventually(lambda sign=sign: any(sign in event["type"] for event in events_of(gate)))
        eventually(lambda: vitals.read(gate.config.health_file).lockdown)
        parts.stop()
        served.join()
    return gate


def test_the_offices_orders_are_obeyed_each_after_its_record(gate):
    kinds = [event["type"].removeprefix("menshen.") for event in events_of(gate)]
    wanted = [
        "order.obeyed",
        "gate.identified",
        "order.obeyed",
        "lockdown.on",
        "order.obeyed",
        "order.opened",
    ]
    assert [kind for kind in kinds if kind in wanted] == wanted


def test_a_lockdown_outlives_a_restart(gate):
    with gate_process(gate.config) as parts:
        assert parts.kiosk.gatekeeper.doorkeeper.vows.lockdown
    assert events_of(gate)


def test_the_gate_leaves_its_health_for_sync(gate):
    health = vitals.read(gate.config.health_file)
    assert (health.list, health.list_state, health.clock) == (1, "fresh", "synced")
    assert (health.journal, health.lockdown) == ("good", True)
