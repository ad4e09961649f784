"""Whether anything stands before the camera that was not there before, and where.

Works on means over some 16x16 pixels, against a picture of the empty gate that
it learns by itself. Knows nothing of codes. When in doubt it says yes: being
wrong costs time, never a read.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.vision.views import Box, Cells, Views

SURE: Final = 8.0
"""A cell has changed when it is off by so many times the usual deviation; noise is, once in a thousand frames."""
LEAST_CHANGE: Final = 2.0
"""Grey levels; what a sensor's own rounding and a tube's hum amount to."""
LEARNING: Final = 0.05
"""The share of a quiet cell's new value that enters the picture of the empty gate."""
GROWING: Final = 1.03
FALLING: Final = 0.3
"""How fast the usual deviation follows a frame's: it grows slowly, for what comes near is no noise."""
SETTLED_FRAMES: Final = 150
"""What has not stirred for so long, five seconds of a quick camera, belongs to the gate."""
AFTERTHOUGHT_FRAMES: Final = 3
MARGIN_CELLS: Final = 3
WIDEST: Final = 0.7
"""A region beyond this share of the frame is not worth cutting out."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a frame holds beside the empty gate.

    Args:
        stirring: somebody may be there.
        region: where, in pixels of the full frame; None if anywhere.
        fresh: nothing is known of what was before: the first frame, or a single picture.
    """

    stirring: bool
    region: Box | None = None
    fresh: bool = False


class Motion:
    """Watches one stream of frames."""

    def __init__(self) -> None:
        self._empty: Cells = np.zeros((0, 0), np.float32)
        self._last: Cells = self._empty
        self._still_frames: NDArray[np.uint16] = np.zeros((0, 0), np.uint16)
        self._usual = 0.0
        self._afterthoughts = 0

    def look(self, views: Views) -> Scene:
        """Compare a frame with those before it; a frame of another size begins anew."""
        cells = views.tiny
        if cells.shape != self._empty.shape:
            self._begin(cells)
            return Scene(stirring=True, fresh=True)
        off = cells - self._empty
        # A camera that opens its aperture a little brightens all cells alike.
        off -= _middle(off)
        np.abs(off, out=off)
        deviation = float(_middle(off))
        usual = self._usual or deviation
        self._usual = min(usual * GROWING, usual + FALLING * (deviation - usual))
        tolerance = max(LEAST_CHANGE, SURE * self._usual)
        if float(off.max()) <= tolerance:
            self._empty += LEARNING * (cells - self._empty)
            self._last = cells
            self._afterthoughts = max(0, self._afterthoughts - 1)
            return Scene(stirring=self._afterthoughts > 0)
        changed = off > tolerance
        self._learn(cells, changed, tolerance)
        self._afterthoughts = AFTERTHOUGHT_FRAMES
        return Scene(stirring=True, region=_around(changed, views.full.shape))

    def _begin(self, cells: Cells) -> None:
        self._empty = cells
        self._last = cells
        self._still_frames = np.zeros(cells.shape, np.uint16)
        self._usual = 0.0
        self._afterthoughts = 0

    def _learn(self, cells: Cells, changed: NDArray[np.bool_], tolerance: float) -> None:
        """Take quiet cells into the picture of the empty gate, and what was left there long ago."""
        stirred = np.abs(cells - self._last) > tolerance
        self._last = cells
        self._still_frames[stirred | ~changed] = 0
        self._still_frames[changed] += 1
        settled = self._still_frames > SETTLED_FRAMES
        share = np.where(settled, np.float32(1), np.where(changed, np.float32(0), np.float32(LEARNING)))
        self._empty += share * (cells - self._empty)


def _middle(cells: Cells) -> np.float32:
    """The median of a sample; numpy's own takes longer than all else here."""
    sample = cells[::3, ::3].ravel()
    half = sample.size // 2
    return np.float32(np.partition(sample, half)[half])


def _around(changed: NDArray[np.bool_], full_shape: tuple[int, ...]) -> Box | None:
    """A box about all changed cells with a margin; None where it would be most of the frame."""
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    height, width = full_shape
    down, across = height / changed.shape[0], width / changed.shape[1]
    box = Box.within(
        full_shape,
        (columns[0] - MARGIN_CELLS) * across,
        (rows[0] - MARGIN_CELLS) * down,
        (columns[-1] + 1 + MARGIN_CELLS) * across,
        (rows[-1] + 1 + MARGIN_CELLS) * down,
    )
    return None if box.area > WIDEST * height * width else box
