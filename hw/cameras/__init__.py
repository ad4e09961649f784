"""Cameras, by name. A new one is one file and one line in DRIVERS.

A driver is loaded when its camera is opened: reading a configuration loads
neither OpenCV nor libcamera.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from hw.cameras.config import CameraConfig
from hw.cameras.faults import CameraFault

if TYPE_CHECKING:
    from agent.ports import Camera

DRIVERS: Final = {
    "picamera2": "hw.cameras.pi:PiCamera",
    "usb": "hw.cameras.usb:UsbCamera",
    "folder": "hw.cameras.folder:FolderCamera",
    "video": "hw.cameras.video:VideoCamera",
    "sim": "hw.cameras.sim:SimCamera",
}


def open_camera(config: CameraConfig) -> "Camera":
    """Make the camera that a configuration asks for.

    A camera that is not plugged in is no fault: it yields None until it comes.

    Raises:
        CameraFault: what the configuration names can't work on this machine, whatever is plugged in.
    """
    module, _, name = DRIVERS[config.kind].partition(":")
    return cast("Camera", getattr(import_module(module), name)(config))


__all__ = ["DRIVERS", "CameraConfig", "CameraFault", "open_camera"]
