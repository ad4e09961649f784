"""The reader beside its peers, while people walk up to a gate.

    SEEDS=20 python -m benchmarks.approaches [CONDITION ...]

Each approach is two rendered seconds of 1280x720 at 30 frames a second: a
phone, a card or a phone in dark mode comes into view, is held, and goes. Two
sets of twelve circumstances, `hw.sim.conditions`: REALISTIC, an ordinary day
and night, and HARD, the same towards the end of what can be read at all.

Four questions. Is it read in any frame? How much processor time goes by until
then, in those approaches that pyzbar reads, too? On a machine ten times slower, where frames pass by unseen while one is
being read, how long after the first frame that any decoder can read does the
text come? And what does a frame cost in which nobody is there?

Every decoder sees the same frames as bare luma; OpenCV's, which aborts, is
left out. Only ratios are worth anything on another machine.
"""

import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from agent.frames import Grey
from agent.vision import Reader, ReaderConfig
from benchmarks.peers import PEERS, YARDSTICK
from hw.sim.approach import Approach
from hw.sim.codes import MEDIA
from hw.sim.conditions import CONDITIONS, HARD, REALISTIC
from hw.sim.film import Film

FPS: Final = 30
SECONDS: Final = 2.0
SIZE_PX: Final = (720, 1280)
SLOWER: Final = 10
IDLE_FRAMES: Final = 120
WARM_UP: Final = 5
TEXT_LENGTH: Final = 118

Look: TypeAlias = Callable[[Grey], bool]
"""Whether a frame of a stream holds a readable code; may remember the frames before."""


def _ours(slower: float) -> Look:
    """A reader for a machine that is so many times slower than this one."""
    reader = Reader(ReaderConfig(budget_ms=ReaderConfig().budget_ms / slower))
    return lambda luma: bool(reader.read(luma))


def _peer(name: str) -> Look:
    decode = PEERS[name]()
    return lambda luma: bool(decode(luma))


OURS: Final = "menshen"
NAMES: Final = (OURS, "zxing-cpp", YARDSTICK)


@dataclass(frozen=True, slots=True)
class Run:
    """How one decoder did on one approach.

    Args:
        read_at_s: film time of the first frame that it read, looking at every one; None if none.
        cpu_ms: until then, or of all frames.
        slow_read_s: film time at which a slower machine had read it; None if never.
    """

    read_at_s: float | None
    cpu_ms: float
    slow_read_s: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One approach, every decoder."""

    condition: str
    seed: int
    runs: dict[str, Run]

    @property
    def readable_s(self) -> float | None:
        """Film time of the first frame that any decoder could read."""
        return min((run.read_at_s for run in self.runs.values() if run.read_at_s is not None), default=None)


class _Walk:
    """An approach's frames, each drawn once."""

    def __init__(self, condition: str, seed: int) -> None:
        medium = tuple(MEDIA)[seed % len(MEDIA)]
        rng = np.random.default_rng(seed)
        text = "M1" + "".join(rng.choice(list("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ:"), TEXT_LENGTH - 2))
        approach = Approach(text, medium, condition, seconds=SECONDS, seed=seed)
        self._film = Film([approach], *SIZE_PX, seed=seed % 4)
        self._frames: dict[int, Grey] = {}

    def __getitem__(self, number: int) -> Grey:
        if number not in self._frames:
            self._frames[number] = self._film.frame_at(number / FPS)
        return self._frames[number]


def _timed(look: Look, luma: Grey) -> tuple[bool, float]:
    started = time.process_time()
    read = look(luma)
    return read, (time.process_time() - started) * 1000


class _Watcher:
    """One decoder before one approach. Only ours remembers frames; a peer sees each but once."""

    def __init__(self, name: str, walk: _Walk) -> None:
        self._name = name
        self._walk = walk
        self._seen: dict[int, tuple[bool, float]] = {}
        self._look = _peer(name) if name != OURS else _ours(1)

    def _at(self, number: int) -> tuple[bool, float]:
        if self._name == OURS:
            return _timed(self._look, self._walk[number])
        if number not in self._seen:
            self._seen[number] = _timed(self._look, self._walk[number])
        return self._seen[number]

    def run(self) -> Run:
        cpu_ms, read_at_s = 0.0, None
        for number in range(int(SECONDS * FPS)):
            read, took_ms = self._at(number)
            cpu_ms += took_ms
            if read:
                read_at_s = number / FPS
                break
        if self._name == OURS:
            self._look = _ours(SLOWER)
        return Run(read_at_s, cpu_ms, self._slow())

    def _slow(self) -> float | None:
        """Film time of the read on the slower machine: it takes the newest frame whenever it is free."""
        free_s, last = 0.0, -1
        while True:
            number = max(last + 1, int(free_s * FPS))
            if number >= SECONDS * FPS:
                return None
            read, took_ms = self._at(number)
            free_s, last = max(free_s, number / FPS) + SLOWER * took_ms / 1000, number
            if read:
                return free_s


