"""Orders that the office sends to a gate: open once, lock down, release, identify, maintenance.

    {"v":1,"site":"garden","gate":"north","order":"open","nonce":"…","issued":1772452800,
     "expires":1772452860,"by":"wang","why":"ambulance"}
    c0ffee…

The first line is signed as it stands, in the context `menshen/1/order/SITE/GATE`;
the second is the signature, 128 hex digits. The keys that may order are in the
signed list (`order_keys`). An order lives two minutes at most and is obeyed at
most once: its nonce is remembered by the gate until long after it has expired.

Whoever carries it (broker, sync) can delay or drop an order, and nothing else.
With a clock that nobody vouches for, an order that opens cannot be told from an
old one, and is not obeyed; lockdown and identify are.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from agent.core.keys import Alg, PublicKey, sig_structure, verify
from agent.core.moments import Moment, Trust
from agent.core.notices import IdentifyOrder, MaintenanceOrder, OpenOrder, Order

MAX_BYTES: Final = 1024
MAX_LIFE_S: Final = 120
SKEW_S: Final = 60
"""How far the office's clock may be ahead of the gate's."""
FORGET_AFTER_S: Final = 86_400
_VERSION: Final = 1
_NONCE: Final = re.compile(r"[0-9a-f]{32}")
_SIGNATURE: Final = re.compile(rb"[0-9a-f]{128}")
_MOST_TEXT: Final = 64


class What(StrEnum):
    """What may be ordered."""

    OPEN = "open"  # let one through
    LOCKDOWN = "lockdown"
    RELEASE = "release"  # the lockdown is over
    IDENTIFY = "identify"  # show which gate you are
    MAINTENANCE_ON = "maintenance-on"
    MAINTENANCE_OFF = "maintenance-off"


_SAFE_WITHOUT_TIME: Final = frozenset({What.LOCKDOWN, What.IDENTIFY})


class Why(StrEnum):
    """Why an order is not obeyed."""

    RETAINED = "retained"  # the broker kept it: nobody gives it now
    MALFORMED = "malformed"
    FOREIGN = "foreign"  # for another gate or site
    NO_KEYS = "no_keys"  # no list yet, or one that lets nobody order
    FORGED = "forged"
    EXPIRED = "expired"
    TOO_LONG = "too_long"  # it would live longer than an order may
    EARLY = "early"  # issued in this gate's future
    REPLAYED = "replayed"
    CLOCK_UNSURE = "clock_unsure"
    UNRECORDED = "unrecorded"  # the card did not take its nonce
    FLOOD = "flood"  # some more, that are not told singly


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """What is signed; times in seconds since 1970, nonce of 32 hex digits."""

    site: str
    gate: str
    what: What
    nonce: str
    issued_utc: int
    expires_utc: int
    by: str
    why: str = ""

    def payload(self) -> bytes:
        """The order's line."""
        return json.dumps(
            {
                "v": _VERSION,
                "site": self.site,
                "gate": self.gate,
                "order": self.what,
                "nonce": self.nonce,
                "issued": self.issued_utc,
                "expires": self.expires_utc,
                "by": self.by,
                "why": self.why,
            },
            separators=(",", ":"),
            ensure_ascii=False,
        ).encode()

    def notice(self) -> "OrderNotice":
        """What the gatekeeper hears of it."""
        match self.what:
            case What.OPEN:
                return OpenOrder(self.by)
            case What.LOCKDOWN | What.RELEASE:
                return Order(self.what is What.LOCKDOWN, self.by)
            case What.IDENTIFY:
                return IdentifyOrder(self.by)
            case _:
                return MaintenanceOrder(self.what is What.MAINTENANCE_ON, self.by)


OrderNotice: TypeAlias = OpenOrder | Order | IdentifyOrder | MaintenanceOrder


@dataclass(frozen=True, slots=True)
class NotObeyed:
    """An order that does nothing.

    Args:
        by, what, nonce: who gave it, and which it was; empty unless the signature was good.
    """

    why: Why
    by: str = ""
    what: str = ""
    nonce: str = ""


def to_be_signed(site: str, gate: str, payload: bytes, alg: Alg = Alg.ED25519) -> bytes:
    """What the office's order key signs."""
    return sig_structure(alg, f"menshen/1/order/{site}/{gate}", payload)


def sealed(payload: bytes, signature: bytes) -> bytes:
    """The message on the wire."""
    return payload + b"\n" + signature.hex().encode()


@dataclass(frozen=True, slots=True)
class OrderRules:
    """What a gate weighs orders by.

    Args:
        keys: the list's order_keys; empty without a list.
        spent: nonces of orders that were obeyed.
    """

    site: str
    gate: str
    keys: Sequence[PublicKey]
    spent: Mapping[str, int]

    def weigh(self, message: bytes, now: Moment, *, retained: bool = False) -> SignedOrder | NotObeyed:
        """The order, if it is to be obeyed now; never raises."""
        if retained:
            return NotObeyed(Why.RETAINED)
        if not self.keys:
            return NotObeyed(Why.NO_KEYS)
        payload, _, signature = message.rpartition(b"\n")
        if len(message) > MAX_BYTES or not _SIGNATURE.fullmatch(signature):
            return NotObeyed(Why.MALFORMED)
        order = _read(payload)
        if order is None:
            return NotObeyed(Why.MALFORMED)
        if (order.site, order.gate) != (self.site, self.gate):
            return NotObeyed(Why.FOREIGN)
        raw = bytes.fromhex(signature.decode())
        if not any(
            verify(key, raw, to_be_signed(self.site, self.gate, payload, key.alg)) for key in self.keys
        ):
            return NotObeyed(Why.FORGED)
        why = self._untimely(order, now)
        return NotObeyed(why, order.by, order.what, order.nonce) if why else order

    def _untimely(self, order: SignedOrder, now: Moment) -> Why | None:
        if order.nonce in self.spent:
            return Why.REPLAYED
        if now.utc >= order.expires_utc:
            return Why.EXPIRED
        if order.expires_utc - order.issued_utc > MAX_LIFE_S:
            return Why.TOO_LONG
        if now.trust is Trust.UNKNOWN:
            # The gate's clock is then behind, if anything: what it calls early may be late.
            return None if order.what in _SAFE_WITHOUT_TIME else Why.CLOCK_UNSURE
        return Why.EARLY if order.issued_utc > now.utc + SKEW_S else None


def _read(payload: bytes) -> SignedOrder | None:
    try:
        fields: Any = json.loads(payload)
        order = SignedOrder(
            site=fields["site"],
            gate=fields["gate"],
            what=What(fields["order"]),
            nonce=fields["nonce"],
            issued_utc=fields["issued"],
            expires_utc=fields["expires"],
            by=fields["by"],
            why=fields["why"],
        )
    except (KeyError, RecursionError, TypeError, ValueError):
        return None
    times = (order.issued_utc, order.expires_utc)
    texts = (order.site, order.gate, order.nonce, order.by, order.why)
    if fields.get("v") != _VERSION or not all(isinstance(text, str) for text in texts):
        return None
    if not all(type(time) is int and 0 <= time < 1 << 53 for time in times):
        return None
    if not _NONCE.fullmatch(order.nonce) or max(len(order.by), len(order.why)) > _MOST_TEXT:
        return None
    return order
