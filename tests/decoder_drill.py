"""A picture that kills a native decoder, and how soon the gate answers a pass again.

    python -m tests.decoder_drill [ROUNDS]

A whole gate process, started as its unit says; before its camera a card is held, in which one stage, or
every stage of a library, aborts, or hangs. The eye dies of it, the gate goes on, and the card stays before the
camera. Told are the deaths, the time from the last of them until the lock's line rises, and the processor time that the
gate, its nursery and its eye take in it.

Beside it, what a death of the gate itself costs: killed, followed by what the unit has as ExecStopPost=, its
RestartSec=, its ExecStart=.
"""

import configparser
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from agent.vision import ReaderConfig
from hw.sim.codes import flat
from hw.sim.line import look
from tests.house import EnrolledGate, House

ROOT: Final = Path(__file__).parents[1]
UNIT: Final = ROOT / "systemd" / "menshen-gate.service"
FPS: Final = 15.0
HELD_FRAMES: Final = 900
PATIENCE_S: Final = 60.0
ONE_STAGE: Final = ReaderConfig().stages[:1]
ONE_LIBRARY: Final = tuple(
    name for name in (*ReaderConfig().stages, *ReaderConfig().extras) if name != "pyzbar"
)


class NoAnswer(Exception):
    """The gate did not do what it is for; says what it did."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """After one picture.

    Args:
        deaths: of eyes.
        wall_s: from the last death, as a millisecond's look tells it, until the line rose.
        cpu_s: processor time of the gate, the nursery and the eye in it.
    """

    deaths: int
    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Restart:
    """After a gate was killed.

    Args:
        wall_s: from its death until the line rose; RestartSec= is in it.
        rest_cpu_s, gate_cpu_s: processor time of the unit's ExecStopPost=, and of the gate's, the nursery's and
            the eye's until then.
    """

    wall_s: float
    rest_cpu_s: float
    gate_cpu_s: float


@dataclass(frozen=True, slots=True)
class Unit:
    """What systemd would do for a gate.

    Args:
        gate, rest: command lines; the gate's with the poison in its table.
        restart_s: between a death and the next start.
    """

    gate: Sequence[str]
    rest: Sequence[str]
    restart_s: float

    @classmethod
    def of(cls, gate: EnrolledGate) -> "Unit":
        service = configparser.ConfigParser(strict=False, interpolation=None)
        service.optionxform = str
        service.read_string(UNIT.read_text())
        told = service["Service"]

        def words(key: str) -> list[str]:
            return told[key].replace("/etc/menshen/gate.toml", str(gate.toml)).split()[1:]

        return cls(
            gate=[sys.executable, "-m", "tests.poisoned_gate", *words("ExecStart")],
            rest=[str(Path(sys.executable).with_name("menshen-agent")), *words("ExecStopPost")],
            restart_s=float(told["RestartSec"]),
        )


@dataclass(frozen=True, slots=True)
class Served:
    """A gate process, and what it has said; its nursery and eye as /proc tells of them."""

    process: "subprocess.Popen[bytes]"
    said: Path

    @property
    def lost(self) -> int:
        """How many eyes are lost so far."""
        return self.said.read_text().count("event=eye.lost ")

    @property
    def eye(self) -> int:
        """The newest one's process id; 0 before there is one."""
        born = re.findall(r"event=eye.born .*?pid=(\d+)", self.said.read_text())
        return int(born[-1]) if born else 0

    @property
    def nursery(self) -> int:
        return next((pid for pid in _children(self.process.pid) if "nursery" in _command(pid)), 0)

    def cpu_s(self, *, with_eye: bool) -> float:
        """Processor time until now of all three, or of the gate and the nursery."""
        return sum(map(_cpu_s, (self.process.pid, self.nursery, self.eye if with_eye else 0)))

    def await_rise(self, line: Path, risen: int, every_s: float = 0.005) -> Iterator[None]:
        """Yield now and then until the line has risen.

        Raises:
            NoAnswer: it does not, or the gate ends.
        """
        end = time.monotonic() + PATIENCE_S
        while look(line).rises == risen:
            if self.process.poll() is not None or time.monotonic() > end:
                raise NoAnswer(f"the line did not rise; the gate ended with {self.process.returncode}")
            yield
            time.sleep(every_s)


def a_gate(folder: Path) -> EnrolledGate:
    """A gate before whose camera, from its start on, a card is held."""
    house = House(folder)
    house.grant("wang")
    house.publish()
    pictures = folder / "pictures"
    pictures.mkdir()
    wall, code = np.full((720, 1280), 128, np.uint8), flat(house.card("wang"), module_px=8)
    wall[150 : 150 + code.shape[0], 400 : 400 + code.shape[1]] = code
    cv2.imwrite(str(pictures / "000.png"), wall)
    for number in range(1, HELD_FRAMES):
        os.link(pictures / "000.png", pictures / f"{number:03}.png")
    gate = house.enrol("poisoned", camera={"kind": "folder", "path": str(pictures), "fps": FPS})
    gate.bring_list()
    return gate


