"""One person who walks up, holds something to the camera, and goes.

Knows where the object is at which second and how it is turned; draws nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hw.sim.codes import MODULE_PX, QUIET_MODULES, Content
from hw.sim.conditions import CONDITIONS, Condition

Words: TypeAlias = Content | Callable[[float], Content]
"""A code's content, or what it is at a given UTC second (a rotating pass)."""

COMING = 0.25
LEAVING = 0.8
FOCAL = 1.3
"""Focal length in frame heights: a lens of some 40 degrees from top to bottom."""


@dataclass(frozen=True, slots=True)
class Approach:
    """What is shown, on what, under which circumstances, when.

    Args:
        words: the content.
        medium: a key of codes.MEDIA.
        condition: a key of conditions.CONDITIONS.
        starts_s, seconds: on the film's own time; the first quarter is spent coming, the last
            fifth leaving.
        seed: of the hand: where it holds, how it trembles.
        aside: how far to the right of the middle, as a share of the frame's width.
        distance_cm: from the lens when held still; None is as the condition has it.
        code_mm: side of the code without its quiet zone; asked for with a distance only.
    """

    words: Words
    medium: str = "phone"
    condition: str = "day"
    starts_s: float = 0.0
    seconds: float = 3.0
    seed: int = 0
    aside: float = 0.0
    distance_cm: float | None = None
    code_mm: float = 40.0

    @property
    def held_s(self) -> float:
        """A second, on the film's time, at which the object is surely held still."""
        return self.starts_s + self.seconds * (COMING + LEAVING) / 2

    def shows(self, at_s: float) -> bool:
        return self.starts_s <= at_s < self.starts_s + self.seconds

    def content(self, utc: float) -> Content:
        return self.words(utc) if callable(self.words) else self.words

    @property
    def circumstances(self) -> Condition:
        return CONDITIONS[self.condition]


def _eased(share: float) -> float:
    share = min(1.0, max(0.0, share))
    return share * share * (3 - 2 * share)


def presence(approach: Approach, at_s: float) -> float:
    """0 out of sight, 1 held to the camera."""
    share = (at_s - approach.starts_s) / approach.seconds
    return min(_eased(share / COMING), _eased((1 - share) / (1 - LEAVING)))


def projection(
    approach: Approach, at_s: float, code_px: float, object_px: tuple[int, int], frame_px: tuple[int, int]
) -> NDArray[np.float64]:
    """How the flat object lies in the frame.

    Args:
        code_px: side of the code with its quiet zone, in pixels of the flat picture.
        object_px, frame_px: (height, width) of the flat picture and of the frame.

    Returns:
        (3, 3) homography from the flat picture's pixels to the frame's.
    """
    hand = np.random.default_rng((approach.seed, 7))
    side, wobble = hand.uniform(-1, 1, 4), hand.uniform(0, 2 * math.pi, 4)
    how = approach.circumstances
    held = presence(approach, at_s)
    tremor = [math.sin(at_s * rate + phase) for rate, phase in zip((5.1, 7.3, 3.7, 2.9), wobble, strict=True)]

    height, width = frame_px
    focal = FOCAL * height
    still_at = focal * code_px / (how.size * height)
    if approach.distance_cm is not None:
        still_at = 10 * approach.distance_cm * (code_px - 2 * QUIET_MODULES * MODULE_PX) / approach.code_mm
    distance = still_at / (0.55 + 0.45 * held)
    per_px = distance / focal  # at the object's distance one frame pixel is this many of its own
    x = (width * (approach.aside + 0.06 * side[0]) + height * 0.008 * tremor[0]) * per_px
    y = (height * (how.drop + 0.02 * side[1] + 0.008 * tremor[1] + 0.95 * (1 - held))) * per_px

    roll = math.radians(how.roll_deg * _signed(side[2]) + 2.0 * tremor[2])
    tilt = math.radians(how.tilt_deg * _signed(side[3]) + 2.0 * tremor[3])
    about_axis = np.array(
        [[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]]
    )
    about_upright = np.array(
        [[math.cos(tilt), 0, math.sin(tilt)], [0, 1, 0], [-math.sin(tilt), 0, math.cos(tilt)]]
    )
    turned = about_upright @ about_axis
    lens = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    placed = np.column_stack([turned[:, 0], turned[:, 1], (x, y, distance)])
    centred = np.array([[1, 0, -object_px[1] / 2], [0, 1, -object_px[0] / 2], [0, 0, 1.0]])
    return np.asarray(lens @ placed @ centred, np.float64)


def _signed(share: float) -> float:
    """A share in -1..1 kept away from 0, so that an oblique hand is oblique whatever its seed."""
    return math.copysign(0.75 + 0.25 * abs(share), share)
