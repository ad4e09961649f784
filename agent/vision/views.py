"""One frame in the sizes that the stages want, each made once and only when asked for.

Knows how to shrink, grow and soften; knows nothing of codes.
"""

from functools import cached_property

import cv2
import numpy as np

from agent.frames import Frame, Grey
from agent.vision.faults import DecoderFault

SMALLEST_PX = 21
"""A version 1 code is 21 modules wide (ISO/IEC 18004, 5.3.1); nothing smaller can be read."""


def _checked(luma: object) -> Grey:
    """The same picture, in a layout that every native library takes."""
    if not isinstance(luma, np.ndarray) or luma.dtype != np.uint8 or luma.ndim != 2:
        found = f"{luma.dtype} of shape {luma.shape}" if isinstance(luma, np.ndarray) else type(luma).__name__
        raise DecoderFault(
            f"frame is {found}; wanted (H, W) uint8 luma; take the Y plane or cv2.cvtColor to grey"
        )
    rows_apart, columns_apart = luma.strides
    if columns_apart == 1 and rows_apart >= luma.shape[1]:
        return luma
    return np.ascontiguousarray(luma)


def _resized(luma: Grey, factor: float, how: int) -> Grey:
    height, width = luma.shape
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(luma, size, interpolation=how), np.uint8)


class Views:
    """A frame and what can be made of it.

    Args:
        frame: (H, W) uint8 luma, or a Frame whose half, when there, is taken as it is.
    Raises:
        DecoderFault: not uint8, or not two-dimensional.
    """

    def __init__(self, frame: Frame | Grey) -> None:
        given_half = frame.half if isinstance(frame, Frame) else None
        self.full: Grey = _checked(frame.luma if isinstance(frame, Frame) else frame)
        self._given_half = None if given_half is None else _checked(given_half)

    @property
    def readable(self) -> bool:
        """Whether a code could fit at all."""
        return bool(min(self.full.shape) >= SMALLEST_PX)

    @cached_property
    def half(self) -> Grey:
        """Half size: from the camera's scaler if it has one, else the mean of each 2x2."""
        if self._given_half is not None and self._given_half.size:
            return self._given_half
        height, width = self.full.shape
        return np.asarray(
            cv2.resize(self.full, (max(1, width // 2), max(1, height // 2)), interpolation=cv2.INTER_AREA),
            np.uint8,
        )

    def shrunk(self, factor: float) -> Grey:
        """Smaller by an area mean, which also melts moire and print dots."""
        return _resized(self.full, factor, cv2.INTER_AREA)

    def grown(self, factor: float) -> Grey:
        """Larger by bicubic interpolation, for modules of one or two pixels."""
        return _resized(self.full, factor, cv2.INTER_CUBIC)

    @cached_property
    def soft(self) -> Grey:
        """5x5 Gaussian, sigma 1.2: measured to beat sharpening and temporal means on screens."""
        return np.asarray(cv2.GaussianBlur(self.full, (5, 5), 1.2), np.uint8)
