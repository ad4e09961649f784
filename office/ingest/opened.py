"""A message opened: everything about it that needs neither a key nor the database.

This is most of what the ingester's processor does, so it is done ahead of the
database, see office.ingest.opener. Nothing in an opened message is believed yet.
"""

from dataclasses import dataclass

from agent.core.feed import FeedFault, Header, log_topic, unpack_message
from office.alerts import Matter
from office.ingest.line import Columns, columns
from office.ingest.unfold import unfold


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a message cannot be taken, whoever sent it."""

    matter: Matter
    detail: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A message that holds together: its lines hash from one of its heads to the other.

    Args:
        columns: of its bodies, what goes beside them into the table.
    """

    header: Header
    bodies: tuple[bytes, ...]
    columns: Columns


def opened(topic: str, payload: bytes) -> Opened | Flaw:
    """Open a message."""
    try:
        header, packed = unpack_message(payload)
        place = header.first
        if topic != log_topic(place.site, place.gate):
            said = f"{place.site[:32]}/{place.gate[:32]}"
            return Flaw(Matter.MISDIRECTED, f"a message that says it is from {said!r}")
        bodies = unfold(packed)
    except FeedFault as fault:
        return Flaw(Matter.MALFORMED, str(fault))
    if broken := header.broken(bodies):
        return Flaw(Matter.WRONG_SIGNATURE, broken)
    return Opened(header, bodies, columns(bodies))
