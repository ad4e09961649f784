"""The journal's writer: a thread that owns the file, so that a slow card can't stop the gate.

`append` waits for durability, but only so long. If the card does not take an
event within the configured patience, the gate decides all the same (people
must get home), and the event waits in memory, marked late, until the card
comes back; then a `journal.late` event says how many waited and how long.
"""

import contextlib
import itertools
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import structlog

from agent.core.events import Event, Kind
from agent.core.memory import MOST_REMEMBERED, Use
from agent.ports import Clock
from agent.stores.journal import JournalStore

log: Final = structlog.get_logger()

_MOST_WAITING: Final = 20_000  # about 10 MB; at one event a second, more than five hours
_BATCH: Final = 500
_RETRY_S: Final = 0.5
_NOTHING_TO_DO_S: Final = float("inf")


class _Once:
    """Set once, and waited for by one thread: a bare lock takes half the time of a threading.Event."""

    def __init__(self) -> None:
        self._held = threading.Lock()
        self._held.acquire()

    def set(self) -> None:
        self._held.release()

    def is_set(self) -> bool:
        return not self._held.locked()

    def wait(self, wait_s: float) -> bool:
        if not self._held.acquire(timeout=wait_s):
            return False
        self._held.release()
        return True


@dataclass(slots=True)
class _Waiting:
    event: Event
    durable: _Once = field(default_factory=_Once)


@dataclass(frozen=True, slots=True)
class Recollection:
    """What the journal says of the time before this start.

    Args:
        uses: of the passes used last, by pass id, that of longest ago first.
        whole: whether those are all.
        newest_utc: the newest journaled second; 0.0 if there is none.
        spent: the nonces of orders that were obeyed, and when each expired.
    """

    uses: Mapping[bytes, Use]
    whole: bool
    newest_utc: float
    spent: Mapping[str, int] = field(default_factory=dict)


