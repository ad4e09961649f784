"""Recorded frames: a video file, once, every frame of it."""

import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from agent.frames import Frame
from hw.cameras.config import CameraConfig
from hw.cameras.faults import CameraFault
from hw.cameras.pace import Pace


class VideoCamera:
    """A video file as a camera; finite. Its own frame rate counts where it states one.

    Raises:
        CameraFault: no such file, or none that OpenCV's FFmpeg reads.
    """

    def __init__(self, config: CameraConfig) -> None:
        path = config.path or Path()
        if not path.is_file():
            raise CameraFault(f"camera path {path} is no file; wanted a video")
        self._video = cv2.VideoCapture(str(path))
        if not self._video.isOpened():
            raise CameraFault(f"{path} can't be read as a video; wanted a format that FFmpeg knows")
        stated_fps = float(self._video.get(cv2.CAP_PROP_FPS))
        fps = stated_fps if 0 < stated_fps <= 240 else config.fps
        self._pace = Pace(fps, real_time=config.paced, skips=False)

    def frames(self) -> Iterator[Frame | None]:
        try:
            for number in self._pace.beats():
                if number is None:
                    yield None
                    continue
                there, picture = self._video.read()
                if not there:
                    return
                luma = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
                yield Frame(luma=np.asarray(luma, np.uint8), half=None, taken_mono=time.monotonic())
        finally:
            # Here and not in close(), which another thread may call while a frame is read.
            self._video.release()

    def close(self) -> None:
        self._pace.close()
