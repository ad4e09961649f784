"""The screen of a kiosk: what it says, and that nothing on it is more than text."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from agent.core.health import GateHealth
from agent.stores import vitals
from agent.wiring.console import WIDTH, Facts, look, screen, wrong
from tests.house import House

WELL = GateHealth(version="0.2.0", door="locked", list=7, list_state="fresh", clock="synced", camera_fps=15.0)


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("console"))
    house.publish()
    return house.enrol("north")


@pytest.fixture
def facts(gate):
    return Facts(
        version="0.2.0", serial="10000000a1b2c3d4", addresses=("eth0 192.0.2.7/24",), config=gate.config,
        blank=False, health=WELL, age_s=3.0, online=True, free_mb=9000,
    )  # fmt: skip


def test_a_gate_that_does_well(facts):
    said = screen(facts)
    for words in (
        "menshen 0.2.0", "north of site willow-court", "10000000a1b2c3d4", "eth0 192.0.2.7/24",
        "normal, door locked, list 7 (fresh), clock synced, 15 fps", "Nothing is wrong.",
    ):  # fmt: skip
        assert words in said


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"age_s": None}, "the gate does not run: journalctl -u menshen-gate"),
        ({"age_s": 300.0}, "the gate does not run: journalctl -u menshen-gate"),
        ({"ready": False}, "the first start is not finished: journalctl -u menshen-first-boot"),
        ({"free_mb": 12}, "card: 12 MB free"),
        ({"throttled": 1}, "supply or heat: under-voltage"),
        ({"config": None}, "gate.toml can't be used; menshen-provision writes it anew"),
        ({"health": replace(WELL, mode="safe")}, "safe mode: only the exit button and the fire input work"),
        ({"health": replace(WELL, camera_fps=0.0)}, "camera: no pictures in the last half minute"),
        ({"health": replace(WELL, journal="late")}, "card: it does not take events in time"),
        ({"health": replace(WELL, list_state="dead")}, "list: dead"),
        ({"health": replace(WELL, list=None, list_state="none")}, "list: none yet"),
        ({"health": replace(WELL, clock="unknown")}, "clock: nobody has said what time it is"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(facts, change, says):
    assert list(wrong(replace(facts, **change))) == [says]
    assert f"- {says}" in screen(replace(facts, **change))


def test_in_safe_mode_the_guards_reason_is_told(facts):
    safe = replace(facts, health=replace(WELL, mode="safe"), safe_why="the gate failed 3 times")
    assert "the gate failed 3 times" in list(wrong(safe))


def test_a_blank_kiosk_says_so_and_nothing_is_wrong_with_it(facts):
    said = screen(replace(facts, config=None, blank=True, age_s=None))
    assert "gate     none yet" in said
    assert "Nothing is wrong." in said


def test_nothing_on_it_moves_the_cursor_or_runs_off_the_screen(facts):
    odd = screen(replace(facts, serial="\x1b[2Jowned" + "x" * 300, update="fetching \u9a6c\x07"))
    assert "\x1b" not in odd
    assert "\x07" not in odd
    assert max(map(len, odd.splitlines())) <= WIDTH
    assert odd.isascii()


def test_it_reads_what_the_gate_leaves(gate):
    vitals.write(gate.config.health_file, WELL)
    seen = look(gate.toml)
    assert (seen.health, seen.blank, seen.config.gate) == (WELL, False, "north")
    assert seen.age_s < 60


def test_as_a_command_it_prints_a_page_whatever_is_there(tmp_path, gate):
    for config in (gate.toml, tmp_path / "none.toml"):
        command = [sys.executable, "-m", "agent.cli", "console", "--once", "--config", str(config)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60, env=os.environ
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "Technicians: plug the USB cable in" in done.stdout
