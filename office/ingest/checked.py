"""A message checked whole against its gate's key, before anything is asked of the events' table."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.core.feed import FeedFault, Header, log_topic, unpack_message
from agent.core.keys import PublicKey
from office.alerts import Matter
from office.ingest.unfold import unfold
from office.models import Gate


class Complaint(Exception):
    """Why a message is not taken, or what is odd about one that is."""

    def __init__(self, matter: Matter, detail: str, gate: str = "", about: str = "") -> None:
        super().__init__(detail)
        # Parts of it may come from the message, and it is shown on terminals.
        self.detail = "".join(sign if sign.isprintable() else "?" for sign in detail[:500])
        self.matter, self.gate, self.about = matter, gate, about


@dataclass(frozen=True, slots=True)
class Run:
    """A message that has been checked whole."""

    gate: Gate
    header: Header
    bodies: tuple[bytes, ...]


def gate_of(topic: str) -> str:
    """The gate's name in site/S/gate/NAME/log, or "" in any other topic."""
    return topic.split("/")[3] if topic.count("/") == 4 else ""


def checked(topic: str, payload: bytes, gates: Mapping[str, Gate]) -> Run:
    """Check a message.

    Args:
        gates: the gates on record, by name.
    Raises:
        Complaint: it is not what a gate on record has signed.
    """
    claimed = gate_of(topic)
    gate = gates.get(claimed)
    if gate is None:
        raise Complaint(Matter.UNKNOWN_GATE, f"a message from gate {claimed[:64]!r}, which is not on record")
    try:
        header, packed = unpack_message(payload)
        place = header.first
        if topic != log_topic(place.site, place.gate):
            said = f"{place.site[:32]}/{place.gate[:32]}"
            raise Complaint(Matter.MISDIRECTED, f"a message that says it is from {said!r}", gate.name)
        bodies = unfold(packed)
    except FeedFault as fault:
        raise Complaint(Matter.MALFORMED, str(fault), gate.name) from fault
    flaw = header.checked(bodies, PublicKey.parse(gate.journal_key))
    if flaw:
        raise Complaint(Matter.WRONG_SIGNATURE, flaw, gate.name)
    return Run(gate, header, bodies)
