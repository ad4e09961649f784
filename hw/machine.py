"""What a Linux machine, and a Raspberry Pi above others, tells of itself in files.

No command is started and no device is opened, so that a process without any may
ask. What is not there is None.
"""

import os
from pathlib import Path
from typing import Final

_TEMPERATURE: Final = "class/thermal/thermal_zone0/temp"  # thousandths of a degree
_THROTTLED: Final = (
    "devices/platform/soc/soc:firmware/get_throttled",
    "devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled",  # Pi 5
)
_HWMON: Final = "class/hwmon"
_SUPPLY: Final = "rpi_volt"


def temperature_c(sys: Path = Path("/sys")) -> float | None:
    """The processor's temperature, degrees Celsius."""
    text = _read(sys / _TEMPERATURE)
    try:
        return None if text is None else round(int(text) / 1000, 1)
    except ValueError:
        return None


def throttled(sys: Path = Path("/sys")) -> int | None:
    """The firmware's throttling bits: 0 under-voltage, 1 capped, 2 throttled, 3 hot, now; 16 on: since boot."""
    for name in _THROTTLED:
        text = _read(sys / name)
        try:
            if text is not None:
                return int(text, 16)
        except ValueError:
            return None
    return _sagging(sys)


def _sagging(sys: Path) -> int | None:
    """Under-voltage alone, from the kernel's own driver, where the firmware's file is missing."""
    for chip in sorted((sys / _HWMON).glob("hwmon*")):
        if _read(chip / "name") == _SUPPLY:
            text = _read(chip / "in0_lcrit_alarm")
            return int(text) & 1 if text and text.isdecimal() else None
    return None


def boot_id(proc: Path = Path("/proc")) -> str | None:
    """Another one after each start of the machine."""
    return _read(proc / "sys/kernel/random/boot_id")


def storage_wear(sys: Path = Path("/sys")) -> str | None:
    """How worn the storage says it is: eMMC's life_time, two estimates in tenths; SD cards don't say."""
    for device in sorted((sys / "block").glob("mmcblk?")):
        if (text := _read(device / "device/life_time")) is not None:
            return text
    return None


def disk_free_mb(folder: Path) -> int | None:
    """What an unprivileged user may still write beside a folder, in 10^6 bytes."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize // 1_000_000


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(64).decode("ascii").strip()
    except (OSError, ValueError):
        return None
