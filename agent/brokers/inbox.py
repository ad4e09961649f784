"""Messages between the thread that receives and the one that reads.

Bounded in number and in bytes: when it is full the oldest go, since every topic
that a gate listens to tells the newest state, or is asked for again.
"""

import threading
from collections import deque
from typing import Final

RETAINED: Final = "#retained"
"""Ends the topic of a message that the broker had kept, where that was asked for; no topic can hold a #."""
MAX_MESSAGES: Final = 1024
MAX_BYTES: Final = 4 * 1024 * 1024


class Inbox:
    """A queue for one reader that never blocks the writer."""

    def __init__(self, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._messages: deque[tuple[str, bytes]] = deque()
        self._bytes = 0
        self._arrival = threading.Condition()

    def put(self, topic: str, payload: bytes) -> int:
        """Add a message.

        Returns:
            How many had to go for it, itself included if it is larger than the whole.
        """
        lost = 0
        with self._arrival:
            self._messages.append((topic, payload))
            self._bytes += len(topic) + len(payload)
            while len(self._messages) > self._max_messages or self._bytes > self._max_bytes:
                old_topic, old_payload = self._messages.popleft()
                self._bytes -= len(old_topic) + len(old_payload)
                lost += 1
            self._arrival.notify()
        return lost

    def take(self, wait_s: float) -> list[tuple[str, bytes]]:
        """Everything there is, oldest first, after waiting up to wait_s for the first."""
        with self._arrival:
            if not self._messages and wait_s > 0:
                self._arrival.wait(wait_s)
            messages = list(self._messages)
            self._messages.clear()
            self._bytes = 0
        return messages
