"""A stage for codes on paper and cloth that bends: found, but not readable as a flat square.

A decoder that fails its checksum still says where the code lies. That square
is straightened and then bent a little each way, as a sheet sags, until the
checksum holds. Costs nothing on frames without such a code.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import cv2
import numpy as np
import zxingcpp

from agent.core.sighting import Corner
from agent.frames import Grey
from agent.vision.stages.stage import Found
from agent.vision.stages.zxing import LIBRARY, QR_ONLY, corners_of, strain_of, version_of
from agent.vision.views import Views

CANDIDATES: Final = 3
MODULE_PX: Final = 6
LARGEST_SIDE_PX: Final = 600
MARGIN_MODULES: Final = 6

Sag = tuple[str, float, float]
# Where the sheet sags, and how far across and down, as shares of the code's side: through its
# middle, more towards its own bottom right, or more towards its top left.
SAGS: Final[tuple[Sag, ...]] = (
    *(("middle", x, y) for y in (0, -0.02, 0.02) for x in (0, -0.02, 0.02) if (x, y) != (0, 0)),
    *((place, x, 0) for place in ("far", "near") for x in (-0.03, 0.03)),
    *((place, 0, y) for place in ("far", "near") for y in (-0.03, 0.03)),
)


class Bent:
    """Straighten and bend what was found but not read on the full frame."""

    name = "bent"
    library = LIBRARY
    effort = 0.8

    def look(self, views: Views) -> Sequence[Found]:
        seen = zxingcpp.read_barcodes(views.full, formats=QR_ONLY, try_rotate=False, return_errors=True)
        unread = [code for code in seen if not code.valid and _side_px(code) > 0]
        looks = (_unbent(views.full, code) for code in unread[:CANDIDATES])
        return [found for found in looks if found is not None]


def _side_px(code: zxingcpp.Barcode) -> int:
    """How large to draw a code whose version could be read off it; else 0."""
    version = version_of(code)
    if not version:
        return 0
    return min(LARGEST_SIDE_PX, (17 + 4 * version) * MODULE_PX)


def _unbent(full: Grey, code: zxingcpp.Barcode) -> Found | None:
    corners = corners_of(code, full, full)
    for picture in _bends(full, corners, _side_px(code)):
        for read in zxingcpp.read_barcodes(
            picture, formats=QR_ONLY, try_rotate=False, try_downscale=False, try_invert=False
        ):
            return Found(read.bytes, corners, strain_of(read))
    return None


def _bends(full: Grey, corners: tuple[Corner, ...], side_px: int) -> Iterator[Grey]:
    """The code seen straight on, with a margin, under each sag."""
    margin = MARGIN_MODULES * MODULE_PX
    low, high = margin, margin + side_px
    square = np.array([(low, low), (high, low), (high, high), (low, high)], np.float32)
    to_frame = cv2.getPerspectiveTransform(square, np.array(corners, np.float32))
    rows, columns = np.mgrid[0 : high + margin, 0 : high + margin].astype(np.float32)
    down, across = (rows - low) / side_px, (columns - low) / side_px
    for place, sag_x, sag_y in SAGS:
        towards = {"middle": (1.0, 1.0), "far": (across, down), "near": (1 - across, 1 - down)}[place]
        x = columns + side_px * sag_x * 4 * down * (1 - down) * towards[0]
        y = rows + side_px * sag_y * 4 * across * (1 - across) * towards[1]
        where = np.asarray(cv2.perspectiveTransform(np.dstack([x, y]), to_frame), np.float32)
        seen = cv2.remap(
            full, where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        yield np.asarray(seen, np.uint8)
