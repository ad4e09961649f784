"""A hand on the wires of a simulated board: presses buttons, opens doors, starts fires."""

from gpiozero.pins.mock import MockFactory  # type: ignore[import-untyped]

from agent.core.notices import Wire
from hw.board import Board


class Hand:
    """Brings a simulated board's inputs to a state, whatever the polarity of the pin.

    Args:
        board, factory: those that the board's GpioInputs were made with; the factory is
            hw.pins.pin_factory("mock").
    """

    def __init__(self, board: Board, factory: MockFactory) -> None:
        self._board = board
        self._factory = factory

    def put(self, wire: Wire, *, active: bool) -> None:
        """Active in the sense of Wire's comments: pressed, open, broken, burning.

        Raises:
            LookupError: the board has no such wire.
        """
        part = getattr(self._board.inputs, wire)
        if part is None:
            raise LookupError(f"board {self._board.name} has no wire {wire}; add inputs.{wire} to its file")
        pin = self._factory.pin(part.pin)
        if active == (part.active == "high"):
            pin.drive_high()
        else:
            pin.drive_low()
