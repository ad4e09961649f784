"""How large a picture file says it is, from its header alone; no pixel is decoded.

Sources: PNG (ISO/IEC 15948) 11.2.1; JPEG (ITU-T T.81) B.2.2; RFC 9649 (WebP);
BITMAPINFOHEADER as in Windows' wingdi.h; TIFF 6.0, section 2.
"""

from collections.abc import Callable
from struct import error as short
from struct import unpack_from
from typing import Final, TypeAlias

Size: TypeAlias = tuple[int, int]
"""(width, height) in pixels."""

JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JPEG_MARKERS: Final = 10_000
"""Real files have some tens before their frame; a hostile one would have us walk fill bytes for minutes."""
JPEG_ALONE: Final = frozenset({0x01, *range(0xD0, 0xDA)})
TIFF_WIDTH, TIFF_HEIGHT = 256, 257
TIFF_SHORT, TIFF_LONG = 3, 4


def dimensions(data: bytes) -> Size | None:
    """The size that a file claims; None when it is no PNG, JPEG, WebP, BMP or TIFF, or ends too early."""
    for magic, reads in READERS:
        if data.startswith(magic):
            try:
                return reads(data)
            except short:
                return None
    return None


def _png(data: bytes) -> Size:
    width, height = unpack_from(">II", data, 16)
    return width, height


def _bmp(data: bytes) -> Size:
    (header_bytes,) = unpack_from("<I", data, 14)
    width, height = unpack_from("<HH" if header_bytes == 12 else "<ii", data, 18)
    return abs(width), abs(height)  # a negative height is a picture stored from the top


def _webp(data: bytes) -> Size | None:
    kind = data[8:16]
    if kind == b"WEBPVP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"WEBPVP8L":
        (packed,) = unpack_from("<I", data, 21)
        return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    if kind == b"WEBPVP8 ":
        width, height = unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg(data: bytes) -> Size | None:
    at = 2
    for _ in range(JPEG_MARKERS):
        fill, marker = unpack_from(">BB", data, at)
        if fill != 0xFF:
            return None
        if marker == 0xFF:
            at += 1
        elif marker in JPEG_FRAMES:
            height, width = unpack_from(">HH", data, at + 5)
            return width, height
        elif marker in JPEG_ALONE:
            at += 2
        else:
            (length,) = unpack_from(">H", data, at + 2)
            at += 2 + max(2, length)
    return None


def _tiff(data: bytes) -> Size | None:
    order = "<" if data[0] == ord("I") else ">"
    (at,) = unpack_from(order + "I", data, 4)
    (entries,) = unpack_from(order + "H", data, at)
    said: dict[int, int] = {}
    for entry in range(entries):
        tag, kind, _ = unpack_from(order + "HHI", data, at + 2 + 12 * entry)
        if tag in (TIFF_WIDTH, TIFF_HEIGHT) and kind in (TIFF_SHORT, TIFF_LONG):
            (said[tag],) = unpack_from(
                order + ("H" if kind == TIFF_SHORT else "I"), data, at + 10 + 12 * entry
            )
    if TIFF_WIDTH in said and TIFF_HEIGHT in said:
        return said[TIFF_WIDTH], said[TIFF_HEIGHT]
    return None


READERS: Final[tuple[tuple[bytes, Callable[[bytes], Size | None]], ...]] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8", _jpeg),
    (b"RIFF", _webp),
    (b"BM", _bmp),
    (b"II*\x00", _tiff),
    (b"MM\x00*", _tiff),
)
