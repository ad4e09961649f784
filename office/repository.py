"""The published list: a TUF repository in a directory, for gates to copy.

TUF signs one target, `al/head`; the sub-indexes and shards under it lie in
the same directory as `al/<sha256>`, named by the head and not by TUF. Files
are written so that whoever reads at any moment finds one whole list: parts
first, then the signed files that name them, and timestamp.json last, by
renaming. This module knows no Django and refuses to know what a grant is.

    N.root.json, N.targets.json   from the key ceremony, offline keys
    N.allowlist.json              N is the list's number; lists al/head alone
    N.snapshot.json, timestamp.json
    al/<sha256>.head              the head's bytes (consistent snapshot)
    al/<sha256>                   sub-indexes and shards
    N.revoke.json, rv/<sha256>.hot  what is denied already, before a list says so
    N.firmware.json, fw/*         releases, put here by `menshen-firmware release publish`
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from securesystemslib.exceptions import Error as SignatureFault
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, T, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from agent.core.allowlist import HEAD_TARGET, ISSUED_FIELD, SITE_FIELD, Head, ListFault, Status
from agent.core.hot import HOT_TARGET, Denials
from office.faults import OfficeFault
from office.files import write_whole
from office.keyring import Keyring
from office.repository_files import new_parts, prune, target_path, versions, write_all

ALLOWLIST_DAYS: Final = 21
ONLINE_DAYS: Final = 7
_EPOCH_2025_MIN: Final = 1735689600 // 60


@dataclass(frozen=True, slots=True)
class Published:
    """What a publication wrote.

    Args:
        expires_utc: when gates stop believing it, unless something newer is signed before.
    """

    number: int
    files_written: int
    bytes_written: int
    expires_utc: float


@dataclass(frozen=True, slots=True)
class Trust:
    """What the ceremony signed."""

    root: Metadata[Root]
    targets: Metadata[Targets]
    files: Mapping[str, bytes]


def publish(  # noqa: PLR0913, PLR0917  each its own thing
    repo_dir: Path,
    trust_dir: Path,
    keyring: Keyring,
    head: Head,
    parts: Mapping[bytes, bytes],
    now_utc: float,
    denied: Mapping[bytes, Status] | None = None,
) -> Published:
    """Sign a head and write it, with its parts, as the newest list.

    Args:
        repo_dir: made if missing.
        trust_dir: where the key ceremony put N.root.json and N.targets.json.
        head: its number must be greater than the last published.
        parts: sub-indexes and shards by SHA-256, as pack() gives them; those that are
            in the directory already may be left out.
        denied: what rv/hot denies from now on, because this list does not say so itself.
    Raises:
        OfficeFault: and the directory still holds the list before, whole.
    """
    try:
        (repo_dir / "al").mkdir(parents=True, exist_ok=True)
        trust = trusted(trust_dir, head.site, now_utc)
        if head.number <= (last := last_number(repo_dir)):
            raise OfficeFault(f"found list {head.number}, wanted a number above {last}, which is published")
        new = new_parts(repo_dir, head, parts)
        role, head_bytes = list_role(head, now_utc)
        signed_role = _signed(role, "allowlist", trust.targets.signed, keyring)
        new[target_path(role, HEAD_TARGET)] = head_bytes
        new[f"{head.number}.allowlist.json"] = signed_role
        hot = Denials(head.site, denied or {})
        return finish(repo_dir, trust, keyring, head.number, new, signed_role, hot, now_utc)
    except OSError as fault:
        raise OfficeFault(f"list {head.number} can't be written to {repo_dir}: {fault}") from fault


def renew(
    repo_dir: Path,
    trust_dir: Path,
    keyring: Keyring,
    now_utc: float,
    denied: Mapping[bytes, Status] | None = None,
) -> Published:
    """Sign the newest list's snapshot and timestamp again, so that gates know it is still the newest.

    Args:
        denied: what rv/hot denies from now on; None for what it denies already.
    Raises:
        OfficeFault: nothing is published, or as for publish.
    """
    try:
        number = last_number(repo_dir)
        if not number:
            raise OfficeFault(f"found no list in {repo_dir}; publish one first")
        role = (repo_dir / f"{number}.allowlist.json").read_bytes()
        site = newest_head(repo_dir).site
        trust = trusted(trust_dir, site, now_utc)
        hot = Denials(site, denied_now(repo_dir) if denied is None else denied)
        return finish(repo_dir, trust, keyring, number, {}, role, hot, now_utc)
    except (OSError, RepositoryError, KeyError, ListFault) as fault:
        raise OfficeFault(f"the list in {repo_dir} can't be renewed: {fault}; publish again") from fault


def newest_head(repo_dir: Path) -> Head:
    """The head of the newest list.

    Raises:
        OSError, RepositoryError, KeyError, ListFault: there is none that can be read.
    """
    role = Metadata[Targets].from_file(str(repo_dir / f"{last_number(repo_dir)}.allowlist.json"))
    return Head.from_bytes((repo_dir / target_path(role.signed, HEAD_TARGET)).read_bytes())


def denied_now(repo_dir: Path) -> Mapping[bytes, Status]:
    """What rv/hot denies at this moment; nothing before the first was published.

    Raises:
        OSError, RepositoryError, KeyError, ListFault: it can't be read.
    """
    version = _revoke_version(repo_dir)
    if not version:
        return {}
    role = Metadata[Targets].from_file(str(repo_dir / f"{version}.revoke.json"))
    return Denials.from_bytes((repo_dir / target_path(role.signed, HOT_TARGET)).read_bytes()).denied


def last_number(repo_dir: Path) -> int:
    """The number of the newest list that readers of the directory find; 0 if there is none.

    Raises:
        OfficeFault: what is there is damaged.
    """
    try:
        snapshot = _newest_snapshot(repo_dir)
        return snapshot.meta["allowlist.json"].version if snapshot else 0
    except (OSError, RepositoryError, KeyError) as fault:
        raise OfficeFault(
            f"the repository {repo_dir} is damaged: {fault}; restore it from the backup"
        ) from fault


def _revoke_version(repo_dir: Path) -> int:
    snapshot = _newest_snapshot(repo_dir)
    meta = snapshot.meta.get("revoke.json") if snapshot else None
    return meta.version if meta else 0


def _newest_snapshot(repo_dir: Path) -> Snapshot | None:
    try:
        stamp = Metadata[Timestamp].from_bytes((repo_dir / "timestamp.json").read_bytes())
        version = stamp.signed.snapshot_meta.version
        return Metadata[Snapshot].from_bytes((repo_dir / f"{version}.snapshot.json").read_bytes()).signed
    except FileNotFoundError:
        return None


def trusted(trust_dir: Path, site: str, now_utc: float) -> Trust:
    """Read what the ceremony signed, and check that a gate would believe it."""
    roots, targets = versions(trust_dir, "root"), versions(trust_dir, "targets")
    if not roots or not targets:
        raise OfficeFault(
            f"found no signed root and targets in {trust_dir}; hold the key ceremony: menshen-firmware keys sign"
        )
    files = {path.name: path.read_bytes() for path in (*roots.values(), targets[max(targets)])}
    try:
        root = Metadata[Root].from_bytes(files[roots[max(roots)].name])
        role = Metadata[Targets].from_bytes(files[targets[max(targets)].name])
        root.signed.verify_delegate(Root.type, root.signed_bytes, root.signatures)
        root.signed.verify_delegate(Targets.type, role.signed_bytes, role.signatures)
    except RepositoryError as fault:
        raise OfficeFault(f"what the key ceremony left in {trust_dir} is not whole: {fault}") from fault
    for one in (root.signed, role.signed):
        if one.is_expired(_moment(now_utc)):
            raise OfficeFault(
                f"the {one.type} metadata ended {one.expires:%Y-%m-%d}; renew it with the offline keys"
            )
    if (named := root.signed.unrecognized_fields.get(SITE_FIELD)) != site:
        raise OfficeFault(f"the root of trust in {trust_dir} is for site {named!r}, the list for {site!r}")
    return Trust(root, role, files)


def list_role(head: Head, now_utc: float) -> tuple[Targets, bytes]:
    """What is to be signed for a list, and its head's bytes.

    Raises:
        OfficeFault: gates would not be able to read the head.
    """
    data = head.to_bytes()
    try:
        Head.from_bytes(data)
    except ListFault as fault:
        raise OfficeFault(f"gates would refuse list {head.number}: {fault}") from fault
    target = TargetFile.from_data(HEAD_TARGET, data, ["sha256"])
    expires = _in_days(ALLOWLIST_DAYS, now_utc)
    return Targets(version=head.number, expires=expires, targets={HEAD_TARGET: target}), data


def _signed(signed: T, role: str, delegator: Root | Targets, keyring: Keyring) -> bytes:
    """Sign for a role, and check it as a gate will."""
    metadata = Metadata(signed)
    if (wanted := delegator.get_delegated_role(role).threshold) > 1:
        raise OfficeFault(
            f"the role {role} wants {wanted} signatures, and this home has one key for it; "
            "draft with `menshen-office publish --draft DIR` and complete with `menshen-office sign`"
        )
    try:
        metadata.sign(keyring.signers[role])
        delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, SignatureFault, ValueError) as fault:
        raise OfficeFault(
            f"gates would refuse this office's signature for the role {role}: {fault}; "
            "hold the key ceremony again with this office's public keys"
        ) from fault
    return metadata.to_bytes(JSONSerializer(compact=True))


def finish(  # noqa: PLR0913, PLR0917  the last step of both
    repo_dir: Path,
    trust: Trust,
    keyring: Keyring,
    number: int,
    new: dict[str, bytes],
    role: bytes,
    hot: Denials,
    now_utc: float,
) -> Published:
    """Sign rv/hot, snapshot and timestamp, then write everything, timestamp.json last."""
    root, targets = trust.root.signed, trust.targets.signed
    version = _next_version(repo_dir, now_utc)
    expires = _in_days(ONLINE_DAYS, now_utc)
    hot_bytes = _hot_bytes(hot)
    hot_target = TargetFile.from_data(HOT_TARGET, hot_bytes, ["sha256"])
    revoke = Targets(
        version=max(version, _revoke_version(repo_dir) + 1),
        expires=expires,
        targets={HOT_TARGET: hot_target},
    )
    revoke_bytes = _signed(revoke, "revoke", targets, keyring)
    targets_bytes = trust.files[f"{targets.version}.targets.json"]
    meta = {
        "targets.json": MetaFile.from_data(targets.version, targets_bytes, ["sha256"]),
        "allowlist.json": MetaFile.from_data(number, role, ["sha256"]),
        "revoke.json": MetaFile.from_data(revoke.version, revoke_bytes, ["sha256"]),
    }
    if releases := _releases(repo_dir, targets):
        meta["firmware.json"] = releases
    snapshot = Snapshot(version=version, expires=expires, meta=meta)
    snapshot_bytes = _signed(snapshot, "snapshot", root, keyring)
    stamp = Timestamp(
        version=version,
        expires=expires,
        snapshot_meta=MetaFile.from_data(version, snapshot_bytes, ["sha256"]),
        unrecognized_fields={ISSUED_FIELD: int(now_utc)},
    )
    stamp_bytes = _signed(stamp, "timestamp", root, keyring)

    new[f"{version}.snapshot.json"] = snapshot_bytes
    new[f"{revoke.version}.revoke.json"] = revoke_bytes
    new[target_path(revoke, HOT_TARGET)] = hot_bytes
    new |= {name: data for name, data in trust.files.items() if not (repo_dir / name).exists()}
    write_all(repo_dir, new)
    write_whole(repo_dir / "timestamp.json", stamp_bytes)
    with contextlib.suppress(OSError):  # it is published; what could not be removed goes next time
        prune(repo_dir)
    ends = Metadata[Targets].from_bytes(role).signed.expires
    return Published(
        number=number,
        files_written=len(new) + 1,
        bytes_written=sum(map(len, new.values())) + len(stamp_bytes),
        expires_utc=min(expires, ends, root.expires, targets.expires).timestamp(),
    )


def _releases(repo_dir: Path, targets: Targets) -> MetaFile | None:
    """The newest releases that lie there and that their makers have signed.

    What was named once is named on: gates refuse a snapshot that forgets a role. A file that is not
    signed as the ceremony asks must not keep a list from being published, and is passed over.
    """
    before = _newest_snapshot(repo_dir)
    named = before.meta.get("firmware.json") if before else None
    for version, path in sorted(versions(repo_dir, "firmware").items(), reverse=True):
        if named and version <= named.version:
            break
        with contextlib.suppress(RepositoryError, ValueError):
            role = Metadata[Targets].from_bytes(data := path.read_bytes())
            if role.signed.version == version:
                targets.verify_delegate("firmware", role.signed_bytes, role.signatures)
                return MetaFile.from_data(version, data, ["sha256"])
    return named


def _hot_bytes(hot: Denials) -> bytes:
    try:
        return hot.to_bytes()
    except ValueError as fault:
        raise OfficeFault(f"{fault}; publish a list, which has room for them") from fault


def _next_version(repo_dir: Path, now_utc: float) -> int:
    """Greater than any that gates have seen, even if this directory was lost: minutes since 2025."""
    minutes = int(now_utc) // 60 - _EPOCH_2025_MIN
    try:
        stamp = Metadata[Timestamp].from_bytes((repo_dir / "timestamp.json").read_bytes())
    except FileNotFoundError:
        return max(1, minutes)
    return max(stamp.signed.version + 1, minutes)


def _in_days(days: int, now_utc: float) -> datetime:
    return _moment(now_utc) + timedelta(days=days)


def _moment(utc: float) -> datetime:
    return datetime.fromtimestamp(int(utc), UTC)
