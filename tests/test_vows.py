"""What was ordered until further notice outlives a restart; a spoilt file locks nobody out."""

import contextlib
import json

import pytest

from agent.core.notices import Order
from agent.core.rules import Vows
from agent.stores.journal_reader import JournalReader
from agent.stores.vows import keep, recall
from agent.wiring.gate import gate_process
from tests.house import House


@pytest.mark.parametrize("vows", [Vows(), Vows(lockdown=True), Vows(maintenance=True), Vows(True, True)])
def test_what_is_kept_is_recalled(tmp_path, vows):
    keep(tmp_path / "vows.json", vows)
    assert recall(tmp_path / "vows.json") == (vows, "")
    assert [path.name for path in tmp_path.iterdir()] == ["vows.json"]


def test_a_new_gate_has_vowed_nothing(tmp_path):
    assert recall(tmp_path / "vows.json") == (Vows(), "")


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", "[" * 2000, '{"lockdown": true}', "\x00", "9" * 5000]
)
def test_a_spoilt_file_vows_nothing_and_is_told(tmp_path, text):
    path = tmp_path / "vows.json"
    path.write_text(text)
    vows, fault = recall(path)
    assert vows == Vows()
    assert "no lockdown is remembered" in fault


def test_only_true_is_a_vow(tmp_path):
    path = tmp_path / "vows.json"
    path.write_text('{"lockdown": "yes", "maintenance": 1}')
    assert recall(path) == (Vows(), "")


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("willow-court"))
    house.grant("wang")
    house.publish()
    return house


def test_a_gate_locked_down_is_locked_down_after_a_restart(house):
    gate = house.enrol("locked")
    for ordered, stands in ((True, False), (None, True), (False, True), (None, False)):
        with gate_process(gate.config) as parts:
            keeper, now = parts.kiosk.gatekeeper, parts.kiosk.clock.now()
            assert keeper.doorkeeper.vows.lockdown is stands
            if ordered is not None:
                parts.kiosk.perform(keeper.hear(Order(ordered, "wang"), now))


def test_a_gate_whose_vows_are_spoilt_says_so_in_its_journal(house):
    gate = house.enrol("spoilt")
    gate.config.vows_file.parent.mkdir(parents=True, exist_ok=True)
    gate.config.vows_file.write_text("{")
    with gate_process(gate.config):
        pass
    with contextlib.closing(JournalReader(gate.config.journal_file)) as journal:
        events = [json.loads(body) for _, body in journal.bodies()]
    assert [event["data"]["fault"] for event in events if event["type"] == "menshen.gate.fault"] == ["vows"]
