"""Whether the lock does what its relay was told: welded, stuck, or true.

Knows what the relay was told, what the lock's monitor says, whether the leaf
stands open, and when. A bolt takes its time, and one that somebody leans on
takes longer; neither is a fault. So a lock that stays released under a closed
leaf is welded only after a while, and one that did not follow a release is
stuck when it fails again and again, or when no release makes up for it.
"""

from dataclasses import dataclass
from typing import Final

from agent.core.events import Kind

SETTLE_S: Final = 1.0
"""A release shorter than this proves nothing."""
WELDED_AFTER_S: Final = 20.0
HELD_STUCK_AFTER_S: Final = 20.0
FAILURES: Final = 4
UNMENDED_S: Final = 90.0


@dataclass(slots=True)
class LockTruth:
    """One lock, watched from mono second 0 on; at rest and shut until told otherwise."""

    wrong: Kind | None = None
    _told: bool = False  # the relay: released
    _told_at: float = 0.0
    _says: bool = False  # the monitor: released
    _leaf_open: bool = False
    _odd_since: float | None = None  # at rest, shut, and the monitor says released
    _followed: bool = False
    _failures: int = 0
    _failed_at: float = 0.0

    def relay(self, released: bool, mono: float) -> None:
        """The relay was told."""
        if released is self._told:
            return
        if not released:
            self._judge_release(mono)
        self._told, self._told_at, self._followed = released, mono, released and self._says
        self._weigh(mono)

    def monitor(self, released: bool, mono: float) -> None:
        """The lock's own contact changed."""
        self._says = released
        self._followed |= released and self._told
        self._weigh(mono)

    def leaf(self, is_open: bool, mono: float) -> None:
        """The door's contact changed."""
        self._leaf_open = is_open
        self._weigh(mono)

    def due(self, mono: float) -> Kind | None:
        """What is to be said now, if anything: that it is wrong, or that it is true again."""
        wrong = self._found(mono)
        if wrong is self.wrong:
            return None
        self.wrong = wrong
        return wrong or Kind.LOCK_TRUE

    def _found(self, mono: float) -> Kind | None:
        if self._odd_since is not None and mono - self._odd_since >= WELDED_AFTER_S:
            return Kind.LOCK_WELDED
        held = self._told and not self._followed and mono - self._told_at >= HELD_STUCK_AFTER_S
        unmended = self._failures > 0 and mono - self._failed_at >= UNMENDED_S
        if (held or unmended or self._failures >= FAILURES) and not (self._told and self._followed):
            return Kind.LOCK_STUCK
        return None

    def _judge_release(self, mono: float) -> None:
        if self._followed:
            self._failures = 0
        elif mono - self._told_at >= SETTLE_S:
            if not self._failures:
                self._failed_at = mono
            self._failures += 1

    def _weigh(self, mono: float) -> None:
        odd = self._says and not self._told and not self._leaf_open
        if not odd:
            self._odd_since = None
        elif self._odd_since is None:
            self._odd_since = mono
