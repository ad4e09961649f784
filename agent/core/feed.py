"""What a gate and its office say to each other about events.

A message is one line of JSON, the header, and then compressed body lines.
The header names the run of events and carries the device key's signature
over the head after the last of them; previous head, bodies and head can be
checked against each other, so nothing else needs a signature. Compression
is done by the two ends (`zstd`), with a bound on what it may unfold to.

An acknowledgement is one line of JSON, signed by the office, and cumulative.
So is a request to rewind, from an office that was restored from a backup and
holds less than it once acknowledged; it travels on the same topic, never retained.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from agent.core.allowlist import NAME
from agent.core.chain import GENESIS, Checkpoint, extend_all
from agent.core.events import Place
from agent.core.keys import Alg, PublicKey, sig_structure, verify

MAX_EVENTS: Final = 200
MAX_MESSAGE_BYTES: Final = 256 * 1024
MAX_LINES_BYTES: Final = 1024 * 1024
_MAX_HEADER_BYTES: Final = 1024
_VERSION: Final = 1
_NO_EPOCH: Final = "0" * 16
UNSIGNED: Final = "the head is not signed by this gate's key"
EPOCH: Final = re.compile(r"[0-9a-f]{16}")


def log_topic(site: str, gate: str) -> str:
    """Where a gate publishes its events."""
    return f"site/{site}/gate/{gate}/log"


def ack_topic(site: str, gate: str) -> str:
    """Where the office acknowledges them; retained, since it is cumulative."""
    return f"site/{site}/gate/{gate}/ack"


def client_name(site: str, gate: str) -> str:
    """The name by which a broker knows a gate: of two clients with one name it throws the first one out.

    Several sites may share a broker, and each may have its gate `north`.
    """
    return f"{site}_{gate}"


def status_topic(site: str, gate: str) -> str:
    """Where a gate says, retained, that it is there; its last will says that it is not."""
    return f"site/{site}/gate/{gate}/status"


def event_topic(site: str, gate: str) -> str:
    """Where a gate tells each event as it happens: one plain line of JSON, QoS 0, not retained.

    For people and dashboards. It is the same line that the log carries later, unsigned here and
    never repeated; what counts is the log.
    """
    return f"site/{site}/gate/{gate}/event"


def health_topic(site: str, gate: str) -> str:
    """Where a gate tells, retained, how it does: one JSON object, see agent.core.health."""
    return f"site/{site}/gate/{gate}/health"


def told_topic(site: str, gate: str) -> str:
    """Where a gate tells the other gates of its site what it journals, see agent.core.hearsay; never retained."""
    return f"site/{site}/gate/{gate}/told"


def order_topic(site: str, gate: str) -> str:
    """Where the office sends signed orders, see agent.core.orders; never retained."""
    return f"site/{site}/gate/{gate}/order"


class FeedFault(ValueError):
    """A message that breaks the feed's rules; its text says which."""


@dataclass(frozen=True, slots=True)
class Purged:
    """A gate's word that it has let go of everything up to the checkpoint, signed by its device key."""

    checkpoint: Checkpoint
    signature: bytes

    def holds(self, key: PublicKey) -> bool:
        """Whether the gate whose key this is signed it."""
        return verify(key, self.signature, self.checkpoint.signed_as_purged(key.alg))


@dataclass(frozen=True, slots=True)
class Header:
    """A run of events in one epoch: first.seq to last, and the heads around it.

    Args:
        purged: in the run that begins with the oldest event that the gate still has: what went before.
    """

    first: Place
    last_seq: int
    before: bytes
    head: bytes
    signature: bytes
    purged: Purged | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        place = self.first
        return Checkpoint(Place(place.site, place.gate, place.epoch, self.last_seq), self.head)

    def checked(self, bodies: Sequence[bytes], key: PublicKey) -> str | None:
        """Check a message whole.

        Args:
            bodies: its lines, as they were hashed.
            key: the device key on record for the gate.
        Returns:
            None if all is right, else what is not.
        """
        return self.broken(bodies) or (None if self.signed_by(key) else UNSIGNED)

    def broken(self, bodies: Sequence[bytes]) -> str | None:
        """What of a message does not hold together, whoever signed it; None if all does."""
        wanted = self.last_seq - self.first.seq + 1
        if len(bodies) != wanted:
            return f"{len(bodies)} events for a run of {wanted}"
        if self.first.seq == 1 and self.before != GENESIS:
            return "an epoch that does not begin at its beginning"
        if extend_all(self.before, bodies) != self.head:
            return "the events do not hash to the head"
        return None

    def signed_by(self, key: PublicKey) -> bool:
        """Whether the gate whose key this is signed the head."""
        return verify(key, self.signature, self.checkpoint.signed_by_gate(key.alg))


