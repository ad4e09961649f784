"""Lamps and buzzer, and the one thread that owns them.

Knows how to play a pattern beat by beat, and that a newer pattern takes the
place of a running one at once. Refuses to know what a pattern means. A lamp
that fails is logged and never reaches the gate's loop.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from gpiozero import LED, Buzzer, PWMOutputDevice  # type: ignore[import-untyped]
from gpiozero.pins import Factory  # type: ignore[import-untyped]

from agent.core.answers import Beat, Light, Pattern
from hw.board import Board, BuzzerPart
from hw.telling import Teller

_log = structlog.get_logger("hw.lights")
_DARK = Beat(0.0)


class Lights:
    """Red, green, perhaps white, and a buzzer, playing the newest pattern."""

    def __init__(self, board: Board, factory: Factory, teller: Teller) -> None:
        self._teller = teller
        parts = {light: getattr(board.lamps, light) for light in Light}
        self._lamps: dict[Light, Any] = {
            light: LED(part.pin, active_high=part.active == "high", initial_value=False, pin_factory=factory)
            for light, part in parts.items()
            if part is not None
        }
        self._sound, self._buzzer = _buzzer(board.buzzer, factory)
        self._playing = _DARK
        self._changed = threading.Condition()
        self._next: Pattern | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="lights", daemon=True)
        self._thread.start()

    def show(self, pattern: Pattern) -> None:
        """Begin pattern in place of the running one; returns at once."""
        with self._changed:
            self._next = pattern
            self._changed.notify_all()

    def close(self) -> None:
        """Dark and silent, and let go of the pins; safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(1.0)
        for device in (*self._lamps.values(), self._buzzer):
            if not device.closed:
                with contextlib.suppress(Exception):  # a lamp that can't be put out can't be helped here
                    device.off()
                device.close()

    def _run(self) -> None:
        while (pattern := self._take()) is not None:
            due = time.monotonic()
            for beat in pattern.beats:
                self._perform(beat)
                due += beat.for_s
                if self._interrupted(due):
                    break
            else:
                self._perform(_DARK)
        self._perform(_DARK)

    def _take(self) -> Pattern | None:
        """Wait for a pattern; None once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._next is not None)
            pattern, self._next = self._next, None
            return None if self._closed else pattern

    def _interrupted(self, due: float) -> bool:
        """Wait until due (monotonic); True as soon as something newer is wanted."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._closed or self._next is not None, max(0.0, due - time.monotonic())
            )

    def _perform(self, beat: Beat) -> None:
        """Change only what differs from the beat before; a failing part does not stop the others."""
        before, self._playing = self._playing, beat
        if before.light is not beat.light:
            for light, on in ((before.light, False), (beat.light, True)):
                if light is not None and light in self._lamps:
                    self._change(light, on, self._lamps[light].on if on else self._lamps[light].off)
        if before.tone_hz != beat.tone_hz:
            self._change("tone", beat.tone_hz, lambda: self._sound(beat.tone_hz))

    def _change(self, name: str, value: bool | int, change: Callable[[], None]) -> None:
        try:
            change()
        except Exception as fault:  # noqa: BLE001  a lamp must not take the thread with it
            _log.warning("lights.failed", output=str(name), why=repr(fault))
        else:
            self._teller.tell(str(name), value)


def _buzzer(part: BuzzerPart, factory: Factory) -> tuple[Callable[[int], None], Any]:
    """A function of Hz (0 is silence) for the kind of buzzer at hand, and its device."""
    high = part.active == "high"
    if not part.tone:
        buzzer = Buzzer(part.pin, active_high=high, initial_value=False, pin_factory=factory)
        return (lambda hz: buzzer.on() if hz else buzzer.off()), buzzer
    # Without a frequency while it is silent: lgpio would write the pin's level in each cycle of silence, too.
    piezo = PWMOutputDevice(part.pin, active_high=high, initial_value=0, frequency=None, pin_factory=factory)

    def play(hz: int) -> None:
        piezo.value = 0
        piezo.frequency = hz or None
        if hz:
            piezo.value = 0.5

    return play, piezo
