"""Mutated codes against the parser and the judge: none may be accepted, and nothing may raise.

Genuine codes of every form and algorithm are damaged as a lens damages them
(characters), as a forger would (bits, fields, signatures of other codes) and at
random. They meet an exit gate, which lets through whatever is real, so that
only the signature stands between them and the street.
"""

import argparse
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.core import base45, passes
from agent.core.allowlist import Allowlist, Grant, Head, PassKind, Status, pack
from agent.core.decision import Admit, Refuse
from agent.core.judge import Post, judge, vouch
from agent.core.keys import Alg, PublicKey
from agent.core.memory import UNUSED
from agent.core.moments import Moment

SITE: Final = "willow-court"
NOON: Final = 1_772_452_800
YEAR: Final = {"not_before_utc": NOON - 86_400, "not_after_utc": NOON + 300 * 86_400}
EXIT: Final = Post(SITE, "south", "main", "out")
SHARE: Final = 5000

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey
Damage = Callable[[random.Random, str, str], str]


def _public(key: PrivateKey) -> PublicKey:
    if isinstance(key, Ed25519PrivateKey):
        return PublicKey(Alg.ED25519, key.public_key().public_bytes_raw())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return PublicKey(Alg.P256, point[1:], point[0] == 3)


def _code(key: PrivateKey, body: bytes) -> str:
    signed = passes.to_be_signed(_public(key).alg, SITE, body)
    if isinstance(key, Ed25519PrivateKey):
        return passes.compose(body, key.sign(signed))
    r, s = decode_dss_signature(key.sign(signed, ECDSA(hashes.SHA256())))
    return passes.compose(body, r.to_bytes(32) + s.to_bytes(32))


def _grant(pass_id: bytes, key: PublicKey) -> Grant:
    return Grant(
        pass_id=pass_id,
        kind=PassKind.RESIDENT,
        status=Status.LIVE,
        holder=key,
        zones=0xFF,
        schedule=0,
        not_before_utc=YEAR["not_before_utc"],
        not_after_utc=YEAR["not_after_utc"],
    )


@dataclass(frozen=True, slots=True)
class Town:
    """A list with two holders and two issuers, and the genuine codes of all."""

    allowlist: Allowlist
    genuine: tuple[str, ...]
    certificates: Mapping[bytes, passes.HolderCertificate]

    @classmethod
    def built(cls) -> "Town":
        holders: tuple[PrivateKey, ...] = (
            Ed25519PrivateKey.generate(),
            derive_private_key(4711, SECP256R1()),
        )
        issuers: tuple[PrivateKey, ...] = (
            Ed25519PrivateKey.generate(),
            derive_private_key(4712, SECP256R1()),
        )
        terms = {"zones": 0xFF, **YEAR}
        grants: list[Grant] = []
        codes: list[str] = []
        for n, holder in enumerate(holders):
            listed, unlisted = bytes((n,)) * 8, bytes((16 + n,)) * 8
            key = _public(holder)
            grants.append(_grant(listed, key))
            codes += (
                _code(holder, passes.rotating_body(key.alg, one, passes.step_at(NOON)))
                for one in (listed, unlisted)
            )
            for key_id, issuer in enumerate(issuers):
                card = passes.static_body(pass_id=listed, uses=0, key_id=key_id, **terms)
                named = passes.certificate_body(
                    pass_id=unlisted, kind=PassKind.RESIDENT, holder=key, key_id=key_id, **terms
                )
                codes += _code(issuer, card), _code(issuer, named)
        indexes, parts = pack(grants, 0)
        head = Head(
            site=SITE,
            number=1,
            issued_utc=NOON,
            soft_ttl_s=86_400,
            zones=("main",),
            shard_bits=0,
            indexes=indexes,
            issuers={n: _public(issuer) for n, issuer in enumerate(issuers)},
            unlisted_static=True,
        )
        certificates = {
            one.pass_id: one for one in map(passes.parse, codes) if isinstance(one, passes.HolderCertificate)
        }
        return cls(Allowlist(head, NOON + 86_400, parts.get), tuple(codes), certificates)

    def accepts(self, text: str) -> bool:
        """Whether the gate would open for a code, or believe a certificate."""
        seen = passes.parse(text)
        if isinstance(seen, passes.HolderCertificate):
            return vouch(seen, self.allowlist, EXIT) is None
        introduced = self.certificates.get(seen.pass_id) if isinstance(seen, passes.RotatingPass) else None
        decision = judge(seen, self.allowlist, EXIT, UNUSED, Moment(NOON, 0.0), introduced)
        if not isinstance(decision, Admit | Refuse):
            raise TypeError(f"no decision: {decision!r}")
        return isinstance(decision, Admit)


