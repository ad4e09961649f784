"""Keeps the stored list current: looks at the source, verifies, switches, looks again.

What was refused is looked at ever more rarely: verifying it costs a card its
writes, and a thief has patience.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from agent.brokers.backoff import Backoff
from agent.core.allowlist import Head, ListFault
from agent.core.keys import PublicKey
from agent.core.notices import ListRefused
from agent.ports import Clock
from agent.stores.anchor import Anchor
from agent.stores.lists import ListStore
from agent.stores.sources import Source
from agent.stores.updates import Missed, Outcome, Renewed, Switched, Unchanged, update

log: Final = structlog.get_logger()

_RAREST_S: Final = 300.0
"""How long at most what was refused is left alone."""


class Refresher:
    """One store and the source it follows.

    Args:
        open_store: opens sync's store; called in the thread that refreshes.
    """

    def __init__(
        self, open_store: Callable[[], ListStore], source: Source, anchor: Anchor, clock: Clock
    ) -> None:
        self._open_store, self._source, self._anchor, self._clock = open_store, source, anchor, clock
        self._ack_keys: tuple[PublicKey, ...] = ()
        self._gate_keys: Mapping[str, PublicKey] = {}
        self._refused = ""

    def ack_keys(self) -> tuple[PublicKey, ...]:
        """The office's acknowledgement keys in the stored list; safe from any thread."""
        return self._ack_keys

    def gate_keys(self) -> Mapping[str, PublicKey]:
        """The journal keys of the site's gates in the stored list; safe from any thread."""
        return self._gate_keys

    def serve(self, stop: threading.Event, every_s: float) -> None:
        """Refresh until stop is set: every so often, and as soon as the source has something new."""
        backoff = Backoff(2 * every_s, max(_RAREST_S, 2 * every_s))
        with contextlib.closing(self._open_store()) as store:
            self._take_keys(store)
            while True:
                outcome = self.refresh(store)
                if isinstance(outcome, ListRefused) and not isinstance(outcome, Missed):
                    stop.wait(backoff.wait_s())
                else:
                    backoff.calm()
                    self._source.wait(stop, every_s)
                if stop.is_set():
                    return

    def once(self) -> Outcome:
        """Refresh once."""
        with contextlib.closing(self._open_store()) as store:
            return self.refresh(store)

    def refresh(self, store: ListStore) -> Outcome:
        """Look at the source once, and say what came of it when it is news."""
        outcome = update(store, self._source, self._anchor, self._clock.now())
        match outcome:
            case Switched(number):
                log.info("list.stored", list=number, parts=outcome.parts, bytes=outcome.moved_bytes)
            case Renewed(number):
                log.info("list.renewed", list=number)
            case ListRefused(why):
                if why != self._refused:
                    log.warning("list.refused", why=why)
            case Unchanged():
                pass
        self._refused = outcome.why if isinstance(outcome, ListRefused) else ""
        if not isinstance(outcome, Missed):
            with contextlib.suppress(sqlite3.Error):  # a full disk: the gate will hear of it in its own way
                store.note_refusal(self._refused)
        self._take_keys(store)
        return outcome

    def _take_keys(self, store: ListStore) -> None:
        current = store.current()
        with contextlib.suppress(ListFault):
            head = Head.from_bytes(current.head) if current else None
            self._ack_keys = head.ack_keys if head else ()
            self._gate_keys = head.gates if head else {}
