"""The talking half of sync: live events in plain JSON, and the gate's health.

What it says is for people and dashboards. It is sent at most once, and nothing
is kept for a link that is away: whoever needs every event reads the log, which
the uplink carries. So a backlog of a month does not delay what happens now.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from agent.core.feed import event_topic, health_topic
from agent.core.health import Machine, discovery, message, news_in
from agent.ports import Broker, Clock
from agent.stores import vitals
from agent.stores.journal_reader import JournalReader

LOOK_EVERY_S: Final = 0.1
HEALTH_EVERY_S: Final = 60.0
_LOOK_AT_HEALTH_S: Final = 1.0
_MOST_AT_ONCE: Final = 50
_REOPEN_S: Final = 1.0
_log = structlog.get_logger("agent.teller")


class Teller:
    """Tells one gate's events and health. Everything but the constructor belongs to one thread.

    Args:
        health_file: the gate process's part.
        machine: reads the machine.
        queue: how many events the office does not have yet, given the newest row.
        discovery_prefix: Home Assistant's, or "" to announce nothing.
    """

    def __init__(  # noqa: PLR0913  the parts that wiring puts together, each by its name
        self,
        site: str,
        gate: str,
        *,
        broker: Broker,
        open_journal: Callable[[], JournalReader],
        health_file: Path,
        machine: Callable[[], Machine],
        queue: Callable[[int], int],
        clock: Clock,
        version: str,
        discovery_prefix: str = "",
    ) -> None:
        self._site, self._gate, self._broker, self._clock = site, gate, broker, clock
        self._open_journal, self._health_file = open_journal, health_file
        self._machine, self._queue, self._version = machine, queue, version
        self._discovery_prefix = discovery_prefix
        self._journal: JournalReader | None = None
        self._told_n: int | None = None  # None: the next look says where now begins
        self._connection = 0
        self._reopen_at = self._health_at = self._look_at = 0.0
        self._weight: tuple[object, ...] = ()

    def serve(self, stop: threading.Event) -> None:
        """Tell until stop is set; no fault ends it."""
        while not stop.wait(LOOK_EVERY_S):
            try:
                self.step(time.monotonic())
            except Exception as fault:  # noqa: BLE001  the last line of defence of a process without a user
                _log.warning("teller.fault", found=repr(fault))
                self._let_go(time.monotonic())
        self._let_go(0.0)

    def step(self, mono: float) -> None:
        """Tell what is new, if there is somebody to tell it to.

        Args:
            mono: monotonic seconds.
        """
        if not self._broker.online:
            self._told_n = None
            return
        if self._connection != self._broker.connection:
            self._connection, self._told_n, self._weight = self._broker.connection, None, ()
            self._announce()
        try:
            newest = self._tell_events(mono)
        except sqlite3.Error as fault:
            _log.info("teller.journal_unreadable", found=str(fault))
            self._let_go(mono)
            newest = 0
        if mono >= self._look_at:
            self._look_at = mono + _LOOK_AT_HEALTH_S
            self._tell_health(mono, newest)

    def _tell_events(self, mono: float) -> int:
        if self._journal is None or self._journal.displaced():
            if mono < self._reopen_at:
                return 0
            self._let_go(mono)
            self._journal = self._open_journal()
        newest = self._journal.newest()
        if self._told_n is None or self._told_n > newest:
            self._told_n = newest
        if newest - self._told_n > 20 * _MOST_AT_ONCE:
            # A link too slow for what happens: better the newest than the old ones late.
            self._told_n = newest - _MOST_AT_ONCE
        lines = self._journal.lines(self._told_n, _MOST_AT_ONCE) if newest > self._told_n else []
        if lines and self._broker.tell(event_topic(self._site, self._gate), [line for _, line in lines]):
            self._told_n = lines[-1][0]
        return newest

    def _tell_health(self, mono: float, newest: int) -> None:
        gate, machine = vitals.read(self._health_file), self._machine()
        weight = news_in(gate, machine)
        if weight == self._weight and mono < self._health_at:
            return
        said = message(gate, machine, self._clock.now().utc, self._queue(newest), self._version)
        if self._broker.publish(health_topic(self._site, self._gate), said, retain=True):
            self._weight, self._health_at = weight, mono + HEALTH_EVERY_S

    def _announce(self) -> None:
        if self._discovery_prefix:
            topic, said = discovery(self._discovery_prefix, self._site, self._gate, self._version)
            self._broker.publish(topic, said, retain=True)

    def _let_go(self, mono: float) -> None:
        journal, self._journal = self._journal, None
        self._reopen_at = mono + _REOPEN_S
        if journal:
            with contextlib.suppress(sqlite3.Error):
                journal.close()
