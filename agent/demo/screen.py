"""The terminal: a picture of both gates that moves, or lines where nothing can move."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agent.demo.scene import GateScene, Scene, described, feed_line

_LAMPS: Final = {"green": "green", "red": "red", "white": "white"}


class Screen(Protocol):
    """Where the demonstration is seen."""

    def says(self, who: str, sentence: str) -> None:
        """Something happened."""
        ...

    def moved(self, scene: Scene, at_s: float, of_s: float) -> None:
        """The scene as it is now."""
        ...


class Lines:
    """A line for each thing that happens; for pipes, logs and plain terminals."""

    def __init__(self) -> None:
        self._at_s = 0.0

    def says(self, who: str, sentence: str) -> None:
        print(f"{self._at_s:6.1f} s  {who:<8}{sentence}", flush=True)

    def moved(self, scene: Scene, at_s: float, of_s: float) -> None:  # noqa: ARG002  lines show no scene
        self._at_s = at_s


class Picture:
    """Two panels and a feed, drawn anew a few times a second."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def says(self, who: str, sentence: str) -> None:
        """Nothing: the picture shows it."""

    def moved(self, scene: Scene, at_s: float, of_s: float) -> None:
        self._live.update(_drawn(scene, at_s, of_s))


@contextmanager
def opened(console: Console) -> Iterator[Screen]:
    """A screen that fits the console."""
    if not console.is_terminal or console.is_dumb_terminal:
        yield Lines()
        return
    with Live(console=console, refresh_per_second=10, transient=True) as live:
        yield Picture(live)


def _drawn(scene: Scene, at_s: float, of_s: float) -> RenderableType:
    gates = Table.grid(expand=True)
    for _ in scene.gates:
        gates.add_column(ratio=1)
    gates.add_row(*map(_gate, scene.gates.values()))
    feed = Table.grid(padding=(0, 1))
    for event in scene.feed:
        style = {"pass.admitted": "green", "pass.refused": "red"}.get(event["kind"], "dim")
        feed.add_row(Text(feed_line(event), style=style))
    return Group(
        Text(f"menshen  site garden  {at_s:4.0f} of {of_s:.0f} s", style="bold"),
        gates,
        Panel(feed, title=f"the office's feed, {scene.fed} events", title_align="left", height=14),
    )


def _gate(gate: GateScene) -> Panel:
    lamp = Text("● " + gate.lamp, style=_LAMPS[gate.lamp]) if gate.lamp in _LAMPS else Text("○ dark", "dim")
    rows = Table.grid(padding=(0, 2))
    rows.add_row("lock", Text("▯ released", "bold green") if gate.released else Text("▮ locked"))
    rows.add_row("light", lamp)
    rows.add_row("tone", f"{gate.tone_hz} Hz" if gate.tone_hz else "-")
    rows.add_row("answer", _answer(gate))
    return Panel(rows, title=f"gate {gate.name}, zone {gate.zone}", title_align="left")


def _answer(gate: GateScene) -> Text:
    if not gate.last:
        return Text("-", "dim")
    return Text(described(gate.last, gate.why), "green" if gate.last == "admitted" else "red")
