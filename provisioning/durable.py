"""Files that survive a pulled plug: the old content or the new, never half of it.

Data reaches the disk before the name does: write beside, fsync the file,
rename, fsync the directory. Everything here raises OSError as the disk does.
"""

import os
from pathlib import Path


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put data at path in one step; other readers see the old file or the new one.

    Args:
        mode: set before the first byte is written, whatever the umask.
    """
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)  # a full disk is not made fuller
        raise
    sync(path.parent)


def link(path: Path, target: str) -> None:
    """Point the symbolic link at path to target in one step."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    beside.symlink_to(target)
    beside.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Bring a file's content, or a directory's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path, mode: int = 0o755) -> None:
    """Make a directory, and those above it, with names that last and this mode, whatever the umask."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True)
    path.chmod(mode)
    sync(path.parent)


def shred(path: Path) -> None:
    """Overwrite a file with noise, then remove it; nothing if it is not there.

    An SD card may keep old copies of a block where no program reaches: a key that was on a card
    which left your hands is to be revoked as well.
    """
    if path.is_file() and not path.is_symlink():
        with path.open("r+b", buffering=0) as file:
            file.write(os.urandom(path.stat().st_size))
            os.fsync(file.fileno())
    path.unlink(missing_ok=True)


def give_to_owner_of(path: Path, like: Path) -> None:
    """Let a file made by root belong to whom its directory was prepared for; else do nothing."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
