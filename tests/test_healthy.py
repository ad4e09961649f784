"""menshen-agent healthy: what an update's trial asks."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from agent.core.health import GateHealth
from agent.stores import link, vitals
from agent.wiring.version import installed_version
from tests.house import House

WELL = GateHealth(version=installed_version(), door="locked", list=1, camera_fps=15.0)


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("healthy"))
    house.publish()
    gate = house.enrol("north")
    gate.bring_list()
    return gate


def healthy(gate, *arguments: str) -> tuple[int, list[str]]:
    command = [sys.executable, "-m", "agent.cli", "healthy", "--config", str(gate.toml), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


def test_a_gate_that_does_well(gate):
    vitals.write(gate.config.health_file, WELL)
    assert healthy(gate) == (0, ["well"])


def test_a_gate_that_does_not_use_its_list(gate):
    vitals.write(gate.config.health_file, replace(WELL, list=None))
    assert healthy(gate) == (1, ["list: list 1 is there, and the gate does not use it"])


def test_a_gate_that_has_fallen_silent(gate):
    vitals.write(gate.config.health_file, WELL)
    os.utime(gate.config.health_file, (1_700_000_000, 1_700_000_000))
    code, (said,) = healthy(gate)
    assert code == 1
    assert said.startswith("gate: said nothing for ")


def test_whoever_was_online_must_be_so_with_this_release(gate):
    vitals.write(gate.config.health_file, WELL)
    offline = (1, ["broker: not reached since the update, and it was before"])
    assert healthy(gate, "--online") == offline
    link.Link(gate.config.link_file, "0.0.9").say(online=True)
    assert healthy(gate, "--online") == offline, "another release said that"
    link.Link(gate.config.link_file, installed_version()).say(online=True)
    assert healthy(gate, "--online") == (0, ["well"])
    gate.config.link_file.write_bytes(b"\0" * 9000)
    assert healthy(gate, "--online") == offline
