"""Whether the camera is alive, from nothing but when frames came and whether they differ.

A real sensor's noise makes no two frames equal; one picture repeated for
seconds is a hung driver that looks alive to everyone but us.
"""

from dataclasses import dataclass
from typing import Final

from agent.core.notices import CameraChanged, CameraState

LOST_AFTER_S: Final = 3.0
FROZEN_AFTER_S: Final = 4.0


@dataclass(slots=True)
class CameraWatch:
    """Watches one camera from mono seconds `since` on, at first in good faith."""

    since: float
    frozen_after_s: float = FROZEN_AFTER_S
    state: CameraState = CameraState.GOOD
    _frame_at: float | None = None
    _changed_at: float = 0.0
    _print: int | None = None

    def look(self, fingerprint: int | None, mono: float) -> CameraChanged | None:
        """Take note of a frame (any number that differs when it does) or, with None, of its absence."""
        if fingerprint is not None:
            self._frame_at = mono
            if fingerprint != self._print:
                self._print, self._changed_at = fingerprint, mono
        if mono - (self.since if self._frame_at is None else self._frame_at) >= LOST_AFTER_S:
            state = CameraState.LOST
        elif self._print is not None and mono - self._changed_at >= self.frozen_after_s:
            state = CameraState.FROZEN
        elif fingerprint is None:
            return None  # between two frames nothing is learnt
        else:
            state = CameraState.GOOD
        if state is self.state:
            return None
        self.state = state
        return CameraChanged(state)
