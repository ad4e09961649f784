"""Time for reading, earned by each frame and spent by each look.

Costs are measured, so the same settings fit a fast and a slow machine: a
slow one looks less often, but looks.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

SAVED_FRAMES = 2
OWED_FRAMES = 4


class Budget:
    """An account of milliseconds of processor time: what other processes take is not the reader's debt.

    Args:
        per_frame_ms: earned by each frame; a quiet stream saves some, a hard frame owes some.
    """

    def __init__(self, per_frame_ms: float) -> None:
        self._per_frame_ms = per_frame_ms
        self._balance_ms = 0.0

    def earn(self) -> None:
        most_ms = SAVED_FRAMES * self._per_frame_ms
        self._balance_ms = min(most_ms, self._balance_ms + self._per_frame_ms)

    @property
    def left(self) -> bool:
        return self._balance_ms > 0

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Charge what happens inside; a single monstrous frame is forgiven beyond some frames' worth."""
        started = time.thread_time()
        try:
            yield
        finally:
            spent_ms = (time.thread_time() - started) * 1000
            self._balance_ms = max(-OWED_FRAMES * self._per_frame_ms, self._balance_ms - spent_ms)
