"""Frames in, code texts out: `Reader(config).read(frame)`.

Usable by itself on any picture. Knows cameras and passes only by the shape
of a frame and of a sighting. The decoders are loaded when a Reader is first
asked for: the configuration is read by processes that never see a frame.
"""

from typing import TYPE_CHECKING, Any

from agent.vision.config import ReaderConfig
from agent.vision.faults import DecoderFault

if TYPE_CHECKING:
    from agent.vision.reader import Reader

__all__ = ["DecoderFault", "Reader", "ReaderConfig"]


def __getattr__(name: str) -> Any:
    if name != "Reader":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from agent.vision.reader import Reader  # noqa: PLC0415

    return Reader
