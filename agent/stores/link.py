"""Whether sync reaches the broker, in a small file: for whoever asks after an update if it still does.

Not flushed, and written when it changes: a power cut makes it worthless anyway.
"""

import contextlib
import json
from pathlib import Path
from typing import Final

_MAX_BYTES: Final = 256


class Link:
    """Sync's end; a card that refuses costs only the note."""

    def __init__(self, path: Path, version: str) -> None:
        self._path, self._version = path, version
        self._said: bool | None = None

    def say(self, *, online: bool) -> None:
        if online == self._said:
            return
        beside = self._path.with_name(f"{self._path.name}.new")
        with contextlib.suppress(OSError):
            beside.write_text(json.dumps({"version": self._version, "online": online}))
            beside.replace(self._path)
            self._said = online


def online(path: Path, version: str | None = None) -> bool:
    """Whether sync said last that it reaches the broker.

    Args:
        version: of the software; what another has said does not count. None for whichever.
    """
    with contextlib.suppress(OSError, ValueError, AttributeError), path.open("rb") as file:
        found = json.loads(file.read(_MAX_BYTES))
        return found.get("online") is True and version in {None, found.get("version")}
    return False