# --- damages -------------------------------------------------------------------


def _character(rng: random.Random, text: str, _other: str) -> str:
    place = rng.randrange(len(text))
    return text[:place] + rng.choice(base45.ALPHABET + "a#\u95e8\x00") + text[place + 1 :]


def _characters(rng: random.Random, text: str, other: str) -> str:
    for _ in range(rng.randrange(2, 9)):
        text = _character(rng, text, other)
    return text


def _shifted(rng: random.Random, text: str, _other: str) -> str:
    place, many = rng.randrange(len(text)), rng.randrange(1, 5)
    if rng.random() < 0.5:
        return text[:place] + text[place + many :]
    return text[:place] + "".join(rng.choices(base45.ALPHABET, k=many)) + text[place:]


def _bits(rng: random.Random, text: str, _other: str) -> str:
    raw = bytearray(_raw(text))
    for _ in range(rng.randrange(1, 5)):
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    return passes.PREFIX + base45.encode(bytes(raw))


def _field(rng: random.Random, text: str, _other: str) -> str:
    """One byte of the body anew; the signature stays."""
    raw = bytearray(_raw(text))
    raw[rng.randrange(len(raw) - 64)] = rng.randrange(256)
    return passes.PREFIX + base45.encode(bytes(raw))


def _signature(rng: random.Random, text: str, other: str) -> str:
    """Another code's signature, or one of noise, zeros or ones."""
    made = rng.choice((_raw(other)[-64:], rng.randbytes(64), bytes(64), b"\xff" * 64))
    return passes.PREFIX + base45.encode(_raw(text)[:-64] + made)


def _cut(rng: random.Random, text: str, other: str) -> str:
    one, two = _raw(text), _raw(other)
    return passes.PREFIX + base45.encode(one[: rng.randrange(len(one))] + two[rng.randrange(len(two)) :])


def _noise(rng: random.Random, _text: str, _other: str) -> str:
    size = rng.choice((77, 80, 112, rng.randrange(200)))
    first = rng.choice((0x10, 0x21, 0x22, 0x30, 0x40, 0x50, rng.randrange(256)))
    return passes.PREFIX + base45.encode(bytes((first,)) + rng.randbytes(size))


def _raw(text: str) -> bytes:
    return base45.decode(text[len(passes.PREFIX) :]) or b""


DAMAGES: Final[Sequence[Damage]] = (
    _character,
    _characters,
    _shifted,
    _bits,
    _field,
    _signature,
    _cut,
    _noise,
)


# --- trying ----------------------------------------------------------------------


@dataclass(slots=True)
class Tally:
    """What became of some mutated codes."""

    tried: int = 0
    accepted: list[str] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)
    forms: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        self.tried += other.tried
        self.accepted += other.accepted
        self.raised += other.raised
        self.forms += other.forms


def tried(count: int, seed: int) -> Tally:
    """Damage and try so many codes; the same damages for the same seed."""
    rng, town, tally = random.Random(seed), Town.built(), Tally()
    while tally.tried < count:
        text, other = rng.choices(town.genuine, k=2)
        mutated = rng.choice(DAMAGES)(rng, text, other)
        if mutated in town.genuine:
            continue
        tally.tried += 1
        try:
            tally.forms[type(passes.parse(mutated)).__name__] += 1
            if town.accepts(mutated):
                tally.accepted.append(mutated)
        except Exception as fault:  # noqa: BLE001  that is what is looked for
            tally.raised.append(f"{mutated!r}: {fault!r}")
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    wish = parser.parse_args()
    workers = os.cpu_count() or 1
    shares = -(-wish.count // SHARE)
    total, began = Tally(), time.perf_counter()
    with ProcessPoolExecutor(workers) as pool:
        seeds = range(wish.seed * 1_000_000, wish.seed * 1_000_000 + shares)
        for n, tally in enumerate(pool.map(partial(tried, SHARE), seeds), 1):
            total.add(tally)
            if n % 20 == 0 or n == shares:
                rate = total.tried / (time.perf_counter() - began)
                print(f"{total.tried:9,} tried, {rate:,.0f} a second on {workers} cores", flush=True)
    for form, count in total.forms.most_common():
        print(f"{count:9,} read as {form}")
    print(f"accepted {len(total.accepted)}, exceptions {len(total.raised)}")
    for text in (total.accepted + total.raised)[:10]:
        print(f"  {text}")
    return 1 if total.accepted or total.raised else 0


if __name__ == "__main__":
    sys.exit(main())
