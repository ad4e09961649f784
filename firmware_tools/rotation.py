"""What happens to the root of trust after its first day: renewal, lost keys, stolen keys.

rotate() makes the next version of root and of targets. A gate goes from one
root to the next by itself, however many it has missed, if enough keys of the
old one *and* enough of the new one have signed: so a lost key is replaced by
those that are left, and a thief of one key replaces nothing. Nothing is ever
changed in place: metadata of a new version lies beside the old.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from securesystemslib.signer import CryptoSigner, Key
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Root, Targets
from tuf.api.serialization.json import JSONSerializer

from agent.core.allowlist import SITE_FIELD
from firmware_tools.ceremony import OFFLINE, PATHS, expires_after, show, unlock
from firmware_tools.key_files import CeremonyFault, ListedKey, OfficePublic, OfflineKeys, RoleKeys
from firmware_tools.private_files import write_new, write_over

_NAME: Final = re.compile(r"([a-z]+)-([0-9]+)")


@dataclass(frozen=True, slots=True)
class Trust:
    """The newest root and targets that the keys have signed."""

    root: Metadata[Root]
    targets: Metadata[Targets]

    @classmethod
    def read(cls, directory: Path) -> "Trust":
        """Read and check what lies in a directory.

        Raises:
            CeremonyFault: there is none, or it does not hold.
        """
        try:
            root = Metadata[Root].from_file(str(_newest(directory, "root")))
            targets = Metadata[Targets].from_file(str(_newest(directory, "targets")))
            root.signed.verify_delegate(Root.type, root.signed_bytes, root.signatures)
            root.signed.verify_delegate(Targets.type, targets.signed_bytes, targets.signatures)
        except (OSError, RepositoryError) as fault:
            raise CeremonyFault(
                f"the root of trust in {directory} does not hold: {fault}; restore it"
            ) from fault
        return cls(root, targets)


@dataclass(frozen=True, slots=True)
class Rotation:
    """The next root and targets, and what goes with them; nothing of it is written yet.

    Args:
        keys: the public halves as they are from now on.
        made: name to the encrypted PEM of each new key.
        retired: names of keys that count no more.
    """

    root: Metadata[Root]
    targets: Metadata[Targets]
    keys: OfflineKeys
    made: Mapping[str, bytes] = field(repr=False)
    retired: tuple[str, ...] = ()


def rotate(  # noqa: PLR0913, PLR0917  each its own thing
    keys_dir: Path,
    trust: Trust,
    replace: Sequence[str],
    office: OfficePublic | None,
    passphrase: bytes,
    now: datetime,
) -> Rotation:
    """Make the next root and targets, fresh for their whole time.

    Args:
        replace: names of keys that count no more, such as `root-2`, each replaced by a new one.
        office: new keys of the office; None to keep those it has.
        now: the beginning of their validity, UTC.
    Raises:
        CeremonyFault: too few keys are there, or a name or file is wrong. Nothing was written.
    """
    old = show(keys_dir)
    old_root, old_targets = trust.root.signed, trust.targets.signed
    site = str(old_root.unrecognized_fields.get(SITE_FIELD))
    if office is not None and office.site != site:
        raise CeremonyFault(f"found the keys of site {office.site}, wanted those of {site}")
    keys, fresh = _replaced(old, replace)

    root = Root(
        version=old_root.version + 1,
        expires=expires_after("root", now),
        unrecognized_fields={SITE_FIELD: site},
    )
    for role in ("root", "targets"):
        _put(root, role, [one.public for one in keys.roles[role].keys], keys.roles[role].threshold)
    for role in ("snapshot", "timestamp"):
        _put(root, role, *_online(old_root, role, office))
    targets = Targets(
        version=old_targets.version + 1,
        expires=expires_after("targets", now),
        targets=old_targets.targets,
        delegations=_delegations(old_targets, keys, office),
    )
    new_root, new_targets = Metadata(root), Metadata(targets)
    for signer in _signers(keys_dir, "root", (old, keys), fresh, passphrase):
        new_root.sign(signer, append=True)
    for signer in _signers(keys_dir, "targets", (keys,), fresh, passphrase):
        new_targets.sign(signer, append=True)
    _enough(old_root, "root", new_root, "of the old root")
    _enough(root, "root", new_root, "of the new root")
    _enough(root, "targets", new_targets, "targets")
    made = {name: _pem(key, passphrase) for name, key in fresh.items()}
    return Rotation(new_root, new_targets, keys, made, tuple(replace))


def write_rotation(keys_dir: Path, trust_dir: Path, rotation: Rotation) -> list[Path]:
    """Write new keys first and the new root last: whoever finds a root finds all that it names.

    Raises:
        CeremonyFault: a version is there already, or a directory can't be written.
    """
    written = []
    try:
        for name, pem in rotation.made.items():
            write_new(keys_dir / f"{name}.pem", pem, 0o600)
            written.append(keys_dir / f"{name}.pem")
        if rotation.made:
            write_over(
                keys_dir / "keys.json", json.dumps(rotation.keys.model_dump(), indent=1).encode(), 0o644
            )
        both: tuple[Metadata[Targets] | Metadata[Root], ...] = (rotation.targets, rotation.root)
        for metadata in both:
            path = trust_dir / f"{metadata.signed.version}.{metadata.signed.type}.json"
            write_new(path, metadata.to_bytes(JSONSerializer()), 0o644)
            written.append(path)
    except OSError as fault:
        raise CeremonyFault(
            f"not all was written: {fault.strerror} ({fault.filename}); written so far: "
            f"{', '.join(map(str, written)) or 'nothing'}; make room, then repeat without --replace"
        ) from fault
    return written


def _newest(directory: Path, role: str) -> Path:
    found = {
        int(match[1]): path
        for path in directory.glob(f"*.{role}.json")
        if (match := re.fullmatch(rf"([1-9][0-9]{{0,8}})\.{role}\.json", path.name))
    }
    if not found:
        raise CeremonyFault(f"found no signed {role} in {directory}, wanted what `keys sign` wrote")
    return found[max(found)]


def _replaced(old: OfflineKeys, replace: Sequence[str]) -> tuple[OfflineKeys, dict[str, Ed25519PrivateKey]]:
    """The keys as they will be, and the new private ones by name."""
    roles = {str(role): [*listed.keys] for role, listed in old.roles.items()}
    fresh: dict[str, Ed25519PrivateKey] = {}
    for name in dict.fromkeys(replace):
        role = name.rpartition("-")[0]
        listed = roles.get(role, [])
        place = next((n for n, one in enumerate(listed) if one.name == name), None)
        if place is None:
            known = ", ".join(str(one.name) for some in old.roles.values() for one in some.keys)
            raise CeremonyFault(f"found no key {name!r} to replace, wanted some of {known}")
        number = 1 + max(int(match[2]) for one in listed if (match := _NAME.fullmatch(str(one.name))))
        key = Ed25519PrivateKey.generate()
        fresh[f"{role}-{number}"] = key
        public = key.public_key().public_bytes_raw().hex()
        listed[place] = ListedKey(alg="ed25519", key=public, name=f"{role}-{number}")
    fields = {
        role: RoleKeys(threshold=OFFLINE[role].threshold, keys=tuple(some)) for role, some in roles.items()
    }
    return OfflineKeys.model_validate({"format": 1, "roles": fields}), fresh


def _put(root: Root, role: str, publics: Sequence[Key], threshold: int) -> None:
    for public in publics:
        root.add_key(public, role)
    root.roles[role].threshold = threshold


def _online(old: Root, role: str, office: OfficePublic | None) -> tuple[list[Key], int]:
    if office is not None:
        listed = office.roles[role]  # type: ignore[index]  # a role's name is a literal there
        return [one.public for one in listed.keys], listed.threshold
    return [old.keys[keyid] for keyid in old.roles[role].keyids], old.roles[role].threshold


def _delegations(old: Targets, keys: OfflineKeys, office: OfficePublic | None) -> Delegations:
    before = old.delegations
    if before is None or not before.roles:
        raise CeremonyFault("the targets metadata delegates nothing; hold the key ceremony again")
    publics: dict[str, tuple[list[Key], int]] = {}
    for name in PATHS:
        if name == "firmware":
            listed = keys.roles["firmware"]
            publics[name] = ([one.public for one in listed.keys], listed.threshold)
        elif office is not None:
            listed = office.roles[name]  # type: ignore[index]  # as above
            publics[name] = ([one.public for one in listed.keys], listed.threshold)
        else:
            role = before.roles[name]
            publics[name] = ([before.keys[keyid] for keyid in role.keyids], role.threshold)
    return Delegations(
        keys={public.keyid: public for some, _ in publics.values() for public in some},
        roles={
            name: DelegatedRole(
                name,
                keyids=[public.keyid for public in some],
                threshold=threshold,
                terminating=True,
                paths=[PATHS[name]],
            )
            for name, (some, threshold) in publics.items()
        },
    )


def _signers(
    directory: Path,
    role: str,
    lists: Sequence[OfflineKeys],
    fresh: Mapping[str, Ed25519PrivateKey],
    passphrase: bytes,
) -> list[CryptoSigner]:
    """Every key of a role that is at hand: old ones from their files, new ones from memory."""
    listed = {one.key: one for keys in lists for one in keys.roles[role].keys}  # type: ignore[index]  # as above
    signers = []
    for one in listed.values():
        name = str(one.name)
        if name in fresh:
            signers.append(CryptoSigner(fresh[name]))
        elif (path := directory / f"{name}.pem").exists():
            signers.append(unlock(path, one, passphrase))
    return signers


def _enough(delegator: Root, role: str, metadata: Metadata[Root] | Metadata[Targets], whose: str) -> None:
    result = delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    if not result.verified:
        raise CeremonyFault(
            f"found {len(result.signed)} keys {whose}, wanted {result.threshold}; bring the others"
        )


def _pem(key: Ed25519PrivateKey, passphrase: bytes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))
