"""The door's drill: a gate started, killed, stopped, cut off and robbed of its parts, a thousand times.

    python -m tests.door_drill [ROUNDS [SEED [REST_WITHIN_MS]]]

Each round is a whole gate process, with its supervisor, its journal and real codes before its
camera, while the exit button is pressed as well; something happens to it at a random moment. Three counts are
held against each other after every round: how often the lock's line rose, as a probe on it sees; how
often the gate asked for that; how many admissions and exits are in the journal. Ends with 1 if any
line rose unasked, anything was asked for unrecorded, or the lock stayed released too long.
"""

import contextlib
import os
import random
import resource
import signal
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from agent.config import BoardConfig, GateConfig
from agent.core.moments import Moment, Trust
from agent.core.notices import Wire, WireChanged
from agent.frames import Frame
from agent.logs import configure
from agent.wiring.gate import gate_process
from hw.board import BOARDS
from hw.clocks import SystemClock
from hw.sim.codes import flat
from hw.sim.line import SimulatedLine, look
from tests.house import House

CEILING_S = 0.5
PEOPLE = 40
WAITED_S = 3.0

KINDS = (
    "started and stopped",
    "killed (SIGKILL)",
    "hung (SIGSTOP)",
    "supervisor killed",
    "brown-out",
    "list published meanwhile",
    "list taken away",
    "camera taken away",
    "disk taken away",
    "clock taken away",
)


# --- inside the gate -----------------------------------------------------------------


class Parade:
    """A camera before which people hold up cards, one after another; may be away for a while."""

    def __init__(self, frames: list, chance: random.Random, away: bool) -> None:
        self._frames, self._chance, self._away = frames, chance, away
        self._closed = False

    def frames(self) -> Iterator[Frame | None]:
        until = time.monotonic() + (self._chance.uniform(0.05, 0.3) if self._away else 0.0)
        while not self._closed:
            time.sleep(0.004)
            away = time.monotonic() < until
            yield None if away else Frame(self._chance.choice(self._frames), None, time.monotonic())

    def close(self) -> None:
        self._closed = True


class Told:
    """The gate's outputs; each unlock is told on the pipe before it is done."""

    def __init__(self, outputs, pipe: int) -> None:
        self._outputs, self._pipe = outputs, pipe

    def unlock(self, for_s: float) -> None:
        os.write(self._pipe, b"u")
        self._outputs.unlock(for_s)

    def __getattr__(self, name: str):
        return getattr(self._outputs, name)


class Pressed:
    """The gate's inputs, and somebody inside who presses the button now and then."""

    def __init__(self, inputs, chance: random.Random) -> None:
        self._inputs, self._chance = inputs, chance

    def notices(self):
        pressed = [WireChanged(Wire.EXIT, active=True)] if self._chance.random() < 0.02 else []
        return [*self._inputs.notices(), *pressed]

    def close(self) -> None:
        self._inputs.close()


class JumpingClock:
    """A clock that has lost its time server, and is set forwards and back."""

    def __init__(self, chance: random.Random) -> None:
        self._chance, self._off_s = chance, 0.0

    def now(self) -> Moment:
        if self._chance.random() < 0.01:
            self._off_s = self._chance.choice([-400 * 86400, -3600, -10, 0, 10, 3600, 400 * 86400])
        return Moment(time.time() + self._off_s, time.monotonic(), self._chance.choice(list(Trust)))


