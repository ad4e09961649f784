"""The stage on zbar, through pyzbar: reads codes cut by the frame's edge and dim cards.

It costs some fifteen times what zxing-cpp does, so it is an extra. Two things
about zbar are not trusted: an unfixed library (CVE-2023-40889, a heap
overflow in its QR finder) is refused, and payloads that are not ASCII are
dropped, because zbar guesses a charset and rewrites the bytes.
"""

import math
import subprocess
from collections.abc import Sequence
from functools import cache

from agent.core.sighting import Corner
from agent.vision.stages.stage import Found, StageAbsent
from agent.vision.views import Views

PACKAGES = ("libzbar0t64", "libzbar0")
FIXED_IN_BOOKWORM = "0.23.92-7+deb12u1"
BEFORE_TRIXIE = "0.23.93"
FIXED_IN_TRIXIE = "0.23.93-8"
# Where the code's own top left lies on the picture, counted clockwise from the picture's, for
# zbar's word on which way the code's top points.
TURNS = {"UP": 0, "RIGHT": 1, "DOWN": 2, "LEFT": 3}


def _says(*command: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None


def installed_version() -> str | None:
    """The Debian version of the zbar library, or None where dpkg does not know one."""
    for package in PACKAGES:
        answer = _says("dpkg-query", "--show", "--showformat=${db:Status-Status} ${Version}", package)
        if answer is not None and answer.stdout.startswith("installed "):
            return answer.stdout.split()[1]
    return None


def is_fixed(version: str) -> bool:
    """Whether a Debian version of zbar carries the fix of CVE-2023-40889.

    Source: Debian security tracker, CVE-2023-40889.
    """

    def at_least(floor: str) -> bool:
        answer = _says("dpkg", "--compare-versions", version, "ge", floor)
        return answer is not None and answer.returncode == 0

    return at_least(FIXED_IN_TRIXIE) or (at_least(FIXED_IN_BOOKWORM) and not at_least(BEFORE_TRIXIE))


@cache
def why_refused() -> str | None:
    """A sentence on why zbar is not used on this machine; None when it may be."""
    version = installed_version()
    if version is None:
        return (
            "zbar of unknown version, wanted a Debian libzbar0 with the fix of CVE-2023-40889;"
            " the pyzbar stage is off: apt install libzbar0"
        )
    if not is_fixed(version):
        return (
            f"libzbar0 {version} has CVE-2023-40889, wanted {FIXED_IN_BOOKWORM} or {FIXED_IN_TRIXIE};"
            " the pyzbar stage is off: apt upgrade libzbar0"
        )
    return None


def _clockwise(polygon: Sequence[tuple[int, int]], orientation: str | None) -> tuple[Corner, ...]:
    """Four corners clockwise from the code's own top left; empty when zbar gives no four.

    zbar rounds the orientation to quarter turns, so a code held at some 45 degrees may be a corner off.
    """
    if len(polygon) != 4 or orientation not in TURNS:
        return ()
    middle_x = sum(x for x, _ in polygon) / 4
    middle_y = sum(y for _, y in polygon) / 4
    ring = sorted(polygon, key=lambda corner: math.atan2(corner[1] - middle_y, corner[0] - middle_x))
    turns = TURNS[orientation]
    return tuple((float(x), float(y)) for x, y in ring[turns:] + ring[:turns])


class Zbar:
    """zbar on the full frame.

    Raises:
        StageAbsent: the library is missing, of unknown version or unfixed.
    """

    name = "pyzbar"
    library = "zbar"
    effort = 1.0

    def __init__(self) -> None:
        refused = why_refused()
        if refused is not None:
            raise StageAbsent(refused)
        try:
            from pyzbar import pyzbar  # type: ignore[import-untyped]  # noqa: PLC0415  loads the library
        except ImportError as missing:
            raise StageAbsent(f"{missing}; the pyzbar stage is off: apt install libzbar0") from missing
        self._decode = pyzbar.decode
        self._qr_only = [pyzbar.ZBarSymbol.QRCODE]

    def look(self, views: Views) -> Sequence[Found]:
        codes = self._decode(views.full, symbols=self._qr_only)
        return [
            Found(payload=code.data, corners=_clockwise(code.polygon, code.orientation))
            for code in codes
            if code.type == "QRCODE" and code.data.isascii()
        ]
