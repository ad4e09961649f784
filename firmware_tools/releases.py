"""Releases as the root of trust knows them: the `firmware` role, signed by two vendor keys.

A folder of releases holds what goes beside a site's published list:

    fw/<sha256>.menshen-0.2.0-aarch64-py3.13.tar   bundles
    N.firmware.json                                 which of them count, on what terms; two signatures
    draft.firmware.json                             the next N, until enough keys have signed it

Two keepers sign on two machines: each looks at what `release show` says,
adds a signature to the draft, and hands it on. The draft becomes N when the
second has signed. This module asks nobody anything; see firmware_tools.cli.
"""

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, TargetFile, Targets
from tuf.api.serialization.json import JSONSerializer

from firmware_tools import bundle
from firmware_tools.ceremony import expires_after, show, unlock
from firmware_tools.key_files import CeremonyFault, RoleKeys
from firmware_tools.manifest import sentences
from firmware_tools.private_files import sync_directory, write_new, write_over
from firmware_tools.rollout import FIELD, Rollout, Terms

ROLE: Final = "firmware"
DRAFT: Final = "draft.firmware.json"
MAX_ROLE_BYTES: Final = 128 * 1024
_KEEP: Final = 8
"""Targets in the role: gates read no more than 128 kB, and nobody goes back further."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The next version of the role.

    Args:
        signed_by: names of the keys that have signed.
        threshold: how many must.
        published_as: its file, once enough have.
    """

    metadata: Metadata[Targets]
    signed_by: tuple[str, ...]
    threshold: int
    published_as: Path | None = None


def draft(folder: Path, bundles: Sequence[Path], rollout: Rollout, now: datetime) -> Draft:
    """Put bundles into the next version of the role, unsigned; their predecessors for the same machine stay.

    Raises:
        CeremonyFault, BundleFault: a bundle is not whole or is listed with other bytes, or the disk.
    """
    role = _next(folder, now)
    for path in bundles:
        manifest = bundle.inspect(path)
        name = f"fw/{path.name}"
        terms = Terms(version=manifest.version, floor=manifest.floor, fits=manifest.fits, rollout=rollout)
        target = TargetFile.from_file(name, str(path), ["sha256"])
        target.unrecognized_fields["custom"] = {FIELD: terms.model_dump(mode="json")}
        if (before := role.targets.get(name)) and before.hashes != target.hashes:
            raise CeremonyFault(
                f"found other bytes listed as {path.name}, and a version is never two things; raise the version"
            )
        role.targets[name] = target
        _copy_in(path, folder / "fw", target.hashes["sha256"])
    for name in list(role.targets)[:-_KEEP]:
        del role.targets[name]
    return _write_draft(folder, role)


def redraft(folder: Path, version: str, changes: Mapping[str, object], now: datetime) -> Draft:
    """Change the terms on which a released version goes out: more of the gates, or hold.

    Args:
        changes: fields of Rollout; the others stay as they are.
    Raises:
        CeremonyFault: no such version is listed, or the terms make no sense.
    """
    role = _next(folder, now)
    found = False
    for target in role.targets.values():
        terms = terms_of(target)
        if terms is not None and terms.version == version:
            try:
                rollout = Rollout.model_validate({**terms.rollout.model_dump(), **changes})
            except ValidationError as fault:
                raise CeremonyFault(f"nobody can be offered it like that: {sentences(fault)}") from fault
            custom = terms.model_copy(update={"rollout": rollout})
            target.unrecognized_fields["custom"] = {FIELD: custom.model_dump(mode="json")}
            found = True
    if not found:
        known = ", ".join(sorted({t.version for t in map(terms_of, role.targets.values()) if t})) or "none"
        raise CeremonyFault(f"found no release {version} in {folder}, wanted one of {known}")
    return _write_draft(folder, role)


def sign(folder: Path, keys_dir: Path, passphrase: bytes) -> Draft:
    """Add the signature of each firmware key that is there; the draft counts once enough have signed.

    Raises:
        CeremonyFault: there is no draft or no key, or a key does not open.
    """
    path = folder / DRAFT
    if not path.exists():
        raise CeremonyFault(f"found no draft in {folder}, wanted what `release draft` writes")
    metadata = _load(path)
    keys = show(keys_dir).roles["firmware"]
    there = [one for one in keys.keys if (keys_dir / f"{one.name}.pem").exists()]
    if not there:
        names = " or ".join(f"{one.name}.pem" for one in keys.keys)
        raise CeremonyFault(f"found no firmware key in {keys_dir}, wanted {names}")
    for target in metadata.signed.targets.values():
        _same_bytes(folder, target)
    signers = [unlock(keys_dir / f"{one.name}.pem", one, passphrase) for one in there]
    for signer in signers:
        metadata.sign(signer, append=True)
    return _kept(folder, metadata, keys)


def current(folder: Path) -> Metadata[Targets] | None:
    """The newest version of the role that enough keys have signed, if there is one."""
    found = _versions(folder)
    return _load(found[max(found)]) if found else None


def draft_of(folder: Path) -> Metadata[Targets] | None:
    """What waits for signatures, if anything."""
    path = folder / DRAFT
    return _load(path) if path.exists() else None


