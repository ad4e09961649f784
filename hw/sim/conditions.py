"""The circumstances of an approach, one row each.

The numbers are of a gate camera of 960x540 and scale with the frame where
they are lengths.
"""

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class Condition:
    """Light, lens and hand.

    Args:
        ambient: light on everything that does not shine, 1 is a bright day.
        contrast: of the object, 1 full, 0 none.
        noise: standard deviation of the sensor's noise, grey levels.
        focus: defocus, standard deviation in thousandths of the frame's height.
        motion: smear, in thousandths of the frame's height.
        glare: strength of a lamp mirrored in the object, 0 to 1.
        moire: strength of the beat between screen and sensor, 0 to 1.
        bloom: how much of a bright screen's light spreads, 0 to 1.
        glow: how bright a screen is for an exposure that suits the rest of the scene; above 1 its
            white burns out, as it does when a camera exposes for a dark forecourt.
        tilt_deg: turn about an axis in the object's plane.
        roll_deg: turn about the camera's axis.
        size: of the code with its quiet zone, as a share of the frame's height.
        drop: how far below the middle it is held, as a share of the frame's height.
    """

    ambient: float = 1.0
    contrast: float = 1.0
    noise: float = 3.0
    focus: float = 1.2
    motion: float = 0.0
    glare: float = 0.0
    moire: float = 0.0
    bloom: float = 0.0
    glow: float = 1.0
    tilt_deg: float = 8.0
    roll_deg: float = 6.0
    size: float = 0.55
    drop: float = 0.0


REALISTIC: Final[dict[str, Condition]] = {
    "day": Condition(),
    "night": Condition(ambient=0.12, noise=8.0, bloom=0.6, focus=2.4),
    "glare": Condition(glare=0.95),
    "bright": Condition(ambient=1.25, contrast=0.75),
    "dim": Condition(ambient=0.35, contrast=0.45, noise=7.0),
    "blur": Condition(motion=16.0),
    "defocus": Condition(focus=5.5),
    "moire": Condition(moire=0.5),
    "oblique": Condition(tilt_deg=52.0),
    "rolled": Condition(roll_deg=33.0),
    "small": Condition(size=0.24, focus=0.9),
    "cut": Condition(roll_deg=45.0, size=0.6, drop=0.19),
}
"""What a gate's camera sees on an ordinary day and night."""

_worse: Final = {
    "day": {"size": 0.36, "focus": 2.4, "motion": 5.0},
    "night": {"ambient": 0.07, "noise": 11.0, "bloom": 0.8, "glow": 1.7},
    "glare": {"glare": 1.2, "tilt_deg": 20.0},
    "bright": {"ambient": 1.5, "contrast": 0.5},
    "dim": {"ambient": 0.25, "contrast": 0.35, "noise": 9.0},
    "blur": {"motion": 19.0},
    "defocus": {"focus": 6.5},
    "moire": {"moire": 0.65},
    "oblique": {"tilt_deg": 60.0, "roll_deg": 25.0},
    "rolled": {"roll_deg": 45.0, "size": 0.34, "focus": 2.0, "noise": 6.0},
    "small": {"size": 0.17},
    "cut": {"drop": 0.23, "noise": 5.0},
}

HARD: Final[dict[str, Condition]] = {
    f"hard-{name}": replace(REALISTIC[name], **worse) for name, worse in _worse.items()
}
"""The same circumstances towards the end of what can be read at all."""

CONDITIONS: Final[dict[str, Condition]] = REALISTIC | HARD
