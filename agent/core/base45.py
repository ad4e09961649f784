"""Base45, the text form of bytes that a QR code stores most tightly.

Two bytes become three characters of the alphanumeric alphabet, a last odd
byte two. Source: RFC 9285, sections 3 and 4.
"""

from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_VALUE: Final = {character: value for value, character in enumerate(ALPHABET)}


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
    if len(text) % 3 == 1:
        return None
    values = []
    for character in text:
        value = _VALUE.get(character)
        if value is None:
            return None
        values.append(value)
    out = bytearray()
    for i in range(0, len(values) - 2, 3):
        word = values[i] + 45 * values[i + 1] + 2025 * values[i + 2]
        if word > 0xFFFF:
            return None
        out += word.to_bytes(2)
    if len(values) % 3:
        last = values[-2] + 45 * values[-1]
        if last > 0xFF:
            return None
        out.append(last)
    return bytes(out)
