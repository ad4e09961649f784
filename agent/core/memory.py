"""What a gate remembers of each pass from one try to the next.

`Use` is the memory of one pass, `Memory` that of all. Memory is bounded:
passes not seen for longest are let go of, and asked for again where the shell
has kept them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MOST_REMEMBERED: Final = 20_000
"""Passes; about 6 MB."""


class Way(StrEnum):
    """How a passage is counted."""

    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Use:
    """How a pass was used at this gate.

    Args:
        count: times that it let somebody in.
        step: the newest 15 s step that opened, for a rotating pass.
        way: of its last passage; None before the first.
        at_utc: seconds since 1970 of its last passage, by this gate's clock.
    """

    count: int = 0
    step: int | None = None
    way: Way | None = None
    at_utc: float = 0.0

    def once_more(self, step: int | None = None, way: Way = Way.IN, at_utc: float = 0.0) -> "Use":
        """This use and one more.

        Neither the newest step nor the time ever goes back, nor is the step lost to a printed card.
        """
        if step is None or (self.step is not None and step < self.step):
            step = self.step
        return Use(self.count + (way is Way.IN), step, way, max(self.at_utc, at_utc))


UNUSED: Final = Use()


def _nobody(_pass_id: bytes) -> Use:
    return UNUSED


class Memory:
    """The passes that were used last; at most so many."""

    def __init__(
        self,
        uses: Mapping[bytes, Use] | None = None,
        older: Callable[[bytes], Use] = _nobody,
        *,
        whole: bool = True,
        most: int = MOST_REMEMBERED,
    ) -> None:
        """Remember some uses.

        Args:
            uses: by pass id, that of longest ago first.
            older: gives the use of a pass that is no longer remembered; asked only once there is one.
            whole: whether uses are all that there ever were.
            most: to be remembered; at least 1.
        """
        self._uses: dict[bytes, Use] = {}
        self._older, self._whole, self._most = older, whole, most
        for pass_id, use in (uses or {}).items():
            self._keep(pass_id, use)

    def __len__(self) -> int:
        return len(self._uses)

    def of(self, pass_id: bytes) -> Use:
        """How a pass was used at this gate."""
        known = self._uses.get(pass_id)
        if known is None:
            return UNUSED if self._whole else self._older(pass_id)
        return known

    def once_more(self, pass_id: bytes, step: int | None, way: Way, at_utc: float) -> None:
        """A pass was let through."""
        self._keep(pass_id, self.of(pass_id).once_more(step, way, at_utc))

    def _keep(self, pass_id: bytes, use: Use) -> None:
        self._uses.pop(pass_id, None)
        if len(self._uses) >= self._most:
            del self._uses[next(iter(self._uses))]
            self._whole = False
        self._uses[pass_id] = use
