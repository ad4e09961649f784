"""Base45, the text form of bytes that a QR code stores most tightly.

Two bytes become three characters of the alphanumeric alphabet, a last odd
byte two. Source: RFC 9285, sections 3 and 4.
"""

from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_NONE: Final = 0xFF
_VALUES: Final = bytes(ALPHABET.find(chr(code)) & _NONE for code in range(256))
"""For each byte its value, or 255 for those outside the alphabet."""


def encode(data: bytes) -> str:
    """Bytes as base45 text; every byte string has exactly one."""
    out: list[str] = []
    for i in range(0, len(data) - 1, 2):
        rest, c = divmod(data[i] << 8 | data[i + 1], 45)
        e, d = divmod(rest, 45)
        out += ALPHABET[c], ALPHABET[d], ALPHABET[e]
    if len(data) % 2:
        d, c = divmod(data[-1], 45)
        out += ALPHABET[c], ALPHABET[d]
    return "".join(out)


def decode(text: str) -> bytes | None:
    """The bytes of a base45 text, or None if it is not one.

    None stands for a character outside the alphabet, a length of 1 modulo 3,
    or a group beyond 65535 (255 for the last pair): all that RFC 9285 rejects.
    """
    size = len(text)
    if size % 3 == 1 or not text.isascii():
        return None
    values = text.encode().translate(_VALUES)
    if _NONE in values:
        return None
    groups = size // 3
    # All groups at once: each has a lane of 4 bytes in one large number, which no sum overflows.
    c, d, e = (_in_lanes(values[place : 3 * groups : 3]) for place in range(3))
    lanes = (c + 45 * d + 2025 * e).to_bytes(4 * groups)
    if (lanes[0::4] + lanes[1::4]).strip(b"\x00"):  # some group is beyond 65535
        return None
    out = bytearray(2 * groups)
    out[0::2], out[1::2] = lanes[2::4], lanes[3::4]
    if size % 3:
        last = values[-2] + 45 * values[-1]
        if last > 0xFF:
            return None
        out.append(last)
    return bytes(out)


def _in_lanes(column: bytes) -> int:
    spread = bytearray(4 * len(column))
    spread[3::4] = column
    return int.from_bytes(spread)