def live(config: GateConfig, kind: str, frames: list, seed: int, pipe: int) -> None:
    """Be a gate until told to stop."""
    chance = random.Random(seed)
    with Path(os.devnull).open("w") as silence:
        os.dup2(silence.fileno(), 2)
    clock = JumpingClock(chance) if kind.startswith("clock") else SystemClock("synced")
    parade = Parade(frames, chance, kind.startswith("camera"))
    with gate_process(config, clock=clock, camera=parade) as parts:
        supervisor = parts.kiosk.outputs._relay.pid
        parts.kiosk.outputs = Told(parts.kiosk.outputs, pipe)
        parts.kiosk.inputs = Pressed(parts.kiosk.inputs, chance)
        signal.signal(signal.SIGTERM, lambda *_: parts.stop())
        os.write(pipe, f"{supervisor:08d}".encode())
        if kind.startswith("disk"):
            full = config.journal_file.stat().st_size // 2
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.02, 0.1), chance.uniform(0.1, 0.3))
            limits = iter([full])

            def fill(*_) -> None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (next(limits, -1), -1))

            signal.signal(signal.SIGALRM, fill)
        parts.kiosk.serve()


# --- outside ------------------------------------------------------------------------


@dataclass
class Tally:
    """What came of one kind of round."""

    rounds: int = 0
    rises: int = 0
    asked: int = 0
    rests_s: list[float] = field(default_factory=list)


