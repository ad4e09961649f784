"""The wires into a simulated board, in a file: a hand outside the gate's process moves them.

One byte a wire, in the order of agent.core.notices.Wire: 1 is active in the
sense of its comments. The file outlives the processes, as a door's leaf does:
who opens it next finds the wires as they were left.
"""

import contextlib
import mmap
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gpiozero.pins import Factory  # type: ignore[import-untyped]

from agent.core.notices import Wire
from hw.board import Board
from hw.hand import Hand

LOOK_EVERY_S: Final = 0.01
_ORDER: Final = tuple(Wire)


class SimulatedWires:
    """The file; made at rest if it is not there.

    Raises:
        OSError: it can't be had.
    """

    def __init__(self, path: Path) -> None:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.ftruncate(file, len(_ORDER))
            self._map = mmap.mmap(file, len(_ORDER))
        finally:
            os.close(file)

    def put(self, wire: Wire, *, active: bool) -> None:
        self._map[_ORDER.index(wire)] = int(active)

    def active(self, wire: Wire) -> bool:
        return bool(self._map[_ORDER.index(wire)])

    def close(self) -> None:
        self._map.close()


@contextlib.contextmanager
def strung(board: Board, factory: Factory, path: Path) -> Iterator[None]:
    """Move the board's simulated pins as the file's wires move, from before the first look at them.

    Args:
        factory: from hw.pins.pin_factory("mock"); the one that the board's inputs are made with.
    """
    wires, hand, stop = SimulatedWires(path), Hand(board, factory), threading.Event()
    has = tuple(wire for wire in Wire if getattr(board.inputs, wire) is not None)
    lay = {wire: wires.active(wire) for wire in has}
    for wire, active in lay.items():
        hand.put(wire, active=active)

    def follow() -> None:
        while not stop.wait(LOOK_EVERY_S):
            for wire in has:
                if (active := wires.active(wire)) is not lay[wire]:
                    lay[wire] = active
                    hand.put(wire, active=active)

    thread = threading.Thread(target=follow, name="wires", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        wires.close()
