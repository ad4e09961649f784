"""An opened message checked against its gate's key, before anything is asked of the events' table."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.core.feed import UNSIGNED, Header, log_topic
from agent.core.keys import PublicKey
from office.alerts import Matter
from office.ingest.line import Columns
from office.ingest.opened import Flaw, Opened
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
    columns: Columns


def gate_of(topic: str, site: str) -> str:
    """The gate's name in site/SITE/gate/NAME/log, or "" in any other topic, also of another site."""
    name = topic.split("/")[3] if topic.count("/") == 4 else ""
    return name if topic == log_topic(site, name) else ""


def checked(topic: str, message: Opened | Flaw, site: str, gates: Mapping[str, Gate]) -> Run:
    """Check a message.

    Args:
        gates: the gates on record, by name.
    Raises:
        Complaint: it is not what a gate on record has signed.
    """
    claimed = gate_of(topic, site)
    gate = gates.get(claimed)
    if gate is None:
        raise Complaint(Matter.UNKNOWN_GATE, f"a message from gate {claimed[:64]!r}, which is not on record")
    if isinstance(message, Flaw):
        raise Complaint(message.matter, message.detail, gate.name)
    if not message.header.signed_by(PublicKey.parse(gate.journal_key)):
        raise Complaint(Matter.WRONG_SIGNATURE, UNSIGNED, gate.name)
    return Run(gate, message.header, message.bodies, message.columns)
