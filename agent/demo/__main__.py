"""make demo: sets a small site up, lets people come to its gates, and holds the result against the truth.

Exit code 0: every decision was right and the office has every event once; 1: not so, and the last
lines say what was wrong; 2: DEMO_SECONDS is no number; 3: the demonstration could not be played.
"""

import os
import queue
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from agent.demo.cast import GATES, LAST_WORD_S, SHOWN_S, Turn, scenes
from agent.demo.commands import DemoFault, background, heard
from agent.demo.scene import Scene, feed_line
from agent.demo.screen import Screen, opened
from agent.demo.site import DemoSite
from agent.demo.verdict import Verdict, judge

_CATCH_UP_S: Final = 15.0
Lines = queue.SimpleQueue[str]


def main() -> int:
    """Play, judge, sum up."""
    try:
        seconds = float(os.environ.get("DEMO_SECONDS", "30"))
    except ValueError:
        print(
            f"DEMO_SECONDS: found {os.environ['DEMO_SECONDS']!r}, wanted a number of seconds", file=sys.stderr
        )
        return 2
    console = Console()
    try:
        with tempfile.TemporaryDirectory(prefix="menshen-demo-") as folder:
            verdict = _play(Path(folder), max(5.0, min(seconds, 3600.0)), console)
    except DemoFault as fault:
        print(f"the demonstration stopped: {fault}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("stopped by hand", file=sys.stderr)
        return 130
    _sum_up(verdict, console)
    return 1 if verdict.faults else 0


def _play(folder: Path, seconds: float, console: Console) -> Verdict:
    with ExitStack() as rooms:
        broker = rooms.enter_context(
            background("menshen-office", "broker", "--port", "0", cwd=folder, hears="stdout")
        )
        port = int(heard(broker, "broker.listening").rpartition("=")[2])
        site = DemoSite(
            folder, port, lambda step: console.print(f"[dim]setting up:[/] {step}", soft_wrap=True)
        )
        site.found()
        site.admit_people()
        expected: dict[str, list[Turn]] = defaultdict(list)
        films: dict[str, list[dict[str, Any]]] = {gate: [] for gate in GATES}
        for number, (at_s, turn) in enumerate(scenes(seconds)):
            expected[turn.gate].append(turn)
            films[turn.gate].append(site.approach(at_s, number, turn))
        configs = site.enrol_gates(films)
        site.publish(configs.values())

        home = ("--home", "office")
        rooms.enter_context(
            background("menshen-office", "ingest", "--broker", f"127.0.0.1:{port}", *home, cwd=folder)
        )
        feed = rooms.enter_context(
            background(
                *("menshen-office", "feed", "--follow", "--format", "jsonl", *home),
                cwd=folder,
                hears="stdout",
            )
        )
        told: list[Mapping[str, Any]] = []
        ends_s = max(row["at_s"] for film in films.values() for row in film) + SHOWN_S + LAST_WORD_S
        with ExitStack() as gates:
            logs = {
                gate: gates.enter_context(background("menshen-agent", "run", "--config", config, cwd=folder))
                for gate, config in configs.items()
            }
            with opened(console) as screen:
                for gate, lines in logs.items():
                    _wait_for_list(screen, gate, lines)
                _watch(Scene(), screen, logs, feed, told, ends_s)
                _catch_up(configs, feed, told, expected)
        return judge(expected, configs, told)


def _wait_for_list(screen: Screen, gate: str, lines: Lines) -> None:
    """The film begins when the gate's loop does, just after it has taken its list."""
    while '"list.switched"' not in (line := _next(lines, within_s=30.0)):
        if not line:
            raise DemoFault(f"gate {gate} did not start; see the messages above")
        if '"level": "error"' in line or not line.startswith("{"):
            screen.says(gate, line)


def _watch(  # noqa: PLR0913, PLR0917  the scene and the ears
    scene: Scene,
    screen: Screen,
    logs: Mapping[str, Lines],
    feed: Lines,
    told: list[Mapping[str, Any]],
    ends_s: float,
) -> None:
    began = time.monotonic()
    while (at_s := time.monotonic() - began) < ends_s:
        screen.moved(scene, at_s, ends_s)
        for gate, lines in logs.items():
            while line := _next(lines):
                if sentence := scene.hear_gate(gate, line):
                    screen.says(gate, sentence)
        while line := _next(feed):
            told.append(scene.hear_office(line))
            screen.says("office", feed_line(told[-1]))
        time.sleep(0.05)


def _catch_up(
    configs: Mapping[str, Path],
    feed: Lines,
    told: list[Mapping[str, Any]],
    expected: Mapping[str, list[Turn]],
) -> None:
    """Let the office receive what is still on its way, within reason; the verdict is on what it then has."""
    until = time.monotonic() + _CATCH_UP_S
    while time.monotonic() < until and judge(expected, configs, told).faults:
        while line := _next(feed, within_s=0.2):
            told.append(Scene().hear_office(line))


def _next(lines: Lines, within_s: float = 0.0) -> str:
    try:
        return lines.get(timeout=within_s) if within_s else lines.get_nowait()
    except queue.Empty:
        return ""


def _sum_up(verdict: Verdict, console: Console) -> None:
    given = ", ".join(f"{answer} {count}" for answer, count in sorted(verdict.answers.items()))
    console.print(f"\n{sum(verdict.answers.values())} passes shown: {given}", soft_wrap=True)
    console.print(f"{verdict.events} events journaled by the gates")
    if verdict.faults:
        for sentence in verdict.faults:
            console.print(f"[red]wrong:[/] {sentence}", soft_wrap=True)
    else:
        console.print("[green]every decision right, every event in the office once and in order[/]")


if __name__ == "__main__":
    sys.exit(main())