def pack_message(header: Header, packed_lines: bytes) -> bytes:
    """A message's bytes, from its header and the compressed lines."""
    place = header.first
    fields: dict[str, Any] = {
        "v": _VERSION,
        "site": place.site,
        "gate": place.gate,
        "epoch": place.epoch,
        "from": place.seq,
        "to": header.last_seq,
        "prev": header.before.hex(),
        "head": header.head.hex(),
        "sig": header.signature.hex(),
    }
    if header.purged:
        gone = header.purged.checkpoint
        fields["purged"] = {
            "epoch": gone.place.epoch,
            "upto": gone.place.seq,
            "h": gone.head.hex(),
            "sig": header.purged.signature.hex(),
        }
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n" + packed_lines


def unpack_message(message: bytes) -> tuple[Header, bytes]:
    """The header, nothing in it believed yet, and the compressed lines.

    Raises:
        FeedFault: too large, or no header of this version.
    """
    if len(message) > MAX_MESSAGE_BYTES:
        raise FeedFault(f"message of {len(message)} bytes, wanted at most {MAX_MESSAGE_BYTES}")
    line, newline, rest = message.partition(b"\n")
    if not newline or len(line) > _MAX_HEADER_BYTES:
        raise FeedFault("no header line")
    fields = line_fields(line)
    try:
        place, first, last = place_in(fields, "from"), fields["from"], fields["to"]
        header = Header(
            place,
            last,
            _digest(fields["prev"]),
            _digest(fields["head"]),
            bytes.fromhex(fields["sig"]),
            _purged(fields),
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise FeedFault(f"header of a wrong shape: {type(fault).__name__} {fault}") from fault
    if type(last) is not int or not first <= last < first + MAX_EVENTS:
        raise FeedFault(f"a run from {first} to {last!r}; wanted 1 to {MAX_EVENTS} events")
    return header, rest


def _purged(fields: dict[str, Any]) -> Purged | None:
    gone = fields.get("purged")
    if gone is None:
        return None
    place = place_in({**gone, "site": fields["site"], "gate": fields["gate"]}, "upto")
    return Purged(Checkpoint(place, _digest(gone["h"])), bytes.fromhex(gone["sig"]))


@dataclass(frozen=True, slots=True)
class Ack:
    """The office keeps everything up to the checkpoint; signature by the office."""

    checkpoint: Checkpoint
    signature: bytes

    def to_bytes(self) -> bytes:
        place = self.checkpoint.place
        return json.dumps(
            {
                "v": _VERSION,
                "site": place.site,
                "gate": place.gate,
                "epoch": place.epoch,
                "upto": place.seq,
                "h": self.checkpoint.head.hex(),
                "sig": self.signature.hex(),
            },
            separators=(",", ":"),
        ).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Ack":
        """Read an acknowledgement, nothing in it believed yet.

        Raises:
            FeedFault: not one of this version.
        """
        if len(data) > _MAX_HEADER_BYTES:
            raise FeedFault(f"acknowledgement of {len(data)} bytes")
        fields = line_fields(data)
        try:
            return cls(
                Checkpoint(place_in(fields, "upto"), _digest(fields["h"])),
                bytes.fromhex(fields["sig"]),
            )
        except (KeyError, TypeError, ValueError) as fault:
            raise FeedFault(f"acknowledgement of a wrong shape: {type(fault).__name__} {fault}") from fault

    def holds(self, keys: Sequence[PublicKey]) -> bool:
        """Whether one of the office's keys signed it."""
        return any(verify(key, self.signature, self.checkpoint.signed_by_office(key.alg)) for key in keys)


@dataclass(frozen=True, slots=True)
class Rewind:
    """The office asks for everything after the checkpoint once more; signature by the office.

    Args:
        checkpoint: what the office holds: before the first event (see `beginning`) if nothing.
        at_ms: when it asked, milliseconds since 1970 by its clock; one that is not newer than
            the last one heeded is an old one repeated.
    """

    checkpoint: Checkpoint
    at_ms: int
    signature: bytes

    @staticmethod
    def beginning(site: str, gate: str) -> Checkpoint:
        """Before a gate's first event: no epoch is called sixteen zeros."""
        return Checkpoint(Place(site, gate, _NO_EPOCH, 0), GENESIS)

    @staticmethod
    def signed(checkpoint: Checkpoint, at_ms: int, alg: Alg = Alg.ED25519) -> bytes:
        """What the office's acknowledgement key signs."""
        place = checkpoint.place
        payload = at_ms.to_bytes(8) + bytes.fromhex(place.epoch) + place.seq.to_bytes(8) + checkpoint.head
        return sig_structure(alg, f"menshen/1/rewind/{place.site}/{place.gate}", payload)

    def to_bytes(self) -> bytes:
        place = self.checkpoint.place
        return json.dumps(
            {
                "v": _VERSION,
                "ask": "rewind",
                "site": place.site,
                "gate": place.gate,
                "epoch": place.epoch,
                "upto": place.seq,
                "h": self.checkpoint.head.hex(),
                "at": self.at_ms,
                "sig": self.signature.hex(),
            },
            separators=(",", ":"),
        ).encode()

    def holds(self, keys: Sequence[PublicKey]) -> bool:
        """Whether one of the office's keys signed it."""
        return any(
            verify(key, self.signature, self.signed(self.checkpoint, self.at_ms, key.alg)) for key in keys
        )


def answer(data: bytes) -> Ack | Rewind:
    """Read what came on the ack topic, nothing in it believed yet.

    Raises:
        FeedFault: neither an acknowledgement nor a request to rewind.
    """
    if len(data) > _MAX_HEADER_BYTES:
        raise FeedFault(f"answer of {len(data)} bytes")
    fields = line_fields(data)
    if "ask" not in fields:
        return Ack.from_bytes(data)
    try:
        return Rewind(
            Checkpoint(place_in(fields, "upto", lowest=0), _digest(fields["h"])),
            _asked_at_ms(fields),
            bytes.fromhex(fields["sig"]),
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise FeedFault(f"request of a wrong shape: {type(fault).__name__} {fault}") from fault


def _asked_at_ms(fields: dict[str, Any]) -> int:
    at_ms = fields["at"]
    if fields["ask"] != "rewind" or type(at_ms) is not int or not 0 <= at_ms < 1 << 63:
        raise ValueError("wanted to rewind, at a time")
    return at_ms


def line_fields(line: bytes) -> dict[str, Any]:
    """The fields of a line of JSON of this version.

    Raises:
        FeedFault: it is none.
    """
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as fault:
        raise FeedFault("not JSON") from fault
    if not isinstance(fields, dict) or fields.get("v") != _VERSION:
        raise FeedFault(f"not a message of version {_VERSION}")
    return fields


def place_in(fields: dict[str, Any], seq_key: str, *, lowest: int = 1) -> Place:
    """The key of an event among some fields.

    Raises:
        KeyError, TypeError, ValueError: there is none.
    """
    site, gate, epoch, seq = fields["site"], fields["gate"], fields["epoch"], fields[seq_key]
    if not (isinstance(site, str) and isinstance(gate, str) and isinstance(epoch, str)):
        raise TypeError("site, gate and epoch are not all text")
    # A signature names site and gate side by side; a slash in one would let it speak for another.
    if not (NAME.fullmatch(site) and NAME.fullmatch(gate)):
        raise ValueError(f"site and gate do not match {NAME.pattern}")
    if not EPOCH.fullmatch(epoch):
        raise ValueError("epoch is not 16 hex digits")
    if type(seq) is not int or not lowest <= seq < 1 << 63:
        raise ValueError(f"{seq_key} is not a sequence number")
    return Place(site, gate, epoch, seq)


def _digest(text: object) -> bytes:
    digest = bytes.fromhex(text) if isinstance(text, str) else b""
    if len(digest) != 32:
        raise ValueError("a head is not 64 hex digits")
    return digest
