"""Telling others what the outputs did, without ever waiting long for them.

Knows that a listener may be slow, stuck on a full pipe, or broken. Refuses to
let that reach the lock: the listener runs in a thread of its own, a teller
waits for it 100 ms at the most, and while it is stuck not at all.
"""

import queue
import threading
from collections.abc import Callable
from typing import Final, TypeAlias

import structlog

OnChange: TypeAlias = Callable[[str, bool | int], None]
"""Called with a name (`relay`, `red`, `green`, `white`, `tone`) and its new value.

A lamp's or the relay's value is True (on, released) or False; the tone's is its Hz, 0 for silence.
"""

WAIT_S: Final = 0.1
KEPT: Final = 256

_log = structlog.get_logger("hw.telling")


class Teller:
    """Hands each change to one listener, in order; what a stuck listener can't take is dropped and counted."""

    def __init__(self, on_change: OnChange | None) -> None:
        self._on_change = on_change
        self._queue: queue.Queue[tuple[str, bool | int, threading.Event] | None] = queue.Queue(KEPT)
        self._stuck = False
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="outputs-teller", daemon=True)
        if on_change is not None:
            self._thread.start()

    def tell(self, name: str, value: bool | int) -> None:
        """Tell of one change; returns once the listener has had it, or after 100 ms."""
        self.wait(self.post(name, value))

    def post(self, name: str, value: bool | int) -> threading.Event:
        """Put one change in line and return at once; for callers that hold a lock."""
        had = threading.Event()
        if self._on_change is None:
            had.set()
            return had
        try:
            self._queue.put_nowait((name, value, had))
        except queue.Full:
            self.dropped += 1
            had.set()
        return had

    def wait(self, had: threading.Event) -> None:
        """Wait for what post() returned: 100 ms at the most, not at all while the listener is stuck."""
        if not self._stuck and not had.wait(WAIT_S):
            self._stuck = True

    def close(self) -> None:
        """Let the listener have the rest, for at most a second."""
        if not self._thread.is_alive():
            return
        try:
            self._queue.put(None, timeout=WAIT_S)
        except queue.Full:
            return
        self._thread.join(1.0)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            name, value, had = item
            try:
                if self._on_change is not None:
                    self._on_change(name, value)
            except Exception as fault:  # noqa: BLE001  whatever the listener does, the outputs go on
                _log.warning("outputs.listener_failed", output=name, why=repr(fault))
            had.set()
            self._stuck = False
