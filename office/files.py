"""Files written so that a power cut leaves the old or the new, never half of one."""

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO


def write_whole(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put a file in place of another, durably.

    Args:
        mode: for whom it is; set before the first byte is written.
    Raises:
        OSError: the disk is full or the directory can't be written; the old file stands.
    """
    beside = write_beside(path, data, mode)
    try:
        beside.rename(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


@contextlib.contextmanager
def write_through(path: Path, *, replace: bool = True) -> Iterator[IO[bytes]]:
    """A file to write to, however long, mode 0600; it is in its place, durably, when the block ends well.

    Args:
        replace: whether another may stand there already.
    Raises:
        FileExistsError: one stands there, and is not to be replaced.
        OSError: as for write_whole.
    """
    beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        if replace:
            beside.rename(path)
        else:
            path.hardlink_to(beside)  # unlike a rename, this fails if the name is taken
    finally:
        beside.unlink(missing_ok=True)
    sync_directory(path.parent)


def write_streamed(path: Path, chunks: Iterable[bytes]) -> None:
    """Put a file in place of another, durably, however long it is; until its end the old one stands.

    Raises:
        OSError: as for write_whole.
    """
    with write_through(path) as file:
        for chunk in chunks:
            file.write(chunk)


def write_new(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Make a file that is not there yet, durably.

    Raises:
        FileExistsError: it is there; nothing is changed.
        OSError: as for write_whole.
    """
    beside = write_beside(path, data, mode)
    try:
        path.hardlink_to(beside)  # unlike a rename, this fails if the name is taken
    finally:
        beside.unlink()
    sync_directory(path.parent)


def write_beside(path: Path, data: bytes, mode: int) -> Path:
    """Write under a passing name in the same directory and flush; the caller renames it."""
    beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    return beside


def sync_directory(path: Path) -> None:
    """Make names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
