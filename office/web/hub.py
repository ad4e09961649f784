"""From the events to all open live pages: one look at the database for everybody.

A thread follows the events (see `office.web.follower`), renders what is new
once for each kind of reader (language, and whether names are shown), and
hands the same bytes to every page that is open. A page that does not keep up
loses what it could not take and is told to load itself again.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection
from django.db.models import Max
from django.template.loader import render_to_string
from django.urls import set_script_prefix
from django.utils import translation

from office.faults import OfficeFault
from office.feed import Wish
from office.logs import log
from office.models import Event
from office.web import follower, lookup, ordering, scene, telling, visits
from office.web.models import Visit, VisitState

LOOK_S: Final = 0.25
_REDRAW_IDLE: Final = 20
"""Looks without news between two drawings of how things stand: alerts and quiet gates make no events."""
_BACKLOG: Final = 20
_KEEP_ALIVE_S: Final = 15.0
_MOST_LISTENERS: Final = 200
_END: Final = b""


class Reader(NamedTuple):
    """What makes two pages different."""

    language: str
    names: bool


class Crowded(Exception):
    """More pages are open than this process serves."""


@dataclass(eq=False, slots=True)
class _Listener:
    reader: Reader
    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(_BACKLOG))

    def offer(self, message: bytes) -> None:
        if self.queue.full():
            while not self.queue.empty():
                self.queue.get_nowait()
            message = RELOAD
        self.queue.put_nowait(message)


class Hub:
    """One for each process."""

    def __init__(self) -> None:
        self._listeners: set[_Listener] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._seen: int | None = None
        self._idle = 0
        self._left: int | None = None
        self._standing: dict[Reader, str] = {}
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look, until stopped."""
        self._thread = threading.Thread(target=self._run, name="live-pages", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def release(self) -> None:
        """Let all pages go, so that the server can end; they come back by themselves."""
        with self._lock:
            for one in self._listeners:
                one.loop.call_soon_threadsafe(one.offer, _END)

    async def listen(self, reader: Reader, after: int) -> AsyncIterator[bytes]:
        """What a page is sent, as text/event-stream, until its reader leaves.

        Args:
            after: the number of the newest event that the page shows already.
        Raises:
            Crowded: too many are listening.
        """
        listener = _Listener(reader, asyncio.get_running_loop())
        with self._lock:
            if len(self._listeners) >= _MOST_LISTENERS:
                raise Crowded
            self._listeners.add(listener)
        try:
            yield b"retry: 2000\n\n"
            # Listening already, so nothing is missed between the two; the page knows what it has.
            yield await sync_to_async(self.since)(reader, after)
            while True:
                try:
                    message = await asyncio.wait_for(listener.queue.get(), _KEEP_ALIVE_S)
                except TimeoutError:
                    message = b": still here\n\n"
                if message == _END:
                    return
                yield message
        finally:
            with self._lock:
                self._listeners.discard(listener)

    def since(self, reader: Reader, after: int) -> bytes:
        """All that a page does not show yet."""
        newest = Event.objects.aggregate(newest=Max("pk"))["newest"] or 0
        return _message(_draw(reader, after, newest), newest)

    def look(self) -> None:
        """Follow the events once, and tell the pages what is new.

        Raises:
            django.db.DatabaseError: the database is away; look again later.
        """
        if follower.catch_up():
            self._tell_gates_who_left()
        newest = Event.objects.aggregate(newest=Max("pk"))["newest"] or 0
        seen, self._seen = newest if self._seen is None else self._seen, newest
        self._idle = 0 if newest != seen else self._idle + 1
        if self._idle % _REDRAW_IDLE:
            return
        visits.look_after()
        ordering.look_after()
        with self._lock:
            listeners = tuple(self._listeners)
        news = {reader: self._news(reader, seen, newest) for reader in {one.reader for one in listeners}}
        for one in listeners:
            if message := news[one.reader]:
                one.loop.call_soon_threadsafe(one.offer, message)

    def _tell_gates_who_left(self) -> None:
        left = Visit.objects.filter(state=VisitState.LEFT).count()
        before, self._left = self._left, left
        if before is None or left <= before:
            return
        try:
            telling.deny_at_once()
        except OfficeFault as fault:
            log.error("visits.untold", found=str(fault), next="the next list says it")

    def _news(self, reader: Reader, seen: int, newest: int) -> bytes:
        """The message for one kind of reader; empty if it would look as before."""
        facts = _draw(reader, seen, newest)
        if not facts["rows"] and self._standing.get(reader) == facts["standing"]:
            return b""
        self._standing[reader] = facts["standing"]
        return _message(facts, newest)

    def _run(self) -> None:
        set_script_prefix(settings.FORCE_SCRIPT_NAME or "/")  # as Django does for each request
        while not self._stop.wait(LOOK_S):
            try:
                close_old_connections()
                self.look()
            except DatabaseError as fault:
                log.error("live.database", found=str(fault), next="looks again")
            except Exception as fault:  # noqa: BLE001  a page that can't be drawn must not end the looking
                log.error("live.fault", found=f"{type(fault).__name__}: {fault}")
        connection.close()


def _draw(reader: Reader, seen: int, newest: int) -> dict[str, str]:
    """What came after an event, and how everything stands, as pieces of the page."""
    with translation.override(reader.language):
        rows = lookup.newest(Wish(), after=seen) if newest > seen else []
        drawn = render_to_string("web/live/_rows.html", scene.rows(rows, names=reader.names)).strip()
        standing = render_to_string("web/live/_standing.html", scene.standing(names=reader.names))
    return {"rows": drawn, "standing": standing}


def _message(facts: dict[str, str], number: int) -> bytes:
    return f"id: {number}\ndata: {json.dumps(facts, ensure_ascii=False)}\n\n".encode()


RELOAD: Final = b"event: reload\ndata: {}\n\n"
HUB: Final = Hub()
