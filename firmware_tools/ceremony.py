"""The key ceremony: the offline keys that everything at a site rests on.

make_keys() makes them; sign_trust() lets them vouch for the office's online
keys, as TUF metadata. Both happen on a machine without a network. Which role
has which keys, how many of them must sign and for how long is the table
below, and nowhere else. This module does not ask anybody anything: see
firmware_tools.cli.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Root, T, Targets
from tuf.api.serialization.json import JSONSerializer

from agent.core.allowlist import SITE_FIELD
from firmware_tools.key_files import CeremonyFault, ListedKey, OfficePublic, OfflineKeys, RoleKeys, read
from firmware_tools.private_files import sync_directory, write_new

MIN_PASSPHRASE: Final = 12
_MAX_PEM_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Offline:
    """A role whose keys this ceremony makes."""

    keys: int
    threshold: int
    expires_days: int


OFFLINE: Final[Mapping[str, Offline]] = {
    "root": Offline(keys=3, threshold=2, expires_days=365),
    "targets": Offline(keys=2, threshold=2, expires_days=182),
    "firmware": Offline(keys=2, threshold=2, expires_days=365),
}
PATHS: Final = {"allowlist": "al/*", "revoke": "rv/*", "firmware": "fw/*"}
"""What each delegated role may list; terminating, so that no other role is asked."""


def make_keys(directory: Path, passphrase: bytes) -> OfflineKeys:
    """Make all offline keys: one encrypted PKCS8 PEM file each, mode 0600, and keys.json.

    Args:
        directory: made, and must not exist or be empty: it appears whole or not at all.
    Raises:
        CeremonyFault: it holds something, can't be written, or the passphrase is too short.
    """
    if len(passphrase) < MIN_PASSPHRASE:
        raise CeremonyFault(
            f"found a passphrase of {len(passphrase)} bytes, wanted at least {MIN_PASSPHRASE}"
        )
    roles: dict[str, RoleKeys] = {}
    try:
        _refuse_if_used(directory)
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}.") as passing:
            whole = Path(passing) / "keys"
            whole.mkdir(mode=0o700)
            for role, wanted in OFFLINE.items():
                listed = [_make_key(whole, f"{role}-{n}", passphrase) for n in range(1, wanted.keys + 1)]
                roles[role] = RoleKeys(threshold=wanted.threshold, keys=tuple(listed))
            keys = OfflineKeys.model_validate({"format": 1, "roles": roles})
            write_new(whole / "keys.json", json.dumps(keys.model_dump(), indent=1).encode(), 0o644)
            whole.rename(directory)
        sync_directory(directory.parent)
    except OSError as fault:
        raise CeremonyFault(f"the keys can't be written to {directory}: {fault.strerror}") from fault
    return keys


def show(directory: Path) -> OfflineKeys:
    """The public halves of the keys in a directory."""
    return read(directory / "keys.json", OfflineKeys, "the directory that `menshen-firmware keys make` wrote")


def sign_trust(
    keys_dir: Path, office: OfficePublic, passphrase: bytes, now: datetime
) -> tuple[Metadata[Root], Metadata[Targets]]:
    """Let the offline keys vouch for an office.

    All offline keys that are there sign; a role whose threshold is not met stops the ceremony.

    Args:
        now: the beginning of their validity, UTC.
    Returns:
        Version 1 of root and of targets, checked as a gate will check them.
    """
    offline = show(keys_dir)
    root = Root(version=1, expires=expires_after("root", now), unrecognized_fields={SITE_FIELD: office.site})
    _authorise(root, "root", offline.roles["root"])
    _authorise(root, "targets", offline.roles["targets"])
    _authorise(root, "snapshot", office.roles["snapshot"])
    _authorise(root, "timestamp", office.roles["timestamp"])
    delegated = {"allowlist": office.roles["allowlist"], "revoke": office.roles["revoke"]}
    delegated["firmware"] = offline.roles["firmware"]
    targets = Targets(version=1, expires=expires_after("targets", now), delegations=_delegations(delegated))
    return (
        _signed(root, root, _signers(keys_dir, offline.roles["root"], passphrase)),
        _signed(targets, root, _signers(keys_dir, offline.roles["targets"], passphrase)),
    )


def write_trust(directory: Path, root: Metadata[Root], targets: Metadata[Targets]) -> list[Path]:
    """Write what sign_trust() made, targets first: whoever finds a root finds all.

    Raises:
        CeremonyFault: there is signed metadata already, or the directory can't be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if found := [path.name for path in directory.glob("*.json")]:
            raise CeremonyFault(
                f"found {', '.join(sorted(found))} in {directory}, wanted none: gates trust what lies there; "
                "name another directory"
            )
        written = []
        for role, metadata in (("targets", targets), ("root", root)):
            path = directory / f"1.{role}.json"
            write_new(path, metadata.to_bytes(JSONSerializer()), 0o644)
            written.append(path)
    except OSError as fault:
        raise CeremonyFault(f"the root of trust can't be written to {directory}: {fault.strerror}") from fault
    return written


