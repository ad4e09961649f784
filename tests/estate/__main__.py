"""make estate: plays a day at an estate, prints it as a table, and holds it against the truth.

Exit code 0: the day on record is the day as it was; 1: it is not, and the last lines name each difference;
2: a size that is none; 3: the day could not be played.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from tests import brokers
from tests.estate import plant
from tests.estate.day import Day
from tests.estate.found import found
from tests.estate.plan import estate_of
from tests.estate.site import EstateFault, Size
from tests.estate.table import show
from tests.estate.verdict import deviations

_LEAD_S = 1800
"""The office works by the real clock, which the day must never fall behind: it begins so much later."""


def main() -> int:
    asked = _arguments()
    console = Console(highlight=False, soft_wrap=True)
    try:
        if asked.again:
            return _judge(Size.read(Path(asked.again) / "day.json"), console, asked.plant)
        with ExitStack() as stack:
            folder = asked.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="menshen-estate-"))
            size = _size(asked, Path(folder).absolute())
            _play(size, console)
            return _judge(size, console, asked.plant)
    except EstateFault as fault:
        print(f"the day could not be played: {fault}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("stopped by hand", file=sys.stderr)
        return 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.estate", description=__doc__)
    parser.add_argument("--people", type=int, default=os.environ.get("ESTATE_PEOPLE", "5000"))
    parser.add_argument("--gates", type=int, default=os.environ.get("ESTATE_GATES", "12"))
    parser.add_argument("--seed", type=int, default=os.environ.get("SEED", "1"))
    parser.add_argument(
        "--rendered", type=float, default=0.02, help="share of the everyday shown as pictures"
    )
    parser.add_argument("--keep", metavar="DIR", help="leave everything here")
    parser.add_argument("--again", metavar="DIR", help="only judge a day that was kept")
    parser.add_argument(
        "--plant", choices=sorted(plant.PLANTS), help="spoil the record first, to see it found"
    )
    asked = parser.parse_args()
    if not 30 <= asked.people <= 15_000 or not 3 <= asked.gates <= 60:
        parser.error(f"found {asked.people} people and {asked.gates} gates, wanted 30 to 15000 and 3 to 60")
    return asked


def _size(asked: argparse.Namespace, folder: Path) -> Size:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise EstateFault(f"found files in {folder}, wanted a new directory")
    return Size(
        folder=str(folder),
        seed=asked.seed,
        people=asked.people,
        gates=asked.gates,
        rendered=asked.rendered,
        midnight_utc=(int(time.time()) + _LEAD_S) // 60 * 60,
        broker=brokers.free_port(),
        udp={gate.key: port for gate, port in zip(estate_of(asked.gates), _ports(asked.gates), strict=True)},
    )


def _ports(how_many: int) -> list[int]:
    """UDP ports that nobody uses at this moment, all different."""
    import socket  # noqa: PLC0415

    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(how_many)
        ]
        for each in sockets:
            each.bind((brokers.LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]


def _play(size: Size, console: Console) -> None:
    plan = size.plan()
    began = time.monotonic()
    console.print(
        f"estate: {len(plan.sites)} sites, {len(plan.gates)} gates, {size.people} people, seed {size.seed}: "
        f"{len(plan.showings)} codes will be shown"
    )
    with ExitStack() as stack:
        day = Day(size, plan, stack, lambda sentence: console.print(f"  {sentence}"))
        day.build()
        console.print(f"  sites built and gates started in {time.monotonic() - began:.0f} s; midnight")
        day.play()
        day.saw["took_s"] = time.monotonic() - began
        (Path(size.folder) / "saw.json").write_text(json.dumps(day.saw))


def _judge(size: Size, console: Console, spoil: str | None) -> int:
    plan = size.plan()
    saw = json.loads((Path(size.folder) / "saw.json").read_text())
    if spoil:
        console.print(f"planted: {plant.PLANTS[spoil](size, plan)}")
    all_found = found(size, plan, saw)
    flaws = deviations(plan, all_found, size)
    show(console, plan, all_found, size, flaws)
    return bool(flaws)


if __name__ == "__main__":
    sys.exit(main())
