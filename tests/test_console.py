"""The screen of a kiosk: what it says, that it has it from the doctor, and that nothing on it is more than text."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from agent.core.findings import Seen, State, examined
from agent.core.health import GateHealth
from agent.stores import vitals
from agent.wiring.console import LINES, WIDTH, Facts, look, screen, told
from agent.wiring.seeing import first_start_over
from tests.core.test_findings import FOUND, WELL
from tests.house import House


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("console"))
    house.publish()
    return house.enrol("north")


@pytest.fixture
def facts(gate):
    return Facts(
        version="0.2.0",
        serial="10000000a1b2c3d4",
        addresses=("eth0 192.0.2.7/24",),
        seen=WELL,
        config=gate.config,
        blank=False,
    )


def words(page: str) -> str:
    """A page's words, wherever its lines break."""
    return " ".join(page.split())


def test_a_gate_that_does_well(facts):
    said = screen(facts)
    for told_of in (
        "menshen 0.2.0", "north of site willow-court", "10000000a1b2c3d4", "eth0 192.0.2.7/24",
        "normal, door locked, list 7 (fresh), clock synced, 15 fps", "kept 0.2.0", "Nothing is wrong.",
    ):  # fmt: skip
        assert told_of in said


@pytest.mark.parametrize(("part", "state", "found", "change"), FOUND)
def test_what_the_doctor_finds_is_on_the_screen_with_what_to_do(facts, part, state, found, change):
    """Each of the doctor's cases; a rule that only one of the two knew would show here."""
    seen = replace(WELL, **change)
    said = words(screen(replace(facts, seen=seen)))
    (finding,) = [one for one in examined(seen) if one.part == part]
    shown = state in {State.WRONG, State.LOOK}
    assert (f"- {part}: " in said) == shown
    if shown:
        assert found in said
        assert words(f"-> {finding.advice}") in said
    calls = {one.state for one in examined(seen)}
    assert ("Nothing is wrong." in said) == (State.WRONG not in calls)
    assert ("WANTS A LOOK" in said) == (State.LOOK in calls)


def test_a_card_at_150_mb_is_wrong_for_both(facts):
    """The screen once had a bound of its own."""
    seen = replace(WELL, free_mb=150)
    assert [finding.part for finding in examined(seen) if finding.state is State.WRONG] == ["journal"]
    assert "150 MB free, wanted 200" in words(screen(replace(facts, seen=seen)))


def test_in_safe_mode_the_guards_reason_is_told(facts):
    seen = replace(WELL, health=replace(WELL.health, mode="safe"), safe_why="the gate failed 3 times")
    assert "the gate failed 3 times" in words(screen(replace(facts, seen=seen)))


def test_a_blank_kiosk_says_so_and_nothing_is_wrong_with_it(tmp_path):
    facts = look(tmp_path / "none.toml")
    assert (facts.blank, facts.config, facts.seen.configured) == (True, None, False)
    said = screen(replace(facts, seen=replace(facts.seen, throttled=0)))
    assert "gate     none yet" in said
    assert "Nothing is wrong." in said
    assert "settings" not in said


def test_a_first_start_that_is_not_finished(tmp_path):
    unit = tmp_path / "menshen-first-boot.service"
    assert first_start_over(tmp_path, unit), "no kiosk: nothing makes a first start here"
    unit.touch()
    assert not first_start_over(tmp_path, unit)
    (tmp_path / "first-boot.json").touch()
    assert first_start_over(tmp_path, unit)
    blank = Facts("0.2.0", "unknown", (), Seen("0.2.0", 0.0, configured=False, first_start_over=False))
    assert "machine: its first start is not finished" in screen(blank)


def test_all_that_can_be_wrong_at_once_fits_and_leaves_the_advice_to_the_doctor(facts):
    worst = replace(
        WELL,
        faults=("gate: missing", "site: missing"),
        on_last_good=True,
        health=GateHealth(version="0.2.0", clock="unknown", journal="late"),
        free_mb=3,
        stored_list=None,
        list_refusal="expired " * 20,
        online=False,
        update="rolled back 0.3.0: no pictures",
        throttled=1,
    )
    page = screen(replace(facts, seen=worst))
    assert len(page.splitlines()) <= LINES
    assert "->" not in page
    assert "- and more: menshen-agent doctor" in page
    assert len(told(replace(facts, seen=worst))) == 9


def test_nothing_on_it_moves_the_cursor_or_runs_off_the_screen(facts):
    seen = replace(WELL, update="refused \u9a6c\x07" + "y" * 200, list_refusal="\x1b[2Jowned\r\n")
    odd = screen(replace(facts, serial="\x1b[2Jowned" + "x" * 300, seen=seen))
    assert "\x1b" not in odd
    assert "\x07" not in odd
    assert max(map(len, odd.splitlines())) <= WIDTH
    assert odd.isascii()


def test_it_reads_what_the_gate_leaves(gate):
    vitals.write(gate.config.health_file, WELL.health)
    facts = look(gate.toml)
    assert (facts.seen.health, facts.blank, facts.config.gate) == (WELL.health, False, "north")
    assert facts.seen.health_age_s < 60


def test_settings_that_cannot_be_used_are_named(gate, tmp_path):
    spoilt = tmp_path / "gate.toml"
    spoilt.write_text("site = 3")
    assert "- settings: site: found 3" in words(screen(look(spoilt)))


@pytest.mark.skipif(
    os.getuid() != 0, reason="to become somebody without rights, this test wants to begin as root"
)
def test_who_may_not_look_sees_which_kiosk_it_is(gate):
    vitals.write(gate.config.health_file, WELL.health)
    gate.config.health_file.parent.chmod(0o700)
    for folder in gate.toml.parents:
        if folder.is_relative_to("/tmp"):
            folder.chmod(0o755)
    words = ["setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-m", "agent.cli", "console"]
    done = subprocess.run(
        [*words, "--once", "--config", str(gate.toml)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    if "No module" in done.stderr or "Permission denied" in done.stderr:
        pytest.skip("this interpreter lies where nobody else may read")
    assert (done.returncode, done.stderr) == (0, "")
    assert "this user may not look" in done.stdout


def test_as_a_command_it_prints_a_page_whatever_is_there(tmp_path, gate):
    for config in (gate.toml, tmp_path / "none.toml"):
        command = [sys.executable, "-m", "agent.cli", "console", "--once", "--config", str(config)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60, env=os.environ
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "Technicians: plug the USB cable in" in done.stdout


def test_the_screen_and_the_doctor_say_the_same_of_a_gate(gate):
    """Both as commands, at once, on the same files."""
    vitals.write(gate.config.health_file, replace(WELL.health, camera_fps=0.0))
    words_ = [sys.executable, "-m", "agent.cli"]
    ask = ["--config", str(gate.toml)]
    said = subprocess.run([*words_, "console", "--once", *ask], capture_output=True, text=True, check=True)
    found = subprocess.run([*words_, "doctor", "--json", *ask], capture_output=True, text=True, check=False)
    for finding in map(json.loads, found.stdout.splitlines()):
        assert (f"- {finding['part']}: " in said.stdout) == (finding["state"] in {"wrong", "look"}), finding
