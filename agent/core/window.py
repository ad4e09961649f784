"""The sender's sliding window: which rows are on their way, and what to send next.

Go-back-N: messages are sent in order and only the office's acknowledgement
moves the window on, since a broker may lose what it has accepted. After a
time without progress everything behind the acknowledged row is sent again, one
message at a time until the office answers, so that an office that is away
for days costs little. Patience is twice the wait for the last progress, so that
a slow link is not filled with repetitions. The receiver ignores what it has
already.

How many may be on their way grows with each one that is acknowledged within
half the first patience, and halves with one that took longer: a fast office is kept
busy, and a slow link holds little (slow start and its end, as in RFC 5681).

The window knows row numbers and the monotonic seconds it is told. It refuses
to know messages, topics, brokers and clocks.
"""

from collections import deque
from typing import Final

FIRST_IN_FLIGHT: Final = 4
MAX_IN_FLIGHT: Final = 32
PATIENCE_S: Final = 2.0
MOST_PATIENCE_S: Final = 30.0


class Window:
    """At most 4 to 32 messages in flight behind the acknowledged row."""

    def __init__(self, acked: int = 0) -> None:
        """Begin with everything up to row acked kept by the office."""
        self._acked = acked
        self._flights: deque[tuple[int, float]] = deque()  # each message's last row and when it left
        self._limit = FIRST_IN_FLIGHT
        self._patience_s = PATIENCE_S
        self._due = 0.0
        self._silent = False  # the patience ran out, and no answer since
        self._since: float | None = None  # when waiting for progress began

    @property
    def acked(self) -> int:
        """The newest row that the office has acknowledged; it never goes back."""
        return self._acked

    @property
    def in_flight(self) -> int:
        """Messages sent and not yet acknowledged."""
        return len(self._flights)

    def next_after(self, mono: float) -> int | None:
        """The row after which the next message begins; None while it has to wait."""
        if self._flights and mono >= self._due:
            self._flights.clear()
            self._silent = True
            self._limit = FIRST_IN_FLIGHT
            self._patience_s = min(2 * self._patience_s, MOST_PATIENCE_S)
        limit = 1 if self._silent else self._limit
        if len(self._flights) >= limit:
            return None
        return self._flights[-1][0] if self._flights else self._acked

    def sent(self, last: int, mono: float) -> None:
        """A message that ends at row last was handed to the broker."""
        if not self._flights:
            self._due = mono + self._patience_s
        if self._since is None:
            self._since = mono
        self._flights.append((last, mono))

    def acknowledged(self, row: int, mono: float) -> bool:
        """The office keeps everything up to row, which may be further than was sent.

        Returns:
            Whether that was news; an old acknowledgement changes nothing.
        """
        if row <= self._acked:
            return False
        self._acked = row
        while self._flights and self._flights[0][0] <= row:
            _, left = self._flights.popleft()
            self._limit = (
                min(self._limit + 1, MAX_IN_FLIGHT)
                if mono - left <= PATIENCE_S / 2
                else max(self._limit // 2, FIRST_IN_FLIGHT)
            )
        waited_s = 0.0 if self._since is None else mono - self._since
        self._patience_s = min(max(PATIENCE_S, 2 * waited_s), MOST_PATIENCE_S)
        self._due = mono + self._patience_s
        self._silent = False
        self._since = mono if self._flights else None
        return True

    def reconnected(self) -> None:
        """What was in flight may be lost with the old connection: send it again, at once."""
        self._flights.clear()
        self._limit = FIRST_IN_FLIGHT
        self._patience_s = PATIENCE_S
        self._silent = False
        self._since = None
