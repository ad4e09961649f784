"""Recorded frames: the pictures of a folder, in the order of their names, once."""

import time
from collections.abc import Iterator
from pathlib import Path

from agent.frames import Frame
from agent.pictures import ENDINGS, PictureFault, load
from hw.cameras.config import CameraConfig
from hw.cameras.faults import CameraFault
from hw.cameras.pace import Pace


class FolderCamera:
    """A folder as a camera; finite.

    Attributes:
        unreadable: sentences on pictures that were passed over.

    Raises:
        CameraFault: no such folder, or no picture in it.
    """

    def __init__(self, config: CameraConfig) -> None:
        folder = config.path or Path()
        if not folder.is_dir():
            raise CameraFault(f"camera path {folder} is no folder; wanted one with pictures")
        self._paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
        if not self._paths:
            raise CameraFault(f"folder {folder} holds no picture; wanted {', '.join(sorted(ENDINGS))}")
        self._pace = Pace(config.fps, real_time=config.paced, skips=False)
        self.unreadable: list[str] = []

    def frames(self) -> Iterator[Frame | None]:
        for number in self._pace.beats():
            if number is None:
                yield None
                continue
            if number >= len(self._paths):
                return
            try:
                luma = load(self._paths[number])
            except PictureFault as fault:
                self.unreadable.append(str(fault))
                yield None
                continue
            yield Frame(luma=luma, half=None, taken_mono=time.monotonic())

    def close(self) -> None:
        self._pace.close()
