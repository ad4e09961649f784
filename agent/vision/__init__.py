"""Frames in, code texts out: `Reader(config).read(frame)`.

Usable by itself on any picture. Knows cameras and passes only by the shape
of a frame and of a sighting.
"""

from agent.vision.config import ReaderConfig
from agent.vision.faults import DecoderFault
from agent.vision.reader import Reader

__all__ = ["DecoderFault", "Reader", "ReaderConfig"]