@dataclass
class Drill:
    """One site, one gate, and what is done to it."""

    folder: Path
    chance: random.Random
    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    faults: list[str] = field(default_factory=list)
    late: int = 0

    def __post_init__(self) -> None:
        self.house = House(self.folder / "site")
        for n in range(PEOPLE):
            self.house.grant(f"guest-{n}")
        self.house.publish()
        board = (BOARDS / "simulator.toml").read_text()
        (self.folder / "short.toml").write_text(
            board.replace("pulse_ceiling_s = 10.0", f"pulse_ceiling_s = {CEILING_S}")
        )
        self.gate = self.house.enrol(
            "drilled",
            door={"open_s": CEILING_S},
            journal={"patience_s": 0.1},
        )
        self.gate.bring_list()
        short = BoardConfig(name=str(self.folder / "short.toml"), pins="mock")
        self.config = self.gate.config.model_copy(update={"board": short})
        self.frames = [flat(self.house.card(f"guest-{n}")) for n in range(PEOPLE)]
        self.line = self.config.simulated_relay

    def run(self, rounds: int) -> None:
        for n in range(rounds):
            self.round(KINDS[n % len(KINDS)])
            if sys.stderr.isatty():
                print(f"\r{n + 1}/{rounds}", end="", file=sys.stderr)

    def round(self, kind: str) -> None:
        tally = self.tallies[kind]
        before = look(self.line)
        if before.active:
            self.faults.append(f"{kind}: the lock was released before the gate began")
        inside, outside = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.close(inside)
                live(self.config, kind, self.frames, self.chance.getrandbits(32) ^ os.getpid(), outside)
                code = 0
            finally:
                os._exit(code)
        os.close(outside)
        supervisor = int(os.read(inside, 8) or b"0")
        if not supervisor:
            self.faults.append(f"{kind}: the gate did not start")
        else:
            time.sleep(self.chance.uniform(0.0, 0.25))
            if rest_s := self.meddle(kind, child, supervisor):
                tally.rests_s.append(rest_s)
        os.waitpid(child, 0)
        self.wait_for(lambda: not _lives(supervisor))
        tally.rounds += 1
        tally.asked += _count(inside)
        tally.rises += look(self.line).rises - before.rises
        self.check(kind)

    def meddle(self, kind: str, gate: int, supervisor: int) -> float:
        """Do it; returns how long the lock stayed released after it, if it was."""
        rest_s = 0.0
        match kind:
            case "killed (SIGKILL)":
                rest_s = self.rest_after(lambda: os.kill(gate, signal.SIGKILL))
            case "hung (SIGSTOP)":
                rest_s = self.rest_after(lambda: os.kill(gate, signal.SIGSTOP))
                os.kill(gate, signal.SIGKILL)
            case "supervisor killed":
                rest_s = self.rest_after(lambda: os.kill(supervisor, signal.SIGKILL))
                time.sleep(0.1)
                os.kill(gate, signal.SIGKILL)
            case "brown-out":
                os.kill(supervisor, signal.SIGKILL)
                os.kill(gate, signal.SIGKILL)
                SimulatedLine(self.line).close()  # a coil without current falls back
            case "list published meanwhile":
                self.house.publish()
                self.gate.bring_list()
                os.kill(gate, signal.SIGTERM)
            case "list taken away":
                aside = self.config.list_file.with_suffix(".aside")
                self.config.list_file.rename(aside)
                time.sleep(0.2)
                os.kill(gate, signal.SIGTERM)
                aside.rename(self.config.list_file)
            case _:
                time.sleep(0.5 if kind.startswith("disk") else 0.1)
                os.kill(gate, signal.SIGTERM)
        return rest_s

    def rest_after(self, blow: Callable[[], None]) -> float:
        released = look(self.line).active
        blow()
        began = time.monotonic()
        if not released:
            return 0.0
        self.wait_for(lambda: not look(self.line).active)
        return time.monotonic() - began

    def wait_for(self, true: Callable[[], bool]) -> None:
        end = time.monotonic() + WAITED_S
        while not true() and time.monotonic() < end:
            time.sleep(0.002)

    def check(self, kind: str) -> None:
        """Hold the three counts against each other; all are sums over all rounds."""
        rises, asked = look(self.line).rises, sum(tally.asked for tally in self.tallies.values())
        with contextlib.closing(sqlite3.connect(self.config.journal_file)) as journal:
            (recorded,) = journal.execute(
                "SELECT count(*) FROM event WHERE tail LIKE 'pass.admitted%' OR tail LIKE 'exit.pressed%'"
            ).fetchone()
            (self.late,) = journal.execute(
                "SELECT count(*) FROM event WHERE tail LIKE '%\"late\":true%'"
            ).fetchone()
        if rises > asked:
            self.faults.append(f"{kind}: the line rose {rises} times, and was asked to {asked} times")
        if asked > recorded:
            self.faults.append(f"{kind}: {asked} releases were asked for, and {recorded} are recorded")
        if look(self.line).active:
            self.faults.append(f"{kind}: the lock was left released")

    def told(self) -> str:
        lines = [
            f"{'what happened to the gate':28}{'rounds':>8}{'releases':>10}{'at rest again after, ms (median, most)':>42}"
        ]
        for kind in KINDS:
            tally = self.tallies[kind]
            rests = sorted(1000 * rest_s for rest_s in tally.rests_s)
            rest = (
                f"{rests[len(rests) // 2]:.0f}, {rests[-1]:.0f}  ({len(rests)} pulses hit)" if rests else "-"
            )
            lines.append(f"{kind:28}{tally.rounds:8}{tally.rises:10}{rest:>42}")
        whole = list(self.tallies.values())
        asked, line = sum(tally.asked for tally in whole), look(self.line)
        lines.append("")
        lines.append(
            f"rounds {sum(tally.rounds for tally in whole)}, releases asked for {asked}, line risen {line.rises},"
            f" longest stretch {line.longest_s:.2f} s, recorded late {self.late}"
        )
        lines += [f"faults: {len(self.faults)}", *self.faults[:20]]
        return "\n".join(lines)


def _count(inside: int) -> int:
    told = b""
    while some := os.read(inside, 4096):
        told += some
    os.close(inside)
    return told.count(b"u")


def _lives(pid: int) -> bool:
    try:
        return pid > 0 and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def main(rounds: int = 1000, seed: int = 1, rest_within_ms: int = 500) -> int:
    cv2.setNumThreads(1)
    configure()
    with tempfile.TemporaryDirectory(prefix="menshen-door-drill-") as folder:
        (Path(folder) / "site").mkdir()
        drill = Drill(Path(folder), random.Random(seed))
        drill.run(rounds)
        for kind, tally in drill.tallies.items():
            most_ms = 1000 * max(tally.rests_s, default=0.0)
            if kind != "supervisor killed" and most_ms > rest_within_ms:
                drill.faults.append(f"{kind}: the lock rested only after {most_ms:.0f} ms")
        print(drill.told())
        return 1 if drill.faults else 0


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
