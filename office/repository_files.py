"""The repository's directory: which files lie in it, and how they come and go.

Nothing here signs. Files come so that a power cut leaves whole ones, and go
when no list that a gate may still be fetching needs them.
"""

import contextlib
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Targets

from agent.core.allowlist import HEAD_TARGET, Head, ListFault, parts_of
from agent.core.hot import HOT_TARGET
from office.faults import OfficeFault
from office.files import sync_directory, write_beside

KEEP: Final = 3
"""Lists whose files stay, for gates in the middle of fetching one."""


def versions(directory: Path, role: str) -> dict[int, Path]:
    """The versions of a role's metadata that lie in a directory."""
    found = (
        re.fullmatch(rf"([1-9][0-9]{{0,8}})\.{role}\.json", path.name) for path in directory.glob("*.json")
    )
    return {int(name[1]): directory / name[0] for name in found if name}


def new_parts(repo_dir: Path, head: Head, parts: Mapping[bytes, bytes]) -> dict[str, bytes]:
    """The parts to be written, by path; everything that the head names must be at hand."""

    def index(digest: bytes) -> bytes:
        return parts[digest] if digest in parts else (repo_dir / part_path(digest)).read_bytes()

    new: dict[str, bytes] = {}
    for digest in parts_of(head, index):
        path = part_path(digest)
        if (repo_dir / path).exists():
            continue
        if digest not in parts:
            raise OfficeFault(
                f"list {head.number} names the part {digest.hex()[:12]}, which nobody has; pack it again"
            )
        if hashlib.sha256(parts[digest]).digest() != digest:
            raise OfficeFault(
                f"the part {digest.hex()[:12]} of list {head.number} has another hash; pack it again"
            )
        new[path] = parts[digest]
    return new


def part_path(digest: bytes) -> str:
    """Where a part lies, by its SHA-256."""
    return f"al/{digest.hex()}"


def target_path(role: Targets, name: str) -> str:
    """Where a signed target such as `al/head` lies, by its SHA-256 (TUF's consistent snapshots)."""
    folder, _, last = name.partition("/")
    return f"{folder}/{role.targets[name].hashes['sha256']}.{last}"


def write_all(repo_dir: Path, files: Mapping[str, bytes]) -> None:
    """Write files durably: flush all under passing names, then rename, then flush the directories."""
    beside: dict[Path, Path] = {}
    folders = {(repo_dir / name).parent for name in files} - {repo_dir}
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            beside[repo_dir / name] = write_beside(repo_dir / name, data, 0o644)
        for path, passing in beside.items():
            passing.rename(path)
    except OSError:
        for passing in beside.values():
            passing.unlink(missing_ok=True)
        raise
    for folder in folders:
        sync_directory(folder)
    sync_directory(repo_dir)


def prune(repo_dir: Path) -> None:
    """Remove what only lists before the last KEEP need. A crash in here leaves too much, never too little."""
    lists = versions(repo_dir, "allowlist")
    kept = sorted(lists)[-KEEP:]
    needed = {name for number in kept for name in _names_of(repo_dir, lists[number])}
    others = {name: versions(repo_dir, name) for name in ("snapshot", "targets", "revoke")}
    needed |= {_hot_name(path) for _, path in sorted(others["revoke"].items())[-KEEP:]}
    old: list[Path] = [
        *(lists[number] for number in lists if number not in kept),
        *(found[version] for found in others.values() for version in sorted(found)[:-KEEP]),
        *(
            path
            for folder in ("al", "rv")
            for path in (repo_dir / folder).glob("*")
            if path.name not in needed
        ),
        *repo_dir.glob(".*.json.*"),  # a crash before a rename left it
    ]
    for path in old:
        path.unlink(missing_ok=True)


def _names_of(repo_dir: Path, role: Path) -> set[str]:
    """The files in al/ that a list needs; none if it is damaged, for then nobody can fetch it anyway."""
    try:
        path = repo_dir / target_path(Metadata[Targets].from_bytes(role.read_bytes()).signed, HEAD_TARGET)
        head = Head.from_bytes(path.read_bytes())
        parts = parts_of(head, lambda digest: (repo_dir / part_path(digest)).read_bytes())
        return {path.name, *(digest.hex() for digest in parts)}
    except (OSError, RepositoryError, KeyError, ListFault):
        return set()


def _hot_name(role: Path) -> str:
    with contextlib.suppress(OSError, RepositoryError, KeyError):
        return Path(target_path(Metadata[Targets].from_bytes(role.read_bytes()).signed, HOT_TARGET)).name
    return ""
