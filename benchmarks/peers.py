"""The decoders that are compared, each as one function from luma to texts.

Each is given what its own documentation recommends for QR codes in single
pictures, and nothing else of ours.
"""

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Final, TypeAlias

import cv2
import zxingcpp

from agent.frames import Grey
from agent.vision import Reader, ReaderConfig
from agent.vision.pictures import legible

Decode: TypeAlias = Callable[[Grey], list[str]]


def _reader(config: ReaderConfig) -> Decode:
    """Each picture is a stream of one frame: nothing is carried over from the one before."""
    return lambda luma: [legible(sighting.text) for sighting in Reader(config).read(luma)]


def _pyzbar() -> Decode:
    from pyzbar import pyzbar  # type: ignore[import-untyped]  # noqa: PLC0415  the library may be missing

    def decode(luma: Grey) -> list[str]:
        found = pyzbar.decode(luma, symbols=[pyzbar.ZBarSymbol.QRCODE])
        return [legible(each.data.decode("latin-1")) for each in found]

    return decode


def _zxing() -> Decode:
    formats = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])

    def decode(luma: Grey) -> list[str]:
        found = zxingcpp.read_barcodes(luma, formats=formats)
        return [legible(each.bytes.decode("latin-1")) for each in found]

    return decode


def _quirc() -> Decode:
    import quirc  # noqa: PLC0415  the library may be missing

    def decode(luma: Grey) -> list[str]:
        warnings.simplefilter("ignore", quirc.DecodingFailedWarning)
        return [legible(data.payload.decode("latin-1")) for _, data in quirc.decode(luma)]

    return decode


def _opencv(detector: cv2.QRCodeDetector | cv2.QRCodeDetectorAruco) -> Decode:
    """Only ever run in a child process: it aborts on ordinary pictures."""

    def decode(luma: Grey) -> list[str]:
        _, texts, _, _ = detector.detectAndDecodeMulti(luma)
        return [text for text in texts if text]

    return decode


PEERS: Final[dict[str, Callable[[], Decode]]] = {
    "menshen, stills": lambda: _reader(ReaderConfig.still()),
    "menshen, at a gate": lambda: _reader(ReaderConfig()),
    "pyzbar": _pyzbar,
    "zxing-cpp": _zxing,
    "OpenCV QRCodeDetector": lambda: _opencv(cv2.QRCodeDetector()),
    "OpenCV, Aruco": lambda: _opencv(cv2.QRCodeDetectorAruco()),
}
ABSENT: Final[list[str]] = []
"""Sentences on peers that this machine has not."""
if find_spec("quirc"):
    PEERS["quirc"] = _quirc
else:
    ABSENT.append("quirc is left out: pip install pyquirc (it is compiled at installation)")
YARDSTICK: Final = "pyzbar"
