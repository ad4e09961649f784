"""What the gates of one site say to each other.

Each tells its fellows its journal as it happens: the same signed runs of events
that the office gets (agent.core.feed), compressed with zlib. So a gate's word is
its record, and whoever carries it can delay or drop it, and nothing else.

Whoever has missed something asks, in one line of JSON that nobody signs, for all
after the last event that it has. An answer is nothing but more of the same runs.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.core.events import Place
from agent.core.feed import (
    MAX_LINES_BYTES,
    FeedFault,
    Header,
    line_fields,
    pack_message,
    place_in,
    unpack_message,
)
from agent.core.notices import Told

MAX_ASK_BYTES: Final = 512
GIVE_UP_S: Final = 120.0
"""What a fellow has not said by then, asked or not, it has no more."""
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Ask:
    """A gate wants all that a fellow has journaled after an event.

    Args:
        by: the gate that asks.
        after: the event; its gate is the fellow. See Rewind.beginning for the first of all.
    """

    by: str
    after: Place

    def to_bytes(self) -> bytes:
        place = self.after
        return json.dumps(
            {
                "v": _VERSION,
                "ask": "after",
                "by": self.by,
                "site": place.site,
                "gate": place.gate,
                "epoch": place.epoch,
                "seq": place.seq,
            },
            separators=(",", ":"),
        ).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Ask":
        """Read a question; nobody signs one, and an answer does no harm.

        Raises:
            FeedFault: it is none of this version.
        """
        fields = line_fields(data[: MAX_ASK_BYTES + 1])
        if fields.get("ask") != "after":
            raise FeedFault("not a question")
        try:
            return cls(str(fields["by"]), place_in(fields, "seq", lowest=0))
        except (KeyError, TypeError, ValueError) as fault:
            raise FeedFault(f"question of a wrong shape: {type(fault).__name__} {fault}") from fault


def fold(header: Header, bodies: Sequence[bytes]) -> bytes:
    """A run of events as it is told."""
    return pack_message(header, zlib.compress(b"\n".join(bodies)))


def unfold(message: bytes) -> tuple[Header, tuple[bytes, ...]]:
    """A run as it was told, nothing in it believed yet.

    Raises:
        FeedFault: it is none, or would unfold to more than MAX_LINES_BYTES.
    """
    header, packed = unpack_message(message)
    unfolding = zlib.decompressobj()
    try:
        lines = unfolding.decompress(packed, MAX_LINES_BYTES)
    except zlib.error as fault:
        raise FeedFault(f"lines that do not unfold: {fault}") from fault
    if not unfolding.eof or unfolding.unused_data:
        raise FeedFault(f"lines that do not end, or unfold to more than {MAX_LINES_BYTES} bytes")
    return header, tuple(lines.split(b"\n"))


@dataclass(slots=True)
class Heard:
    """How far each fellow's journal has been heard without a gap.

    Args:
        upto: the last event of each, by gate.
    """

    upto: dict[str, Place] = field(default_factory=dict)
    _since: dict[str, Place] = field(default_factory=dict)
    _gaps: dict[str, float] = field(default_factory=dict)

    def take(self, told: Told, mono: float) -> bool:
        """Note a run; whether there is anything new in it."""
        gate, last = told.upto.gate, told.upto
        known = self.upto.get(gate)
        if known is None:
            # What was before this may still be told, and is news then.
            self._since[gate] = last
        elif known.epoch == last.epoch and last.seq <= known.seq:
            since = self._since.get(gate)
            return since is not None and since.epoch == last.epoch and last.seq < since.seq
        if _joins(known, told.follows) or mono - self._gaps.setdefault(gate, mono) >= GIVE_UP_S:
            self.upto[gate] = last
            self._gaps.pop(gate, None)
        return True


def _joins(known: Place | None, follows: Place | None) -> bool:
    if known is None or known == follows:
        return True
    return follows is not None and follows.epoch == known.epoch and follows.seq <= known.seq