def publish(folder: Path, repo: Path) -> list[Path]:
    """Put the newest signed releases beside a site's published list, bundles first.

    The office's next `publish` or `renew` names them in its snapshot; until then no gate sees them.

    Raises:
        CeremonyFault: nothing is signed, a bundle is missing or not the one that was signed, or the disk.
    """
    role = current(folder)
    if role is None:
        raise CeremonyFault(f"found no signed releases in {folder}; sign a draft with two firmware keys")
    written = []
    try:
        (repo / "fw").mkdir(parents=True, exist_ok=True)
        for target in role.signed.targets.values():
            source = _same_bytes(folder, target)
            if not (repo / "fw" / source.name).exists():
                _copy(source, repo / "fw" / source.name)
                written.append(repo / "fw" / source.name)
        name = f"{role.signed.version}.{ROLE}.json"
        if not (repo / name).exists():
            write_new(repo / name, role.to_bytes(JSONSerializer()), 0o644)
            written.append(repo / name)
    except OSError as fault:
        raise CeremonyFault(f"the releases can't be written to {repo}: {fault.strerror}") from fault
    return written


def terms_of(target: TargetFile) -> Terms | None:
    """On what terms a target is released; None if it does not say so in a way that is understood."""
    custom = target.unrecognized_fields.get("custom")
    try:
        return Terms.model_validate(custom.get(FIELD)) if isinstance(custom, Mapping) else None
    except ValidationError:
        return None


def why_not(target: TargetFile) -> str:
    """What is wrong with a target's terms, as a sentence."""
    custom = target.unrecognized_fields.get("custom")
    try:
        Terms.model_validate(custom.get(FIELD) if isinstance(custom, Mapping) else None)
    except ValidationError as fault:
        return sentences(fault)
    return ""


def _next(folder: Path, now: datetime) -> Targets:
    """The role after the newest signed one, with the same targets; it replaces a draft that nobody signed."""
    pending = draft_of(folder)
    if pending is not None and pending.signatures:
        raise CeremonyFault(
            f"found a draft with {len(pending.signatures)} signature in {folder}; let it be signed, "
            f"or delete {DRAFT} to begin again"
        )
    before = pending or current(folder)
    newest = max(_versions(folder), default=0)
    return Targets(
        version=newest + 1,
        expires=expires_after("firmware", now),
        targets=dict(before.signed.targets) if before else {},
    )


def _write_draft(folder: Path, role: Targets) -> Draft:
    metadata = Metadata(role)
    data = metadata.to_bytes(JSONSerializer())
    if len(data) > MAX_ROLE_BYTES:
        raise CeremonyFault(
            f"the releases would take {len(data)} bytes to list, and gates read {MAX_ROLE_BYTES}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_over(folder / DRAFT, data, 0o644)
    except OSError as fault:
        raise CeremonyFault(f"the draft can't be written to {folder}: {fault.strerror}") from fault
    return Draft(metadata, (), 2)


def _kept(folder: Path, metadata: Metadata[Targets], keys: RoleKeys) -> Draft:
    good = []
    for one in keys.keys:
        public = one.public
        signature = metadata.signatures.get(public.keyid)
        if signature is not None:
            try:
                public.verify_signature(signature, metadata.signed_bytes)
            except Exception as fault:
                raise CeremonyFault(
                    f"the signature of {one.name} is not for this draft; delete {folder / DRAFT} and begin again"
                ) from fault
            good.append(str(one.name))
    data = metadata.to_bytes(JSONSerializer())
    try:
        if len(good) < keys.threshold:
            write_over(folder / DRAFT, data, 0o644)
            return Draft(metadata, tuple(good), keys.threshold)
        path = folder / f"{metadata.signed.version}.{ROLE}.json"
        write_new(path, data, 0o644)
        (folder / DRAFT).unlink()
        sync_directory(folder)
    except OSError as fault:
        raise CeremonyFault(f"the signatures can't be written to {folder}: {fault.strerror}") from fault
    return Draft(metadata, tuple(good), keys.threshold, path)


def _versions(folder: Path) -> dict[int, Path]:
    found = (re.fullmatch(rf"([1-9][0-9]{{0,8}})\.{ROLE}\.json", path.name) for path in folder.glob("*.json"))
    return {int(match[1]): folder / match[0] for match in found if match}


def _load(path: Path) -> Metadata[Targets]:
    try:
        return Metadata[Targets].from_file(str(path))
    except (RepositoryError, OSError) as fault:
        raise CeremonyFault(f"{path} can't be read: {fault}; restore it") from fault


def _same_bytes(folder: Path, target: TargetFile) -> Path:
    """The bundle that a target names, if it is there and is that one."""
    name = target.path.removeprefix("fw/")
    path = folder / "fw" / f"{target.hashes['sha256']}.{name}"
    try:
        with path.open("rb") as file:
            target.verify_length_and_hashes(file)
    except OSError as fault:
        raise CeremonyFault(
            f"{path} can't be read: {fault.strerror}; bring the bundle with the draft"
        ) from fault
    except RepositoryError as fault:
        raise CeremonyFault(f"{path} is not the bundle that the draft names: {fault}") from fault
    return path


def _copy_in(path: Path, folder: Path, digest: str) -> None:
    target = folder / f"{digest}.{path.name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            _copy(path, target)
    except OSError as fault:
        raise CeremonyFault(f"{path.name} can't be copied to {folder}: {fault.strerror}") from fault
    with target.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != digest:
            raise CeremonyFault(f"{target} is there with other bytes; delete it and draft again")


def _copy(source: Path, target: Path) -> None:
    """Copy durably: whole under its name, or not there."""
    passing = target.with_name(f".{target.name}.new")
    try:
        with source.open("rb") as read, passing.open("wb") as written:
            shutil.copyfileobj(read, written, 1 << 20)
            written.flush()
            os.fsync(written.fileno())
        passing.rename(target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            passing.unlink()
    sync_directory(target.parent)
