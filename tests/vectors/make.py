"""Write the published vectors: `python -m tests.vectors.make`.

They change only with the format. The private keys are the SHA-256 of the
names given and worth nothing; P-256 signatures are made by RFC 6979, so that
every run writes the same bytes.
"""

import json
from pathlib import Path

from agent.core import passes
from tests.core.builders import (
    NOON,
    PrivateKey,
    ed25519,
    id_of,
    p256,
    public,
    signature,
)

HERE = Path(__file__).parent
SITE = "willow-court"
OTHER_SITE = "plum-court"


def secret(key: PrivateKey) -> str:
    if hasattr(key, "private_bytes_raw"):
        return key.private_bytes_raw().hex()
    return key.private_numbers().private_value.to_bytes(32).hex()


def vector(name: str, key: PrivateKey, body: bytes, fields: dict, site: str = SITE) -> dict:
    signed = passes.to_be_signed(public(key).alg, site, body)
    made = signature(key, signed)
    return {
        "name": name,
        "site": site,
        "private_key": secret(key),
        "public_key": str(public(key)),
        "fields": fields,
        "body": body.hex(),
        "to_be_signed": signed.hex(),
        "signature": made.hex(),
        "code": passes.compose(body, made),
    }


def rotating(name: str, key: PrivateKey, step: int, site: str = SITE) -> dict:
    body = passes.rotating_body(public(key).alg, id_of(name), step)
    return vector(name, key, body, {"pass_id": id_of(name).hex(), "step": step, "utc": step * 15}, site)


def static(name: str, key: PrivateKey, site: str = SITE, **terms: int) -> dict:
    body = passes.static_body(pass_id=id_of(name), **terms)
    return vector(name, key, body, {"pass_id": id_of(name).hex(), **terms}, site)


def certificate(name: str, holder: PrivateKey, key: PrivateKey, site: str = SITE, **terms) -> dict:
    body = passes.certificate_body(pass_id=id_of(name), holder=public(holder), **terms)
    fields = {"pass_id": id_of(name).hex(), "holder": str(public(holder)), **terms}
    return vector(name, key, body, fields, site)


def all_vectors() -> dict[str, list[dict]]:
    card = {
        "uses": 1,
        "key_id": 7,
        "zones": 0b101,
        "not_before_utc": NOON,
        "not_after_utc": NOON + 86400,
    }
    year = {**card, "uses": 0, "zones": 1, "not_after_utc": NOON + passes.LONGEST_S}
    moved_in = {
        "kind": passes.PassKind.RESIDENT,
        "key_id": 7,
        "zones": 0b101,
        "not_before_utc": NOON,
        "not_after_utc": NOON + passes.LONGEST_S,
    }
    cleaner = {**moved_in, "kind": passes.PassKind.CONTRACTOR, "not_after_utc": NOON + 30 * 86400}
    return {
        "rotating": [
            rotating("a resident with an Ed25519 key", ed25519("alice"), NOON // 15),
            rotating("a resident with a P-256 key, y even", p256("bob"), NOON // 15),
            rotating("a resident with a P-256 key, y odd", p256("erin"), NOON // 15 + 1),
            rotating("the last step there is", ed25519("alice"), 2**32 - 1),
            rotating("a resident of another site", ed25519("alice"), NOON // 15, OTHER_SITE),
        ],
        "static": [
            static("a visitor for a day, one use, two zones", ed25519("issuer"), **card),
            static("the same from a P-256 issuer", p256("issuer"), **card),
            static("a card for 366 days, without limit", ed25519("issuer"), **year),
            static("a visitor of another site", ed25519("issuer"), OTHER_SITE, **card),
        ],
        "certificate": [
            certificate("a resident with an Ed25519 key", ed25519("alice"), ed25519("issuer"), **moved_in),
            certificate("a resident with a P-256 key, y even", p256("bob"), ed25519("issuer"), **moved_in),
            certificate("a contractor with a P-256 key, y odd", p256("erin"), p256("issuer"), **cleaner),
            certificate(
                "a resident of another site", ed25519("alice"), ed25519("issuer"), OTHER_SITE, **moved_in
            ),
        ],
    }


if __name__ == "__main__":
    for kind, vectors in all_vectors().items():
        (HERE / f"{kind}.json").write_text(json.dumps(vectors, indent=2) + "\n")
