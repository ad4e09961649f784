"""Anti-passback: what becomes of a pass that comes in again without having gone out.

Whoever came in and hands their pass back over the fence lets a second person
in. A gate that only lets people in knows of a way out what the site's other
gates tell it; a gate for both ways takes a second showing for the way out, so
there is nothing for this rule to find there.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agent.core.memory import Use, Way

MOST_MIN: Final = 7 * 24 * 60


class Mode(StrEnum):
    """How strict a site is with a kind of pass."""

    OFF = "off"
    SOFT = "soft"  # let in, and told
    HARD = "hard"  # refused, until it was seen going out
    TIMED = "timed"  # refused, until it was seen going out or some minutes have passed


@dataclass(frozen=True, slots=True)
class Passback:
    """The rule for one kind.

    Args:
        minutes: for `timed`, how long after coming in; otherwise 0.
    Raises:
        ValueError: minutes that do not go with the mode.
    """

    mode: Mode = Mode.OFF
    minutes: int = 0

    def __post_init__(self) -> None:
        low, high = (1, MOST_MIN) if self.mode is Mode.TIMED else (0, 0)
        if not low <= self.minutes <= high:
            raise ValueError(f"found {self.minutes} minutes for passback {self.mode}, wanted {low} to {high}")

    def broken_by(self, use: Use, utc: float) -> bool:
        """Whether a pass that was used so and comes in now breaks the rule.

        An unsure clock may be behind, never ahead, so that it makes the wait longer, never shorter.
        """
        if self.mode is Mode.OFF or use.way is not Way.IN:
            return False
        return self.mode is not Mode.TIMED or utc - use.at_utc < 60 * self.minutes


OFF: Final = Passback()