def recovered(gate: EnrolledGate, poisoned: Sequence[str], death: str = "abort") -> Recovery:
    """Serve one picture until the card is answered, however many eyes that costs.

    Raises:
        NoAnswer: the gate ended, or the line never rose.
    """
    with served(gate, poisoned, death) as gate_process:
        deaths, died_mono, spent_s = 0, 0.0, 0.0
        for _ in gate_process.await_rise(gate.config.simulated_relay, 0, 0.001):
            if gate_process.lost > deaths:
                deaths, died_mono = gate_process.lost, time.monotonic()
                spent_s = gate_process.cpu_s(with_eye=False)
        wall_s, cpu_s = time.monotonic() - died_mono, gate_process.cpu_s(with_eye=True) - spent_s
        return Recovery(gate_process.lost, wall_s, cpu_s)


def restarted(gate: EnrolledGate) -> Restart:
    """Kill a gate that serves, and start it again as its unit says.

    Raises:
        NoAnswer: it ended, or the line did not rise.
    """
    unit, line = Unit.of(gate), gate.config.simulated_relay
    with served(gate) as first:
        for _ in first.await_rise(line, 0):
            pass
        first.process.kill()
        first.process.wait()
    died_mono, before_s = time.monotonic(), _children_cpu_s()
    subprocess.run(unit.rest, cwd=ROOT, check=True)
    rest_cpu_s, risen = _children_cpu_s() - before_s, look(line).rises
    time.sleep(unit.restart_s)
    with served(gate) as second:
        for _ in second.await_rise(line, risen):
            pass
        return Restart(time.monotonic() - died_mono, rest_cpu_s, second.cpu_s(with_eye=True))


@contextmanager
def served(gate: EnrolledGate, poisoned: Sequence[str] = (), death: str = "abort") -> Iterator[Served]:
    """A gate process with these stages poisoned, as its unit starts it."""
    environ = {**os.environ, "POISONED": ",".join(poisoned), "DEATH": death}
    environ["STATE_DIRECTORY"] = str(gate.config.state / "gate")
    said = gate.folder / "said.log"
    with said.open("wb") as log:
        process = subprocess.Popen(Unit.of(gate).gate, env=environ, cwd=ROOT, stderr=log)
    try:
        yield Served(process, said)
    finally:
        process.terminate()
        process.wait()


def _children(pid: int) -> list[int]:
    try:
        told = [(task / "children").read_text().split() for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []
    return [int(child) for task in told for child in task]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def _cpu_s(pid: int) -> float:
    """Processor time of a living process, all its threads; 0 of one that is gone."""
    try:
        told = [(task / "schedstat").read_text().split()[0] for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return 0.0
    return sum(map(int, told)) / 1e9


def _children_cpu_s() -> float:
    spent = os.times()
    return spent.children_user + spent.children_system


def _middle(figures: Iterator[float]) -> str:
    ordered = sorted(figures)
    return f"{statistics.median(ordered):.2f} ({ordered[0]:.2f} to {ordered[-1]:.2f})"


def main(rounds: int = 5) -> int:
    kinds = (
        ("one stage aborts", ONE_STAGE, "abort"),
        ("each stage of a library aborts", ONE_LIBRARY, "abort"),
        ("one stage hangs", ONE_STAGE, "hang"),
    )
    try:
        for title, poisoned, death in kinds:
            seen = []
            for _ in range(rounds):
                with tempfile.TemporaryDirectory(prefix="menshen-decoder-drill-") as folder:
                    seen.append(recovered(a_gate(Path(folder)), poisoned, death))
            print(f"{title}: {rounds} pictures, eyes lost by each {sorted({one.deaths for one in seen})}")
            print(f"  from the last loss to the lock, s       {_middle(one.wall_s for one in seen)}")
            print(f"  CPU of gate, nursery and eye in it, s   {_middle(one.cpu_s for one in seen)}")
        starts = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory(prefix="menshen-decoder-drill-") as folder:
                starts.append(restarted(a_gate(Path(folder))))
    except NoAnswer as fault:
        print(fault)
        return 1
    print(f"the gate itself is killed: {rounds} times")
    print(f"  from its death to the lock, s           {_middle(one.wall_s for one in starts)}")
    print(f"  CPU of rest-pins, s                     {_middle(one.rest_cpu_s for one in starts)}")
    print(f"  CPU of gate, nursery and eye, s         {_middle(one.gate_cpu_s for one in starts)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
