"""Public keys and signatures: checking only; no private key is ever held here.

What is signed, always, is a COSE `Sig_structure` (RFC 9052, section 4.4), so
that any COSE library can check what this module checks.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

SIGNATURE_BYTES: Final = 64
KEY_BYTES: Final = 32


class Alg(StrEnum):
    """The two signature algorithms a pass may use."""

    ED25519 = "ed25519"
    P256 = "p256"


_TEXT: Final = re.compile(rf"(?:ed25519|p256(:odd)?):([0-9a-f]{{{2 * KEY_BYTES}}})")

_ES256: Final = ECDSA(hashes.SHA256())  # made once: a tenth of what a check costs

# {1: alg} as CBOR: EdDSA is -8, ES256 is -7 (RFC 9053, section 2).
_PROTECTED: Final = {Alg.ED25519: b"\xa1\x01\x27", Alg.P256: b"\xa1\x01\x26"}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A verification key.

    Args:
        alg: which algorithm.
        raw: 32 bytes: the Ed25519 key (RFC 8032), or the x coordinate on P-256.
        odd: for P-256, whether y is odd (SEC 1, section 2.3.3).
    """

    alg: Alg
    raw: bytes
    odd: bool = False

    def __str__(self) -> str:
        return f"{self.alg}{':odd' if self.odd else ''}:{self.raw.hex()}"

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """Read `ed25519:<64 hex>`, `p256:<64 hex>` or `p256:odd:<64 hex>`, as str() writes them.

        Raises:
            ValueError: anything else.
        """
        found = _TEXT.fullmatch(text)
        if not found:
            raise ValueError(
                f"found key {text[:24]!r}, wanted ed25519:, p256: or p256:odd: and 64 hex digits in lower case"
            )
        return cls(Alg(text.partition(":")[0]), bytes.fromhex(found[2]), bool(found[1]))


def verify(key: PublicKey, signature: bytes, signed: bytes) -> bool:
    """Whether signature (64 bytes: Ed25519, or r then s) is key's over signed. Never raises."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        loaded = _load(key)
        if isinstance(loaded, Ed25519PublicKey):
            loaded.verify(signature, signed)
        else:
            r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
            loaded.verify(encode_dss_signature(r, s), signed, _ES256)
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=64)
def _load(key: PublicKey) -> Ed25519PublicKey | EllipticCurvePublicKey:
    if key.alg is Alg.ED25519:
        return Ed25519PublicKey.from_public_bytes(key.raw)
    return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), (b"\x03" if key.odd else b"\x02") + key.raw)


def sig_structure(alg: Alg, context: str, payload: bytes) -> bytes:
    """The bytes that are signed: `["Signature1", <<{1: alg}>>, context, payload]` as CBOR.

    Args:
        context: the external_aad, naming what for and for which site, so that a signature
            made for one purpose or site is worthless for another.
        payload: the body.
    Source: RFC 9052, section 4.4; RFC 8949, section 4.2.1 (deterministic encoding).
    """
    return b"".join(
        (
            b"\x84\x6aSignature1",
            _byte_string(_PROTECTED[alg]),
            _byte_string(context.encode()),
            _byte_string(payload),
        )
    )


def _byte_string(data: bytes) -> bytes:
    """A CBOR byte string: major type 2 with its length in the fewest bytes (up to 64 KiB)."""
    size = len(data)
    if size < 24:
        return bytes((0x40 | size,)) + data
    if size < 0x100:
        return bytes((0x58, size)) + data
    return b"\x59" + size.to_bytes(2) + data
