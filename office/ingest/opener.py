"""Opens messages ahead of the database, in a thread of its own.

While the database writes a batch, which takes no hold of Python, the next one
is unfolded, hashed and read. It holds a bounded number of messages; behind that
the subscriber's queue fills, and what does not fit there the gates send again.
"""

import contextlib
import queue
import threading
from typing import Final, NamedTuple

from office.alerts import Matter
from office.ingest.opened import Flaw, Opened, opened
from office.ingest.subscriber import Arrival, Subscriber
from office.logs import log

_AHEAD: Final = 32  # messages; 32 MiB of lines at the very most
_BATCH: Final = 32
_LOOK_S: Final = 0.2


class Ready(NamedTuple):
    """An arrival and what was found in it."""

    arrival: Arrival
    message: Opened | Flaw


class Opener:
    """Takes from a subscriber, gives opened messages in the same order."""

    def __init__(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber
        self._ready: queue.Queue[Ready] = queue.Queue(_AHEAD)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="opener", daemon=True)
        self._thread.start()

    def take(self, wait_s: float) -> list[Ready]:
        """Up to 32 messages, oldest first, after waiting up to wait_s for the first."""
        found = []
        with contextlib.suppress(queue.Empty):
            found.append(self._ready.get(timeout=wait_s))
            while len(found) < _BATCH:
                found.append(self._ready.get_nowait())
        return found

    def close(self) -> None:
        """Stop taking; safe to call twice."""
        self._closing.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._closing.is_set():
            for arrival in self._subscriber.take(_LOOK_S):
                self._offer(Ready(arrival, _open(arrival)))

    def _offer(self, ready: Ready) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(queue.Full):
                self._ready.put(ready, timeout=_LOOK_S)
                return


def _open(arrival: Arrival) -> Opened | Flaw:
    try:
        return opened(arrival.topic, arrival.payload)
    except Exception as fault:  # noqa: BLE001  nothing that a gate sends may end the ingester
        found = f"{type(fault).__name__}: {fault}"
        log.error("ingest.fault", topic=arrival.topic, found=found)
        return Flaw(Matter.NOT_TAKEN, f"a message that this version of the office can't open: {found}")
