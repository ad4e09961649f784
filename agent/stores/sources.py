"""Where a repository's files come from: by path, bounded, never believed.

A source knows how to fetch one file and refuses to know what is in it.
Whoever asks checks the bytes against a signature or a hash.
"""

import os
import re
import stat
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

SAFE_PATH: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}){0,3}")
"""Repository paths: no empty, hidden or parent segment, nothing a shell or an URL would read otherwise."""

MAX_FILE_BYTES: Final = 128 * 1024
"""Of one metadata file or head; the largest list's head has about 5 kB."""


class SourceFault(Exception):
    """A source that can't be reached, or that answered with more than was asked for."""


class Unreachable(SourceFault):
    """Nobody answers; no sign that anything is wrong with what is offered."""


class Source(Protocol):
    """A repository's files."""

    def fetch(self, path: str, max_bytes: int) -> bytes | None:
        """The file at a path such as `timestamp.json` or `al/<64 hex>`.

        Returns:
            Its bytes, or None if the repository has no such file.
        Raises:
            Unreachable: nobody answers.
            SourceFault: the file is larger than max_bytes.
        """
        ...

    def ahead(self, paths: Sequence[str], max_bytes: int) -> None:  # noqa: ARG002  most sources need no notice
        """Hear what will be asked for next, each of at most max_bytes, so that it can come together."""
        return

    def wait(self, stop: threading.Event, wait_s: float) -> None:
        """Return when there may be something new, after wait_s, or soon after stop was set."""
        stop.wait(wait_s)


class DirectorySource(Source):
    """A directory on this machine: a mounted stick, a synchronised folder, a test.

    Args:
        directory: the repository as the office's publish wrote it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def fetch(self, path: str, max_bytes: int) -> bytes | None:
        """See Source. A link that leads out of the directory is as good as absent."""
        if not SAFE_PATH.fullmatch(path):
            raise SourceFault(f"found the path {path[:80]!r}, wanted one inside the repository")
        try:
            inside = self._directory.resolve(strict=True)
            target = (inside / path).resolve(strict=True)
            if not target.is_relative_to(inside):
                return None
            return _read(target, max_bytes)
        except FileNotFoundError:
            if not self._directory.is_dir():
                raise Unreachable(
                    f"there is no directory {self._directory}; is the medium mounted?"
                ) from None
            return None
        except (OSError, RuntimeError) as fault:
            raise SourceFault(f"{path} can't be read: {fault}") from fault


def _read(target: Path, max_bytes: int) -> bytes | None:
    # O_NONBLOCK: a named pipe in a hostile directory must not hold the caller.
    descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return None
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise SourceFault(f"{target.name} is larger than the {max_bytes} bytes allowed")
    return data
