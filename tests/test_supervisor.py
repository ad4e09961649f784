"""The lock's supervisor: whatever becomes of the gate, the lock rests; whatever becomes of it, the gate knows.

Pulses here are asked for nine seconds; that the lock rests long before proves who ended it.
How soon is measured by `make drill-door`.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli.gate import rest_pins
from agent.core.notices import RelayBack, RelayLost
from hw.board import load_board
from hw.pins import PinsFault
from hw.sim.line import SimulatedLine, Trace, look
from hw.supervised import PAT_S, SupervisedRelay
from hw.supervisor import SILENCE_S
from hw.telling import Teller
from tests.wires import ChipWires, rig_chip, seen

PULSE_S, LONG_BEFORE_S = 9.0, 7.0
PART = load_board("simulator").relay

GATE = f"""
import sys, time
from hw.board import load_board
from hw.supervised import SupervisedRelay
from hw.telling import Teller
relay = SupervisedRelay(load_board("simulator").relay, sys.argv[1], Teller(None))
relay.ready()
getattr(relay, sys.argv[2])(*([{PULSE_S}] if sys.argv[2] == "unlock" else []), **({{"fire": True}} if "fire" in sys.argv else {{}}))
print(relay.pid, flush=True)
time.sleep(60)
"""


class FileLine:
    """The simulated line, and the probe on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = self.words = f"file:{path}"

    @property
    def active(self) -> bool:
        return look(self.path).active

    def seen(self) -> Trace:
        return look(self.path)


class ChipLine:
    """The relay's line of a real chip, and the kernel as the probe on it."""

    name, words = "lgpio", f"lgpio:{PART.pin}:{PART.active}"

    def __init__(self) -> None:
        self._wires = ChipWires(0)

    @property
    def active(self) -> bool:
        return self._wires.level(PART.pin) == (PART.active == "high")

    def seen(self) -> Trace:
        return Trace(*seen(self._wires, PART.pin, PART.active))


@pytest.fixture(params=["file", "lgpio"])
def line(request, tmp_path):
    if request.param == "file":
        return FileLine(tmp_path / "relay.line")
    if rig_chip() != 0:
        pytest.skip(
            "no gpio-sim chip as gpiochip0 here (`make rig` boots a machine with one); the simulator ran"
        )
    if find_spec("lgpio") is None:
        pytest.skip("a chip is here, but lgpio is not installed; the simulator ran")
    return ChipLine()


@pytest.fixture
def relay(line):
    relay = SupervisedRelay(PART, line.name, Teller(None))
    relay.ready()
    yield relay
    relay.close()
    assert not line.active


