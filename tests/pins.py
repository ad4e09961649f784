"""The factories that the contract suites of outputs and inputs run on, and the far side of their pins.

`mock` is the simulator that ships. `lgpio` is a real /dev/gpiochip: only a
gpio-sim chip, whose far side the kernel lets a test see and move. `make rig`
boots a machine that has one.
"""

import pytest
from gpiozero.pins import Factory

from hw.pins import PinsFault, pin_factory
from tests.wires import ChipWires, MockWires, Wires, rig_chip

FACTORIES = ("mock", "lgpio")


def open_factory(name: str):
    """Yield a factory and close it, or skip with a sentence."""
    chip = None if name == "mock" else rig_chip()
    if name != "mock" and chip is None:
        pytest.skip("no gpio-sim chip here (`make rig` boots a machine with one); the simulator ran")
    try:
        factory = pin_factory(name, chip)
    except PinsFault as fault:
        pytest.skip(f"a chip is here, but {fault}")
    yield factory
    factory.close()


def wires_of(factory: Factory) -> Wires:
    """The far side of a factory's pins."""
    if type(factory).__name__ == "MockFactory":
        return MockWires(factory)
    return ChipWires(rig_chip())
