"""A picture that kills a native decoder, and how soon the gate answers a pass again.

    python -m tests.decoder_drill [ROUNDS]

A whole gate process, started as its unit says; before its camera a card is held, in which one stage, or
every stage of a library, aborts. It is started again as systemd would: what the unit has as ExecStopPost=, its
RestartSec=, its ExecStart=. The card stays before the camera. Told are the deaths, the time from the last of
them until the lock's line rises, and the processor time of both processes in it, beside what Python and the
native libraries alone take to start here.
"""

import configparser
import os
import signal
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
LIBRARIES: Final = "import numpy, cv2, zxingcpp, cryptography.x509, pydantic, sqlite3"


class NoAnswer(Exception):
    """The gate did not do what it is for; says what it did."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """After one picture.

    Args:
        deaths: of gate processes.
        wall_s: from the last death until the line rose; RestartSec= is in it.
        rest_cpu_s, gate_cpu_s: processor time of the unit's ExecStopPost= and of the gate until then.
    """

    deaths: int
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


def recovered(gate: EnrolledGate, poisoned: Sequence[str], most_deaths: int = 20) -> Recovery:
    """Serve one picture until the card is answered, with so many restarts as that takes.

    Raises:
        NoAnswer: it died more often, ended otherwise, or the line never rose.
    """
    unit, line = Unit.of(gate), gate.config.simulated_relay
    environ = {
        **os.environ,
        "POISONED": ",".join(poisoned),
        "STATE_DIRECTORY": str(gate.config.state / "gate"),
    }
    risen, died_mono, rest_cpu_s = look(line).rises, 0.0, 0.0
    for deaths in range(most_deaths + 1):
        with _started(unit.gate, environ) as process:
            end = time.monotonic() + PATIENCE_S
            while process.poll() is None and look(line).rises == risen and time.monotonic() < end:
                time.sleep(0.01)
            if look(line).rises > risen:
                return Recovery(deaths, time.monotonic() - died_mono, rest_cpu_s, _cpu_s(process.pid))
            if process.returncode != -signal.SIGABRT:
                raise NoAnswer(f"the gate ended with {process.returncode}, and the line did not rise")
        died_mono = time.monotonic()
        before_s = _children_cpu_s()
        subprocess.run(unit.rest, env=environ, cwd=ROOT, check=True)
        rest_cpu_s = _children_cpu_s() - before_s
        time.sleep(unit.restart_s)
    raise NoAnswer(f"the gate died {most_deaths + 1} times and answered nobody")


@contextmanager
def _started(command: Sequence[str], environ: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(command, env=environ, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _cpu_s(pid: int) -> float:
    """Processor time of a living process."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _children_cpu_s() -> float:
    spent = os.times()
    return spent.children_user + spent.children_system


def floor_cpu_s(code: str, times: int = 5) -> float:
    """Processor time that Python takes to start and run some code; the median of some starts."""
    spent = []
    for _ in range(times):
        before_s = _children_cpu_s()
        subprocess.run([sys.executable, "-c", code], check=True)
        spent.append(_children_cpu_s() - before_s)
    return statistics.median(spent)


def told(title: str, seen: Sequence[Recovery]) -> str:
    def middle(figures: Iterator[float]) -> str:
        ordered = sorted(figures)
        return f"{statistics.median(ordered):.2f} ({ordered[0]:.2f} to {ordered[-1]:.2f})"

    return "\n".join(
        (
            f"{title}: {len(seen)} pictures, deaths by each {sorted({one.deaths for one in seen})}",
            f"  from the last death to the lock, s      {middle(one.wall_s for one in seen)}",
            f"  CPU of the rest-pins in between, s      {middle(one.rest_cpu_s for one in seen)}",
            f"  CPU of the gate until it answered, s    {middle(one.gate_cpu_s for one in seen)}",
        )
    )


def main(rounds: int = 5) -> int:
    for title, poisoned in (("one stage aborts", ONE_STAGE), ("each stage of a library aborts", ONE_LIBRARY)):
        seen = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory(prefix="menshen-decoder-drill-") as folder:
                try:
                    seen.append(recovered(a_gate(Path(folder)), poisoned))
                except NoAnswer as fault:
                    print(f"{title}: {fault}")
                    return 1
        print(told(title, seen))
    print(
        f"CPU to start Python, s {floor_cpu_s('pass'):.2f}, and with the libraries {floor_cpu_s(LIBRARIES):.2f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
