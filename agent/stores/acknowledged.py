"""The office's newest acknowledgement, kept by sync as it came, for the gate to verify and to purge by."""

import contextlib
from pathlib import Path
from typing import Final

from agent.core.feed import Ack, FeedFault

_MAX_BYTES: Final = 2048


def keep(path: Path, ack: Ack | None) -> None:
    """Exchange the file whole, or remove it; not flushed, since an older one does no harm.

    Raises:
        OSError: the card refuses.
    """
    if ack is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(ack.to_bytes())
    beside.replace(path)


def recall(path: Path) -> Ack | None:
    """What is there, nothing in it believed yet; None if it is no acknowledgement."""
    with contextlib.suppress(OSError, FeedFault), path.open("rb") as file:
        return Ack.from_bytes(file.read(_MAX_BYTES))
    return None
