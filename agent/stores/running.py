"""How the last run of the gate ended: on purpose, by a crash, or by a power cut.

A small file stands while a gate runs and holds the machine's boot id. A start
that finds it there follows a run that nobody ended. It is not flushed: what a
cut takes with it is at worst this one remark.
"""

import contextlib
from enum import StrEnum
from pathlib import Path


class Ended(StrEnum):
    """The end of the run before this one."""

    ON_PURPOSE = "on purpose"
    CRASHED = "crashed"
    POWER_CUT = "power cut"


class Running:
    """Args: path: the file. boot: this boot's id, None where the kernel does not say."""

    def __init__(self, path: Path, boot: str | None) -> None:
        self._path, self._boot = path, boot or "unknown"

    def begin(self) -> Ended:
        """Note that this run has begun; how the last one ended. A card that refuses costs only the note."""
        ended = Ended.ON_PURPOSE
        with contextlib.suppress(OSError):
            with contextlib.suppress(FileNotFoundError):
                last = self._path.read_text(errors="replace").strip()
                ended = Ended.CRASHED if last == self._boot else Ended.POWER_CUT
            self._path.write_text(self._boot + "\n")
        return ended

    def end(self) -> None:
        """This run ends on purpose."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
