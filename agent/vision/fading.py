"""How faded a code is: what is left of the print's contrast, whatever the light.

Light scales black and white alike, so their ratio stays; ink that fades comes nearer to its paper.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from agent.core.sighting import Corner
from agent.frames import Grey

AS_PRINTED: Final = 0.6
"""White less black, of white: what a fresh print keeps in a camera's picture."""
_SAMPLES: Final = 48
_BLACK_AND_WHITE: Final = (15, 85)
"""Percentiles: about half of a code is dark, and the blur between modules belongs to neither."""


def faded(luma: Grey, corners: Sequence[Corner]) -> float:
    """From 0, as printed, to 1, gone.

    Args:
        luma: (H, W) that the corners are in.
        corners: of the code; none is as printed.
    """
    if not corners:
        return 0.0
    across, down = (np.array([corner[axis] for corner in corners]) for axis in (0, 1))
    left, right = np.clip((across.min(), across.max()), 0, luma.shape[1] - 1).astype(int)
    top, bottom = np.clip((down.min(), down.max()), 0, luma.shape[0] - 1).astype(int)
    step = max(1, (right - left) // _SAMPLES), max(1, (bottom - top) // _SAMPLES)
    sample = luma[top : bottom + 1 : step[1], left : right + 1 : step[0]]
    black, white = np.percentile(sample, _BLACK_AND_WHITE)
    return float(np.clip(1 - (white - black) / max(white, 1.0) / AS_PRINTED, 0.0, 1.0))
