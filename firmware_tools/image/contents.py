"""Every file of an image on a line of its own. Two images are the same if the hash of this list is.

    file 0644 0:0 1789000000 1182 9f86d081884c7d65… base/etc/fstab
    link 0777 0:0 1789000000 - ../usr/lib/os-release base/etc/os-release

Kind, mode, owner, time, size, what is in it, path: the hash of a file's bytes, a link's target, a device's
numbers. Extended attributes follow the content, each as NAME=HEX.
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

_KINDS: Final = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
}


def clamp(root: Path, newest_utc: int) -> None:
    """Nothing in a tree is newer than a moment, Unix seconds; what is older stays."""
    for path in _tree(root):
        found = path.lstat()
        if found.st_mtime > newest_utc:
            os.utime(path, (newest_utc, newest_utc), follow_symlinks=False)


def listed(roots: Mapping[str, Path]) -> list[str]:
    """A line for each file of several trees, in the order of their paths.

    Args:
        roots: each tree under the name that its paths get.
    """
    lines = []
    for name, root in sorted(roots.items()):
        for path in _tree(root):
            relative = path.relative_to(root)
            lines.append(_line(path, f"{name}/{relative}" if path != root else name))
    return lines


def digest(lines: list[str]) -> str:
    """What two images have in common if they are the same."""
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")).hexdigest()


def differences(ours: list[str], theirs: list[str], most: int = 20) -> list[str]:
    """The first lines that only one of two lists has, `-` and `+`, in the order of their paths."""
    only = [(line.rsplit(" ", 1)[-1], f"- {line}") for line in set(ours) - set(theirs)]
    only += [(line.rsplit(" ", 1)[-1], f"+ {line}") for line in set(theirs) - set(ours)]
    return [line for _, line in sorted(only)[:most]]


def _tree(root: Path) -> Iterator[Path]:
    """A tree's paths, itself first; no link is followed."""
    yield root
    for parent, folders, files in os.walk(root):
        folders.sort()
        for name in sorted((*folders, *files)):
            yield Path(parent) / name


def _line(path: Path, name: str) -> str:
    found = path.lstat()
    kind = _KINDS[stat.S_IFMT(found.st_mode)]
    size, held = "-", "-"
    if kind == "file":
        with path.open("rb") as file:
            size, held = str(found.st_size), hashlib.file_digest(file, "sha256").hexdigest()
    elif kind == "link":
        held = _plain(str(path.readlink()))
    elif kind == "device":
        held = f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"
    more = "".join(
        f" {key}={os.getxattr(path, key, follow_symlinks=False).hex()}" for key in sorted(_xattrs(path))
    )
    owner = f"{found.st_uid}:{found.st_gid}"
    return f"{kind} {stat.S_IMODE(found.st_mode):04o} {owner} {int(found.st_mtime)} {size} {held}{more} {_plain(name)}"


def _xattrs(path: Path) -> list[str]:
    try:
        return os.listxattr(path, follow_symlinks=False)
    except OSError:
        return []


def _plain(name: str) -> str:
    """A path as one word."""
    return "".join(c if c.isprintable() and c not in " \\" else f"\\x{ord(c):02x}" for c in name)
