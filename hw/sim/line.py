"""A simulated output line that outlives its process, as a Pi's pin does.

The level is a byte in a file. Whoever opened it last drives it; when they are
killed it stays as it was left, and anybody may look at it meanwhile. Beside it
stand what a probe on the wire would have seen: how often it rose, and for how
long at most. Standard library only, and little of it: a lock waits for this to load.
"""

import mmap
import os
import struct
import time
from typing import Final, NamedTuple

_LAYOUT: Final = struct.Struct("<?7xQdd")  # level, rises, when it rose (monotonic), longest in seconds


class Trace(NamedTuple):
    """What a probe on the line has seen.

    Args:
        active: whether it is active now.
        rises: how often it became so since the file was made.
        longest_s: the longest that it was, in one stretch that has ended.
    """

    active: bool
    rises: int
    longest_s: float


class SimulatedLine:
    """Satisfies hw.relay.Line; brings the line to rest when it is had.

    Args:
        path: made if it is not there.
    Raises:
        OSError: the file can't be had.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.ftruncate(file, _LAYOUT.size)
            self._map = mmap.mmap(file, _LAYOUT.size)
        finally:
            os.close(file)
        self.off()

    def on(self) -> None:
        active, rises, _, longest_s = self._read()
        if not active:
            self._write(True, rises + 1, time.monotonic(), longest_s)

    def off(self) -> None:
        active, rises, rose, longest_s = self._read()
        if active:
            self._write(False, rises, rose, max(longest_s, time.monotonic() - rose))

    def close(self) -> None:
        """Let go; the line keeps its level."""
        self._map.close()

    def _read(self) -> tuple[bool, int, float, float]:
        active, rises, rose, longest_s = _LAYOUT.unpack(self._map[:])
        return active, rises, rose, longest_s

    def _write(self, active: bool, rises: int, rose: float, longest_s: float) -> None:
        self._map[:] = _LAYOUT.pack(active, rises, rose, longest_s)


def look(path: str | os.PathLike[str]) -> Trace:
    """What a probe on the line has seen so far; at rest if nobody ever drove it."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Trace(active=False, rises=0, longest_s=0.0)
    try:
        raw = os.read(file, _LAYOUT.size)
    finally:
        os.close(file)
    if len(raw) != _LAYOUT.size:
        return Trace(active=False, rises=0, longest_s=0.0)
    active, rises, _, longest_s = _LAYOUT.unpack(raw)
    return Trace(active, rises, longest_s)
