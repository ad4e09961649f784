"""A small site to tell stories about: Willow Court, its keys, its list and the passes of its people.

Monday, 2 March 2026, noon UTC is mono 0 unless a test says otherwise.
"""

import hashlib
from typing import TypeAlias

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

from agent.core import passes
from agent.core.actions import Record, Show
from agent.core.allowlist import Allowlist, Grant, Head, PassKind, Status, pack
from agent.core.events import Event, Kind
from agent.core.gatekeeper import Gatekeeper
from agent.core.judge import Post
from agent.core.keys import Alg, PublicKey
from agent.core.memory import Memory
from agent.core.moments import Moment, Trust
from agent.core.sighting import Sighting

PrivateKey: TypeAlias = Ed25519PrivateKey | EllipticCurvePrivateKey

SITE = "willow-court"
NOON = 1772452800  # 2026-03-02T12:00:00Z, a Monday; also the start of a 15 s step
HOUR, DAY = 3600, 86400
ZONES = ("main", "garage", "tower-b")
ISSUER_KEY_ID = 7
NORTH = Post(SITE, "north", "main")
BOTH_WAYS = Post(SITE, "north", "main", "both")
WAY_OUT = Post(SITE, "south", "main", "out")


def ed25519(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def p256(name: str) -> EllipticCurvePrivateKey:
    return derive_private_key(int.from_bytes(hashlib.sha256(name.encode()).digest()) >> 1, SECP256R1())


def public(key: PrivateKey) -> PublicKey:
    if isinstance(key, Ed25519PrivateKey):
        return PublicKey(Alg.ED25519, key.public_key().public_bytes_raw())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return PublicKey(Alg.P256, point[1:], point[0] == 3)


def signature(key: PrivateKey, signed: bytes) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(signed)
    r, s = decode_dss_signature(key.sign(signed, ECDSA(hashes.SHA256(), deterministic_signing=True)))
    return r.to_bytes(32) + s.to_bytes(32)


ISSUER = ed25519("the office of willow-court")
ALICE, BOB, MALLORY = ed25519("alice"), p256("bob"), ed25519("mallory")


def id_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:8]


def at(mono: float = 0.0, utc: float | None = None, trust: Trust = Trust.SYNCED) -> Moment:
    """Seconds after noon; utc moves with mono unless it is given."""
    return Moment(NOON + mono if utc is None else utc, mono, trust)


def grant(name: str, holder: PrivateKey | None = None, **terms) -> Grant:
    """What the list says about a person's pass: live, everywhere, always, from yesterday for 100 days."""
    standing = {
        "kind": PassKind.RESIDENT if holder else PassKind.VISITOR,
        "status": Status.LIVE,
        "zones": 0b111,
        "schedule": 0,
        "not_before_utc": NOON - DAY,
        "not_after_utc": NOON + 99 * DAY,
    }
    return Grant(pass_id=id_of(name), holder=public(holder) if holder else None, **{**standing, **terms})


def listed(*grants: Grant, expires_utc: float = NOON + 14 * DAY, **fields) -> Allowlist:
    """A verified list of some grants, published an hour ago, its parts in memory."""
    standing = {
        "site": SITE,
        "number": 7,
        "issued_utc": NOON - HOUR,
        "soft_ttl_s": DAY,
        "zones": ZONES,
        "issuers": {ISSUER_KEY_ID: public(ISSUER)},
        "shard_bits": 2,
    }
    terms = {**standing, **fields}
    indexes, parts = pack(grants, terms["shard_bits"])
    return Allowlist(Head(**terms, indexes=indexes), expires_utc, parts.get)


def rotating(name: str, holder: PrivateKey, utc: float = NOON, *, site: str = SITE, later: int = 0) -> str:
    """The code on a holder's phone at a moment, or some steps later."""
    alg = public(holder).alg
    body = passes.rotating_body(alg, id_of(name), passes.step_at(utc) + later)
    return passes.compose(body, signature(holder, passes.to_be_signed(alg, site, body)))


def static(name: str, issuer: PrivateKey = ISSUER, *, site: str = SITE, **terms) -> str:
    """A printed card: once more everywhere, from yesterday for 30 days, without limit."""
    standing = {
        "uses": 0,
        "key_id": ISSUER_KEY_ID,
        "zones": 0b111,
        "not_before_utc": NOON - DAY,
        "not_after_utc": NOON + 29 * DAY,
    }
    body = passes.static_body(pass_id=id_of(name), **{**standing, **terms})
    return passes.compose(body, signature(issuer, passes.to_be_signed(public(issuer).alg, site, body)))


def certificate(
    name: str, holder: PrivateKey, issuer: PrivateKey = ISSUER, *, site: str = SITE, **terms
) -> str:
    """What the office gives to a holder's phone: everywhere, from yesterday for 30 days."""
    standing = {
        "kind": PassKind.RESIDENT,
        "key_id": ISSUER_KEY_ID,
        "zones": 0b111,
        "not_before_utc": NOON - DAY,
        "not_after_utc": NOON + 29 * DAY,
    }
    body = passes.certificate_body(pass_id=id_of(name), holder=public(holder), **{**standing, **terms})
    return passes.compose(body, signature(issuer, passes.to_be_signed(public(issuer).alg, site, body)))


def remembering(**uses) -> Memory:
    """What a gate remembers of some people's passes, by name."""
    return Memory({id_of(name): use for name, use in uses.items()})


def sight(text: str) -> Sighting:
    return Sighting(text)


def keeper(*grants: Grant, post: Post = NORTH, **fields) -> Gatekeeper:
    """A gatekeeper with a list of some grants."""
    return Gatekeeper.at(post, listed(*grants, **fields))


def records(actions) -> list[Event]:
    return [action.event for action in actions if isinstance(action, Record)]


def told(actions) -> list[str]:
    """What was journaled, as `kind` or `kind reason`, in order; alerts have stories of their own."""
    return [
        f"{event.kind} {event.facts.get('reason', '')}".strip()
        for event in records(actions)
        if event.kind is not Kind.ALERT
    ]


def shown(actions) -> list[str]:
    return [action.pattern.name for action in actions if isinstance(action, Show)]
