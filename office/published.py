"""What the newest published list says, believed only because this office's own keys signed it.

For an office that has just been restored: the list in the repository may be newer than its
database. Nothing here asks whether the signatures have expired: an old word of the office is
still its word.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from securesystemslib.exceptions import Error as SignatureFault
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Snapshot, Targets, Timestamp

from agent.core.allowlist import (
    DIGEST_BYTES,
    HEAD_TARGET,
    RECORD_BYTES,
    Grant,
    Head,
    ListFault,
    Status,
)
from agent.core.hot import HOT_TARGET, Denials
from office.faults import OfficeFault
from office.keyring import Keyring
from office.repository_files import part_path, target_path


@dataclass(frozen=True, slots=True)
class Published:
    """The newest list, and what is denied beside it.

    Args:
        denied: by rv/hot.
    """

    head: Head
    grants: Mapping[str, Grant]
    denied: Mapping[str, Status]


def newest(repo_dir: Path, site: str, keyring: Keyring) -> Published | None:
    """Read the newest list of a repository, or of a copy of one.

    Returns:
        None if nothing was ever published there.
    Raises:
        OfficeFault: it is damaged, of another site, or not signed by this office's keys.
    """
    if not (repo_dir / "timestamp.json").exists():
        return None
    try:
        return _read(repo_dir, site, keyring)
    except (OSError, RepositoryError, SignatureFault, KeyError, ListFault, ValueError) as fault:
        raise OfficeFault(
            f"the list in {repo_dir} can't be believed: {fault}; give a whole copy of the repository, "
            "as a gate's web server or another machine has it"
        ) from fault


def _read(repo_dir: Path, site: str, keyring: Keyring) -> Published:
    stamp = Metadata[Timestamp].from_bytes((repo_dir / "timestamp.json").read_bytes())
    _check(stamp, "timestamp", keyring)
    snapshot = Metadata[Snapshot].from_bytes(_meta(repo_dir, "snapshot", stamp.signed.snapshot_meta))
    _check(snapshot, "snapshot", keyring)
    meta = snapshot.signed.meta
    role = Metadata[Targets].from_bytes(_meta(repo_dir, "allowlist", meta["allowlist.json"]))
    _check(role, "allowlist", keyring)
    revoke = Metadata[Targets].from_bytes(_meta(repo_dir, "revoke", meta["revoke.json"]))
    _check(revoke, "revoke", keyring)
    head = Head.from_bytes(_target(repo_dir, role.signed, HEAD_TARGET))
    hot = Denials.from_bytes(_target(repo_dir, revoke.signed, HOT_TARGET))
    if {head.site, hot.site} != {site}:
        raise ListFault(f"it is of site {head.site}, wanted {site}")
    grants = {grant.pass_id.hex(): grant for grant in _grants(head, repo_dir)}
    return Published(head, grants, {pass_id.hex(): status for pass_id, status in hot.denied.items()})


def _check(signed: Metadata[Any], role: str, keyring: Keyring) -> None:
    """At a two-person site the office's own signature is one of two: gates ask for both, and this for its own."""
    key = keyring.signers[role].public_key
    if key.keyid not in signed.signatures:
        raise ListFault(f"its {role} is not signed by this office's key")
    key.verify_signature(signed.signatures[key.keyid], signed.signed_bytes)


def _meta(repo_dir: Path, role: str, meta: MetaFile) -> bytes:
    data = (repo_dir / f"{meta.version}.{role}.json").read_bytes()
    meta.verify_length_and_hashes(data)
    return data


def _target(repo_dir: Path, role: Targets, name: str) -> bytes:
    data = (repo_dir / target_path(role, name)).read_bytes()
    role.targets[name].verify_length_and_hashes(data)
    return data


def _grants(head: Head, repo_dir: Path) -> Iterator[Grant]:
    """Every grant of a list; each part is hashed again, as a gate does it."""

    def whole(digest: bytes) -> bytes:
        data = (repo_dir / part_path(digest)).read_bytes()
        if hashlib.sha256(data).digest() != digest:
            raise ListFault(f"its part {digest.hex()[:12]} is damaged")
        return data

    for index in map(whole, head.indexes):
        for place in range(0, len(index), DIGEST_BYTES):
            shard = whole(index[place : place + DIGEST_BYTES])
            for start in range(0, len(shard), RECORD_BYTES):
                yield Grant.from_bytes(shard[start : start + RECORD_BYTES])
