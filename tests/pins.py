"""The factories that the contract suites of outputs and inputs run on.

`mock` is the simulator that ships. `lgpio` is a real /dev/gpiochip: only a
gpio-sim chip, or one named by MENSHEN_RIG_CHIP, because a test must not move
the pins of whatever machine it happens to run on.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from gpiozero.pins import Factory

from hw.pins import PinsFault, pin_factory

FACTORIES = ("mock", "lgpio")


def open_factory(name: str) -> Iterator[Factory]:
    """Yield a factory and close it, or skip with a sentence."""
    chip = None if name == "mock" else rig_chip()
    if name != "mock" and chip is None:
        pytest.skip("no gpio-sim chip here, and MENSHEN_RIG_CHIP names no other; the simulator ran")
    try:
        factory = pin_factory(name, chip)
    except PinsFault as fault:
        pytest.skip(f"a chip is here, but {fault}")
    yield factory
    factory.close()


def rig_chip() -> int | None:
    """The number of a gpiochip that a test may drive."""
    if named := os.environ.get("MENSHEN_RIG_CHIP"):
        return int(named)
    for chip in sorted(Path("/sys/bus/gpio/devices").glob("gpiochip*")):
        if "gpio-sim" in str(chip.resolve()):
            return int(chip.name.removeprefix("gpiochip"))
    return None
