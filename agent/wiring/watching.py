"""Watches the machine under the gate: a thread that reads its figures and now and then tries the card."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from agent.core.machine_watch import MachineWatch, Reading
from agent.core.notices import MachineChanged
from hw import machine
from hw.card import probe

LOOK_EVERY_S: Final = 10.0
PROBE_EVERY_S: Final = 24 * 3600.0
_log = structlog.get_logger("agent.wiring.watching")


def read_machine(folder: Path, *, with_card: bool) -> Reading:
    """One look at this machine.

    Args:
        folder: on the card that matters.
        with_card: try the card, too, which writes 64 kB.
    """
    card = probe(folder) if with_card else None
    return Reading(
        temperature_c=machine.temperature_c(),
        throttled=machine.throttled(),
        free_mb=machine.disk_free_mb(folder),
        write_ms=card.took_ms if card else None,
        card=card.fault if card else None,
    )


class MachineEyes:
    """Looks every ten seconds, and at the card at once and then daily; never in the gate's loop.

    Args:
        look: takes a reading; told whether to try the card.
    """

    def __init__(self, look: Callable[[bool], Reading], every_s: float = LOOK_EVERY_S) -> None:
        self._look, self._every_s = look, every_s
        self._news: deque[MachineChanged] = deque(maxlen=64)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="machine", daemon=True)
        self._thread.start()

    def news(self) -> Sequence[MachineChanged]:
        """What changed since the last call; never blocks."""
        return [self._news.popleft() for _ in range(len(self._news))]

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        watch, probe_at = MachineWatch(), time.monotonic()
        while True:
            try:
                now = time.monotonic()
                due = now >= probe_at
                if due:
                    probe_at = now + PROBE_EVERY_S
                self._news.extend(watch.look(self._look(due), now))
            except Exception as fault:  # noqa: BLE001  nothing here may cost the gate anything
                _log.warning("machine.unread", found=repr(fault))
            if self._stop.wait(self._every_s):
                return
