"""Which look was under way when the process died, told to the next process.

A native decoder that crashes takes the process with it; systemd starts the
gate again, and the picture that did it may still be held to the camera. So
each look is noted in a mapped page, which outlives the process and costs no
system call, and one that is found in the note at a start sits out: ten
seconds at first, four times as long after each further crash, an hour at
most. Looks are named `library/stage`: when a second look of the same library
dies within half an hour, the library is at fault and sits out whole.
Knows neither pictures nor decoders. A note that can't be written or
read is no note, never a fault.
"""

import mmap
import os
import struct
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
NAME_BYTES: Final = 48
_CRASHES_AT: Final = NAME_BYTES
_OUT: Final = struct.Struct(f"<{NAME_BYTES}sd")  # whoever sits out, and until when (monotonic)
_OUT_AT: Final = 2 * NAME_BYTES
_MOST_OUT: Final = 8


class NoNote:
    """For single pictures, tests and tools: a crash is seen by whoever started them."""

    blamed: str = ""

    @contextmanager
    def looking(self, _look: str) -> Iterator[None]:
        yield

    def off(self, _look: str) -> bool:
        return False


class CrashNote(NoNote):
    """One process's note, and what it found in it.

    Args:
        path: a file of its own, made if it is not there; on a filesystem that may be mapped.
        mono: monotonic seconds.

    Attributes:
        blamed: the look, or `library/`, that sits out because the last process died in it; or "".
        crashes: how often one has died, without half an hour of peace in between.
    """

    def __init__(self, path: Path, mono: Callable[[], float] = time.monotonic) -> None:
        self._mono = mono
        self._began_mono = mono()
        self._page = _page(path)
        self.crashes = self._page[_CRASHES_AT]
        self._out: list[tuple[str, float]] = []  # if the last process ended well, nobody sits out
        if looked := _text(self._page[:NAME_BYTES]):
            self._out = self._on_record()
            self.blamed = self._at_fault(looked)
            self.crashes = min(255, self.crashes + 1)
            off_s = min(LONGEST_S, FIRST_S * LONGER ** min(10, self.crashes - 1))
            self._out = [(self.blamed, self._began_mono + off_s), *self._out][:_MOST_OUT]
        self._write()

    @contextmanager
    def looking(self, look: str) -> Iterator[None]:
        """Around each look: leave its name behind in case the process does not come back."""
        self._page[:NAME_BYTES] = look.encode()[:NAME_BYTES].ljust(NAME_BYTES, b"\0")
        try:
            yield
        finally:
            self._page[0] = 0
            if self._page[_CRASHES_AT] and self._mono() - self._began_mono > FORGIVEN_AFTER_S:
                self._page[_CRASHES_AT] = 0

    def off(self, look: str) -> bool:
        """Whether a look still sits out, by itself or with its library."""
        return any(_holds(name, look) and self._mono() < until for name, until in self._out)

    def _at_fault(self, looked: str) -> str:
        """The look, or its whole library if another of its looks is on record."""
        library = _library(looked)
        if library and any(_library(name) == library and name != looked for name, _ in self._out):
            return library
        return looked

    def _on_record(self) -> list[tuple[str, float]]:
        """Whoever sits out or has done so lately; nobody since before a reboot, for the clock began anew."""
        rows = [_OUT.unpack_from(self._page, _OUT_AT + n * _OUT.size) for n in range(_MOST_OUT)]
        return [
            (_text(name), until)
            for name, until in rows
            if _text(name) and -FORGIVEN_AFTER_S < until - self._began_mono <= LONGEST_S
        ]

    def _write(self) -> None:
        self._page[:] = bytes(BYTES)
        self._page[_CRASHES_AT] = self.crashes
        for n, (name, until) in enumerate(self._out):
            _OUT.pack_into(self._page, _OUT_AT + n * _OUT.size, name.encode(), until)


def _library(look: str) -> str:
    """`library/` of a look that has one, else nothing."""
    library, slash, _ = look.partition("/")
    return library + slash if slash else ""


def _holds(name: str, look: str) -> bool:
    return look.startswith(name) if name.endswith("/") else look == name


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
