"""Who is inside, as one gate can say it when nobody can ask the office: a signed account of last passages.

A gate knows how each pass was last used at itself, and what its fellows told it. It says both, each
passage with its gate and its time, ways out as well as in, so that the accounts of several gates can
be laid together: of each pass the newest passage counts, whoever tells it. Names are the office's.

    v, muster                 1, "passages"
    site, gate                who says it
    at, clock                 when, seconds since 1970, and how far the gate's clock is to be believed
    seen                      each: pass id, gate, zone, "in" or "out", seconds since 1970
    sig                       the device key's signature, 128 hex digits

What is signed is the SHA-256 of all but `sig` as JSON with sorted keys, no spaces, non-ASCII as it is, in
UTF-8, in the context `menshen/1/muster/SITE/GATE`; the account itself may be longer than what is signed at once.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from agent.core.allowlist import NAME
from agent.core.feed import FeedFault
from agent.core.keys import Alg, PublicKey, sig_structure, verify
from agent.core.memory import Way
from agent.core.moments import Trust

MAX_BYTES: Final = 4 * 1024 * 1024
_VERSION: Final = 1
_PASS_ID: Final = re.compile(r"[0-9a-f]{16}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{128}")
_LATEST: Final = 1 << 40


@dataclass(frozen=True, slots=True)
class Seen:
    """The last passage of a pass at one gate.

    Args:
        pass_id: 16 hex digits.
        zone: where that gate leads.
        at_utc: whole seconds since 1970, by that gate's clock.
    """

    pass_id: str
    gate: str
    zone: str
    way: Way
    at_utc: int

    @property
    def row(self) -> tuple[str, str, str, str, int]:
        """As it is written."""
        return self.pass_id, self.gate, self.zone, str(self.way), self.at_utc


@dataclass(frozen=True, slots=True)
class Muster:
    """One gate's account.

    Args:
        clock: how far its own clock is to be believed.
        signature: 64 bytes by the device key; empty before it is signed.
    """

    site: str
    gate: str
    at_utc: int
    clock: Trust
    seen: tuple[Seen, ...]
    signature: bytes = b""

    def signed_by_gate(self, alg: Alg = Alg.ED25519) -> bytes:
        """What the device key signs."""
        digest = hashlib.sha256(_line(self._fields())).digest()
        return sig_structure(alg, f"menshen/1/muster/{self.site}/{self.gate}", digest)

    def signed(self, signature: bytes) -> "Muster":
        """The same with its signature."""
        return replace(self, signature=signature)

    def holds(self, key: PublicKey) -> bool:
        """Whether the gate whose key this is signed it."""
        return verify(key, self.signature, self.signed_by_gate(key.alg))

    def to_bytes(self) -> bytes:
        """The file: one line."""
        return _line({**self._fields(), "sig": self.signature.hex()}) + b"\n"

    def _fields(self) -> dict[str, Any]:
        return {
            "v": _VERSION,
            "muster": "passages",
            "site": self.site,
            "gate": self.gate,
            "at": self.at_utc,
            "clock": str(self.clock),
            "seen": [one.row for one in self.seen],
        }

    @classmethod
    def from_bytes(cls, data: bytes) -> "Muster":
        """Read a file, its signature not yet checked.

        Raises:
            FeedFault: it is none of this version.
        """
        if len(data) > MAX_BYTES:
            raise FeedFault(f"{len(data)} bytes, wanted at most {MAX_BYTES}")
        try:
            fields: dict[str, Any] = json.loads(data)
            _known(fields["v"], fields["muster"])
            return cls(
                _text(fields["site"], NAME),
                _text(fields["gate"], NAME),
                _seconds(fields["at"]),
                Trust(fields["clock"]),
                tuple(_seen(*row) for row in fields["seen"]),
                bytes.fromhex(_text(fields["sig"], _SIGNATURE)),
            )
        except (LookupError, RecursionError, TypeError, ValueError) as fault:
            raise FeedFault(f"no account of passages: {type(fault).__name__} {fault}") from fault


def newest(seen: Iterable[Seen]) -> dict[str, Seen]:
    """Of each pass its newest passage; of two in one second the way in, for whoever is looked for is safer."""
    last: dict[str, Seen] = {}
    for one in seen:
        known = last.get(one.pass_id)
        if known is None or (one.at_utc, one.way is Way.IN) > (known.at_utc, known.way is Way.IN):
            last[one.pass_id] = one
    return last


def _known(version: Any, what: Any) -> None:
    if (version, what) != (_VERSION, "passages"):
        raise ValueError(
            f"found version {str(version)[:40]} of {str(what)[:40]}, wanted {_VERSION} of passages"
        )


def _seen(pass_id: Any, gate: Any, zone: Any, way: Any, at_utc: Any) -> Seen:
    return Seen(_text(pass_id, _PASS_ID), _text(gate, NAME), _text(zone, NAME), Way(way), _seconds(at_utc))


def _text(value: Any, wanted: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not wanted.fullmatch(value):
        raise ValueError(f"found {str(value)[:40]!r}, wanted {wanted.pattern}")
    return value


def _seconds(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _LATEST:
        raise ValueError(f"found {str(value)[:40]!r}, wanted whole seconds since 1970")
    return value


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
