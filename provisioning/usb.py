"""A kiosk's USB identity, for both ends: the gadget shows it, the bench looks for it.

The product id is one that pid.codes keeps for tests; whoever sells kiosks writes
their own pair here and in systemd/udev/. The product's name is looked at as well,
so that another thing under test is not taken for a kiosk.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from serial.tools import list_ports  # type: ignore[import-untyped]

from provisioning.wire import plain

VENDOR: Final = 0x1209
PRODUCT: Final = 0x0001
MANUFACTURER: Final = "menshen"
PRODUCT_NAME: Final = "menshen kiosk"


class NotFound(Exception):
    """No kiosk, or more than one; says what to do."""


@dataclass(frozen=True, slots=True)
class Port:
    """A serial port of this machine.

    Args:
        path: such as /dev/ttyACM0.
        usb: vendor and product id, `1209:0001`; `-` for a port that is not USB.
        serial: a kiosk's device id; `-` where there is none.
    """

    path: str
    usb: str
    serial: str
    described: str
    kiosk: bool


def ports() -> list[Port]:
    """This machine's serial ports, kiosks first."""
    listed = (_port(one) for one in list_ports.comports())
    return sorted(listed, key=lambda port: (not port.kiosk, port.path))


def kiosk_port(listed: Iterable[Port]) -> str:
    """The one kiosk's port.

    Raises:
        NotFound: there is none, or several; they are listed.
    """
    kiosks = [port for port in listed if port.kiosk]
    if not kiosks:
        raise NotFound(
            "no kiosk is plugged in; plug its USB cable in and wait a few seconds, "
            "or name its port with --port (see `menshen-provision ports`)"
        )
    if len(kiosks) > 1:
        raise NotFound(f"{len(kiosks)} kiosks are plugged in; name one with --port:\n{table(kiosks)}")
    return kiosks[0].path


def table(listed: Sequence[Port]) -> str:
    """Ports as lines: path, ids, serial number, and a word on what it is."""
    return "\n".join(
        "\t".join((port.path, port.usb, port.serial, "kiosk" if port.kiosk else port.described))
        for port in listed
    )


def _port(found: object) -> Port:
    vendor, product = getattr(found, "vid", None), getattr(found, "pid", None)
    name = str(getattr(found, "product", None) or "")
    return Port(
        path=plain(str(getattr(found, "device", ""))),
        usb=f"{vendor:04x}:{product:04x}" if vendor is not None and product is not None else "-",
        serial=plain(str(getattr(found, "serial_number", None) or "-"), 40),
        described=plain(str(getattr(found, "description", None) or "-"), 60),
        kiosk=(vendor, product) == (VENDOR, PRODUCT) and name.startswith(PRODUCT_NAME),
    )
