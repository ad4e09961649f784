"""Follows the list that sync stores, in a thread of its own.

Verifying a large list takes a small machine seconds, and the gate's loop has
none to spare: the follower watches the store, verifies what is new from the
root of trust, and hands over a list that is ready for lookups.
"""

import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from agent.core.allowlist import Allowlist
from agent.core.notices import ListRefused, ListSwitched, Notice
from agent.ports import Clock
from agent.stores.anchor import Anchor
from agent.stores.lists import ListReader
from agent.stores.loading import load

log: Final = structlog.get_logger()

LOOK_EVERY_S: Final = 0.5
_TRY_AGAIN_S: Final = 30.0


class ListFollower:
    """Gives the gate its lists.

    Args:
        list_file: sync's store.
        anchor: the gate's root of trust and its memory of versions.
    """

    def __init__(self, list_file: Path, anchor: Anchor, clock: Clock) -> None:
        self._file, self._anchor, self._clock = list_file, anchor, clock
        self._serving = ListReader(list_file)  # lookups, in the gate's thread
        self._news: queue.SimpleQueue[Notice] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="list-follower", daemon=True)
        self._refused = ""
        self._in_use: Allowlist | None = None
        self._passed_on = ""

    def first(self) -> Allowlist | None:
        """Load what is stored now, in the caller's thread, and begin to follow.

        Returns:
            The list, or None when there is none that may be believed; news() then says why.
        """
        watching = ListReader(self._file)
        generation = watching.generation()
        watching.close()
        loaded = self._load() if generation else None
        self._seen = generation
        self._thread.start()
        return loaded

    def news(self) -> Sequence[Notice]:
        """Lists switched or refused since the last call; never blocks."""
        notices = []
        while not self._news.empty():
            notices.append(self._news.get())
        return notices

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)
        self._serving.close()

    def _load(self) -> Allowlist | None:
        loaded = load(self._serving, self._anchor, self._clock.now(), self._in_use)
        if isinstance(loaded, ListRefused):
            if loaded.why != self._refused:  # said once, not at every try
                self._refused = loaded.why
                log.error("list.refused", why=loaded.why)
                self._news.put(loaded)
            return None
        self._refused = ""
        self._in_use = loaded
        return loaded

    def _pass_on(self, why: str) -> bool:
        """What sync refused is news for the journal, too: sync has none."""
        if why == self._passed_on:
            return False
        self._passed_on = why
        if why:
            self._news.put(ListRefused(f"sync: {''.join(c if c.isprintable() else '?' for c in why)}"))
        return bool(why)

    def _follow(self) -> None:
        watching = ListReader(self._file)
        waited_s = 0.0
        silent_s = _TRY_AGAIN_S
        in_use = self._refused == ""
        while not self._stop.wait(LOOK_EVERY_S):
            generation = watching.generation()
            waited_s += LOOK_EVERY_S
            silent_s += LOOK_EVERY_S
            if silent_s >= _TRY_AGAIN_S and self._pass_on(watching.refusal()):
                silent_s = 0.0
            if not generation or (generation == self._seen and (in_use or waited_s < _TRY_AGAIN_S)):
                continue
            self._seen, waited_s = generation, 0.0
            allowlist = self._load()
            in_use = allowlist is not None
            if allowlist is not None:
                self._news.put(ListSwitched(allowlist))
        watching.close()
