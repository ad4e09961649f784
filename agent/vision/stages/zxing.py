"""Stages on zxing-cpp: the same decoder, shown the frame in different ways.

QR alone is enabled, so that no other symbology's parser stands behind the
camera. Payloads are taken as bytes; the library's text rewrites control bytes.
The library releases the GIL while it works.
"""

from collections.abc import Callable, Sequence
from typing import Final

import cv2
import numpy as np
import zxingcpp

from agent.core.sighting import Corner
from agent.frames import Grey
from agent.vision.stages.stage import Found
from agent.vision.views import SMALLEST_PX, Views

QR_ONLY = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCodeModel2])
"""Without Micro QR, whose checksum is too weak to be believed."""


def corners_of(code: zxingcpp.Barcode, luma: Grey, full: Grey) -> tuple[Corner, ...]:
    """A code's corners in the full frame, where it was found in luma."""
    per_x, per_y = full.shape[1] / luma.shape[1], full.shape[0] / luma.shape[0]
    at = code.position
    points = (at.top_left, at.top_right, at.bottom_right, at.bottom_left)
    return tuple(((point.x + 0.5) * per_x, (point.y + 0.5) * per_y) for point in points)


def strain_of(code: zxingcpp.Barcode) -> float:
    """How much of its error correction a code needed; UEC is the share left unused (ISO/IEC 15415, 7.8.8)."""
    unused = code.extra.get("UEC", 1.0) if isinstance(code.extra, dict) else 1.0
    return min(1.0, max(0.0, 1.0 - float(unused)))


def version_of(code: zxingcpp.Barcode) -> int:
    """A code's version; 0 where not even that could be read."""
    version = code.extra.get("Version") if isinstance(code.extra, dict) else None
    return int(version) if isinstance(version, str) and version.isdigit() else 0


def scan(luma: Grey, full: Grey, *, invert: bool, downscale: bool = False) -> Sequence[Found]:
    """Read all QR codes in one picture, and say where others lie that could not be read.

    Args:
        luma: (h, w) what to look at.
        full: (H, W) the frame that it was made of; corners are given in its pixels.
        invert: look for light codes on dark ground too (phones in dark mode).
        downscale: let the library shrink a large picture further.
    """
    if min(luma.shape) < SMALLEST_PX:
        return ()
    codes = zxingcpp.read_barcodes(
        luma,
        formats=QR_ONLY,
        try_rotate=False,
        try_downscale=downscale,
        try_invert=invert,
        return_errors=True,
    )
    return [
        Found(
            code.bytes if code.valid else None,
            corners_of(code, luma, full),
            strain_of(code),
            version_of(code),
        )
        for code in codes
    ]


LIBRARY: Final = "zxing-cpp"


class Plain:
    """One look at the frame as a view shows it.

    Args:
        name, effort: see Stage.
        shown: which view; made once a frame, however many stages ask for it.
    """

    library = LIBRARY

    def __init__(self, name: str, effort: float, shown: Callable[[Views], Grey]) -> None:
        self.name = name
        self.effort = effort
        self._shown = shown

    def look(self, views: Views) -> Sequence[Found]:
        return scan(self._shown(views), views.full, invert=True)


class Grown:
    """A multiple of the size, for modules of a pixel or two and for bent codes. Not for large frames."""

    library = LIBRARY
    effort = 0.6
    largest_px = 3_000_000

    def __init__(self, name: str, factor: float) -> None:
        self.name = name
        self._factor = factor

    def look(self, views: Views) -> Sequence[Found]:
        if views.full.size * self._factor**2 > self.largest_px:
            return ()
        return scan(views.grown(self._factor), views.full, invert=True)


class Pale:
    """Everything that is not nearly white counts as ink: codes drawn in pictures and pale inks."""

    name = "pale"
    library = LIBRARY
    effort = 0.8

    def look(self, views: Views) -> Sequence[Found]:
        white = float(np.percentile(views.full[::4, ::4], 95))
        _, ink = cv2.threshold(views.full, white * 0.88, 255, cv2.THRESH_BINARY)
        return scan(np.asarray(ink, np.uint8), views.full, invert=False)
