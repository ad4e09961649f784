"""Passes: the codes people hold, byte for byte.

A pass is `M1` and the base45 of a fixed layout, big-endian, the signature
last. Parsing looks at length, alphabet and type before anything else, and
answers Malformed for whatever it does not know; it never raises.

    rotating, 77 bytes    type and algorithm 1 (0x21 Ed25519, 0x22 P-256) · pass id 8 ·
                          step 4 (unix time / 15) · the holder's signature 64
    static, 80 bytes      type and uses 1 (0x1u, u = 0 unlimited) · issuer key id 1 · pass id 8 ·
                          zone set 1 · not before 3 (minutes since 2025-01-01) ·
                          duration 2 (tens of minutes) · the issuer's signature 64
    certificate, 112      type and kind 1 (0x3k Ed25519, 0x4k P-256 with y even, 0x5k with y odd) ·
                          then as static up to the duration · holder's key 32 · the issuer's signature 64

A certificate opens nothing. It introduces a holder whom a gate's list does
not know yet: their phone shows it in turn with rotating codes.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from agent.core import base45
from agent.core.keys import KEY_BYTES, SIGNATURE_BYTES, Alg, PublicKey, sig_structure, verify

PREFIX: Final = "M1"
STEP_S: Final = 15
PASS_ID_BYTES: Final = 8
LONGEST_S: Final = 366 * 86400
EPOCH_2025: Final = 1735689600  # 2025-01-01T00:00:00Z

_ROTATING_TYPE: Final = {0x21: Alg.ED25519, 0x22: Alg.P256}
_ROTATING_BODY: Final = 1 + PASS_ID_BYTES + 4
_STATIC_TYPE: Final = 0x1
_STATIC_BODY: Final = 1 + 1 + PASS_ID_BYTES + 1 + 3 + 2
_CERTIFICATE_TYPE: Final = {0x3: (Alg.ED25519, False), 0x4: (Alg.P256, False), 0x5: (Alg.P256, True)}
_CERTIFICATE_BODY: Final = _STATIC_BODY + KEY_BYTES
_LONGEST_TEXT: Final = len(PREFIX) + len(base45.encode(bytes(_CERTIFICATE_BODY + SIGNATURE_BYTES)))


class PassKind(StrEnum):
    """Whom a pass is for; the order is the wire form, so append only."""

    RESIDENT = "resident"
    VISITOR = "visitor"
    STAFF = "staff"
    COURIER = "courier"
    CONTRACTOR = "contractor"


KINDS: Final = tuple(PassKind)
"""Kinds by their number on the wire."""


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
class HolderCertificate:
    """The issuer's word for a holder's key; its holder's phone shows it beside rotating codes.

    Args:
        kind: whom the pass is for; a list would say so, but has not come yet.
        holder: the key that signs the rotating codes of this pass.
        key_id, zones, not_before_utc, not_after_utc: as in a static pass.
    """

    pass_id: bytes
    kind: PassKind
    holder: PublicKey
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
"""What may open a gate."""


def context(site: str) -> str:
    """What a pass is signed for: a code of one site never verifies at another."""
    return f"menshen/1/{site}"


def step_at(utc: float) -> int:
    """The 15 s step that a moment lies in."""
    return int(utc // STEP_S)


def parse(text: str) -> Pass | HolderCertificate | Malformed:
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


def _parse_bytes(raw: bytes) -> Pass | HolderCertificate | Malformed:
    body, signature = raw[:-SIGNATURE_BYTES], raw[-SIGNATURE_BYTES:]
    if len(body) == _ROTATING_BODY and raw[0] in _ROTATING_TYPE:
        return RotatingPass(raw[1:9], _ROTATING_TYPE[raw[0]], int.from_bytes(raw[9:13]), body, signature)
    form, low = divmod(raw[0], 16) if raw else (0, 0)
    if len(body) == _STATIC_BODY and form == _STATIC_TYPE:
        begins, ends = _times(raw)
        return StaticPass(raw[2:10], low, raw[1], raw[10], begins, ends, body, signature)
    if len(body) == _CERTIFICATE_BODY and form in _CERTIFICATE_TYPE and low < len(KINDS):
        begins, ends = _times(raw)
        alg, odd = _CERTIFICATE_TYPE[form]
        holder = PublicKey(alg, raw[_STATIC_BODY:_CERTIFICATE_BODY], odd)
        return HolderCertificate(
            raw[2:10], KINDS[low], holder, raw[1], raw[10], begins, ends, body, signature
        )
    return Malformed(f"no pass has {len(raw)} bytes with type {raw[:1].hex() or 'none'}")


def _times(raw: bytes) -> tuple[int, int]:
    begins = EPOCH_2025 + 60 * int.from_bytes(raw[11:14])
    return begins, begins + 600 * int.from_bytes(raw[14:16])


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
    if not 0 <= uses <= 15:
        raise ValueError(f"found {uses} uses, wanted 0 (unlimited) to 15")
    return _terms(_STATIC_TYPE << 4 | uses, key_id, pass_id, zones, not_before_utc, not_after_utc)


def certificate_body(  # noqa: PLR0913  a field each
    *,
    pass_id: bytes,
    kind: PassKind,
    holder: PublicKey,
    key_id: int,
    zones: int,
    not_before_utc: int,
    not_after_utc: int,
) -> bytes:
    """What an issuer signs to introduce a holder; times as in static_body.

    Raises:
        ValueError: a field its place cannot hold, or a validity of more than 366 days.
    """
    if len(holder.raw) != KEY_BYTES:
        raise ValueError(f"found a holder's key of {len(holder.raw)} bytes, wanted {KEY_BYTES}")
    form = {key: form for form, key in _CERTIFICATE_TYPE.items()}[holder.alg, holder.odd]
    first = form << 4 | KINDS.index(kind)
    return _terms(first, key_id, pass_id, zones, not_before_utc, not_after_utc) + holder.raw


def _terms(  # noqa: PLR0913, PLR0917  a field each
    first: int, key_id: int, pass_id: bytes, zones: int, not_before_utc: int, not_after_utc: int
) -> bytes:
    minutes = (not_before_utc - EPOCH_2025) // 60
    tens = min(-(-(not_after_utc - EPOCH_2025 - 60 * minutes) // 600), LONGEST_S // 600)
    if not 0 <= minutes < 1 << 24:
        raise ValueError("a pass can begin from 2025-01-01 to 2056-11-24")
    if not_after_utc <= not_before_utc:
        raise ValueError("a pass must end after it begins")
    if not_after_utc - not_before_utc > LONGEST_S:
        days = (not_after_utc - not_before_utc) / 86400
        raise ValueError(f"found a validity of {days:.2f} days, wanted at most 366 (one year)")
    return b"".join(
        (
            bytes((first, key_id)),
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
