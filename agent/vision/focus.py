"""How sharp a picture is, for the person who turns the lens.

Two figures. The score rises with sharpness whatever is before the camera,
and has no unit: turn until it is highest. The edge width, in pixels, is taken
from a code that was read, and can be compared between cameras.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from agent.core.sighting import Corner
from agent.frames import Grey
from agent.vision.views import Box

SHARP_EDGE_PX: Final = 2.5
"""Wider, and small codes begin to be lost: two edges of neighbouring modules melt at some four pixels."""


@dataclass(frozen=True, slots=True)
class Sharpness:
    """One frame's.

    Args:
        score: Tenengrad, the mean squared gradient, of the middle third; no unit.
        edge_px: how many pixels an edge of the code takes from dark to light; None without a code.
    """

    score: float
    edge_px: float | None = None


def sharpness(luma: Grey, corners: tuple[Corner, ...] = ()) -> Sharpness:
    """Measure a frame, (H, W) uint8; corners are of a code that was read in it, if one was."""
    height, width = luma.shape
    middle = luma[height // 3 : height - height // 3, width // 3 : width - width // 3]
    return Sharpness(_tenengrad(middle), _edge_px(luma, corners) if len(corners) == 4 else None)


def _tenengrad(luma: Grey) -> float:
    """Source: Tenenbaum 1970, as in Krotkov, Focusing, 1988; on a softened picture, or noise would count."""
    if min(luma.shape) < 3:
        return 0.0
    soft = cv2.GaussianBlur(luma, (3, 3), 0.8)
    across = cv2.Sobel(soft, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    return float(np.mean(across * across + down * down))


def _edge_px(luma: Grey, corners: tuple[Corner, ...]) -> float | None:
    box = Box.about(luma.shape, corners, 0.0)
    code = luma[box.top : box.bottom, box.left : box.right].astype(np.float32)
    if min(code.shape) < 8:
        return None
    dark, light = np.percentile(code, (5, 95))
    # The steepest steps are the edges that lie square to a row or a column, or nearly.
    steepest = max(np.percentile(np.abs(np.diff(code, axis=axis)), 98) for axis in (0, 1))
    return float((light - dark) / steepest) if steepest > 0 else None
