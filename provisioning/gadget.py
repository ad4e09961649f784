"""The kiosk's USB side: a serial port with our own ids, by the kernel's configfs.

Source: Documentation/usb/gadget_configfs.rst. The port appears as /dev/ttyGS0 here and as
/dev/ttyACM0 on the technician's laptop. Setting up twice is setting up once.
"""

import contextlib
from pathlib import Path
from typing import Final

from provisioning import usb

CONFIGFS: Final = Path("/sys/kernel/config/usb_gadget")
CONTROLLERS: Final = Path("/sys/class/udc")
_NAME: Final = "menshen"
_ENGLISH: Final = "0x409"


class NoGadget(Exception):
    """This machine cannot be a USB device; says what to do."""


def present(device_id: str, configfs: Path = CONFIGFS, controllers: Path = CONTROLLERS) -> str:
    """Be a kiosk to whoever plugs a cable in.

    Args:
        device_id: becomes the serial number, so that a bench tells kiosks apart unopened.
    Returns:
        The controller that it is bound to.
    Raises:
        NoGadget: no configfs, or no controller that can be a device.
        OSError: the kernel's reason.
    """
    if not configfs.is_dir():
        raise NoGadget(f"there is no {configfs}; load the module libcomposite")
    free = sorted(path.name for path in controllers.iterdir()) if controllers.is_dir() else []
    if not free:
        raise NoGadget("no USB port of this machine can be a device; see hw/overlays for dwc2")
    gadget = configfs / _NAME
    words = gadget / "strings" / _ENGLISH
    config = gadget / "configs" / "c.1"
    for folder in (words, config / "strings" / _ENGLISH, gadget / "functions" / "acm.usb0"):
        folder.mkdir(parents=True, exist_ok=True)
    bound = gadget / "UDC"
    if bound.exists() and bound.read_text().strip():
        return bound.read_text().strip()
    for path, text in (
        (gadget / "idVendor", f"0x{usb.VENDOR:04x}"),
        (gadget / "idProduct", f"0x{usb.PRODUCT:04x}"),
        (gadget / "bcdUSB", "0x0200"),
        (words / "serialnumber", device_id),
        (words / "manufacturer", usb.MANUFACTURER),
        (words / "product", usb.PRODUCT_NAME),
        (config / "strings" / _ENGLISH / "configuration", "provisioning"),
    ):
        path.write_text(text)
    with contextlib.suppress(FileExistsError):
        (config / "acm.usb0").symlink_to(gadget / "functions" / "acm.usb0")
    bound.write_text(free[0])
    return free[0]
