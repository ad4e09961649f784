"""Pin factories: real pins through lgpio, simulated ones through gpiozero's mock.

Knows how a pin becomes an output without moving what hangs on it, and how it
is let go of. gpiozero's global factory is never set: whoever builds a gate
says which factory it means, so two simulated gates live in one process.
"""

import contextlib
import importlib
import tempfile
from typing import Any, Literal, TypeAlias

from gpiozero.pins import Factory  # type: ignore[import-untyped]
from gpiozero.pins.mock import MockFactory, MockPWMPin  # type: ignore[import-untyped]

FactoryName: TypeAlias = Literal["lgpio", "mock"]


class PinsFault(RuntimeError):
    """The pins can't be had; the sentence says why and what to do."""


def pin_factory(name: FactoryName, chip: int | None = None) -> Factory:
    """A new factory; close() it after the devices made with it.

    Args:
        name: "lgpio" on a Pi, "mock" for a simulated board.
        chip: the number of /dev/gpiochip*, for lgpio; by default the one with the header.
    Raises:
        PinsFault: lgpio is not installed, or its device can't be opened.
    """
    if name == "mock":
        return MockFactory(pin_class=SimulatedPin)
    return _lgpio_factory(chip)


class SimulatedPin(MockPWMPin):  # type: ignore[misc]  # gpiozero is untyped
    """A mock pin that becomes an output as a Pi's can: its level first, then its direction.

    drove holds every level that the pin has put on its wire, in order; an input
    drives nothing. A test that wants to know whether a relay moved asks this.
    """

    def __init__(self, factory: Factory, info: Any) -> None:
        self.drove: list[float] = []
        super().__init__(factory, info)

    def output_with_state(self, state: float) -> None:
        self._change_state(state)
        self.function = "output"

    def _set_function(self, value: str) -> None:
        super()._set_function(value)
        if value == "output":
            self.drove.append(float(self._state))

    def _change_state(self, value: float) -> bool:
        changed = bool(super()._change_state(value))
        if changed and self._function == "output":
            self.drove.append(float(value))
        return changed

    def _set_frequency(self, value: float | None) -> None:
        if value is None:
            self._frequency = None  # the parent would also put the pin to 0, which is "on" if active low
        else:
            super()._set_frequency(value)

    def close(self) -> None:
        """Let go. An output keeps driving its last level, as under lgpio below."""
        self.when_changed = None
        self.frequency = None


def _lgpio_factory(chip: int | None) -> Factory:
    # lgpio opens a fifo, .lgd-nfy0, in the working directory when it is imported, and fails
    # where that is read-only; it keeps it open and never looks for it by name again.
    try:
        with tempfile.TemporaryDirectory(prefix="menshen-lgpio-") as place, contextlib.chdir(place):
            lgpio: Any = importlib.import_module("lgpio")
            on_lgpio: Any = importlib.import_module("gpiozero.pins.lgpio")
    except ImportError as fault:
        raise PinsFault(
            f"lgpio is not installed ({fault}); on a Pi: sudo apt install python3-lgpio, elsewhere use pins = mock"
        ) from fault

    class RestingPin(on_lgpio.LGPIOPin):  # type: ignore[misc]  # gpiozero is untyped
        """An lgpio pin that neither starts nor ends with a pulse."""

        def output_with_state(self, state: float) -> None:
            # The parent claims the line low and then writes the level: a blip that an
            # active-low relay takes for "release". Source: gpiozero pull request 1177.
            lgpio.gpio_claim_output(self.factory._handle, self._number, int(bool(state)))  # noqa: SLF001

        def _set_frequency(self, value: float | None) -> None:
            # A tone that stops leaves the line wherever its cycle was. Its last duty says where to: 0 or 1.
            level = round(self.state) if self._pwm else None
            super()._set_frequency(value)
            if not value and level is not None:
                lgpio.gpio_write(self.factory._handle, self._number, level)  # noqa: SLF001

        def close(self) -> None:
            # The parent turns outputs into floating inputs. A lock's line stays driven at the
            # rest level it was left at; the kernel keeps it so after the chip is closed.
            if self.factory._handle is None:  # noqa: SLF001
                return
            self.when_changed = None
            if self.function == "output":
                self.frequency = None
            else:
                super().close()

    try:
        factory = on_lgpio.LGPIOFactory(chip)
    except Exception as fault:  # lgpio.error, PinUnknownPi and OSError share no closer parent
        raise PinsFault(
            f"the GPIO pins can't be opened ({fault}); check that this is a Pi and that the user is in group gpio"
        ) from fault
    factory.pin_class = RestingPin
    return factory
