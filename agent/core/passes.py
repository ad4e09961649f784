"""Passes: the codes people hold, byte for byte.

A pass is `M1` and the base45 of a fixed layout, big-endian, the signature
last. Parsing looks at length, alphabet and type before anything else, and
answers Malformed for whatever it does not know; it never raises.

    rotating, 77 bytes    type and algorithm 1 (0x21 Ed25519, 0x22 P-256) · pass id 8 ·
                          step 4 (unix time / 15) · the holder's signature 64
    static, 80 bytes      type and uses 1 (0x1u, u = 0 unlimited) · issuer key id 1 · pass id 8 ·
                          zone set 1 · not before 3 (minutes since 2025-01-01) ·
                          duration 2 (tens of minutes) · the issuer's signature 64
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from agent.core import base45
from agent.core.keys import SIGNATURE_BYTES, Alg, PublicKey, sig_structure, verify

PREFIX: Final = "M1"
STEP_S: Final = 15
PASS_ID_BYTES: Final = 8
LONGEST_S: Final = 366 * 86400
EPOCH_2025: Final = 1735689600  # 2025-01-01T00:00:00Z

_ROTATING_TYPE: Final = {0x21: Alg.ED25519, 0x22: Alg.P256}
_ROTATING_BODY: Final = 1 + PASS_ID_BYTES + 4
_STATIC_BODY: Final = 1 + 1 + PASS_ID_BYTES + 1 + 3 + 2
_LONGEST_TEXT: Final = len(PREFIX) + len(base45.encode(bytes(_STATIC_BODY + SIGNATURE_BYTES)))


@dataclass(frozen=True, slots=True)
class RotatingPass:
    """A holder's own code, new every 15 seconds."""

    pass_id: bytes
    alg: Alg
    step: int
    body: bytes
    signature: bytes

    def holds(self, key: PublicKey, site: str) -> bool:
        """Whether the holder of key made it for this site."""
        return key.alg is self.alg and verify(
            key, self.signature, sig_structure(self.alg, context(site), self.body)
        )


@dataclass(frozen=True, slots=True)
class StaticPass:
    """A printed or mailed code, signed by the site's issuer.

    Args:
        uses: how often it opens; 0 is without limit.
        key_id: which of the issuer's keys, as numbered in the allowlist's head.
        zones: bit n set: the head's n-th zone.
        not_before_utc, not_after_utc: seconds since 1970.
    """

    pass_id: bytes
    uses: int
    key_id: int
    zones: int
    not_before_utc: int
    not_after_utc: int
    body: bytes
    signature: bytes

    def holds(self, key: PublicKey, site: str) -> bool:
        """Whether the issuer with this key made it for this site."""
        return verify(key, self.signature, sig_structure(key.alg, context(site), self.body))


@dataclass(frozen=True, slots=True)
class Malformed:
    """A text that is no pass, and what gave it away."""

    detail: str


Pass: TypeAlias = RotatingPass | StaticPass


def context(site: str) -> str:
    """What a pass is signed for: a code of one site never verifies at another."""
    return f"menshen/1/{site}"


def step_at(utc: float) -> int:
    """The 15 s step that a moment lies in."""
    return int(utc // STEP_S)


def parse(text: str) -> Pass | Malformed:
    """Read a code's text.

    Args:
        text: whatever a camera saw, of any length.
    """
    if not text.startswith(PREFIX):
        return Malformed("not a code of this system")
    if len(text) > _LONGEST_TEXT:
        return Malformed(f"{len(text)} characters, longer than any pass")
    raw = base45.decode(text[len(PREFIX) :])
    if raw is None:
        return Malformed("not base45")
    return _parse_bytes(raw)


def _parse_bytes(raw: bytes) -> Pass | Malformed:
    if len(raw) == _ROTATING_BODY + SIGNATURE_BYTES and raw[0] in _ROTATING_TYPE:
        return RotatingPass(
            pass_id=raw[1:9],
            alg=_ROTATING_TYPE[raw[0]],
            step=int.from_bytes(raw[9:13]),
            body=raw[:_ROTATING_BODY],
            signature=raw[_ROTATING_BODY:],
        )
    if len(raw) == _STATIC_BODY + SIGNATURE_BYTES and raw[0] >> 4 == 1:
        not_before = EPOCH_2025 + 60 * int.from_bytes(raw[11:14])
        return StaticPass(
            pass_id=raw[2:10],
            uses=raw[0] & 0xF,
            key_id=raw[1],
            zones=raw[10],
            not_before_utc=not_before,
            not_after_utc=not_before + 600 * int.from_bytes(raw[14:16]),
            body=raw[:_STATIC_BODY],
            signature=raw[_STATIC_BODY:],
        )
    return Malformed(f"no pass has {len(raw)} bytes with type {raw[:1].hex() or 'none'}")


def rotating_body(alg: Alg, pass_id: bytes, step: int) -> bytes:
    """What a holder signs for one step.

    Raises:
        ValueError, OverflowError: a pass id or step that its place cannot hold.
    """
    kind = 0x21 if alg is Alg.ED25519 else 0x22
    return bytes((kind,)) + _checked_id(pass_id) + step.to_bytes(4)


def static_body(  # noqa: PLR0913  a field each
    *, pass_id: bytes, uses: int, key_id: int, zones: int, not_before_utc: int, not_after_utc: int
) -> bytes:
    """What an issuer signs; times are widened to whole minutes and tens of minutes, up to 366 days.

    Raises:
        ValueError: a field its place cannot hold, or a validity of more than 366 days.
    """
    minutes = (not_before_utc - EPOCH_2025) // 60
    tens = min(-(-(not_after_utc - EPOCH_2025 - 60 * minutes) // 600), LONGEST_S // 600)
    if not 0 <= uses <= 15:
        raise ValueError(f"found {uses} uses, wanted 0 (unlimited) to 15")
    if not 0 <= minutes < 1 << 24:
        raise ValueError("a pass can begin from 2025-01-01 to 2056-11-24")
    if not_after_utc <= not_before_utc:
        raise ValueError("a pass must end after it begins")
    if not_after_utc - not_before_utc > LONGEST_S:
        days = (not_after_utc - not_before_utc) / 86400
        raise ValueError(f"found a validity of {days:.2f} days, wanted at most 366 (one year)")
    return b"".join(
        (
            bytes((0x10 | uses, key_id)),
            _checked_id(pass_id),
            bytes((zones,)),
            minutes.to_bytes(3),
            tens.to_bytes(2),
        )
    )


def to_be_signed(alg: Alg, site: str, body: bytes) -> bytes:
    """The bytes a signer of a pass puts its signature over."""
    return sig_structure(alg, context(site), body)


def compose(body: bytes, signature: bytes) -> str:
    """The text of a code, from its body and the signature over to_be_signed."""
    return PREFIX + base45.encode(body + signature)


def _checked_id(pass_id: bytes) -> bytes:
    if len(pass_id) != PASS_ID_BYTES:
        raise ValueError(f"found a pass id of {len(pass_id)} bytes, wanted {PASS_ID_BYTES}")
    return pass_id
