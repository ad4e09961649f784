"""What a gate remembers of each pass from one try to the next.

`Use` is the memory of one pass, `Memory` that of all: what was seen here, and
what the site's other gates say they saw. Memory is bounded: passes not seen
for longest are let go of, and asked for again where the shell has kept them.
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
    """How a pass was used, at one gate or at some together.

    Args:
        count: times that it let somebody in.
        step: the newest 15 s step that opened, for a rotating pass.
        way: of its last passage; None before the first.
        at_utc: seconds since 1970 of its last passage, by the clock of the gate where it was.
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

    def beside(self, other: "Use") -> "Use":
        """This use at one gate and that at another, as one."""
        last = other if other.at_utc > self.at_utc else self
        return Use(self.count + other.count, _newer(self.step, other.step), last.way, last.at_utc)

    def or_later(self, other: "Use") -> "Use":
        """What is known of the use at one gate, told twice: the order of telling makes no difference."""
        last = other if other.at_utc > self.at_utc else self
        return Use(max(self.count, other.count), _newer(self.step, other.step), last.way, last.at_utc)


def _newer(one: int | None, other: int | None) -> int | None:
    return max((step for step in (one, other) if step is not None), default=None)


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
        self._elsewhere: dict[bytes, dict[str, Use]] = {}
        self._older, self._whole, self._most = older, whole, most
        for pass_id, use in (uses or {}).items():
            self._keep(pass_id, use)

    def __len__(self) -> int:
        return len(self._uses)

    def of(self, pass_id: bytes) -> Use:
        """How a pass was used, as far as this gate knows."""
        use = self.here(pass_id)
        for other in self._elsewhere.get(pass_id, {}).values():
            use = use.beside(other)
        return use

    def here(self, pass_id: bytes) -> Use:
        """How a pass was used at this gate."""
        known = self._uses.get(pass_id)
        if known is None:
            return UNUSED if self._whole else self._older(pass_id)
        return known

    def once_more(self, pass_id: bytes, step: int | None, way: Way, at_utc: float) -> None:
        """A pass was let through."""
        self._keep(pass_id, self.here(pass_id).once_more(step, way, at_utc))

    def hear(self, gate: str, pass_id: bytes, use: Use) -> None:
        """Another gate says how it saw a pass used; said again, late or in any order, it comes to the same."""
        told = self._elsewhere.pop(pass_id, {})
        if len(self._elsewhere) >= self._most:
            del self._elsewhere[next(iter(self._elsewhere))]
        self._elsewhere[pass_id] = {**told, gate: told.get(gate, UNUSED).or_later(use)}

    def opened_elsewhere(self, pass_id: bytes, step: int) -> str | None:
        """The other gate, if there is one, that a code of this step or a later one has opened, and not this one."""
        here = self.here(pass_id).step
        if here is not None and here >= step:
            return None
        others = self._elsewhere.get(pass_id, {}).items()
        return next((gate for gate, use in others if use.step is not None and use.step >= step), None)

    def last_elsewhere(self, pass_id: bytes) -> tuple[str, float] | None:
        """The other gate that a pass went through last, if any, and when."""
        passages = [
            (use.at_utc, gate)
            for gate, use in self._elsewhere.get(pass_id, {}).items()
            if use.way is not None
        ]
        if not passages:
            return None
        at_utc, gate = max(passages)
        return gate, at_utc

    def _keep(self, pass_id: bytes, use: Use) -> None:
        self._uses.pop(pass_id, None)
        if len(self._uses) >= self._most:
            del self._uses[next(iter(self._uses))]
            self._whole = False
        self._uses[pass_id] = use
