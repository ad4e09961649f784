"""Writing what must not be lost, half written, overwritten or read by others."""

import os
import secrets
from pathlib import Path


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Make a file that is not there yet, durably.

    Args:
        mode: set before the first byte is written.
    Raises:
        FileExistsError: it is there; nothing is changed.
        OSError: the disk is full or the directory can't be written; nothing is left behind.
    """
    passing = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        path.hardlink_to(passing)  # unlike a rename, this fails if the name is taken
    finally:
        passing.unlink()
    sync_directory(path.parent)


def write_over(path: Path, data: bytes, mode: int) -> None:
    """Put a file in place of another, durably: whoever reads finds the old one or the new one, whole.

    Raises:
        OSError: as for write_new; the old file stands.
    """
    passing = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    write_new(passing, data, mode)
    try:
        passing.rename(path)
    except OSError:
        passing.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
