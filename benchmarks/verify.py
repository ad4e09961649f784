"""What it costs to check one pass, beside the bare signature check of `cryptography`.

Both see the same codes in the same run, turn by turn; figures are medians.
"""

import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.core import passes
from agent.core.keys import Alg, PublicKey

SITE: Final = "willow-court"
ROUNDS: Final = 2000
TURN: Final = 20

Check = Callable[[], object]


def rows() -> list[tuple[str, float, float]]:
    """Measure.

    Returns:
        (what, microseconds, times the bare check) for each algorithm: the bare check first, then ours
        from a code's text to the verdict, with no code seen twice.
    """
    return [
        row
        for name, make in (("Ed25519", _ed25519), ("P-256", _p256))
        for row in _measured(name, *make(ROUNDS))
    ]


def _measured(name: str, bare: list[Check], ours: list[Check]) -> list[tuple[str, float, float]]:
    took: tuple[list[float], list[float]] = [], []
    for start in range(0, len(bare), TURN):
        for checks, times in zip((bare, ours), took, strict=True):
            for check in checks[start : start + TURN]:
                began = time.perf_counter()
                check()
                times.append(time.perf_counter() - began)
    base, full = (median(times) * 1e6 for times in took)
    return [(f"bare {name} verify", base, 1.0), (f"parse and verify one pass, {name}", full, full / base)]


def _whole(text: str, key: PublicKey) -> Check:
    def check() -> None:
        seen = passes.parse(text)
        if not isinstance(seen, passes.RotatingPass) or not seen.holds(key, SITE):
            raise ValueError(f"a genuine code was not believed: {seen}")

    return check


def _bodies(alg: Alg, count: int) -> list[bytes]:
    return [passes.rotating_body(alg, n.to_bytes(8), 118_163_520 + n) for n in range(count)]


def _ed25519(count: int) -> tuple[list[Check], list[Check]]:
    private = Ed25519PrivateKey.generate()
    public = private.public_key()
    key = PublicKey(Alg.ED25519, public.public_bytes_raw())
    bare: list[Check] = []
    ours: list[Check] = []
    for body in _bodies(Alg.ED25519, count):
        signed = passes.to_be_signed(Alg.ED25519, SITE, body)
        made = private.sign(signed)
        bare.append(partial(public.verify, made, signed))
        ours.append(_whole(passes.compose(body, made), key))
    return bare, ours


def _p256(count: int) -> tuple[list[Check], list[Check]]:
    private = generate_private_key(SECP256R1())
    public = private.public_key()
    point = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    key = PublicKey(Alg.P256, point[1:], point[0] == 3)
    algorithm = ECDSA(hashes.SHA256())
    bare: list[Check] = []
    ours: list[Check] = []
    for body in _bodies(Alg.P256, count):
        signed = passes.to_be_signed(Alg.P256, SITE, body)
        der = private.sign(signed, algorithm)
        r, s = decode_dss_signature(der)
        bare.append(partial(public.verify, der, signed, algorithm))
        ours.append(_whole(passes.compose(body, r.to_bytes(32) + s.to_bytes(32)), key))
    return bare, ours


def main() -> None:
    for what, took_us, times in rows():
        print(f"{what:42} {took_us:8.1f} µs   {times:5.2f} x")


if __name__ == "__main__":
    main()
