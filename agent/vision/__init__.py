"""Frames in, code texts out: `Reader(config).read(frame)`.

Usable by itself on any picture. Knows cameras and passes only by the shape
of a frame and of a sighting. What is heavy is loaded when it is first asked
for: a configuration is read by processes that never see a frame, and the
process that sees them reads no configuration.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from agent.vision.config import ReaderConfig
    from agent.vision.faults import DecoderFault
    from agent.vision.reader import Reader

__all__ = ["DecoderFault", "Reader", "ReaderConfig"]

_HOMES: Final = {"DecoderFault": "faults", "Reader": "reader", "ReaderConfig": "config"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
