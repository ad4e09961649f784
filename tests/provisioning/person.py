"""A technician at a terminal, and the simulated gate that stands before her.

She reads what the bench says, does it, and answers; the kiosk and the bench are the real processes.
"""

import contextlib
import os
import pty
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from click.testing import CliRunner

from agent.cli import main as agent
from agent.core.inspected import CARD_MM, CARD_TEXT
from agent.core.notices import Wire
from hw.sim.line import look
from hw.sim.wires import SimulatedWires

from .test_commands import MENSHEN_PROVISION
from .workbench import Room

_WORD = re.compile(r"now: ([^\r\n]+)\r?\n|([^\r\n]*)\? \[y/N\] $")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Gateway:
    """The door, its bolt, its loops and what is held before its camera.

    Args:
        card: the film's script; written as the card is moved.
        stuck: wires that nobody can move.
    """

    config: Path
    state: Path
    card: Path
    stuck: frozenset[Wire] = frozenset()

    def hand(self, wire: Wire, what: str = "press") -> None:
        if wire not in self.stuck:
            done = CliRunner().invoke(agent, ["hand", str(wire), what, "--config", str(self.config)])
            assert done.exit_code == 0, done.output

    def moved(self, wire: Wire) -> None:
        """There and back."""
        self.hand(wire, "on")
        threading.Event().wait(0.2)
        self.hand(wire, "off")

    def hold(self, distance_cm: float) -> None:
        """Hold the printed card up, again and again."""
        self.card.write_text(
            "".join(
                f'[[approach]]\nat_s = {at_s}\nseconds = 2.0\ntext = "{CARD_TEXT}"\nmedium = "card"\n'
                f"distance_cm = {distance_cm}\ncode_mm = {CARD_MM}\n"
                for at_s in range(0, 60, 2)
            )
        )

    @contextlib.contextmanager
    def bolt(self) -> Iterator[None]:
        """A bolt that follows the relay, and its monitor contact."""
        (self.state / "gate").mkdir(exist_ok=True)
        wires, stop = SimulatedWires(self.state / "gate" / "wires"), threading.Event()

        def follow() -> None:
            while not stop.wait(0.005):
                if Wire.LOCK not in self.stuck:
                    wires.put(Wire.LOCK, active=look(self.state / "gate" / "relay.line").active)

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            wires.close()


@dataclass
class Technician:
    """Does what she is told, and says yes; but for what she is told otherwise here.

    Args:
        distances_cm: where she holds the card, first to last.
        says: her answers by what the question contains; "try … again" is no by itself.
    """

    gateway: Gateway
    distances_cm: tuple[float, ...] = (10, 25, 40)
    says: dict[str, str] = field(default_factory=dict)

    def inspect(self, room: Room, record: Path, *only: str) -> tuple[int, str]:
        """Run `menshen-provision test`; gives its exit code and the whole of what stood on the terminal."""
        distances = iter(self.distances_cm)
        self.gateway.hold(next(distances))
        does: dict[str, Callable[[], None]] = {
            "press the exit button": lambda: self.gateway.hand(Wire.EXIT),
            "open the door": lambda: self.gateway.moved(Wire.DOOR),
            "break the housing's": lambda: self.gateway.moved(Wire.TAMPER),
            "have the fire panel": lambda: self.gateway.moved(Wire.FIRE),
            # The film of this step is in the camera by now; the next one's is put in.
            "hold the test card": lambda: self.gateway.hold(next(distances, 25)),
            **{words: lambda: None for words in ("look at the", "listen")},
        }
        words = [MENSHEN_PROVISION, "test", "--port", room.near, "--record", record]
        words += [word for step in only for word in ("--only", step)]
        ours, theirs = pty.openpty()
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, ours)
            bench = stack.enter_context(subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs))
            stack.callback(bench.terminate)
            os.close(theirs)
            seen = unread = ""
            while True:
                try:
                    piece = os.read(ours, 4096).decode()
                except OSError:  # EIO: the other end is closed
                    break
                seen, unread = seen + piece, unread + piece
                while told := _WORD.search(unread):
                    unread = unread[told.end() :]
                    if told[1]:
                        next(do for words, do in does.items() if told[1].startswith(words))()
                    else:
                        os.write(ours, self._answer(told[2]).encode() + b"\n")
            bench.wait()
        return bench.returncode, _COLOUR.sub("", seen).replace("\r", "")

    def _answer(self, question: str) -> str:
        said = [answer for words, answer in self.says.items() if words in question]
        return said[0] if said else "n" if "again" in question else "y"
