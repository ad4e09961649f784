"""From a root of trust to a verified list head and what was denied since.

`sync` runs it on what the network brings and `gate` runs it again on what
sync stored, each with a memory of its own, so that neither needs to believe
the other. The signatures are followed by agent.stores.tuf_client; this module
knows what the two targets say, and refuses to know how files travel or where
a list is kept.

Importing this module costs a quarter of a second; its callers import it when
they first need it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tuf.api.metadata import Timestamp

from agent.core.allowlist import HEAD_TARGET, ISSUED_FIELD, Head, ListFault
from agent.core.hot import HOT_TARGET, Denials
from agent.core.moments import Moment
from agent.stores.anchor import Anchor
from agent.stores.sources import Source
from agent.stores.tuf_client import Distrust, Following, following

__all__ = ["Distrust", "Verified", "verify"]

ROLE: Final = "allowlist"
HOT_ROLE: Final = "revoke"


@dataclass(frozen=True, slots=True)
class Verified:
    """A head and denials that the root of trust vouches for at a moment.

    Args:
        head_bytes: the target al/head as signed.
        denials: the target rv/hot of the same moment.
        files: every file that proves it, by its path in the repository; among them the head.
        expires_utc: the earliest end among all signatures relied on.
        renewed_utc: when the office last signed that this is its newest list; 0 if it does not say.
    """

    head: Head
    head_bytes: bytes
    denials: Denials
    files: Mapping[str, bytes]
    expires_utc: float
    renewed_utc: float


def verify(source: Source, anchor: Anchor, now: Moment) -> Verified:
    """Follow the signatures from the installed root to al/head and rv/hot.

    Args:
        source: the repository's files.
        anchor: the calling process's own.
        now: floored by the caller; decides expiry.
    Raises:
        Unreachable: the source does not answer.
        Distrust: for whatever other reason; nothing else escapes.
    """
    with following(source, anchor, now) as walk:
        path, head_bytes = _only_target(walk, HEAD_TARGET, ROLE)
        head = _head(head_bytes, anchor.site)
        hot_path, hot_bytes = _only_target(walk, HOT_TARGET, HOT_ROLE)
        denials = _denials(hot_bytes, anchor.site)
        proof = walk.settle((ROLE, HOT_ROLE), {"head": head.number})
        targets = {path: head_bytes, hot_path: hot_bytes}
        return Verified(
            head,
            head_bytes,
            denials,
            dict(proof.files) | targets,
            proof.expires_utc,
            _renewed(walk.timestamp),
        )


def _only_target(walk: Following, name: str, role: str) -> tuple[str, bytes]:
    """A target that must be there, alone: its path in the repository, and its verified bytes."""
    signed, target = walk.role(name, role)
    if target is None:
        raise Distrust(f"no {name} is signed by the role {role}; ask the office to publish")
    if others := sorted(signed.targets.keys() - {name}):
        # Nobody would ask this role for firmware; but a key that tries is in the wrong hands.
        raise Distrust(f"the role {role} lists {others[0][:80]}, wanted {name} alone; replace its keys")
    return walk.fetch(target)


def _denials(data: bytes, site: str) -> Denials:
    try:
        denials = Denials.from_bytes(data)
    except ListFault as fault:
        raise Distrust(str(fault)) from fault
    if denials.site != site:
        raise Distrust(f"{HOT_TARGET} is for site {denials.site!r}, and this gate is at {site!r}")
    return denials


def _renewed(timestamp: Timestamp) -> float:
    said = timestamp.unrecognized_fields.get(ISSUED_FIELD)
    return float(said) if type(said) is int and 0 < said < timestamp.expires.timestamp() else 0.0


def _head(data: bytes, site: str) -> Head:
    try:
        head = Head.from_bytes(data)
    except ListFault as fault:
        raise Distrust(str(fault)) from fault
    if head.site != site:
        raise Distrust(f"the list is for site {head.site!r}, and this gate is at {site!r}")
    return head
