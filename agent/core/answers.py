"""What a person at the gate sees and hears, for each decision.

Every answer is light **and** sound, and none is told by colour alone: a
refusal is a count of long, then of short flashes, with a low tone for each
long one and a high tone for each short one. The long count names the family,
the short count the member, so a card on the wall with a row for each reason
explains them all.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agent.core.decision import Reason


class Light(StrEnum):
    """The three lamps; white lights the code and is not an answer."""

    GREEN = "green"
    RED = "red"
    WHITE = "white"


@dataclass(frozen=True, slots=True)
class Beat:
    """One step of a pattern: for_s seconds of a light (or none) and a tone (0 is silence)."""

    for_s: float
    light: Light | None = None
    tone_hz: int = 0


@dataclass(frozen=True, slots=True)
class Pattern:
    """A named sequence of beats; after the last one everything is dark and silent."""

    name: str
    beats: tuple[Beat, ...]

    @property
    def lasts_s(self) -> float:
        return sum(beat.for_s for beat in self.beats)


LOW_HZ: Final = 330
HIGH_HZ: Final = 880
_GAP = Beat(0.12)


def _refusal(reason: Reason, long: int, short: int) -> Pattern:
    beats = [*[Beat(0.45, Light.RED, LOW_HZ), _GAP] * long, *[Beat(0.12, Light.RED, HIGH_HZ), _GAP] * short]
    return Pattern(f"refused.{reason}", tuple(beats))


WELCOME: Final = Pattern(
    "admitted",
    (Beat(0.1, Light.GREEN, 660), Beat(0.15, Light.GREEN, 990), Beat(2.0, Light.GREEN)),
)
ALARM: Final = Pattern("alarm", (Beat(0.2, Light.RED, 1200), Beat(0.2, None, 800)) * 10)
DOOR_HELD: Final = Pattern("door.held", (Beat(0.1, Light.RED, 1000), Beat(0.4)) * 8)
NOTED: Final = Pattern(
    "noted", (Beat(0.1, Light.GREEN, 990), Beat(0.1, Light.GREEN, 660), Beat(0.4, Light.GREEN))
)
IDENTIFY: Final = Pattern("identify", (Beat(0.25, Light.WHITE, 523), Beat(0.25, None, 784)) * 6)
FREE: Final = Pattern("free", (Beat(0.3, Light.GREEN, 990), Beat(0.3)) * 3)

# (long, short): 1 it is about time, 2 about this pass, 3 about the code itself, 4 about the gate.
CODES: Final[dict[Reason, tuple[int, int]]] = {
    Reason.EXPIRED: (1, 1),
    Reason.NOT_YET_VALID: (1, 2),
    Reason.OUTSIDE_SCHEDULE: (1, 3),
    Reason.CLOCK_UNSURE: (1, 4),
    Reason.UNKNOWN_PASS: (2, 1),
    Reason.REVOKED: (2, 2),
    Reason.SUSPENDED: (2, 3),
    Reason.USED_UP: (2, 4),
    Reason.PASSED_BACK: (2, 5),
    Reason.MALFORMED: (3, 1),
    Reason.FORGED: (3, 2),
    Reason.REPLAYED: (3, 3),
    Reason.WRONG_SITE: (3, 4),
    Reason.TOO_LONG: (3, 5),
    Reason.WRONG_ZONE: (4, 1),
    Reason.LIST_DEAD: (4, 2),
    Reason.NO_LIST: (4, 3),
    Reason.LOCKED_DOWN: (4, 4),
    Reason.INTERLOCKED: (4, 5),
    Reason.FULL: (4, 6),
}

REFUSALS: Final[dict[Reason, Pattern]] = {
    reason: _refusal(reason, long, short) for reason, (long, short) in CODES.items()
}
