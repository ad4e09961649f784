"""Where in a picture something is as finely patterned as a code.

Works on a quarter of the size, in cells of 32x32 pixels: a code has steps from
dark to light in both directions in all of its cells; a face, a sky, a fence or
a road has not. Knows nothing of codes beyond that, decides nothing about them,
and costs a third of the cheapest look. The looks at a spot cost a fraction of
the same looks at the whole frame.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.frames import Grey
from agent.vision.views import Box, Views

CELL_PX: Final = 8
"""Of the quarter-size picture."""
FINENESS: Final = 4
"""Steps are counted in quarters of a grey level, and none counts for more than 63: a code has many, an edge one."""
LEAST_STEP: Final = 2.0
"""Grey levels from pixel to pixel, in the mean of a cell; what a sensor's grain amounts to."""
ABOVE_USUAL: Final = 1.6
"""How far above the frame's usual cell a patterned one stands; grain alone is never so uneven."""
OF_STRONGEST: Final = 0.3
"""A spot ends where the steps fall to this share of its strongest: past its quiet zone, before a hand."""
LEAST_CELLS: Final = 4
MOST: Final = 3
STRONG_STEP: Final = 11.0
"""Grey levels; of 178 photographs of codes none had less, an empty forecourt never had more."""

_Cells = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Spot:
    """One patterned place.

    Args:
        box: with a cell's margin, in pixels of the full frame.
        strong: as clear as a code in daylight.
        at_edge: it may go on beyond the picture.
    """

    box: Box
    strong: bool
    at_edge: bool


def spots_in(views: Views) -> tuple[Spot, ...]:
    """The patterned places of a frame or of a cutting, most patterned first; at most MOST.

    Boxes are in pixels of views.full.
    """
    steps = _steps(views.quarter)
    if steps.size < 2 * LEAST_CELLS:
        return ()
    usual = steps[::2, ::2].ravel()
    usual_step = float(np.partition(usual, usual.size // 2)[usual.size // 2])
    least = max(FINENESS * LEAST_STEP, ABOVE_USUAL * usual_step)
    found: list[Spot] = []
    for _ in range(MOST):
        strongest = float(np.partition(steps.ravel(), -LEAST_CELLS)[-LEAST_CELLS])
        place = _largest(steps > max(least, OF_STRONGEST * strongest), steps) if strongest > least else None
        if place is None:
            break
        found.append(_spot(place, views, strong=strongest >= FINENESS * STRONG_STEP))
        x, y, wide, tall = place
        steps = steps.copy()
        steps[max(0, y - 1) : y + tall + 1, max(0, x - 1) : x + wide + 1] = 0
    return tuple(found)


def _steps(quarter: Grey) -> _Cells:
    """The mean step to the next pixel, across or down, whichever is less, of each cell."""
    height, width = ((side - 1) // CELL_PX * CELL_PX for side in quarter.shape)
    if min(height, width) < CELL_PX:
        return np.zeros((0, 0), np.uint8)
    here = quarter[:height, :width]
    across, down = (
        cv2.resize(
            cv2.convertScaleAbs(cv2.absdiff(there, here), alpha=FINENESS),
            (width // CELL_PX, height // CELL_PX),
            interpolation=cv2.INTER_AREA,
        )
        for there in (quarter[:height, 1 : width + 1], quarter[1 : height + 1, :width])
    )
    return np.asarray(np.minimum(across, down), np.uint8)


def _largest(patterned: NDArray[np.bool_], steps: _Cells) -> tuple[int, int, int, int] | None:
    """x, y, width and height, in cells, of the connected place with the most steps; None if all are small."""
    _, _, places, _ = cv2.connectedComponentsWithStats(patterned.view(np.uint8), connectivity=4)
    best, most = None, 0
    for x, y, wide, tall, cells in sorted(places[1:].tolist(), key=lambda place: -place[4])[:MOST]:
        pattern = int(steps[y : y + tall, x : x + wide].sum())
        if cells >= LEAST_CELLS and min(wide, tall) > 1 and pattern > most:
            best, most = (x, y, wide, tall), pattern
    return best


def _spot(place: tuple[int, int, int, int], views: Views, *, strong: bool) -> Spot:
    x, y, wide, tall = place
    height, width = views.full.shape
    down, across = CELL_PX * height / views.quarter.shape[0], CELL_PX * width / views.quarter.shape[1]
    box = Box.within(
        views.full.shape, (x - 1) * across, (y - 1) * down, (x + wide + 1) * across, (y + tall + 1) * down
    )
    at_edge = box.left == 0 or box.top == 0 or box.right == width or box.bottom == height
    return Spot(box, strong, at_edge)
