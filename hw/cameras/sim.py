"""A camera before a scripted scene: the gate's rehearsal.

After the script's end the forecourt stays empty and the camera goes on, as a
real one would.
"""

import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from agent.frames import Frame, Grey
from hw.cameras.config import CameraConfig
from hw.cameras.exposure import Exposures
from hw.cameras.faults import CameraFault
from hw.cameras.pace import TICK_S, Pace
from hw.sim.film import Film
from hw.sim.script import FaultKind, Script, ScriptFault, read_script


class SimCamera:
    """A film as a camera; endless.

    Args:
        config: size, rate, seed and script.
        utc: the clock of the phones in the film; the film's own time begins at the first frame.

    Raises:
        CameraFault: a script that can't be read or played.
    """

    def __init__(self, config: CameraConfig, utc: Callable[[], float] = time.time) -> None:
        try:
            self._script = Script() if config.script is None else read_script(config.script)
        except ScriptFault as fault:
            raise CameraFault(str(fault)) from fault
        self._film = Film(self._script.approaches, config.height_px, config.width_px, config.seed)
        self._fps = config.fps
        self._paced = config.paced
        self._pace = Pace(config.fps, real_time=config.paced, skips=True)
        self._utc = utc
        self._exposures = Exposures() if config.alternate else None

    def frames(self) -> Iterator[Frame | None]:
        last: Grey | None = None
        gain = 1.0
        gone_until_s = 0.0
        for number in self._pace.beats():
            if number is None:
                yield None
                continue
            at_s = number / self._fps
            fault = self._script.fault_at(at_s)
            if fault is FaultKind.VANISH:
                last = None
                if self._paced:
                    self._pace.pause()
                elif at_s < gone_until_s - 1e-6:
                    continue
                gone_until_s = at_s + TICK_S
                yield None
                continue
            if fault is not FaultKind.FREEZE or last is None:
                gain = (self._exposures and self._exposures.next()) or 1.0
                last = self._film.frame_at(at_s, self._utc(), gain)
                last.flags.writeable = False
                if self._exposures:
                    self._exposures.saw(last, gain, at_s)
            yield Frame(luma=last, half=_half(last), taken_mono=time.monotonic(), gain=gain)

    def close(self) -> None:
        self._pace.close()


def _half(luma: Grey) -> Grey:
    """What a camera's scaler delivers beside the full picture."""
    height, width = luma.shape
    return np.asarray(cv2.resize(luma, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.uint8)
