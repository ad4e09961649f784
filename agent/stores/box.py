"""Messages on their way from sync to the gate: a small directory, a file each.

Sync writes and tidies; the gate only reads. Neither believes what is in a file,
and nothing here is flushed: what a power cut loses is said again, or too old to matter.
"""

import contextlib
import time
from pathlib import Path
from typing import Final

MOST: Final = 64
_SUFFIX: Final = ".message"


class Box:
    """Sync's end."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Make the directory if need be.

        Args:
            max_bytes: of a message; of a longer one so much is left that the gate sees that it was.
        Raises:
            OSError: the card refuses.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._max_bytes, self._count = folder, max_bytes, 0

    def put(self, message: bytes, mark: str = "") -> None:
        """Leave a message for the gate; the oldest go when there are too many.

        Args:
            mark: a word about it, `[a-z]*`.
        Raises:
            OSError: the card refuses.
        """
        self._count += 1
        name = f"{time.time_ns():020d}-{self._count}"
        beside = self._folder / f"{name}.new"
        beside.write_bytes(message[: self._max_bytes + 1])
        beside.rename(self._folder / f"{name}{'.' * bool(mark)}{mark}{_SUFFIX}")
        for old in sorted(self._folder.iterdir())[:-MOST]:
            old.unlink(missing_ok=True)


class BoxReader:
    """The gate's end."""

    def __init__(self, folder: Path, max_bytes: int, *, left_before_s: float = float("inf")) -> None:
        """Begin with what is there.

        Args:
            left_before_s: messages older than this are not looked at.
        """
        self._folder, self._max_bytes = folder, max_bytes
        fresh_after = time.time() - left_before_s
        self._seen = {path.name for path in self._files() if _written(path) < fresh_after}

    def new(self, most: int = MOST) -> list[tuple[bytes, str]]:
        """Messages since the last call, oldest first, and the mark on each; at most so many, the rest next time."""
        files = self._files()
        fresh = [path for path in files if path.name not in self._seen][:most]
        self._seen = ({path.name for path in files} & self._seen) | {path.name for path in fresh}
        messages = []
        for path in fresh:
            with contextlib.suppress(OSError), path.open("rb") as file:
                messages.append((file.read(self._max_bytes + 1), Path(path.stem).suffix.removeprefix(".")))
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
