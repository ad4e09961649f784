"""A camera that is given up in the end, so that a fresh process may find it again."""

import time
from collections.abc import Callable, Iterator

import structlog

from agent.core.camera_watch import CameraWatch
from agent.frames import Frame
from agent.ports import Camera

_log = structlog.get_logger("agent.wiring.patience")


class PatientCamera:
    """The same camera; its frames end when the watch has lost hope of it.

    Args:
        watch: the kiosk's, which looks at each frame after it was handed on.
        may_leave: whether nobody needs this process just now: no pulse, no fire, no open leaf.
    """

    def __init__(self, camera: Camera, watch: CameraWatch, may_leave: Callable[[], bool]) -> None:
        self._camera, self._watch, self._may_leave = camera, watch, may_leave
        self.given_up = False

    def frames(self) -> Iterator[Frame | None]:
        for frame in self._camera.frames():
            yield frame
            if self._watch.hopeless(time.monotonic()) and self._may_leave():
                self.given_up = True
                _log.error("camera.given_up", state=str(self._watch.state))
                return

    def close(self) -> None:
        self._camera.close()
