"""Holders' public keys, looked at before they are put on a list.

OpenSSL verifies with Ed25519 keys of small order, under which one signature
can hold for many messages; nobody's phone makes such a key by accident.
"""

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey

from agent.core.keys import Alg, PublicKey
from office.faults import OfficeFault

_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P


def read(text: str) -> PublicKey:
    """A holder's key from its text form, if it is fit to sign passes.

    Raises:
        OfficeFault: no key, no point of its curve, or an Ed25519 point of small order.
    """
    try:
        key = PublicKey.parse(text)
        if key.alg is Alg.P256:
            EllipticCurvePublicKey.from_encoded_point(
                SECP256R1(), (b"\x03" if key.odd else b"\x02") + key.raw
            )
    except ValueError as fault:
        raise OfficeFault(
            f"not a usable holder key: {fault}; scan it again from the holder's page"
        ) from fault
    if key.alg is Alg.ED25519:
        flaw = ed25519_flaw(key.raw)
        if flaw:
            raise OfficeFault(f"holder key refused: {flaw}; have the holder's page make a new key")
    return key


def ed25519_flaw(raw: bytes) -> str | None:
    """What is wrong with an encoded point.

    On -x² + y² = 1 + d·x²·y² the points of order 1, 2 and 4 have y = 1, -1 and 0. A point of
    order 8 doubles to y = 0, so y² = -x², and the curve's equation leaves d·y⁴ + 2y² - 1 = 0.
    Source: RFC 8032, section 5.1.
    """
    y = int.from_bytes(raw, "little") & ((1 << 255) - 1)  # the top bit is the sign of x
    if y >= _P:
        return "its number is not below the field's prime"
    y2 = y * y % _P
    if y in (0, 1, _P - 1) or (_D * y2 * y2 + 2 * y2 - 1) % _P == 0:
        return "it is a point of small order, which anybody can sign for"
    x2 = (y2 - 1) * pow(_D * y2 + 1, -1, _P) % _P
    if pow(x2, (_P - 1) // 2, _P) != 1:
        return "it is not a point of the curve"
    return None
