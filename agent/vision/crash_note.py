"""Which stage was looking when the process died, told to the next process.

A native decoder that crashes takes the process with it; systemd starts the
gate again, and the picture that did it may still be held to the camera. So
each look is noted in a mapped page, which outlives the process and costs no
system call, and a stage that is found in the note at a start sits out: ten
seconds at first, four times as long after each further crash, an hour at
most. Knows neither pictures nor decoders. A note that can't be written or
read is no note, never a fault.
"""

import mmap
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

FIRST_S: Final = 10.0
LONGER: Final = 4
LONGEST_S: Final = 3600.0
FORGIVEN_AFTER_S: Final = 1800.0
"""A process that has lived so long has no record any more."""
BYTES: Final = 4096
NAME_BYTES: Final = 32
_CRASHES_AT: Final = NAME_BYTES
_BLAMED_AT: Final = NAME_BYTES + 1


class NoNote:
    """For single pictures, tests and tools: a crash is seen by whoever started them."""

    blamed: str = ""

    @contextmanager
    def looking(self, _stage: str) -> Iterator[None]:
        yield

    def off(self, _stage: str) -> bool:
        return False


class CrashNote(NoNote):
    """One process's note, and what it found in it.

    Args:
        path: a file of its own, made if it is not there; on a filesystem that may be mapped.
        mono: monotonic seconds.

    Attributes:
        blamed: the stage that sits out, because the last process died while it looked; or "".
        crashes: how often it has done so, without half an hour of peace in between.
    """

    def __init__(self, path: Path, mono: Callable[[], float] = time.monotonic) -> None:
        self._mono = mono
        self._began_mono = mono()
        self._page = _page(path)
        looked = _text(self._page[:NAME_BYTES])
        before = _text(self._page[_BLAMED_AT : _BLAMED_AT + NAME_BYTES])
        self.blamed, self.crashes = before, self._page[_CRASHES_AT]
        if looked:
            self.blamed, self.crashes = looked, min(255, self.crashes + 1)
            self._page[:NAME_BYTES] = bytes(NAME_BYTES)
            self._page[_CRASHES_AT] = self.crashes
            self._page[_BLAMED_AT : _BLAMED_AT + NAME_BYTES] = looked.encode().ljust(NAME_BYTES, b"\0")
        elif self.blamed:
            self.blamed = ""  # the last process ended well: nobody sits out, but the record stands
        self._off_s = min(LONGEST_S, FIRST_S * LONGER ** min(10, self.crashes - 1)) if self.blamed else 0.0

    @contextmanager
    def looking(self, stage: str) -> Iterator[None]:
        """Around each look: leave the stage's name behind in case the process does not come back."""
        self._page[:NAME_BYTES] = stage.encode()[:NAME_BYTES].ljust(NAME_BYTES, b"\0")
        try:
            yield
        finally:
            self._page[0] = 0
            if self._page[_CRASHES_AT] and self._mono() - self._began_mono > FORGIVEN_AFTER_S:
                self._page[_CRASHES_AT] = 0

    def off(self, stage: str) -> bool:
        """Whether a stage still sits out."""
        return stage == self.blamed and self._mono() - self._began_mono < self._off_s


def _page(path: Path) -> "mmap.mmap | bytearray":
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.ftruncate(number, BYTES)
            return mmap.mmap(number, BYTES)
        finally:
            os.close(number)
    except (OSError, ValueError):
        return bytearray(BYTES)


def _text(raw: bytes | bytearray) -> str:
    name = bytes(raw).split(b"\0", 1)[0]
    return name.decode() if name.isascii() else ""
