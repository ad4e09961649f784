"""Gaps: how long a gate has been sending beyond what the office holds.

A gap closes by itself when the gate sends again after its patience. One that
does not means that the gate believes more of the office than is so, which a
restored database or an exchanged office explains: it is asked to rewind. One
that stays all the same is an alert. Knows seconds; refuses to know events.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

GAP_PERSISTS_S: Final = 10.0  # a gate sends again after 2 s; five tries
REWIND_AFTER_S: Final = 3.0  # longer than a gate's first patience
REWIND_EVERY_S: Final = 10.0
_FORGOTTEN_S: Final = 60.0  # after such a silence a gap is a new one


@dataclass(slots=True)
class Gap:
    """A position that a gate sends beyond: since when, when last, and when a rewind was asked for."""

    position: tuple[str, int]
    since: float
    seen: float
    asked: float = float("-inf")

    @property
    def age_s(self) -> float:
        return self.seen - self.since

    @property
    def persists(self) -> bool:
        return self.age_s >= GAP_PERSISTS_S


class Gaps:
    """Every gate's gap, if it has one."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin without any; clock gives monotonic seconds."""
        self._clock = clock
        self._gaps: dict[str, Gap] = {}

    def closed(self, gate: str) -> None:
        self._gaps.pop(gate, None)

    def note(self, gate: str, position: tuple[str, int]) -> Gap:
        """A gate sent beyond a position, (epoch, sequence)."""
        now = self._clock()
        gap = self._gaps.get(gate)
        if gap is None or gap.position != position or now - gap.seen > _FORGOTTEN_S:
            gap = self._gaps[gate] = Gap(position, now, now)
        gap.seen = now
        return gap

    def should_rewind(self, gap: Gap) -> bool:
        """Whether the gate is to be asked now; the next time, only after a while."""
        now = self._clock()
        if gap.age_s < REWIND_AFTER_S or now - gap.asked < REWIND_EVERY_S:
            return False
        gap.asked = now
        return True
