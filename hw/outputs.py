"""The lock, the lights and the buzzer of one board: agent.ports.Outputs on gpiozero.

Knows which part does what. Refuses to know why. The parts own their threads:
hw.relay ends every pulse, hw.lights plays every pattern. On a gate the relay
is in a process of its own, hw.supervised; without one, as on a bench, it is here.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from gpiozero import DigitalOutputDevice  # type: ignore[import-untyped]
from gpiozero.pins import Factory  # type: ignore[import-untyped]

from agent.core.answers import Pattern
from agent.core.notices import RelayBack, RelayLost
from hw.board import Board, RelayPart
from hw.lights import Lights
from hw.relay import Relay
from hw.telling import OnChange, Teller
from hw.voice import Voice


class LockRelay(Protocol):
    """What GpioOutputs asks of a relay: hw.relay.Relay, or hw.supervised.SupervisedRelay."""

    @property
    def released(self) -> bool: ...
    def unlock(self, for_s: float) -> None: ...
    def hold(self, *, fire: bool = False) -> None: ...
    def rest(self) -> None: ...
    def ready(self) -> None: ...
    def notices(self) -> Sequence[RelayLost | RelayBack]: ...
    def close(self) -> None: ...


MakeRelay: TypeAlias = Callable[[RelayPart, Teller], LockRelay]


class GpioOutputs:
    """Satisfies agent.ports.Outputs on any gpiozero factory, real or simulated.

    Args:
        board: which pin is which; a checked board.
        factory: from hw.pins.pin_factory; the caller closes it afterwards.
        on_change: told of each change, see hw.telling.OnChange.
        make_relay: how the relay is had; by default on a pin of this process's own.
        voice: says what the lights show, where there is a loudspeaker; closed with the outputs.
    Raises:
        gpiozero.GPIOZeroError, lgpio.error: a pin can't be had.
    """

    def __init__(
        self,
        board: Board,
        factory: Factory,
        on_change: OnChange | None = None,
        make_relay: MakeRelay | None = None,
        voice: Voice | None = None,
    ) -> None:
        with contextlib.ExitStack() as undo:
            self._teller = Teller(on_change)
            undo.callback(self._teller.close)
            # First: it rests before a lamp is tried.
            make_relay = make_relay or (lambda part, teller: relay_here(part, factory, teller))
            self._relay = make_relay(board.relay, self._teller)
            undo.callback(self._relay.close)
            self._lights = Lights(board, factory, self._teller)
            undo.callback(self._lights.close)
            self._voice = voice
            if voice is not None:
                undo.callback(voice.close)
            self._undo = undo.pop_all()

    @property
    def released(self) -> bool:
        """Whether the lock's relay is energised now."""
        return self._relay.released

    def ready(self) -> None:
        """Wait until the relay can be asked.

        Raises:
            PinsFault: it can't be had.
        """
        self._relay.ready()

    def notices(self) -> Sequence[RelayLost | RelayBack]:
        """Take what became of the relay's supervisor since the last call; never blocks."""
        return self._relay.notices()

    def unlock(self, for_s: float) -> None:
        """Release for for_s seconds, bounded by the board's ceiling; see hw.relay.Relay.unlock."""
        self._relay.unlock(for_s)

    def hold_unlocked(self, *, fire: bool = False) -> None:
        """Release until lock(); no ceiling: fire and free passage only."""
        self._relay.hold(fire=fire)

    def lock(self) -> None:
        """Rest the lock at once, whatever it was doing."""
        self._relay.rest()

    def show(self, pattern: Pattern) -> None:
        """Play pattern from now on, in place of any other; returns at once."""
        self._lights.show(pattern)
        if self._voice is not None:
            self._voice.say(pattern.name)

    def close(self) -> None:
        """Everything rests, the lock first: locked, dark, silent. Safe to call twice."""
        self._relay.rest()
        self._undo.close()


def relay_here(part: RelayPart, factory: Factory, teller: Teller) -> Relay:
    """A relay on a pin of this process's own."""
    line = DigitalOutputDevice(
        part.pin, active_high=part.active == "high", initial_value=False, pin_factory=factory
    )
    return Relay(line, part.pulse_ceiling_s, teller)


def rest_pins(board: Board, factory: Factory) -> None:
    """Drive every output of a board to rest and leave it there.

    For after a crash: a Pi's pin keeps the level it was left at.
    """
    GpioOutputs(board, factory).close()
