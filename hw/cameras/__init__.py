"""Cameras, by name. A new one is one file and one line in DRIVERS."""

from collections.abc import Callable
from typing import Final

from agent.ports import Camera
from hw.cameras.config import CameraConfig
from hw.cameras.faults import CameraFault
from hw.cameras.folder import FolderCamera
from hw.cameras.pi import PiCamera
from hw.cameras.sim import SimCamera
from hw.cameras.usb import UsbCamera
from hw.cameras.video import VideoCamera

DRIVERS: Final[dict[str, Callable[[CameraConfig], Camera]]] = {
    "picamera2": PiCamera,
    "usb": UsbCamera,
    "folder": FolderCamera,
    "video": VideoCamera,
    "sim": SimCamera,
}


def open_camera(config: CameraConfig) -> Camera:
    """Make the camera that a configuration asks for.

    A camera that is not plugged in is no fault: it yields None until it comes.

    Raises:
        CameraFault: what the configuration names can't work on this machine, whatever is plugged in.
    """
    return DRIVERS[config.kind](config)


__all__ = ["DRIVERS", "CameraConfig", "CameraFault", "open_camera"]
