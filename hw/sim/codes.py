"""Things that people hold up: a code on a card, on a phone, on a phone in dark mode.

Draws flat pictures, seen straight on and evenly lit; light, lens and motion
come later, in the film.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

from agent.frames import Grey

Content: TypeAlias = str | bytes

QUIET_MODULES: Final = 4  # ISO/IEC 18004:2015, 6.3.8
MODULE_PX: Final = 8


def matrix(content: Content) -> NDArray[np.bool_]:
    """The code's modules, without a quiet zone.

    Args:
        content: up to 4,296 characters of the alphanumeric set, fewer of others.

    Returns:
        (n, n), True is dark; error correction M, or L for what M cannot hold.

    Raises:
        ValueError: more than any code holds.
    """
    for level in ("M", "L"):
        try:
            code = zxingcpp.create_barcode(content, zxingcpp.BarcodeFormat.QRCode, ec_level=level)
        except ValueError:
            continue
        return np.asarray(np.asarray(code.to_image(scale=1, add_quiet_zones=False)) == 0, np.bool_)
    raise ValueError(f"found {len(content)} characters or bytes, more than a QR code holds; shorten them")


def flat(content: Content, *, ink: int = 0, paper: int = 255, module_px: int = MODULE_PX) -> Grey:
    """A code with its quiet zone and nothing else: what a perfect scanner sees.

    Args:
        ink, paper: grey levels of dark and light modules; swap them for dark mode.
    """
    modules = np.pad(matrix(content), QUIET_MODULES)
    return np.kron(np.where(modules, ink, paper), np.ones((module_px, module_px))).astype(np.uint8)


def _card(content: Content) -> Grey:
    code = flat(content, ink=35, paper=228)
    side = code.shape[0]
    card = np.full((side * 3 // 2, side * 9 // 8), 228, np.uint8)
    left = side // 16
    card[left : left + side, left : left + side] = code
    for row, length in ((1.14, 0.9), (1.25, 0.6), (1.34, 0.75)):  # where a name and a flat would stand
        top = int(side * row)
        card[top : top + side // 24, left * 2 : left * 2 + int(side * length)] = 70
    return card


def _phone(content: Content, *, ink: int, paper: int) -> Grey:
    code = flat(content, ink=ink, paper=paper)
    side = code.shape[0]
    phone = np.full((side * 2, side * 5 // 4), 22, np.uint8)
    edge = side // 24
    phone[edge:-edge, edge:-edge] = paper
    top, left = side * 3 // 8, side // 8
    phone[top : top + side, left : left + side] = code
    cv2.putText(phone, "12:34", (left, side // 4), cv2.FONT_HERSHEY_SIMPLEX, side / 300, ink, 2, cv2.LINE_AA)
    return phone


MEDIA: Final[dict[str, Callable[[Content], Grey]]] = {
    "card": _card,
    "phone": lambda content: _phone(content, ink=8, paper=248),
    "dark-phone": lambda content: _phone(content, ink=235, paper=20),
}
"""What a code may be shown on, by name; each draws a flat picture of the whole object."""

SHINING: Final = frozenset({"phone", "dark-phone"})
"""Media that bring their own light."""
