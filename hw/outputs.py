"""The lock, the lights and the buzzer of one board: agent.ports.Outputs on gpiozero.

Knows which part does what. Refuses to know why. The parts own their threads:
hw.relay ends every pulse, hw.lights plays every pattern.
"""

import contextlib

from gpiozero.pins import Factory  # type: ignore[import-untyped]

from agent.core.answers import Pattern
from hw.board import Board
from hw.lights import Lights
from hw.relay import Relay
from hw.telling import OnChange, Teller


class GpioOutputs:
    """Satisfies agent.ports.Outputs on any gpiozero factory, real or simulated.

    Args:
        board: which pin is which; a checked board.
        factory: from hw.pins.pin_factory; the caller closes it afterwards.
        on_change: told of each change, see hw.telling.OnChange.
    Raises:
        gpiozero.GPIOZeroError, lgpio.error: a pin can't be had.
    """

    def __init__(self, board: Board, factory: Factory, on_change: OnChange | None = None) -> None:
        with contextlib.ExitStack() as undo:
            self._teller = Teller(on_change)
            undo.callback(self._teller.close)
            self._relay = Relay(board.relay, factory, self._teller)  # first: it rests before a lamp is tried
            undo.callback(self._relay.close)
            self._lights = Lights(board, factory, self._teller)
            undo.callback(self._lights.close)
            self._undo = undo.pop_all()

    @property
    def released(self) -> bool:
        """Whether the lock's relay is energised now."""
        return self._relay.released

    def unlock(self, for_s: float) -> None:
        """Release for for_s seconds, bounded by the board's ceiling; see hw.relay.Relay.unlock."""
        self._relay.unlock(for_s)

    def hold_unlocked(self) -> None:
        """Release until lock(); no ceiling: fire and free passage only."""
        self._relay.hold()

    def lock(self) -> None:
        """Rest the lock at once, whatever it was doing."""
        self._relay.rest()

    def show(self, pattern: Pattern) -> None:
        """Play pattern from now on, in place of any other; returns at once."""
        self._lights.show(pattern)

    def close(self) -> None:
        """Everything rests, the lock first: locked, dark, silent. Safe to call twice."""
        self._relay.rest()
        self._undo.close()


def rest_pins(board: Board, factory: Factory) -> None:
    """Drive every output of a board to rest and leave it there.

    For after a crash: a Pi's pin keeps the level it was left at.
    """
    GpioOutputs(board, factory).close()