class JournalWriter:
    """Satisfies agent.ports.Journal.

    Args:
        open_store: opens the journal; called in the writer's thread, and again after a fault.
        clock: for the moment of `journal.opened`.
        patience_s: how long append waits for the card.
    """

    def __init__(self, open_store: Callable[[], JournalStore], clock: Clock, patience_s: float = 1.0) -> None:
        self._open_store, self._clock, self._patience_s = open_store, clock, patience_s
        self._waiting: deque[_Waiting] = deque()
        self._change = threading.Condition()
        self._closing = False
        self._chores: Callable[[JournalStore], float] = lambda _store: _NOTHING_TO_DO_S
        self._chores_at = _NOTHING_TO_DO_S
        self._troubled = False
        self._dropped = self._late = 0
        self._ready = threading.Event()
        self._uses: Mapping[bytes, Use] = {}
        self._uses_whole = True
        self._spent: Mapping[str, int] = {}
        self._newest_utc = 0.0
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def recall(self) -> Recollection:
        """What was before this start; nothing if the card does not say so in time."""
        self._ready.wait(self._patience_s * 5)
        return Recollection(self._uses, self._uses_whole, self._newest_utc, self._spent)

    def keep_house(self, chores: Callable[[JournalStore], float]) -> None:
        """From now on do these in the writer's thread, one between two writes; they say when to come again."""
        with self._change:
            self._chores, self._chores_at = chores, time.monotonic()
            self._change.notify()

    @property
    def troubled(self) -> bool:
        """Whether the card is not taking events just now."""
        return self._troubled

    def append(self, event: Event) -> bool:
        """Record an event; see agent.ports.Journal.append."""
        entry = _Waiting(event)
        with self._change:
            if len(self._waiting) >= _MOST_WAITING:
                self._waiting.popleft()
                self._dropped += 1
            self._waiting.append(entry)
            self._change.notify()
            patience_s = 0.0 if self._troubled else self._patience_s
        if entry.durable.wait(patience_s):
            return True
        with self._change:
            if entry.durable.is_set():
                return True
            if not self._troubled:
                self._troubled = True
                log.error("journal.late", waiting=len(self._waiting), patience_s=self._patience_s)
            self._late += 1
            # The one that is being written just now keeps its body; journal.late counts it.
            entry.event = replace(entry.event, facts={**entry.event.facts, "late": True})
        return False

    def close(self) -> None:
        """Write what still waits, if the card takes it, and let go."""
        with self._change:
            self._closing = True
            self._change.notify()
        self._thread.join(timeout=self._patience_s * 5)

    # --- the writer's thread -------------------------------------------------

    def _run(self) -> None:
        store: JournalStore | None = None
        while True:
            try:
                if store is None:
                    store = self._begin()
                if not self._write_some(store):
                    break
            except sqlite3.Error as fault:
                log.error("journal.fault", fault=str(fault), waiting=len(self._waiting))  # noqa: TRY400
                if store is not None:
                    with contextlib.suppress(sqlite3.Error):
                        store.close()
                    store = None
                self._ready.set()
                with self._change:
                    if self._closing:
                        break
                    self._change.wait(_RETRY_S)
        if store is not None:
            store.close()

    def _begin(self) -> JournalStore:
        store = self._open_store()
        try:
            if not self._ready.is_set():
                self._uses, self._uses_whole = store.uses(MOST_REMEMBERED)
                self._newest_utc = store.tip.utc if store.tip else 0.0
                self._spent = store.spent()
            store.begin_epoch(self._clock.now().not_before(self._newest_utc))
        except BaseException:
            store.close()
            raise
        self._ready.set()
        return store

    def _write_some(self, store: JournalStore) -> bool:
        """Write what waits, or wait for something; False when closed and empty."""
        with self._change:
            while not self._waiting and (idle_s := self._chores_at - time.monotonic()) > 0:
                if self._closing:
                    return False
                self._change.wait(None if idle_s == _NOTHING_TO_DO_S else idle_s)
            batch = list(itertools.islice(self._waiting, _BATCH))
            events = [entry.event for entry in batch]
        if time.monotonic() >= self._chores_at:
            self._chores_at = time.monotonic() + self._chores(store)
        if not batch:
            return True
        began = time.monotonic()
        try:
            store.append(events)
        except (TypeError, ValueError, OverflowError):
            _one_by_one(store, events)
        with self._change:
            for entry in batch:
                entry.durable.set()
                if self._waiting and self._waiting[0] is entry:
                    self._waiting.popleft()
            if self._troubled and not self._waiting:
                self._troubled = False
                self._waiting.append(_Waiting(self._recovered(time.monotonic() - began)))
        return True

    def _recovered(self, took_s: float) -> Event:
        now = self._clock.now()
        late, dropped = self._late, self._dropped
        self._late = self._dropped = 0
        log.warning("journal.recovered", late=late, dropped=dropped)
        return Event(
            Kind.JOURNAL_LATE, now, {"late": late, "dropped": dropped, "last_write_s": round(took_s, 3)}
        )


def _one_by_one(store: JournalStore, events: Sequence[Event]) -> None:
    """Write a batch that holds an event which cannot be written at all, without losing the others."""
    for event in events:
        try:
            store.append([event])
        except (TypeError, ValueError, OverflowError) as fault:
            log.error("journal.unwritable", kind=str(event.kind), fault=repr(fault))  # noqa: TRY400
            store.append(
                [Event(Kind.FAULT, event.at, {"fault": "unwritable event", "kind": str(event.kind)})]
            )


def open_journal(path: Path, site: str, gate: str, sign: Callable[[bytes], bytes]) -> JournalStore:
    """Open the journal; one that is damaged beyond opening is set aside, never deleted.

    Raises:
        sqlite3.Error: the card does not let us.
    """
    try:
        return JournalStore(path, site, gate, sign)
    except sqlite3.DatabaseError as fault:
        if isinstance(fault, sqlite3.OperationalError):
            raise  # locked, full, read-only, no such directory: it may pass
        aside = path.with_name(f"{path.name}.damaged-{time.time_ns() // 1_000_000_000}")
        log.error("journal.damaged", fault=str(fault), kept_as=str(aside))  # noqa: TRY400
        path.rename(aside)
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
        return JournalStore(path, site, gate, sign)
