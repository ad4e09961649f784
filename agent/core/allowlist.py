"""The allowlist: what a site grants to each pass, as verified bytes.

TUF signs one small `al/head`. It names sub-indexes by SHA-256, each of which
lists the SHA-256 of up to 64 shards; a shard holds grants of 52 bytes sorted
by pass id. Whoever holds the head can check any one shard by itself. A
million passes lie in 4096 shards, so a change moves a shard, its sub-index
and the head.

This module knows the layout and refuses to know where bytes are stored, how
they came, or who signed the head.

    grant, 52 bytes   pass id 8 · key type (high nibble) and status (low) 1 · kind 1 · zones 1 ·
                      schedule 1 · not before 3 (minutes since 2025-01-01) ·
                      duration 2 (tens of minutes) · uses 1 · flags 1 · reserved 1 · holder's key 32

Of the flags, bit 0 says that the holder shows this pass under a threat.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import Any, Final

from agent.core.keys import KEY_BYTES, Alg, PublicKey
from agent.core.passback import OFF, Mode, Passback
from agent.core.passes import EPOCH_2025, KINDS, PASS_ID_BYTES
from agent.core.passes import PassKind as PassKind  # noqa: PLC0414  a list's word, too
from agent.core.schedule import ALWAYS, AS_KIND, DAY_MIN, DAYS, Window, covers, day_number, day_text

RECORD_BYTES: Final = 52
SHARDS_PER_INDEX: Final = 64
DIGEST_BYTES: Final = 32
MAX_SHARD_BITS: Final = 12
MAX_ZONES: Final = 8
HEAD_FORMAT: Final = 1
HEAD_TARGET: Final = "al/head"
SITE_FIELD: Final = "x-menshen-site"
"""The field of the root metadata that names the site it is for."""
ISSUED_FIELD: Final = "x-menshen-issued"
"""The field of the timestamp metadata that says when it was signed, in seconds since 1970."""
MAX_NEIGHBOUR_KEYS: Final = 16
"""Each costs a gate one more check of a forged card: about 3 ms for all on the smallest Pi."""
MAX_GATES: Final = 256
MAX_WINDOWS: Final = 64
MAX_HOLIDAYS: Final = 400
NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class ListFault(ValueError):
    """Verified bytes that are no allowlist of this version: the publisher is at fault."""


class Status(IntEnum):
    """Whether a grant is in force."""

    LIVE = 0
    SUSPENDED = 1
    REVOKED = 2


_DURESS: Final = 1
_FARTHEST: Final = 1 << 53
"""The greatest whole number that every JSON reader keeps exact."""
_KEY_TYPES: Final[tuple[tuple[Alg, bool] | None, ...]] = (
    None,
    (Alg.ED25519, False),
    (Alg.P256, False),
    (Alg.P256, True),
)


@dataclass(frozen=True, slots=True)
class Grant:
    """What the list says about one pass.

    Args:
        holder: the key that signs its rotating codes; None for a pass that is only printed.
        zones: bit n set: the head's n-th zone.
        schedule: number of a schedule in the head; 0 is that of its kind, 255 always.
        not_before_utc, not_after_utc: seconds since 1970.
        uses: how often it opens; 0 is without limit.
        duress: its holder shows it when forced to: it opens as ever, and the office hears of it.
    """

    pass_id: bytes
    kind: PassKind
    status: Status
    holder: PublicKey | None
    zones: int
    schedule: int
    not_before_utc: int
    not_after_utc: int
    uses: int = 0
    duress: bool = False

    def to_bytes(self) -> bytes:
        """The 52-byte record; times are widened to whole minutes and tens of minutes.

        Raises:
            OverflowError, ValueError: a field its place cannot hold.
        """
        minutes = (self.not_before_utc - EPOCH_2025) // 60
        tens = -(-(self.not_after_utc - EPOCH_2025 - 60 * minutes) // 600)
        key_type = _KEY_TYPES.index((self.holder.alg, self.holder.odd) if self.holder else None)
        if len(self.pass_id) != PASS_ID_BYTES or (self.holder and len(self.holder.raw) != KEY_BYTES):
            raise ValueError("found a pass id or a holder's key of a wrong length, wanted 8 and 32 bytes")
        if tens <= 0:
            raise ValueError("a grant must end after it begins")
        return b"".join(
            (
                self.pass_id,
                bytes((key_type << 4 | self.status, KINDS.index(self.kind), self.zones, self.schedule)),
                minutes.to_bytes(3),
                tens.to_bytes(2),
                bytes((self.uses, _DURESS * self.duress, 0)),
                self.holder.raw if self.holder else bytes(KEY_BYTES),
            )
        )

    @classmethod
    def from_bytes(cls, record: bytes) -> "Grant":
        """Read a record.

        Args:
            record: 52 bytes.
        Raises:
            ListFault: a kind, status or key type of a later version.
        """
        key_type, status = divmod(record[8], 16)
        try:
            holder = _KEY_TYPES[key_type]
            not_before = EPOCH_2025 + 60 * int.from_bytes(record[12:15])
            return cls(
                pass_id=record[:8],
                kind=KINDS[record[9]],
                status=Status(status),
                holder=PublicKey(holder[0], record[20:52], holder[1]) if holder else None,
                zones=record[10],
                schedule=record[11],
                not_before_utc=not_before,
                not_after_utc=not_before + 600 * int.from_bytes(record[15:17]),
                uses=record[17],
                duress=bool(record[18] & _DURESS),
            )
        except (IndexError, ValueError) as fault:
            raise ListFault(
                f"grant {record[:8].hex()} has a field this gate does not know: {fault}; update the gate"
            ) from fault


@dataclass(frozen=True, slots=True)
class Head:
    """The signed summary of a list.

    Args:
        number: grows with each publication.
        issued_utc: when it was published.
        soft_ttl_s: after this long it is stale: works, and says so.
        zones: names; a zone's place is its bit.
        utc_offset_min: the site's local time, for schedules.
        schedules: number, 1 to 254, to windows.
        kind_schedules: kind to the number of the schedule that its passes follow.
        holidays: days of their own in schedules, as schedule.day_number counts them.
        passback: kind to what becomes of a pass that comes in twice.
        issuers: key id to the key that signs static passes.
        neighbours: other sites of the same owner and their issuers, so that a
            code of theirs is refused as `wrong_site` and not as forged.
        ack_keys: the office's keys for acknowledgements.
        order_keys: its keys for orders to gates; without any, no gate obeys one.
        gates: the site's gates and the keys that sign their journals, so that each believes the others.
        admit_when_dead, admit_when_clock_unknown: the kinds that the site lets in even then.
        unlisted_static: whether a well-signed static pass opens before its grant has arrived.
        unlisted_holders: whether a holder with a well-signed certificate may enter before then.
        shard_bits: the list has 2**shard_bits shards.
        indexes: SHA-256 of each sub-index.
    """

    site: str
    number: int
    issued_utc: int
    soft_ttl_s: int
    zones: tuple[str, ...]
    shard_bits: int
    indexes: tuple[bytes, ...]
    utc_offset_min: int = 0
    schedules: Mapping[int, tuple[Window, ...]] = field(default_factory=dict)
    issuers: Mapping[int, PublicKey] = field(default_factory=dict)
    neighbours: Mapping[str, tuple[PublicKey, ...]] = field(default_factory=dict)
    ack_keys: tuple[PublicKey, ...] = ()
    order_keys: tuple[PublicKey, ...] = ()
    gates: Mapping[str, PublicKey] = field(default_factory=dict)
    admit_when_dead: frozenset[PassKind] = frozenset()
    admit_when_clock_unknown: frozenset[PassKind] = frozenset()
    unlisted_static: bool = False
    kind_schedules: Mapping[PassKind, int] = field(default_factory=dict)
    holidays: frozenset[int] = frozenset()
    passback: Mapping[PassKind, Passback] = field(default_factory=dict)
    unlisted_holders: bool = True

    def passback_of(self, kind: PassKind) -> Passback:
        return self.passback.get(kind, OFF)

    def in_schedule(self, number: int, kind: PassKind, utc: float) -> bool:
        """Whether a moment lies in a grant's schedule; one that is not defined here opens never."""
        if number == AS_KIND:
            number = self.kind_schedules.get(kind, ALWAYS)
        if number == ALWAYS:
            return True
        return covers(self.schedules.get(number, ()), self.holidays, int(utc // 60) + self.utc_offset_min)

    def to_bytes(self) -> bytes:
        """The target file, one JSON object."""
        return json.dumps(
            {
                "format": HEAD_FORMAT,
                "site": self.site,
                "number": self.number,
                "issued": self.issued_utc,
                "soft_ttl_s": self.soft_ttl_s,
                "zones": list(self.zones),
                "utc_offset_min": self.utc_offset_min,
                "schedules": {
                    str(number): [[sorted(w.days), w.from_min, w.to_min] for w in windows]
                    for number, windows in self.schedules.items()
                },
                "issuers": {str(key_id): str(key) for key_id, key in self.issuers.items()},
                "neighbours": {site: [str(key) for key in keys] for site, keys in self.neighbours.items()},
                "ack_keys": [str(key) for key in self.ack_keys],
                "order_keys": [str(key) for key in self.order_keys],
                "gates": {gate: str(key) for gate, key in self.gates.items()},
                "admit_when_dead": sorted(self.admit_when_dead),
                "admit_when_clock_unknown": sorted(self.admit_when_clock_unknown),
                "unlisted_static": self.unlisted_static,
                "kind_schedules": {str(kind): number for kind, number in self.kind_schedules.items()},
                "holidays": [day_text(day) for day in sorted(self.holidays)],
                "passback": {str(kind): [rule.mode, rule.minutes] for kind, rule in self.passback.items()},
                "unlisted_holders": self.unlisted_holders,
                "shard_bits": self.shard_bits,
                "indexes": [digest.hex() for digest in self.indexes],
            },
            separators=(",", ":"),
            sort_keys=True,
        ).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Head":
        """Read a head whose signatures have been checked.

        Raises:
            ListFault: not a head of this version, or one that contradicts itself.
        """
        try:
            return _read_head(json.loads(data))
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as fault:
            raise ListFault(
                f"the signed al/head is not a list head of format {HEAD_FORMAT}: "
                f"{type(fault).__name__} {fault}; ask the office to publish again"
            ) from fault


def _read_head(fields: dict[str, Any]) -> Head:
    if fields["format"] != HEAD_FORMAT:
        raise ValueError(f"found format {fields['format']!r}")
    head = Head(
        site=str(fields["site"]),
        number=_whole(fields, "number", 1, _FARTHEST),
        issued_utc=_whole(fields, "issued", 0, _FARTHEST),
        soft_ttl_s=_whole(fields, "soft_ttl_s", 0, _FARTHEST),
        zones=_names(fields, "zones"),
        utc_offset_min=_whole(fields, "utc_offset_min", -14 * 60, 14 * 60),
        schedules=_schedules(fields["schedules"]),
        issuers={int(key_id): PublicKey.parse(key) for key_id, key in fields["issuers"].items()},
        neighbours={
            site: tuple(PublicKey.parse(key) for key in keys) for site, keys in fields["neighbours"].items()
        },
        ack_keys=tuple(PublicKey.parse(key) for key in fields["ack_keys"]),
        order_keys=tuple(PublicKey.parse(key) for key in fields.get("order_keys", ())),
        gates={gate: PublicKey.parse(key) for gate, key in fields.get("gates", {}).items()},
        admit_when_dead=frozenset(map(PassKind, fields["admit_when_dead"])),
        admit_when_clock_unknown=frozenset(map(PassKind, fields["admit_when_clock_unknown"])),
        unlisted_static=fields["unlisted_static"] is True,
        kind_schedules=_kind_schedules(fields.get("kind_schedules", {})),
        holidays=frozenset(map(day_number, fields.get("holidays", ()))),
        passback={PassKind(kind): _passback(*rule) for kind, rule in fields.get("passback", {}).items()},
        unlisted_holders=fields.get("unlisted_holders", True) is True,
        shard_bits=_whole(fields, "shard_bits", 0, MAX_SHARD_BITS),
        indexes=tuple(map(bytes.fromhex, fields["indexes"])),
    )
    if not NAME.fullmatch(head.site) or len(head.zones) > MAX_ZONES:
        raise ValueError(f"found site {head.site[:40]!r} with {len(head.zones)} zones")
    neighbours = sum(map(len, head.neighbours.values()))
    if neighbours > MAX_NEIGHBOUR_KEYS or len(head.holidays) > MAX_HOLIDAYS:
        raise ValueError(f"found {neighbours} neighbours' keys and {len(head.holidays)} holidays")
    if len(head.gates) > MAX_GATES or not all(map(NAME.fullmatch, head.gates)):
        raise ValueError(f"found {len(head.gates)} gates, wanted at most {MAX_GATES}, each with a name")
    wanted = max(1, (1 << head.shard_bits) // SHARDS_PER_INDEX)
    if [len(digest) for digest in head.indexes] != [DIGEST_BYTES] * wanted:
        raise ValueError(f"found {len(head.indexes)} sub-indexes for {head.shard_bits} shard bits")
    return head


def _whole(fields: Mapping[str, Any], name: str, low: int, high: int) -> int:
    value = fields[name]
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"found {name} {str(value)[:40]}, wanted a whole number from {low} to {high}")
    return value


def _names(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = fields[name]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"found {name} {str(value)[:40]}, wanted a list of names")
    return tuple(value)


def _schedules(fields: Mapping[str, Any]) -> dict[int, tuple[Window, ...]]:
    schedules = {int(number): tuple(map(_window, some)) for number, some in fields.items()}
    if not all(AS_KIND < number < ALWAYS for number in schedules):
        raise ValueError(f"found schedules {sorted(schedules)}, wanted numbers from 1 to 254")
    if any(len(windows) > MAX_WINDOWS for windows in schedules.values()):
        raise ValueError(f"found a schedule of more than {MAX_WINDOWS} windows")
    return schedules


def _kind_schedules(fields: Mapping[str, Any]) -> dict[PassKind, int]:
    return {PassKind(kind): _whole(fields, kind, 1, ALWAYS) for kind in fields}


def _passback(mode: str, minutes: Any) -> Passback:
    return Passback(Mode(mode), _whole({"minutes": minutes}, "minutes", 0, _FARTHEST))


def _window(fields: tuple[list[int], int, int]) -> Window:
    days, start, end = fields
    window = Window(frozenset(days), int(start), int(end))
    in_a_day = 0 <= window.from_min < DAY_MIN and 0 <= window.to_min <= DAY_MIN
    if not window.days <= DAYS or not in_a_day or window.from_min == window.to_min:
        raise ValueError(
            f"found the window {days} {start} to {end}, wanted days 1 to 8 and two minutes of a day"
        )
    return window


class Freshness(StrEnum):
    """How old a list may be."""

    FRESH = "fresh"
    STALE = "stale"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Allowlist:
    """A verified list in use.

    Args:
        head: its summary.
        expires_utc: the hard limit, from the signed metadata.
        fetch: gives stored bytes by their SHA-256, or None; what it gives is hashed again here,
            so the store need not be believed.
        renewed_utc: when the office last signed that this is still its newest list.
        denied: pass id to `SUSPENDED` or `REVOKED`: what the office said since, see agent.core.hot.
    """

    head: Head
    expires_utc: float
    fetch: Callable[[bytes], bytes | None]
    renewed_utc: float = 0.0
    denied: Mapping[bytes, Status] = field(default_factory=dict)
    _indexes: dict[int, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Sub-indexes that were hashed already: at most 64, of 2 kB each."""

    def freshness(self, utc: float) -> Freshness:
        if utc >= self.expires_utc:
            return Freshness.DEAD
        told_utc = max(self.head.issued_utc, self.renewed_utc)
        return Freshness.STALE if utc >= told_utc + self.head.soft_ttl_s else Freshness.FRESH

    def find(self, pass_id: bytes) -> Grant | None:
        """The grant of a pass, or None if the list does not name it.

        Raises:
            ListFault: the store lost or changed a part of the list.
        """
        number = shard_number(pass_id, self.head.shard_bits)
        which, place = divmod(number, SHARDS_PER_INDEX)
        index = self._indexes.get(which)
        if index is None:
            index = self._indexes[which] = self._whole(self.head.indexes[which], f"sub-index {which}")
        digest = index[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES]
        record = find_record(self._whole(digest, f"shard {number}"), pass_id)
        return self.restrained(Grant.from_bytes(record)) if record else None

    def restrained(self, grant: Grant) -> Grant:
        """A grant as far as what was denied since leaves it in force; denials never widen one."""
        denied = self.denied.get(grant.pass_id, Status.LIVE)
        return replace(grant, status=denied) if denied > grant.status else grant

    def _whole(self, digest: bytes, name: str) -> bytes:
        data = self.fetch(digest)
        if data is None or hashlib.sha256(data).digest() != digest:
            raise ListFault(f"{name} of list {self.head.number} is missing or damaged in the store")
        return data


def shard_number(pass_id: bytes, shard_bits: int) -> int:
    """Which of 2**shard_bits shards a pass lies in: the top bits of its SHA-256."""
    return int.from_bytes(hashlib.sha256(pass_id).digest()[:2]) >> (16 - shard_bits)


def find_record(shard: bytes, pass_id: bytes) -> bytes | None:
    """Binary search for a pass among a shard's sorted records."""
    low, high = 0, len(shard) // RECORD_BYTES
    while low < high:
        middle = (low + high) // 2
        start = middle * RECORD_BYTES
        found = shard[start : start + len(pass_id)]
        if found == pass_id:
            return shard[start : start + RECORD_BYTES]
        if found < pass_id:
            low = middle + 1
        else:
            high = middle
    return None


def pack(grants: Iterable[Grant], shard_bits: int) -> tuple[tuple[bytes, ...], dict[bytes, bytes]]:
    """Lay grants out as a list.

    Returns:
        The digests of the sub-indexes, in order, for the head; and every
        sub-index and shard by its SHA-256.
    Raises:
        ValueError: two grants for one pass id, or more shards than a head can name.
    """
    if not 0 <= shard_bits <= MAX_SHARD_BITS:
        raise ValueError(f"found {shard_bits} shard bits, wanted 0 to {MAX_SHARD_BITS}")
    shards: list[list[bytes]] = [[] for _ in range(1 << shard_bits)]
    for grant in grants:
        shards[shard_number(grant.pass_id, shard_bits)].append(grant.to_bytes())
    parts: dict[bytes, bytes] = {}

    def keep(data: bytes) -> bytes:
        digest = hashlib.sha256(data).digest()
        parts[digest] = data
        return digest

    digests = []
    for records in shards:
        records.sort()
        for one, other in itertools.pairwise(records):
            if one[:8] == other[:8]:
                raise ValueError(f"pass {one[:8].hex()} is granted twice; one pass has one grant")
        digests.append(keep(b"".join(records)))
    indexes = tuple(
        keep(b"".join(digests[i : i + SHARDS_PER_INDEX])) for i in range(0, len(digests), SHARDS_PER_INDEX)
    )
    return indexes, parts


def parts_of(head: Head, index: Callable[[bytes], bytes]) -> Iterable[bytes]:
    """Every digest a store must hold for a head: its sub-indexes, then their shards.

    Args:
        index: gives a verified sub-index by its digest.
    """
    for digest in head.indexes:
        yield digest
        data = index(digest)
        for start in range(0, len(data), DIGEST_BYTES):
            yield data[start : start + DIGEST_BYTES]
