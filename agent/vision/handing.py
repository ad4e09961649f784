"""What passes between the gate and the eye: frames in shared memory, and packets of a fixed form.

    gate to nursery   JSON, how to look; with it the eye's end of a socket, and the room
    eye to gate       Born                                            once, before it sees anything
    gate to eye       which frame lies in the room, and how
    eye to gate       a packet for each sighting, and one that says that the frame is done

An eye may have been taken over by a picture. So nothing that it says is code or of any length it likes;
every field is looked at, and what is not of the form is a Malformed, never a sighting. The room is sealed: the
eye can't write to it, nor change its size under the gate.
"""

import fcntl
import math
import mmap
import os
import re
import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

from agent.core.sighting import Corner, Sighting
from agent.frames import Frame, Grey
from agent.vision.faults import checked

ROOM_BYTES: Final = 16 << 20
"""At first; 12 million pixels and their half. Memory is taken only where a frame has been."""
LONGEST_TEXT: Final = 7089
"""Digits in a version 40 code (ISO/IEC 18004, table 7); other contents are shorter."""
PACKET_BYTES: Final = LONGEST_TEXT + 256
NAME_BYTES: Final = 48
FARTHEST_PX: Final = 1e6
LONGEST_MS: Final = 1e7

_HANDED: Final = struct.Struct("<IIIIIdd")  # number, height and width, the half's, gain, taken_mono
_BORN: Final = struct.Struct(f"<cIi?{NAME_BYTES}s")
_SEEN: Final = struct.Struct("<cI16sddB8d")  # number, stage, effort, took_ms, corners
_DONE: Final = struct.Struct("<cI")
_NAME: Final = re.compile(rb"[A-Za-z0-9_./-]*")
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_./-]")

_F_SEAL_FUTURE_WRITE: Final = 0x10  # Linux 5.1; fcntl names it from Python 3.13 on


class Malformed(ValueError):
    """The eye said what no eye says."""


@dataclass(frozen=True, slots=True)
class Born:
    """An eye's first word.

    Args:
        ended: how the one before it did: a return code as subprocess has it, None if there was none.
        filtered: whether the kernel lets it make no calls but the few that it needs.
        blamed: the look that the one before it did not come back from, which sits out; or "".
    """

    pid: int
    ended: int | None
    filtered: bool
    blamed: str

    def packed(self) -> bytes:
        ended = 0x7FFF if self.ended is None else self.ended
        blamed = _NO_NAME.sub("", self.blamed).encode()[:NAME_BYTES]  # the one that is dead wrote it
        return _BORN.pack(b"b", self.pid, ended, self.filtered, blamed)

    @classmethod
    def of(cls, packet: bytes) -> "Born":
        """Raises: Malformed."""
        if len(packet) != _BORN.size or packet[:1] != b"b":
            raise Malformed(f"a first word of {len(packet)} bytes, wanted {_BORN.size}")
        _, pid, ended, filtered, blamed = _BORN.unpack(packet)
        return cls(pid, None if ended == 0x7FFF else ended, filtered, _named(blamed))


class Room:
    """Memory that the gate writes frames to and an eye reads them from.

    Args:
        least_bytes: how large a frame must fit.

    Attributes:
        file: its descriptor, for whoever may look; they can't write to it.

    Raises:
        OSError: there is no memory.
    """

    def __init__(self, least_bytes: int = 0) -> None:
        self.size = max(ROOM_BYTES, least_bytes)
        self.file = os.memfd_create("menshen-frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.file, self.size)
        self._memory: Grey = np.frombuffer(mmap.mmap(self.file, self.size), np.uint8)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | _F_SEAL_FUTURE_WRITE | fcntl.F_SEAL_SEAL
        fcntl.fcntl(self.file, fcntl.F_ADD_SEALS, seals)

    def put(self, number: int, frame: Frame | Grey) -> bytes:
        """Copy a frame in, in place of the one before.

        Returns:
            What the eye is to be told.
        """
        luma = frame.luma if isinstance(frame, Frame) else frame
        half = frame.half if isinstance(frame, Frame) else None
        gain, taken = (frame.gain, frame.taken_mono) if isinstance(frame, Frame) else (1.0, 0.0)
        shapes = luma.shape, (0, 0) if half is None else half.shape
        for there, given in zip(_places(self._memory, *shapes), (luma, half), strict=True):
            if given is not None:
                np.copyto(there, given)
        return _HANDED.pack(number, *shapes[0], *shapes[1], gain, taken)

    def close(self) -> None:
        """Let go of it; safe to call twice. Whoever has it mapped keeps it."""
        if self.file >= 0:
            os.close(self.file)
            self.file, self._memory = -1, np.zeros(0, np.uint8)


def bytes_of(frame: Frame | Grey) -> int:
    """How much room a frame takes.

    Raises:
        DecoderFault: it is none.
    """
    if not isinstance(frame, Frame):
        return checked(frame).size
    return checked(frame.luma).size + (0 if frame.half is None else checked(frame.half).size)


def taken(told: bytes, memory: Grey) -> tuple[int, Frame]:
    """The frame that lies in the room, not copied, and its number.

    Args:
        memory: the room's, flat; read-only.
    """
    number, height, width, half_height, half_width, gain, taken_mono = _HANDED.unpack(told)
    luma, half = _places(memory, (height, width), (half_height, half_width))
    return number, Frame(luma, half if half.size else None, taken_mono, gain)


def seen(number: int, sighting: Sighting) -> bytes:
    """A packet that tells of one sighting in a frame."""
    corners = [one for corner in sighting.corners for one in corner]
    return _SEEN.pack(
        b"s",
        number,
        sighting.stage.encode()[:16],
        sighting.effort,
        sighting.took_ms,
        len(sighting.corners),
        *corners,
        *[0.0] * (8 - len(corners)),
    ) + sighting.text.encode("latin-1")


def done(number: int) -> bytes:
    """A packet that ends the answer to one frame."""
    return _DONE.pack(b"d", number)


def answer(packet: bytes, number: int) -> Sighting | None:
    """What an eye says of the frame with this number: a sighting, or None for its end.

    Raises:
        Malformed: no eye says this, or not of this frame.
    """
    if packet == done(number):
        return None
    if not _SEEN.size <= len(packet) <= _SEEN.size + LONGEST_TEXT:
        raise Malformed(f"a packet of {len(packet)} bytes")
    kind, of, stage, effort, took_ms, count, *corners = _SEEN.unpack_from(packet)
    if kind != b"s" or of != number:
        raise Malformed("a packet on another frame than it was given")
    if count not in (0, 4) or not (0 <= effort <= 1 and 0 <= took_ms <= LONGEST_MS):
        raise Malformed("a sighting such as there is none")
    if not all(math.isfinite(one) and abs(one) < FARTHEST_PX for one in corners):
        raise Malformed("a sighting whose corners are nowhere")
    ring: tuple[Corner, ...] = tuple(zip(corners[::2], corners[1::2], strict=True)) if count else ()
    return Sighting(packet[_SEEN.size :].decode("latin-1"), ring, _named(stage), effort, took_ms)


def _named(raw: bytes) -> str:
    name = raw.rstrip(b"\0")
    if not _NAME.fullmatch(name):
        raise Malformed("a look whose name no look has")
    return name.decode()


def _places(memory: Grey, full: tuple[int, ...], half: tuple[int, ...]) -> tuple[Grey, Grey]:
    """Where in the room a frame's two pictures are."""
    end = full[0] * full[1]
    return memory[:end].reshape(full), memory[end : end + half[0] * half[1]].reshape(half)
