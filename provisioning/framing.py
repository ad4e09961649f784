"""Frames on a serial line: whole and right, or not there at all.

    00 · COBS( payload, at most 4096 bytes · CRC-32 of the payload, big-endian, 4 ) · 00

COBS (Cheshire and Baker, 1999) keeps 00 out of the body, so a reader that has
lost its place is back in step at the next 00. CRC-32 is zlib's (ISO-HDLC). The
leading 00 ends whatever noise or banner came before.

This module knows bytes and refuses to know ports, time and meaning. It is
pure, and reading never raises: rubbish is counted and dropped.
"""

import zlib
from dataclasses import dataclass
from typing import Final

from cobs import cobs  # type: ignore[import-untyped]

MAX_PAYLOAD: Final = 4096
_CRC_BYTES: Final = 4
_MAX_RAW: Final = MAX_PAYLOAD + _CRC_BYTES
MAX_BODY: Final = _MAX_RAW + _MAX_RAW // 254 + 1
"""The longest COBS body; whatever is longer was never a frame of ours."""
_END: Final = b"\0"


def encode(payload: bytes) -> bytes:
    """The frame that carries a payload.

    Raises:
        ValueError: the payload is empty or longer than 4096 bytes.
    """
    if not 0 < len(payload) <= MAX_PAYLOAD:
        raise ValueError(f"found a payload of {len(payload)} bytes, wanted 1 to {MAX_PAYLOAD}")
    body: bytes = cobs.encode(payload + zlib.crc32(payload).to_bytes(_CRC_BYTES))
    return _END + body + _END


@dataclass(slots=True)
class Faults:
    """What a reader had to drop, counted since it was made.

    Args:
        overlong: bodies longer than any frame; at most 4 kB of one is ever held.
        garbled: bodies that are not COBS, or too short to hold anything.
        checksum: bodies whose CRC-32 is not that of their payload.
    """

    overlong: int = 0
    garbled: int = 0
    checksum: int = 0

    @property
    def total(self) -> int:
        return self.overlong + self.garbled + self.checksum


class Decoder:
    """Bytes in, as they come; whole payloads out."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._body = bytearray()
        self._overlong = False

    @property
    def pending(self) -> bytes:
        """What has come since the last 00: the beginning of a frame, or of something else."""
        return bytes(self._body)

    def feed(self, data: bytes) -> list[bytes]:
        """Take what the line gave and return the payloads that it completed, oldest first."""
        *ended, rest = data.split(_END)
        payloads = []
        for piece in ended:
            self._hold(piece)
            payload = self._end_of_body()
            if payload is not None:
                payloads.append(payload)
        self._hold(rest)
        return payloads

    def _hold(self, piece: bytes) -> None:
        if self._overlong or len(self._body) + len(piece) > MAX_BODY:
            self._overlong = True
            self._body.clear()
        else:
            self._body += piece

    def _end_of_body(self) -> bytes | None:
        body, self._body = bytes(self._body), bytearray()
        if self._overlong:
            self._overlong = False
            self.faults.overlong += 1
            return None
        if not body:  # two 00 in a row, as between any two frames
            return None
        try:
            raw: bytes = cobs.decode(body)
        except cobs.DecodeError:
            self.faults.garbled += 1
            return None
        payload, crc = raw[:-_CRC_BYTES], raw[-_CRC_BYTES:]
        if not payload:
            self.faults.garbled += 1
            return None
        if zlib.crc32(payload).to_bytes(_CRC_BYTES) != crc:
            self.faults.checksum += 1
            return None
        if len(payload) > MAX_PAYLOAD:  # zeros cost COBS nothing, so a short body may hold a little more
            self.faults.overlong += 1
            return None
        return payload
