"""The far side of a gate's pins: what hangs on them sees their levels, and moves the inputs.

For the simulated factory that is the factory itself. For a gpio-sim chip it is the
kernel: each line's level and pull in /sys, and in the kernel's trace every level that
anybody ever drove a line to, with its monotonic time; no pulse is too short for it.

    python -m tests.wires drove PIN [SINCE]    [[SECONDS, LEVEL], …] as JSON
    python -m tests.wires level PIN            0 or 1
    python -m tests.wires put PIN LEVEL
"""

import json
import re
import sys
import time
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Protocol

_TRACE = Path("/sys/kernel/tracing/trace")
_LINE = re.compile(r" (\d+\.\d+): gpio_(value|direction): +(\d+) +(\w+) (?:\((-?\d+)\)|(\d))")


class Wires(Protocol):
    """What hangs on the pins."""

    def level(self, pin: int) -> bool:
        """Whether it is high now."""
        ...

    def put(self, pin: int, *, high: bool) -> None:
        """Bring an input to a level."""
        ...

    def drove(self, pin: int) -> list[float]:
        """Every level that the pin was driven to since this was made, in order."""
        ...


class MockWires:
    """Those of a simulated factory."""

    def __init__(self, factory) -> None:
        self._factory = factory

    def level(self, pin: int) -> bool:
        return bool(self._factory.pin(pin).state)

    def put(self, pin: int, *, high: bool) -> None:
        wire = self._factory.pin(pin)
        (wire.drive_high if high else wire.drive_low)()

    def drove(self, pin: int) -> list[float]:
        return list(self._factory.pin(pin).drove)


class ChipWires:
    """Those of a gpio-sim chip; wants root, for the trace.

    Args:
        chip: its number.
        since: a monotonic second; what was driven before is not told.
    """

    def __init__(self, chip: int = 0, since: float | None = None) -> None:
        self._lines = Path(f"/sys/bus/gpio/devices/gpiochip{chip}").resolve()
        self._since = time.monotonic() if since is None else since
        self._chip = chip

    @cached_property
    def _first(self) -> int:
        """The kernel's own number of the chip's line 0, as the trace has it."""
        chips = Path("/sys/kernel/debug/gpio").read_text()
        return int(re.search(rf"^gpiochip{self._chip}: GPIOs (\d+)-", chips, re.MULTILINE)[1])

    def level(self, pin: int) -> bool:
        return (self._lines / f"sim_gpio{pin}" / "value").read_text().strip() == "1"

    def put(self, pin: int, *, high: bool) -> None:
        (self._lines / f"sim_gpio{pin}" / "pull").write_text("pull-up" if high else "pull-down")

    def drove(self, pin: int) -> list[float]:
        return [float(level) for _, level in self.moments(pin)]

    def moments(self, pin: int) -> list[tuple[float, int]]:
        """The same, each with its monotonic second."""
        found = []
        with _TRACE.open() as trace:
            for line in trace:
                match = _LINE.search(line)
                if match and match[2] == "value" and match[4] == "set" and int(match[3]) == self._first + pin:
                    at = float(match[1])
                    if at >= self._since:
                        found.append((at, int(match[6])))
        return found


class Seen(NamedTuple):
    """What a probe on a line has seen; as hw.sim.line.Trace."""

    active: bool
    rises: int
    longest_s: float


def seen(wires: ChipWires, pin: int, active: str = "high") -> Seen:
    """What a probe on one line of a chip has seen since the wires were made."""
    states = [(at, level == (active == "high")) for at, level in wires.moments(pin)]
    rises = [at for (_, before), (at, now) in pairwise([(0.0, False), *states]) if now and not before]
    falls = [at for (_, before), (at, now) in pairwise([(0.0, False), *states]) if before and not now]
    longest = max((fall - rise for rise, fall in zip(rises, falls, strict=False)), default=0.0)
    return Seen(wires.level(pin) == (active == "high"), len(rises), longest)


def rig_chip() -> int | None:
    """The number of a gpio-sim chip, which a test may drive; None where there is none."""
    for chip in sorted(Path("/sys/bus/gpio/devices").glob("gpiochip*")):
        if (chip.resolve() / "sim_gpio0").exists():
            return int(chip.name.removeprefix("gpiochip"))
    return None


def main(what: str, pin: str, *value: str) -> None:
    wires = ChipWires(rig_chip() or 0, since=float(value[0]) if what == "drove" and value else 0.0)
    match what:
        case "drove":
            print(json.dumps(wires.moments(int(pin))))
        case "level":
            print(int(wires.level(int(pin))))
        case "put":
            wires.put(int(pin), high=value == ("1",))


if __name__ == "__main__":
    main(*sys.argv[1:])
