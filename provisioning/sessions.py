"""The device's own record of who came over the cable, when, and what was done.

One JSON object to a line in STATE/provision.jsonl: never a password, a key, a
digest of one, or a configuration. Names are as the bench gave them, so they
are claims. The file is bounded: at 1 MB it becomes provision.jsonl.1.
"""

import json
import os
import time
from pathlib import Path
from typing import Final

from agent.core.moments import iso

FILE: Final = "provision.jsonl"
_LARGEST: Final = 1_000_000


class Sessions:
    """The record in a state directory."""

    def __init__(self, state: Path) -> None:
        self._path = state / FILE

    def record(self, what: str, **facts: str | int) -> None:
        """Add one line, durably.

        Args:
            what: such as `session.opened` or `enrol.committed`.
        Raises:
            OSError: the disk took it not.
        """
        line = json.dumps({"at": iso(time.time()), "what": what, **facts}, ensure_ascii=False)
        if self._path.exists() and self._path.stat().st_size > _LARGEST:
            self._path.replace(self._path.with_suffix(".jsonl.1"))
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> bytes:
        """All that is kept, oldest first."""
        older = self._path.with_suffix(".jsonl.1")
        return b"".join(path.read_bytes() for path in (older, self._path) if path.exists())
