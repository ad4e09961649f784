"""The daily closing statement: a gate's own account of a day, which the office can check and countersign.

At local midnight the gate journals one event, `day.closed`, whose data are:

    day                       the local date that ends, `2026-03-02`
    first_epoch, first_seq    the first event that it accounts for
    last_epoch, last_seq      the last one, which stands right before the statement
    head                      the journal's head after that last event, 64 hex digits
    events                    how many they are
    count.KIND                how many of a kind, `count.pass.admitted`
    count.KIND.REASON         for kinds that have a reason, `count.pass.refused.expired`
    sig                       the device key's signature, 128 hex digits

What belongs to a statement is decided by place and never by time: all that the
journal holds from the statement before, itself included, to the event before
this one. So each event is in exactly one account whatever the clock did, and
days on which the gate was off are in none. What is signed is the data without
`clock` and `sig` as JSON with sorted keys, no spaces, non-ASCII as it is, in
UTF-8, in the context `menshen/1/day/SITE/GATE`; the office countersigns the
same bytes in the context `menshen/1/day-kept/SITE/GATE`.

This module knows accounts. It refuses to know when midnight is and where the
events come from.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from agent.core.events import TYPE_PREFIX, Fact, Place
from agent.core.feed import EPOCH, FeedFault
from agent.core.keys import Alg, PublicKey, sig_structure, verify

_COUNT: Final = "count."
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_HEAD: Final = re.compile(r"[0-9a-f]{64}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{128}")
_MOST: Final = 1 << 53


def local_day(utc: float, utc_offset_min: int) -> str:
    """The site's date at a moment."""
    return datetime.fromtimestamp(utc + 60 * utc_offset_min, UTC).date().isoformat()


def counted_as(kind: str, data: Mapping[str, Any]) -> str:
    """The name under which an event is counted: its kind, and its reason if it has one."""
    reason = data.get("reason")
    return f"{kind}.{reason}" if isinstance(reason, str) else kind


@dataclass(frozen=True, slots=True)
class Statement:
    """One gate's account of one day.

    Args:
        day: the local date.
        first, last: the first and the last event in it.
        head: 32 bytes, the journal's head after the last.
        counts: events by counted_as.
        signature: 64 bytes by the device key; empty before it is signed.
    """

    day: str
    first: Place
    last: Place
    head: bytes
    counts: Mapping[str, int]
    signature: bytes = b""

    def facts(self) -> dict[str, Fact]:
        """The data of its event, but for the clock's trust, which every event has."""
        facts = self._unsigned()
        if self.signature:
            facts["sig"] = self.signature.hex()
        return facts

    def _unsigned(self) -> dict[str, Fact]:
        return {
            "day": self.day,
            "first_epoch": self.first.epoch,
            "first_seq": self.first.seq,
            "last_epoch": self.last.epoch,
            "last_seq": self.last.seq,
            "head": self.head.hex(),
            "events": sum(self.counts.values()),
            **{f"{_COUNT}{name}": count for name, count in sorted(self.counts.items())},
        }

    def signed_by_gate(self, alg: Alg = Alg.ED25519) -> bytes:
        """What the device key signs."""
        return self._signed(alg, "day")

    def signed_by_office(self, alg: Alg = Alg.ED25519) -> bytes:
        """What the office's acknowledgement key signs, once it found every event."""
        return self._signed(alg, "day-kept")

    def _signed(self, alg: Alg, what: str) -> bytes:
        payload = json.dumps(self._unsigned(), separators=(",", ":"), sort_keys=True, ensure_ascii=False)
        return sig_structure(alg, f"menshen/1/{what}/{self.last.site}/{self.last.gate}", payload.encode())

    def holds(self, key: PublicKey) -> bool:
        """Whether the gate whose key this is signed it."""
        return verify(key, self.signature, self.signed_by_gate(key.alg))

    @classmethod
    def read(cls, event: Mapping[str, Any], site: str, gate: str) -> "Statement":
        """The statement in a `day.closed` event, its signature not yet checked.

        Args:
            event: the CloudEvent, as parsed from its line.
        Raises:
            FeedFault: it holds none of this form.
        """
        data = event.get("data")
        if event.get("type") != f"{TYPE_PREFIX}day.closed" or not isinstance(data, Mapping):
            raise FeedFault("not a closing statement")
        counts = {name.removeprefix(_COUNT): n for name, n in data.items() if name.startswith(_COUNT)}
        if not all(type(n) is int and 0 < n < _MOST for n in (*counts.values(), data.get("events"))):
            raise FeedFault("a closing statement with counts that are no counts")
        if data["events"] != sum(counts.values()):
            raise FeedFault("a closing statement that does not add up")
        return cls(
            day=_text(data, "day", _DAY),
            first=_place(data, "first", site, gate),
            last=_place(data, "last", site, gate),
            head=bytes.fromhex(_text(data, "head", _HEAD)),
            counts=counts,
            signature=bytes.fromhex(_text(data, "sig", _SIGNATURE)),
        )


def _place(data: Mapping[str, Any], which: str, site: str, gate: str) -> Place:
    seq = data.get(f"{which}_seq")
    if type(seq) is not int or not 0 < seq < _MOST:
        raise FeedFault(f"a closing statement whose {which}_seq is no sequence number")
    return Place(site, gate, _text(data, f"{which}_epoch", EPOCH), seq)


def _text(data: Mapping[str, Any], name: str, wanted: re.Pattern[str]) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not wanted.fullmatch(value):
        raise FeedFault(f"a closing statement whose {name} does not match {wanted.pattern}")
    return value


@dataclass(slots=True)
class Account:
    """The account that is still open: what the journal holds since the last statement.

    Args:
        first, last: None until there is an event.
        opened_utc: the first event's time; its local date is the day that the account is for.
    """

    first: Place | None = None
    last: Place | None = None
    head: bytes = b""
    opened_utc: float = 0.0
    _counts: dict[str, int] = field(default_factory=dict)

    def enter(self, place: Place, head: bytes, utc: float, name: str) -> None:
        """Count one event; a statement closes the account before it, and opens the next.

        Args:
            head: the journal's, after it.
            utc: its time.
            name: as counted_as gives it.
        """
        if self.first is None or name == "day.closed":
            self.first, self.opened_utc, self._counts = place, utc, {}
        self.last, self.head = place, head
        self._counts[name] = self._counts.get(name, 0) + 1

    def due(self, utc: float, utc_offset_min: int) -> Statement | None:
        """The statement to be signed, if the local day in which the account was opened is over."""
        if self.first is None or self.last is None:
            return None
        day = local_day(self.opened_utc, utc_offset_min)
        if local_day(utc, utc_offset_min) <= day:
            return None
        return Statement(day, self.first, self.last, self.head, dict(self._counts))
