"""The 40-pin header of a Raspberry Pi: which pins a gate may use, and for what.

Pure rules over BCM numbers. Knows what the Pi keeps for itself and what its
pulls do before any program runs. Refuses to know the shape of a board file
beyond "a table with a pin".
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

# BCM numbers. Sources: Raspberry Pi documentation, GPIO and the 40-pin header; BCM2835 ARM
# Peripherals, table 6-31 (alternate functions and the pulls at power-on).
_TAKEN: Final[dict[int, str]] = {
    0: "the ID EEPROM and the second camera's bus",
    1: "the ID EEPROM and the second camera's bus",
    14: "the serial console",
    15: "the serial console",
    28: "the camera's bus",
    29: "the camera's bus",
    44: "the camera's bus",
    45: "the camera's bus",
}
_HEADER: Final = range(2, 28)
_PULLED_UP_AT_BOOT: Final = range(9)
_FIXED_PULL_UP: Final = (2, 3)  # 1.8 kohm on the circuit board, for I2C


def pin_faults(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """What is wrong between the parts, and between a part and the Pi, of any mapping shaped a little like a board."""
    parts = tuple(_parts(raw))
    faults = [
        f"{key}.pin = {pin} is {_TAKEN[pin]}; allowed: a GPIO number 2 to 27 without 14 and 15"
        if pin in _TAKEN
        else f"{key}.pin = {pin} is not on the header; allowed: a GPIO number 2 to 27 without 14 and 15"
        for key, pin, _ in parts
        if pin in _TAKEN or pin not in _HEADER
    ]
    counts = Counter(pin for _, pin, _ in parts)
    for pin in sorted(pin for pin, count in counts.items() if count > 1):
        keys = " and ".join(f"{key}.pin" for key, other, _ in parts if other == pin)
        faults.append(f"{keys} are the same, {pin}; allowed: each pin once")
    for key, pin, part in parts:
        if key == "relay" and part.get("active") == "high" and pin in _PULLED_UP_AT_BOOT:
            faults.append(
                f"relay.pin = {pin} is pulled up from power-on until menshen starts, which would release "
                'an active-high lock at every boot; allowed: 9 to 27, or active = "low"'
            )
        if pin in _FIXED_PULL_UP and part.get("pull") in {"down", "none"}:
            faults.append(
                f"{key}.pull = {part['pull']!r}: GPIO {pin} has a fixed pull-up on the Pi; "
                'allowed: "up", or another pin'
            )
    return tuple(faults)


def _parts(
    table: Mapping[str, Any], prefix: str = "", deep: int = 3
) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """Each (key, pin, table) that names a pin, no deeper than a board has tables."""
    if deep == 0:
        return
    for name, value in table.items():
        if isinstance(value, Mapping):
            pin = value.get("pin")
            if isinstance(pin, int) and not isinstance(pin, bool):
                yield prefix + name, pin, value
            yield from _parts(value, f"{prefix}{name}.", deep - 1)
