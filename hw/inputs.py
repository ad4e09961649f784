"""Exit button, door contact, tamper loop and fire input: agent.ports.Inputs on gpiozero.

Knows when a wire's new state counts. Refuses to know what follows from it.
Edges come in on the factory's thread and are judged there by their moments;
every call of notices() also looks at the wires themselves, so that a lost
edge costs one look and never a state.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import structlog
from gpiozero import DigitalInputDevice  # type: ignore[import-untyped]
from gpiozero.pins import Factory  # type: ignore[import-untyped]

from agent.core.notices import Wire, WireChanged
from hw.board import Board, InputPart
from hw.debounce import Debouncer

KEPT: Final = 64  # settled changes a wire keeps for a caller who is away; even, see _Input.saw

_log = structlog.get_logger("hw.inputs")


class GpioInputs:
    """Satisfies agent.ports.Inputs on any gpiozero factory, real or simulated.

    A fire, door or tamper wire that is active at the start is the first notice. An
    exit button held down at the start is not: it must be let go and pressed again.

    Raises:
        gpiozero.GPIOZeroError, lgpio.error: a pin can't be had.
    """

    def __init__(self, board: Board, factory: Factory) -> None:
        self._inputs: list[_Input] = []
        try:
            for wire in Wire:
                if (part := getattr(board.inputs, wire)) is not None:
                    self._inputs.append(_Input(wire, part, factory))
        except BaseException:
            self.close()
            raise

    def notices(self) -> Sequence[WireChanged]:
        """What settled since the last call, oldest first; never blocks, never raises."""
        news = [
            (began, WireChanged(wire.wire, active)) for wire in self._inputs for active, began in wire.take()
        ]
        news.sort(key=lambda one: one[0])
        return tuple(notice for _, notice in news)

    def close(self) -> None:
        """Let go of the pins; safe to call twice."""
        for wire in self._inputs:
            wire.close()


class _Input:
    """One wire: its pin, its debouncer and what settled on it."""

    def __init__(self, wire: Wire, part: InputPart, factory: Factory) -> None:
        self.wire = wire
        pull_up = {"up": True, "down": False, "none": None}[part.pull]
        # gpiozero calls a pulled-up pin active when low, and won't be told otherwise.
        self._same = (part.active == "high") == (part.pull != "up")
        self._device: Any = DigitalInputDevice(
            part.pin, pull_up=pull_up, active_state=True if pull_up is None else None, pin_factory=factory
        )
        self._lock = threading.Lock()
        self._failing = False
        self._settled: deque[tuple[bool, float]] = deque()
        level, now = self._device.is_active == self._same, time.monotonic()
        self._debouncer = Debouncer(part.debounce_ms / 1000, settled=level, level=level, since=now)
        if level and wire is not Wire.EXIT:
            self._settled.append((True, now))
        self._device.when_activated = lambda: self.saw(self._same)
        self._device.when_deactivated = lambda: self.saw(not self._same)

    def saw(self, level: bool) -> None:
        """An edge came, or somebody looked."""
        with self._lock:
            if (news := self._debouncer.at(level, time.monotonic())) is not None:
                self._settled.append(news)
                if len(self._settled) > KEPT:
                    # In pairs, so that what remains still alternates and ends in the truth.
                    self._settled.popleft()
                    self._settled.popleft()

    def take(self) -> list[tuple[bool, float]]:
        """Look at the wire, then hand over what settled, with the moments it began."""
        try:
            self.saw(self._device.is_active == self._same)
            self._failing = False
        except Exception as fault:  # noqa: BLE001  each factory has its own errors; a bad wire must not stop the gate
            if not self._failing:  # once, not thirty times a second
                _log.warning("inputs.unreadable", wire=str(self.wire), why=repr(fault))
            self._failing = True
        with self._lock:
            news = list(self._settled)
            self._settled.clear()
        return news

    def close(self) -> None:
        self._device.close()
