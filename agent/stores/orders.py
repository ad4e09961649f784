"""Orders on their way from sync to the gate: a small directory, a file each.

Sync writes and tidies; the gate only reads. Neither believes what is in a file.
Orders live two minutes, so nothing here is flushed, and a gate that starts
does not look at what was left from before.
"""

import contextlib
import time
from pathlib import Path
from typing import Final

from agent.core.orders import MAX_BYTES, MAX_LIFE_S

MOST: Final = 64
_SUFFIX: Final = ".order"
_RETAINED: Final = ".retained"


class OrderBox:
    """Sync's end."""

    def __init__(self, folder: Path) -> None:
        """Make the directory if need be.

        Raises:
            OSError: the card refuses.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._count = folder, 0

    def put(self, message: bytes, *, retained: bool) -> None:
        """Leave a message for the gate; the oldest go when there are too many.

        Raises:
            OSError: the card refuses.
        """
        self._count += 1
        name = f"{time.time_ns():020d}-{self._count}{_RETAINED if retained else ''}"
        beside = self._folder / f"{name}.new"
        beside.write_bytes(message[: MAX_BYTES + 1])  # one byte too many says that it was too long
        beside.rename(self._folder / f"{name}{_SUFFIX}")
        for old in sorted(self._folder.iterdir())[:-MOST]:
            old.unlink(missing_ok=True)


class OrderReader:
    """The gate's end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        fresh_after = time.time() - MAX_LIFE_S
        self._seen = {path.name for path in self._files() if _written(path) < fresh_after}

    def new(self) -> list[tuple[bytes, bool]]:
        """Messages since the last call, oldest first, at most 64; and whether the broker had kept each."""
        files = self._files()
        fresh = [path for path in files if path.name not in self._seen][:MOST]
        self._seen = ({path.name for path in files} & self._seen) | {path.name for path in fresh}
        messages = []
        for path in fresh:
            with contextlib.suppress(OSError), path.open("rb") as file:
                messages.append((file.read(MAX_BYTES + 1), path.stem.endswith(_RETAINED)))
        return messages

    def _files(self) -> list[Path]:
        try:
            return sorted(path for path in self._folder.iterdir() if path.suffix == _SUFFIX)
        except OSError:
            return []


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
