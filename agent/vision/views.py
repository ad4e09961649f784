"""One frame in the sizes that the stages want, each made once and only when asked for.

Knows how to shrink, grow and soften; knows nothing of codes.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self, TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.core.sighting import Corner
from agent.frames import Frame, Grey
from agent.vision.faults import checked

Cells: TypeAlias = NDArray[np.float32]
_Number = TypeVar("_Number", np.uint8, np.float32)

SMALLEST_PX = 21
"""A version 1 code is 21 modules wide (ISO/IEC 18004, 5.3.1); nothing smaller can be read."""

TINY_PX = 100
"""The longest side of the smallest view."""

MIRRORED = 1 / 3
"""How deep a mirror shows what is beyond an edge, as a share of the picture's shorter side."""

Sides: TypeAlias = tuple[bool, bool, bool, bool]
"""Left, top, right, bottom."""


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a frame, in its pixels, from (left, top) to before (right, bottom); all even or at its end."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def within(cls, shape: tuple[int, ...], left: float, top: float, right: float, bottom: float) -> Self:
        """The smallest such box about the given one, inside a frame of shape (H, W)."""
        height, width = shape
        return cls(
            max(0, math.floor(left / 2) * 2),
            max(0, math.floor(top / 2) * 2),
            min(width, math.ceil(right / 2) * 2),
            min(height, math.ceil(bottom / 2) * 2),
        )

    @classmethod
    def about(cls, shape: tuple[int, ...], corners: tuple[Corner, ...], margin: float) -> Self:
        """A box about some corners, with a margin that is a share of their extent."""
        across = [x for x, _ in corners]
        down = [y for _, y in corners]
        spare = margin * max(max(across) - min(across), max(down) - min(down))
        return cls.within(
            shape, min(across) - spare, min(down) - spare, max(across) + spare, max(down) + spare
        )

    def moved(self, across: float, down: float) -> Self:
        """The same box in a picture whose first pixel is at (-across, -down)."""
        x, y = round(across), round(down)
        return replace(
            self, left=self.left + x, top=self.top + y, right=self.right + x, bottom=self.bottom + y
        )

    def shared(self, other: Self) -> int:
        """Pixels that lie in both."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0, across) * max(0, down)

    @property
    def shortest(self) -> int:
        return min(self.right - self.left, self.bottom - self.top)

    @property
    def area(self) -> int:
        return max(0, self.right - self.left) * max(0, self.bottom - self.top)


def _laid_out(frame: object) -> Grey:
    """The same picture, in a layout that every native library takes."""
    luma = checked(frame)
    rows_apart, columns_apart = luma.strides
    if columns_apart == 1 and rows_apart >= luma.shape[1]:
        return luma
    return np.ascontiguousarray(luma)


def _resized(luma: Grey, factor: float, how: int) -> Grey:
    height, width = luma.shape
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(luma, size, interpolation=how), np.uint8)


def _halved(picture: NDArray[_Number]) -> NDArray[_Number]:
    """The mean of each 2x2."""
    height, width = picture.shape
    size = (max(1, width // 2), max(1, height // 2))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), picture.dtype)


def _sharpened(luma: Grey, around_px: int) -> Grey:
    """Edges drawn out threefold against the mean of what is around; a box costs the same at any size."""
    around = cv2.blur(luma, (around_px, around_px))
    return np.asarray(cv2.addWeighted(luma, 3.0, around, -2.0, 0), np.uint8)


def _with_mirrors(luma: Grey, left: int, top: int, right: int, bottom: int) -> Grey:
    return np.asarray(cv2.copyMakeBorder(luma, top, bottom, left, right, cv2.BORDER_REFLECT), np.uint8)


class Views:
    """A frame and what can be made of it.

    Args:
        frame: (H, W) uint8 luma, or a Frame whose half, when there, is taken as it is.
    Attributes:
        at: (x, y) of its first pixel in the camera's frame; not 0 in a cutting, negative beyond its edge.
        ends: at which sides the camera's frame ends; a cutting may go on.

    Raises:
        DecoderFault: not uint8, or not two-dimensional.
    """

    def __init__(self, frame: Frame | Grey) -> None:
        given_half = frame.half if isinstance(frame, Frame) else None
        self.full: Grey = _laid_out(frame.luma if isinstance(frame, Frame) else frame)
        self._given_half = None if given_half is None or not given_half.size else _laid_out(given_half)
        self.at: Corner = (0.0, 0.0)
        self.ends: Sides = (True, True, True, True)

    @property
    def readable(self) -> bool:
        """Whether a code could fit at all."""
        return bool(min(self.full.shape) >= SMALLEST_PX)

    @cached_property
    def half(self) -> Grey:
        """Half size: from the camera's scaler if it has one, else the mean of each 2x2."""
        if self._given_half is not None:
            return self._given_half
        return _halved(self.full)

    @cached_property
    def soft_half(self) -> Grey:
        """Half size through a 3x3 Gaussian: a screen's grid, beating with the sensor's, melts in it."""
        return np.asarray(cv2.GaussianBlur(self.half, (3, 3), 0.8), np.uint8)

    @cached_property
    def sharp_half(self) -> Grey:
        """Half size, sharpened: undoes some of what a lens out of focus did."""
        return _sharpened(self.half, 9)

    @cached_property
    def sharp(self) -> Grey:
        """Full size, sharpened: for modules of a few pixels and for smear."""
        return _sharpened(self.full, 15)

    @cached_property
    def quarter(self) -> Grey:
        return _halved(self.half)

    @cached_property
    def tiny(self) -> Cells:
        """Halved until the longer side is 50 to 100: each cell the mean of 16x16 in a frame of 1280.

        Not rounded in the last step, so that noise can be told from change.
        """
        picture = self.half if max(self.half.shape) <= 2 * TINY_PX else self.quarter
        while max(picture.shape) > 2 * TINY_PX and min(picture.shape) > 1:
            picture = _halved(picture)
        cells: Cells = picture.astype(np.float32)
        return np.asarray(_halved(cells), np.float32)

    def in_frame(self, corners: tuple[Corner, ...]) -> tuple[Corner, ...]:
        """Corners in this picture's pixels, in the camera's frame's."""
        left, top = self.at
        return tuple((x + left, y + top) for x, y in corners)

    def cut(self, box: Box) -> "Views":
        """The same frame, of which only a part is seen; nothing is copied."""
        part = Views(self.full[box.top : box.bottom, box.left : box.right])
        part.at = (self.at[0] + box.left, self.at[1] + box.top)
        height, width = self.full.shape
        left, top, right, bottom = self.ends
        part.ends = (
            left and box.left == 0,
            top and box.top == 0,
            right and box.right == width,
            bottom and box.bottom == height,
        )
        if self._given_half is not None or "half" in self.__dict__:
            half = self.half
            # A scaler's half need not be half to the pixel.
            down, across = half.shape[0] / self.full.shape[0], half.shape[1] / self.full.shape[1]
            rows = slice(round(box.top * down), max(1, round(box.bottom * down)))
            columns = slice(round(box.left * across), max(1, round(box.right * across)))
            part._given_half = _laid_out(half[rows, columns])
        return part

    @cached_property
    def mirrored(self) -> "Views":
        """The same, and beyond the frame's edges what is before them, as in a mirror; itself where none is near.

        A code that the edge cuts lacks modules, which its error correction can replace, but a decoder refuses a
        grid that leaves the picture; and a finder pattern that is cut through is symmetric.
        """
        deep = round(min(self.full.shape) * MIRRORED / 2) * 2
        left, top, right, bottom = (deep * end for end in self.ends)
        if not any(self.ends) or deep == 0:
            return self
        around = Views(_with_mirrors(self.full, left, top, right, bottom))
        around.at = (self.at[0] - left, self.at[1] - top)
        around.ends = (False, False, False, False)
        down, across = self.half.shape[0] / self.full.shape[0], self.half.shape[1] / self.full.shape[1]
        around._given_half = _with_mirrors(
            self.half, round(left * across), round(top * down), round(right * across), round(bottom * down)
        )
        return around

    def shrunk(self, factor: float) -> Grey:
        """At most half size by an area mean, which also melts moire and print dots."""
        return _resized(self.half, factor * 2, cv2.INTER_AREA)

    def grown(self, factor: float) -> Grey:
        """Larger by bicubic interpolation, for modules of one or two pixels."""
        return _resized(self.full, factor, cv2.INTER_CUBIC)

    @cached_property
    def soft(self) -> Grey:
        """5x5 Gaussian, sigma 1.2: measured to beat sharpening and temporal means on screens."""
        return np.asarray(cv2.GaussianBlur(self.full, (5, 5), 1.2), np.uint8)