def _refuse_if_used(directory: Path) -> None:
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise CeremonyFault(
            f"found {directory} in use, wanted a new directory: keys are never overwritten; name another one"
        )


def _make_key(directory: Path, name: str, passphrase: bytes) -> ListedKey:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))
    write_new(directory / f"{name}.pem", pem, 0o600)
    return ListedKey(alg="ed25519", key=key.public_key().public_bytes_raw().hex(), name=name)


def _signers(directory: Path, role: RoleKeys, passphrase: bytes) -> list[CryptoSigner]:
    """Unlock those of a role's keys that are there; a lost one may be missing."""
    return [
        unlock(path, listed, passphrase)
        for listed in role.keys
        if (path := directory / f"{listed.name}.pem").exists()
    ]


def unlock(path: Path, listed: ListedKey, passphrase: bytes) -> CryptoSigner:
    """Load one offline key, if it is the one that is listed.

    Raises:
        CeremonyFault: a wrong passphrase, a damaged file or another key.
    """
    try:
        with path.open("rb") as file:
            key = load_pem_private_key(file.read(_MAX_PEM_BYTES), passphrase)
    except OSError as fault:
        raise CeremonyFault(f"{path} can't be read: {fault.strerror}") from fault
    except (ValueError, TypeError) as fault:
        raise CeremonyFault(
            f"{path} does not open: a wrong passphrase, or a damaged file; try its copy"
        ) from fault
    if not isinstance(key, Ed25519PrivateKey) or key.public_key().public_bytes_raw().hex() != listed.key:
        raise CeremonyFault(
            f"found another key in {path} than keys.json lists; use the files of one ceremony"
        )
    return CryptoSigner(key)


def _authorise(root: Root, role: str, keys: RoleKeys) -> None:
    for listed in keys.keys:
        root.add_key(listed.public, role)
    root.roles[role].threshold = keys.threshold


def _delegations(roles: Mapping[str, RoleKeys]) -> Delegations:
    publics = {name: [listed.public for listed in role.keys] for name, role in roles.items()}
    return Delegations(
        keys={public.keyid: public for some in publics.values() for public in some},
        roles={
            name: DelegatedRole(
                name,
                keyids=[public.keyid for public in publics[name]],
                threshold=role.threshold,
                terminating=True,
                paths=[PATHS[name]],
            )
            for name, role in roles.items()
        },
    )


def _signed(signed: T, root: Root, signers: Sequence[CryptoSigner]) -> Metadata[T]:
    metadata = Metadata(signed)
    for signer in signers:
        metadata.sign(signer, append=True)
    wanted = root.roles[signed.type].threshold
    if len(signers) < wanted:
        raise CeremonyFault(f"found {len(signers)} {signed.type} keys, wanted {wanted}; bring the others")
    root.verify_delegate(signed.type, metadata.signed_bytes, metadata.signatures)
    return metadata


def expires_after(role: str, now: datetime) -> datetime:
    """When what a role's keys sign now ends."""
    return now.replace(microsecond=0) + timedelta(days=OFFLINE[role].expires_days)
