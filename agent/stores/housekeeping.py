"""What the journal's writer does when it has nothing to write: close the day, and let go of what is old.

An event is let go of only when the office has signed that it keeps it, the
gate itself has verified that, it is older than the retention, and a day's
statement accounts for it. A run of 200 goes at a time, so that nobody at the
gate waits for it. With a clock that nobody vouches for, nothing is closed and
nothing goes.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from agent.core.allowlist import Head
from agent.core.events import Event, Kind
from agent.core.moments import Moment, Trust
from agent.ports import Clock
from agent.stores import acknowledged
from agent.stores.journal import JournalStore

CLOSE_EVERY_S: Final = 20.0
PURGE_EVERY_S: Final = 3600.0
STEP_EVERY_S: Final = 0.2
_DAY_S: Final = 86_400
_log = structlog.get_logger("agent.stores.housekeeping")


class Housekeeping:
    """One journal's; called by the writer, in its thread.

    Args:
        head: the head of the list in use, None while there is none.
        ack_file: where sync keeps the office's newest acknowledgement.
        keep_days: how long events stay at the gate whatever the office has.
    """

    def __init__(  # noqa: PLR0913  the parts that wiring puts together, each by its name
        self,
        site: str,
        gate: str,
        *,
        clock: Clock,
        head: Callable[[], Head | None],
        ack_file: Path,
        keep_days: int,
    ) -> None:
        self._site, self._gate, self._clock, self._head = site, gate, clock, head
        self._ack_file, self._keep_s = ack_file, keep_days * _DAY_S
        self._purge_at = float("-inf")
        self._gone = 0

    def __call__(self, store: JournalStore) -> float:
        """Do one small piece of work.

        Returns:
            Seconds after which to call again.
        """
        now, head, tip = self._clock.now(), self._head(), store.tip
        if head is None or tip is None or now.trust is Trust.UNKNOWN:
            return CLOSE_EVERY_S
        now = now.not_before(tip.utc)
        try:
            store.close_day(now, head.utc_offset_min)
            if now.mono >= self._purge_at:
                if gone := self._purge(store, head, now):
                    self._gone += gone
                    return STEP_EVERY_S
                self._tell(store, now)
                self._purge_at = now.mono + PURGE_EVERY_S
        except (sqlite3.Error, OSError, ValueError) as fault:
            _log.warning("journal.housekeeping_failed", fault=str(fault))
        return CLOSE_EVERY_S

    def _purge(self, store: JournalStore, head: Head, now: Moment) -> int:
        ack = acknowledged.recall(self._ack_file)
        if ack is None:
            return 0
        place = ack.checkpoint.place
        if (place.site, place.gate) != (self._site, self._gate) or not ack.holds(head.ack_keys):
            return 0
        found = store.find(place.epoch, place.seq)
        if found is None or found[1] != ack.checkpoint.head:
            return 0
        return store.purge_step(found[0], now.utc - self._keep_s)

    def _tell(self, store: JournalStore, now: Moment) -> None:
        if self._gone:
            store.append([Event(Kind.JOURNAL_PURGED, now, {"events": self._gone})])
            _log.info("journal.purged", events=self._gone)
            self._gone = 0
