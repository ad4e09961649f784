"""Small frames for a noisy line: a payload in pieces that gather over repetitions.

    02 · CRC-32 of the whole payload, 4 · last index, 1 · index, 1 · up to 32 bytes

At one wrong byte in a hundred a frame of 300 bytes comes whole once in twenty
times, one of 45 bytes twice in three. Nothing is acknowledged: a sender that is
not answered says it all again, and the receiver keeps what it has. Pure; reading
never raises.
"""

import zlib
from collections import OrderedDict
from typing import Final

from provisioning.framing import MAX_PAYLOAD

_MARK: Final = b"\x02"
_HEAD: Final = 7
_DATA: Final = 32
_HELD: Final = 4
"""Payloads that may be on their way at once; a fifth takes the place of the oldest."""


def is_fragment(payload: bytes) -> bool:
    return payload.startswith(_MARK)


def split(payload: bytes) -> list[bytes]:
    """The fragments of a payload, each to be framed by itself.

    Raises:
        ValueError: the payload is empty or longer than 4096 bytes.
    """
    if not 0 < len(payload) <= MAX_PAYLOAD:
        raise ValueError(f"found a payload of {len(payload)} bytes, wanted 1 to {MAX_PAYLOAD}")
    name = zlib.crc32(payload).to_bytes(4)
    last = (len(payload) - 1) // _DATA
    return [
        _MARK + name + bytes((last, index)) + payload[index * _DATA : (index + 1) * _DATA]
        for index in range(last + 1)
    ]


class _Gathering:
    """One payload on its way, and again on its way each time that it is repeated."""

    def __init__(self) -> None:
        self.pieces: dict[int, bytes] = {}
        self.newest = -1
        self.given = False


class Joiner:
    """Fragments in, whole payloads out: each once in every round of repetition."""

    def __init__(self) -> None:
        self._on_the_way: OrderedDict[bytes, _Gathering] = OrderedDict()

    def feed(self, fragment: bytes) -> bytes | None:
        """Take one fragment; the payload, if it is whole now."""
        if not _HEAD < len(fragment) <= _HEAD + _DATA or not is_fragment(fragment):
            return None
        name, last, index = fragment[1:6], fragment[5], fragment[6]  # a name is the CRC-32 and the length
        if index > last or (index < last and len(fragment) < _HEAD + _DATA):
            return None
        gathering = self._on_the_way.setdefault(name, _Gathering())
        self._on_the_way.move_to_end(name)
        if len(self._on_the_way) > _HELD:
            self._on_the_way.popitem(last=False)
        if index <= gathering.newest:  # it begins anew: the other end has not heard the answer
            gathering.given = False
        gathering.newest = index
        gathering.pieces.setdefault(index, fragment[_HEAD:])
        if gathering.given or len(gathering.pieces) <= last:
            return None
        payload = b"".join(gathering.pieces[number] for number in range(last + 1))
        if zlib.crc32(payload).to_bytes(4) != name[:4]:
            del self._on_the_way[name]  # pieces of two payloads, made to look like one
            return None
        gathering.given = True
        return payload
