"""When the next frame is due, for sources that make their frames on demand.

Newest only: a caller who comes late skips what it missed.
"""

import math
import threading
import time
from collections.abc import Iterator

TICK_S = 0.1
"""A caller is never kept longer than this without a frame or a None."""


class Pace:
    """Counts frames, in real time or as fast as they are taken.

    Args:
        fps: frames a second of the source's own time.
        real_time: wait until each is due, and skip those whose time has passed.
        skips: whether frames may be left out to keep up; a replay keeps every one.
    """

    def __init__(self, fps: float, *, real_time: bool, skips: bool) -> None:
        self._fps = fps
        self._real_time = real_time
        self._skips = skips
        self._closed = threading.Event()

    def close(self) -> None:
        self._closed.set()

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def beats(self) -> Iterator[int | None]:
        """Yield the number of each frame when it is due, and None in longer pauses, until close()."""
        started = time.monotonic()
        number = 0
        while not self.closed:
            wait_s = started + number / self._fps - time.monotonic() if self._real_time else 0.0
            if wait_s > TICK_S:
                self._closed.wait(TICK_S)
                yield None
                continue
            if wait_s > 0:
                self._closed.wait(wait_s)
                continue
            yield number
            number += 1
            if self._real_time and self._skips:
                number = max(number, math.ceil((time.monotonic() - started) * self._fps))

    def pause(self) -> None:
        """Let TICK_S pass, or less if closed meanwhile."""
        self._closed.wait(TICK_S)
