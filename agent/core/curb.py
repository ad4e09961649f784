"""A curb on worthless codes, so that nobody fills the journal by waving posters.

The first few are recorded singly; beyond that one every few seconds, and the
rest are counted and told as one event.
"""

from dataclasses import dataclass
from typing import Final

BURST: Final = 10
EACH_S: Final = 3.0
TELL_AFTER_S: Final = 30.0


@dataclass(slots=True)
class Curb:
    """A token bucket with a count of what it held back."""

    _tokens: float = BURST
    _at: float | None = None
    _held_back: int = 0
    _since: float = 0.0

    def lets(self, mono: float) -> bool:
        """Whether one more is recorded singly."""
        if self._at is not None:
            self._tokens = min(BURST, self._tokens + (mono - self._at) / EACH_S)
        self._at = mono
        if self._tokens >= 1:
            self._tokens -= 1
            return True
        self.hold_back(mono)
        return False

    def hold_back(self, mono: float) -> None:
        """Count one that is not recorded singly."""
        if not self._held_back:
            self._since = mono
        self._held_back += 1

    def settle(self, mono: float) -> int:
        """How many were held back, once they have waited long enough to be told; else 0."""
        if not self._held_back or mono - self._since < TELL_AFTER_S:
            return 0
        told, self._held_back = self._held_back, 0
        return told
