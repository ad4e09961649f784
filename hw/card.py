"""The card under a folder: whether it takes what it is given, and gives it back.

A worn card fails silently: it acknowledges a write and returns something else,
or turns read-only, or takes seconds. One small file tells all three.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROBE_BYTES: Final = 64 * 1024
_NAME: Final = ".card-probe"


@dataclass(frozen=True, slots=True)
class Probe:
    """Args: fault: one word and the reason; "" when the card did as it should."""

    took_ms: float
    fault: str


def probe(folder: Path) -> Probe:
    """Write 64 kB into a file in folder, durably, read them back past the cache, and remove it."""
    path, given = folder / _NAME, os.urandom(PROBE_BYTES)
    began = time.monotonic()
    fault = ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(given)
            file.flush()
            os.fsync(file.fileno())
            # Only clean pages can be dropped, hence after the fsync: what is read comes from the card.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if path.read_bytes() != given:
            fault = "it gave back other bytes than it was given"
    except OSError as refused:
        fault = refused.strerror or str(refused)
    finally:
        try:
            path.unlink(missing_ok=True)
        except OSError as refused:
            fault = fault or refused.strerror or str(refused)
    return Probe(round((time.monotonic() - began) * 1000, 1), fault)
