"""The root of trust: is this file one, and what does it say?

Checks what can be checked of a root by itself: that it is TUF root metadata
and that its own keys, as many as it asks for, have signed it. Whether it is
the *right* root is the technician's to know: compare the fingerprint.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root


@dataclass(frozen=True, slots=True)
class RootFacts:
    """What a root of trust says of itself.

    Args:
        threshold, keys: how many of how many keys must sign the next root.
        fingerprint: the first 16 hex digits of the file's SHA-256.
    """

    version: int
    threshold: int
    keys: int
    expires: datetime
    fingerprint: str

    def __str__(self) -> str:
        return (
            f"version {self.version}, {self.threshold} of {self.keys} keys, "
            f"until {self.expires:%Y-%m-%d}, fingerprint {self.fingerprint}"
        )


def inspect(data: bytes) -> RootFacts:
    """Read and check a root of trust.

    Raises:
        ValueError: it is none, or not signed by its own keys.
    """
    try:
        metadata = Metadata[Root].from_bytes(data)
        root = metadata.signed
        if root.type != Root.type:
            raise ValueError(
                f"found {root.type} metadata, wanted the root of trust; ask the office for root.json"
            )
        root.verify_delegate(Root.type, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, RecursionError) as fault:
        raise ValueError(f"this is no root of trust: {fault}; ask the site office for root.json") from fault
    role = root.roles[Root.type]
    return RootFacts(
        version=root.version,
        threshold=role.threshold,
        keys=len(role.keyids),
        expires=root.expires,
        fingerprint=hashlib.sha256(data).hexdigest()[:16],
    )