def approach(of: tuple[str, int]) -> Outcome:
    """Show one approach to every decoder."""
    cv2.setNumThreads(1)
    walk = _Walk(*of)
    return Outcome(*of, {name: _Watcher(name, walk).run() for name in NAMES})


def idle() -> dict[str, float]:
    """Milliseconds of processor time that each decoder spends on a frame of an empty forecourt."""
    cv2.setNumThreads(1)
    film = Film([], *SIZE_PX, seed=1)
    frames = [film.frame_at(number / FPS) for number in range(IDLE_FRAMES)]
    spent = {}
    for name in NAMES:
        look = _ours(1) if name == OURS else _peer(name)
        costs = [_timed(look, luma)[1] for luma in frames]
        spent[name] = statistics.fmean(costs[WARM_UP:])
    return spent


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.3f}" if whole else "-"


def by_condition(outcomes: Sequence[Outcome], title: str) -> Table:
    """Approaches read in each condition."""
    made = Table(title=title, title_justify="left")
    made.add_column("condition", no_wrap=True)
    for name in (*NAMES, "any"):
        made.add_column(name, justify="right", no_wrap=True)
    for condition in dict.fromkeys(outcome.condition for outcome in outcomes):
        rows = [outcome for outcome in outcomes if outcome.condition == condition]
        read = [sum(row.runs[name].read_at_s is not None for row in rows) for name in NAMES]
        anyone = sum(row.readable_s is not None for row in rows)
        made.add_row(condition, *(f"{count}/{len(rows)}" for count in (*read, anyone)))
    return made


def in_all(outcomes: Sequence[Outcome], title: str) -> Table:
    """Each decoder over a whole set."""
    made = Table(title=title, title_justify="left")
    made.add_column("decoder", no_wrap=True)
    for column in ("read", "of readable", f"CPU to read / {YARDSTICK}", "delay p50", "p95", "never"):
        made.add_column(column, justify="right", no_wrap=True)
    readable = [outcome for outcome in outcomes if outcome.readable_s is not None]
    # Where the yardstick reads nothing it pays for every frame; that would flatter all others.
    common = [outcome for outcome in readable if outcome.runs[YARDSTICK].read_at_s is not None]
    yard_ms = sum(outcome.runs[YARDSTICK].cpu_ms for outcome in common)
    for name in NAMES:
        runs = [outcome.runs[name] for outcome in readable]
        read = sum(run.read_at_s is not None for run in runs)
        delays = [
            (outcome.runs[name].slow_read_s or SECONDS) - (outcome.readable_s or 0.0) for outcome in readable
        ]
        made.add_row(
            name,
            f"{read}/{len(outcomes)}",
            f"{100 * read / max(1, len(readable)):.1f} %",
            _share(sum(outcome.runs[name].cpu_ms for outcome in common), yard_ms),
            f"{1000 * statistics.median(delays or [0]):.0f} ms",
            f"{1000 * float(np.percentile(delays or [0], 95)):.0f} ms",
            str(sum(run.slow_read_s is None for run in runs)),
        )
    return made


def _walks(names: Iterable[str], seeds: int) -> Iterator[tuple[str, int]]:
    return ((name, seed) for name in names for seed in range(seeds))


def main(arguments: Sequence[str] = ()) -> int:
    seeds = int(os.environ.get("SEEDS", "20"))
    unknown = [name for name in arguments if name not in CONDITIONS]
    if unknown:
        print(f"no condition {', '.join(unknown)}; known are {', '.join(CONDITIONS)}")
        return 2
    console = Console(width=None if sys.stdout.isatty() else 100)
    workers = multiprocessing.get_context("fork").Pool(len(os.sched_getaffinity(0)))
    with workers:
        for title, conditions in (("realistic", REALISTIC), ("hard", HARD)):
            names = [name for name in conditions if not arguments or name in arguments]
            outcomes = workers.map(approach, _walks(names, seeds), chunksize=1)
            if outcomes:
                console.print(by_condition(outcomes, f"{title}: approaches read, {seeds} seeds"))
                console.print(in_all(outcomes, f"{title}: in all; delays at 1/{SLOWER} speed"))
        spent = workers.apply(idle)
    made = Table(title="a frame without anybody", title_justify="left")
    made.add_column("decoder")
    made.add_column(f"CPU / {YARDSTICK}", justify="right")
    for name, cost in spent.items():
        made.add_row(name, _share(cost, spent[YARDSTICK]))
    console.print(made)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
