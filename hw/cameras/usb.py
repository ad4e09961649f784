"""USB cameras, through OpenCV and V4L2.

A thread of its own reads the camera as fast as it delivers, because V4L2
queues frames and the gate wants the newest. The same thread opens the camera
again, with growing pauses, whenever it was unplugged.
"""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from agent.frames import Frame
from hw.cameras.config import CameraConfig
from hw.cameras.newest import Newest
from hw.cameras.pace import TICK_S

FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 2.0
# OpenCV waits 10 s for a frame before it gives up on a device; read at its first capture.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")


class UsbCamera:
    """One V4L2 device; endless. It need not be there yet."""

    def __init__(self, config: CameraConfig) -> None:
        self._config = config
        device = config.device
        self._node = Path(f"/dev/video{device}" if device.isdigit() else device)
        self._newest = Newest()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._capture, name=f"camera {config.device}", daemon=True)
        self._thread.start()

    def frames(self) -> Iterator[Frame | None]:
        while not self._closed.is_set():
            yield self._newest.take(TICK_S)

    def close(self) -> None:
        self._closed.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=5)

    def _capture(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._closed.is_set():
            if self._deliver():
                pause_s = FIRST_PAUSE_S
            self._newest.put(None)
            self._closed.wait(pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    def _deliver(self) -> bool:
        """Hand over frames until the device fails or the camera is closed; True if there was one."""
        delivered = False
        if not self._node.exists():
            return False
        try:
            video = self._opened()
        except cv2.error:
            return False
        try:
            while not self._closed.is_set():
                there, picture = video.read()
                if not there:
                    break
                luma = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
                self._newest.put(
                    Frame(luma=np.asarray(luma, np.uint8), half=None, taken_mono=time.monotonic())
                )
                delivered = True
        except cv2.error:
            pass  # a torn frame or a device that went away: open it again
        finally:
            video.release()
        return delivered

    def _opened(self) -> cv2.VideoCapture:
        """The device, asked for MJPEG (raw frames of this size don't fit USB 2) and a short queue."""
        config = self._config
        video = cv2.VideoCapture(str(self._node), cv2.CAP_V4L2)
        video.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        video.set(cv2.CAP_PROP_FRAME_WIDTH, config.width_px)
        video.set(cv2.CAP_PROP_FRAME_HEIGHT, config.height_px)
        video.set(cv2.CAP_PROP_FPS, config.fps)
        video.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return video
