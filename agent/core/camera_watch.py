"""Whether the camera is alive, from nothing but when frames came and whether they differ.

A real sensor's noise makes no two frames equal; one picture repeated for
seconds is a hung driver that looks alive to everyone but us.
"""

from dataclasses import dataclass
from typing import Final

from agent.core.notices import CameraChanged, CameraState

LOST_AFTER_S: Final = 3.0
FROZEN_AFTER_S: Final = 4.0
HOPELESS_AFTER_S: Final = 60.0
HOPELESS_AFTER_START_S: Final = 600.0


@dataclass(slots=True)
class CameraWatch:
    """Watches one camera from mono seconds `since` on, at first in good faith."""

    since: float
    frozen_after_s: float = FROZEN_AFTER_S
    state: CameraState = CameraState.GOOD
    _frame_at: float | None = None
    _changed_at: float = 0.0
    _print: int | None = None
    _bad_since: float | None = None
    _ever_good: bool = False

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
            self._ever_good = True
        if state is self.state:
            return None
        self.state = state
        if state is CameraState.GOOD:
            self._bad_since = None
        elif self._bad_since is None:
            self._bad_since = mono
        return CameraChanged(state)

    def hopeless(self, mono: float) -> bool:
        """Whether the driver won't find its camera again by itself, so that a fresh process should try.

        A camera that never was there is given much longer: whoever starts afresh serves nobody meanwhile.
        """
        if self._bad_since is None:
            return False
        patience_s = HOPELESS_AFTER_S if self._ever_good else HOPELESS_AFTER_START_S
        return mono - self._bad_since >= patience_s