@contextlib.contextmanager
def gate(line, *doing: str):
    """A process that has the relay and does something with it; yields it and its supervisor's id."""
    with subprocess.Popen(
        [sys.executable, "-c", GATE, line.name, *doing], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def soon(true: Callable[[], bool], within_s: float = LONG_BEFORE_S) -> bool:
    end = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


# --- what becomes of the gate -----------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
@pytest.mark.parametrize("doing", ["unlock", "hold"])
def test_a_gate_that_is_stopped_or_killed_leaves_the_lock_at_rest(line, how, doing):
    with gate(line, doing) as (process, _):
        assert line.active
        process.send_signal(how)
        assert soon(lambda: not line.active)
        assert line.seen().rises == 1


def test_the_supervisor_ends_with_its_gate(line):
    with gate(line, "unlock") as (process, supervisor):
        process.kill()
        assert soon(lambda: gone(supervisor))


def test_a_gate_that_hangs_in_a_fire_locks_nobody_in(line):
    with gate(line, "hold", "fire") as (process, _):
        process.send_signal(signal.SIGSTOP)
        time.sleep(3 * SILENCE_S)
        assert line.active


def test_a_gate_that_wakes_again_does_not_find_the_lock_released(line):
    with gate(line, "unlock") as (process, _):
        process.send_signal(signal.SIGSTOP)
        assert soon(lambda: not line.active)
        process.send_signal(signal.SIGCONT)
        time.sleep(2 * SILENCE_S)
        assert line.seen()[:2] == (False, 1)


# --- pulses ---------------------------------------------------------------------------


def test_a_pulse_is_as_long_as_it_was_asked_for_and_no_longer(relay, line):
    relay.unlock(0.3)
    assert relay.released
    assert soon(lambda: not relay.released)
    assert 0.2 < line.seen().longest_s < LONG_BEFORE_S
    assert line.seen().rises == 1


def test_an_hour_is_cut_at_the_boards_ceiling(line):
    short = PART.model_copy(update={"pulse_ceiling_s": 0.3})
    relay = SupervisedRelay(short, line.name, Teller(None))
    relay.ready()
    relay.unlock(3600)
    assert soon(lambda: line.seen().rises == 1 and not line.active)
    relay.close()


@pytest.mark.parametrize("for_s", [0, -1, float("nan"), float("-inf")])
def test_a_time_that_is_none_opens_nothing(relay, line, for_s):
    relay.unlock(for_s)
    time.sleep(0.1)
    assert line.seen().rises == 0


def test_locking_cuts_a_pulse_short_and_a_hold_outlasts_silence_of_the_main_loop(relay, line):
    relay.unlock(PULSE_S)
    relay.rest()
    assert not line.active
    relay.hold()
    relay.unlock(0.1)  # neither ends nor shortens it
    time.sleep(3 * SILENCE_S)
    assert line.active
    relay.rest()
    assert not line.active


def test_the_end_of_a_hold_is_its_end_however_often_it_was_said(relay, line):
    for _ in range(200):
        relay.hold()
        relay.rest()
    time.sleep(2 * PAT_S)
    assert not line.active


def test_an_ask_that_comes_late_opens_nothing(line):
    """A gate that was stopped between asking and sending, or a supervisor that was slow to wake."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "hw.supervisor", line.words, "10.0"], stdin=theirs.fileno()
        )
        theirs.close()
        assert ours.recv(64) == b"ready"
        for late in (
            f"pulse {time.monotonic() - 1}",
            "pulse soon",
            "pulse",
            "open",
            "\xff",
            "pulse nan",
            "x" * 500,
        ):
            ours.send(late.encode())
        ours.send(b"pat")
        assert ours.recv(64) == b"off"
    assert supervisor.wait(LONG_BEFORE_S) == 0
    assert line.seen().rises == 0


# --- what becomes of the supervisor ---------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_a_supervisor_that_is_stopped_or_killed_is_told_and_replaced_at_rest(relay, line, how):
    relay.unlock(PULSE_S)
    first = relay.pid
    os.kill(first, how)
    assert soon(lambda: not line.active)
    assert soon(lambda: relay.pid != first and not relay._fault)
    lost, back = relay.notices()
    assert (type(lost), back) == (RelayLost, RelayBack())
    assert relay.notices() == []
    assert line.seen().rises == 1, "the pulse is not resumed"
    relay.unlock(0.1)
    assert line.seen().rises == 2


def test_a_hold_is_taken_up_by_the_next_supervisor(relay, line):
    relay.hold(fire=True)
    os.kill(relay.pid, signal.SIGKILL)
    assert soon(lambda: line.seen().rises == 2 and line.active)


def test_whoever_asks_meanwhile_is_told_that_nobody_is_there(relay):
    os.kill(relay.pid, signal.SIGKILL)
    assert soon(lambda: bool(relay._fault))
    with pytest.raises(PinsFault, match="being started again"):
        relay.unlock(1.0)
    relay.rest()  # is no trouble: it wakes at rest


def test_signals_meant_for_the_gate_do_not_end_the_supervisor(relay, line):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(relay.pid, number)
    relay.unlock(0.1)
    assert line.seen().rises == 1
    assert relay.notices() == []


def test_a_line_that_can_not_be_had_is_told_in_a_sentence(tmp_path):
    relay = SupervisedRelay(PART, f"file:{tmp_path}/nowhere/relay.line", Teller(None))
    with pytest.raises(PinsFault, match=r"relay can't be had: .*nowhere"):
        relay.ready()
    relay.close()


# --- what it may do ----------------------------------------------------------------------


def test_once_it_has_its_line_it_can_open_no_file_and_has_no_rights_to_regain(relay):
    limits = {}
    process = Path(f"/proc/{relay.pid}")
    for line in (process / "limits").read_text().splitlines():
        limits[line[:26].strip()] = line[26:].split()[:2]
    open_files = len(tuple((process / "fd").iterdir()))
    soft, hard = limits["Max open files"]
    assert int(soft) == int(hard) <= open_files
    assert limits["Max processes"][:2] == ["0", "0"]
    assert limits["Max core file size"][:2] == ["0", "0"]


def test_it_loads_nothing_but_itself_and_the_standard_library():
    probe = (
        "import hw.supervisor, hw.sim.line, sys;"
        "print(sorted({m.partition('.')[0] for m in sys.modules} - set(sys.stdlib_module_names) - {'__main__'}))"
    )
    asked = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, '.'); {probe}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout.strip() == "['hw']"


# --- the whole gate ------------------------------------------------------------------------


def test_ten_rounds_of_the_doors_drill_find_no_fault():
    """All that can happen to a gate, once each; `make drill-door` does it a thousand times, and measures."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.door_drill", "10", "7", "5000"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "faults: 0" in ran.stdout, ran.stdout + ran.stderr
    assert ran.returncode == 0


def test_after_a_gate_has_ended_in_whatever_way_rest_pins_rests_the_simulated_relay(tmp_path):
    line = tmp_path / "gate" / "relay.line"
    line.parent.mkdir()
    left = SimulatedLine(line)
    left.on()
    left.close()
    toml = tmp_path / "gate.toml"
    (tmp_path / "root.json").write_text("{}")
    toml.write_text(
        f'site = "garden"\ngate = "north"\nstate = "{tmp_path}"\n[board]\nname = "simulator"\npins = "mock"\n'
    )
    assert CliRunner().invoke(rest_pins, ["--config", str(toml)]).exit_code == 0
    assert not look(line).active


# --- the simulated line ------------------------------------------------------------------


def test_a_simulated_line_keeps_its_level_when_its_process_dies_and_remembers_the_stretch(tmp_path):
    line = tmp_path / "relay.line"
    assert look(line) == Trace(active=False, rises=0, longest_s=0.0)
    one = SimulatedLine(line)
    one.on()
    one.on()
    one.close()
    assert look(line).active
    SimulatedLine(line).close()
    assert look(line).rises == 1
    assert look(line).longest_s > 0
    assert not look(line).active


def test_a_gate_that_goes_without_reading_the_last_answer_is_simply_gone(tmp_path):
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-P", "-m", "hw.supervisor", f"file:{tmp_path / 'line'}", "10.0"]
    supervisor = subprocess.Popen(command, stdin=its, stderr=subprocess.PIPE)
    its.close()
    assert ours.recv(64) == b"ready"
    ours.send(b"pat")
    ours.recv(64, socket.MSG_PEEK)  # it has answered; that stays unread
    ours.close()
    assert supervisor.communicate(timeout=20)[1] == b""
    assert supervisor.returncode == 0
