"""A letter box for one frame: the newest replaces what was not taken."""

import threading

from agent.frames import Frame


class Newest:
    """Handed from a capturing thread to a reading one; nothing ever queues."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._frame: Frame | None = None

    def put(self, frame: Frame | None) -> None:
        """Leave a frame, or None to say that there is none any more."""
        with self._news:
            self._frame = frame
            self._news.notify()

    def take(self, wait_s: float) -> Frame | None:
        """Take the frame that lies there, waiting up to wait_s for one."""
        with self._news:
            if self._frame is None:
                self._news.wait(wait_s)
            frame, self._frame = self._frame, None
            return frame
