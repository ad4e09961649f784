"""Pictures from files, none of them trusted.

Reads PNG, JPEG, WebP, BMP and TIFF into luma. A file says its size in its
first bytes; that word is read before the decoder is let near it, so that a
small file can't unfold into gigabytes. Knows nothing of codes.
"""

import stat
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.frames import Grey
from agent.picture_headers import dimensions

cv2.utils.logging.setLogLevel(
    cv2.utils.logging.LOG_LEVEL_SILENT
)  # what OpenCV says of a damaged file goes past the caller to the terminal

LARGEST_PX: Final = 40_000_000
LARGEST_BYTES: Final = 120_000_000
ENDINGS: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})


class PictureFault(ValueError):
    """A file that can't be read as a picture; says found, wanted and what to do next."""


def load(path: Path | str) -> Grey:
    """Read a picture file as luma.

    Transparent pixels count as white paper; 16-bit pictures keep their upper half.

    Returns:
        (H, W) uint8.

    Raises:
        PictureFault: missing, not a picture of a known kind, damaged or too large.
    """
    path = Path(path)
    data = _bytes_of(path)
    size = dimensions(data)
    if size is None:
        raise PictureFault(
            f"{path.name} is no picture that is known here; wanted PNG, JPEG, WebP, BMP or TIFF"
        )
    width, height = size
    if width < 1 or height < 1 or width * height > LARGEST_PX:
        raise PictureFault(
            f"{path.name} says it is {width} x {height} pixels;"
            f" wanted 1 to {LARGEST_PX // 1_000_000} million in all; make it smaller"
        )
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if decoded is None:
            raise PictureFault(
                f"{path.name} begins like a picture but can't be decoded; take or copy it again"
            )
        return _luma(np.asarray(decoded))
    except cv2.error as broken:
        raise PictureFault(f"{path.name} is damaged ({broken.err}); take or copy it again") from broken


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb", buffering=0) as file:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise PictureFault(f"{path.name} is no regular file; wanted a picture file")
            if found.st_size > LARGEST_BYTES:
                raise PictureFault(
                    f"{path.name} has {found.st_size} bytes; wanted at most {LARGEST_BYTES}; make it smaller"
                )
            return file.read(LARGEST_BYTES)
    except OSError as broken:
        raise PictureFault(f"{path.name}: {broken.strerror}; check the name and who may read it") from broken


def _luma(decoded: NDArray[np.integer[Any] | np.floating[Any]]) -> Grey:
    """(H, W), (H, W, 3) BGR or (H, W, 4) BGRA of 8 or 16 bits to (H, W) uint8."""
    if decoded.dtype == np.uint16:
        decoded = (decoded // 256).astype(np.uint8)
    if decoded.dtype != np.uint8:
        raise PictureFault(f"picture has {decoded.dtype} samples; wanted 8 or 16 bits; save it as PNG")
    if decoded.ndim == 2:
        return np.asarray(decoded, np.uint8)
    if decoded.shape[2] == 4:
        ink = cv2.cvtColor(decoded[:, :, :3], cv2.COLOR_BGR2GRAY)
        paper = cv2.bitwise_not(decoded[:, :, 3])
        cover = cv2.multiply(ink, decoded[:, :, 3], scale=1 / 255)
        return np.asarray(cv2.add(cover, paper), np.uint8)
    if decoded.shape[2] == 3:
        return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2GRAY), np.uint8)
    return np.ascontiguousarray(decoded[:, :, 0], np.uint8)
