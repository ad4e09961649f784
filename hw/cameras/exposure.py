"""When one exposure is not enough: bright screens before a dark forecourt.

A camera that exposes for the night burns a phone's screen out, and one that
exposes for the screen sees no card. So while part of a dark picture is burnt
out, every other frame gets a quarter of the light. Pure: it is told what was
seen and says what to set. Knows no codes and no camera.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from agent.frames import Grey

GAINS: Final = (1.0, 0.25)
"""Light of the alternating frames, against what the camera chose by itself."""
BURNT: Final = 248
LEAST_BURNT, MOST_BURNT = 0.002, 0.5
"""Shares of the picture: less is a lamp, more is a camera that will soon expose less by itself."""
DARK: Final = 90
"""Grey level of the median of a dark picture."""
HOLD_S: Final = 4.0
"""How long to go on after the last burnt frame."""


def burnt_out(luma: Grey) -> bool:
    """Whether part of a picture, (H, W) uint8, is white beyond reading while the most of it is dark."""
    sample = luma[::8, ::8]
    share = float(np.mean(sample >= BURNT)) if sample.size else 0.0
    return LEAST_BURNT <= share <= MOST_BURNT and float(np.median(sample)) < DARK


@dataclass(slots=True)
class Exposures:
    """One camera's; the automatic exposure rules until a picture burns out."""

    _usual: float | None = field(default=None, init=False)
    _until_mono: float = field(default=0.0, init=False)
    _turn: int = field(default=0, init=False)

    @property
    def alternating(self) -> bool:
        return self._usual is not None

    def saw(self, luma: Grey, light: float, mono: float) -> float:
        """Take note of a frame.

        Args:
            light: exposure time x analogue gain of this frame, in any unit.

        Returns:
            This frame's light against the camera's own choice: one of GAINS.
        """
        usual = self._usual or light
        gain = min(GAINS, key=lambda each: abs(each - light / usual)) if usual > 0 else 1.0
        if gain == GAINS[0] and burnt_out(luma):
            self._usual = usual
            self._until_mono = mono + HOLD_S
        elif mono > self._until_mono:
            self._usual = None
        return gain

    def next(self) -> float | None:
        """The light to give the next frame, in the unit of saw(); None to leave it to the camera."""
        if self._usual is None:
            return None
        self._turn = (self._turn + 1) % len(GAINS)
        return self._usual * GAINS[self._turn]
