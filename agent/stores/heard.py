"""What the gate has heard from its fellows, kept over a restart: a small file, written by the gate, read by sync.

Written in a thread of its own, and not flushed: what a power cut takes is less
than what was heard since, and sync asks the fellows again for what is missing.
What is told in a busy hour is written together, since a card wears by the write.
"""

import queue
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from agent.core.events import Place
from agent.core.memory import MOST_REMEMBERED, Use, Way
from agent.core.notices import Passage, Told
from agent.core.passback import MOST_MIN
from agent.core.passes import LONGEST_S
from agent.stores import read_only, steps

_log: Final = structlog.get_logger("agent.stores.heard")
_MOST_WAITING: Final = 256
_RETRY_S: Final = 30.0
WRITE_EVERY_S: Final = 3.0
"""Less than the time after which sync takes the gate to have missed something."""


@dataclass(frozen=True, slots=True)
class _Lot:
    told: Told
    upto: Place


class HeardStore:
    """The gate's end. Nothing that goes wrong with the file costs more than the memory of it."""

    def __init__(self, path: Path, write_every_s: float = WRITE_EVERY_S) -> None:
        self._path, self._write_every_s = path, write_every_s
        self._lots: queue.Queue[_Lot | None] = queue.Queue(_MOST_WAITING)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heard", daemon=True)

    def recall(self) -> tuple[Mapping[str, Place], tuple[Passage, ...]]:
        """How far each fellow was heard, and what they said of passes, the newest last; then begin to write."""
        try:
            with closing(_open(self._path)) as connection:
                upto = _upto(connection)
                passages = _passages(connection)
        except sqlite3.Error as fault:
            _log.warning("heard.unreadable", fault=str(fault))
            upto, passages = {}, ()
        self._thread.start()
        return upto, passages

    def keep(self, told: Told, upto: Place) -> None:
        """Keep what was told; never blocks."""
        with suppress(queue.Full):  # the card is away, and sync will ask again from where it stopped
            self._lots.put_nowait(_Lot(told, upto))

    def close(self) -> None:
        self._closing.set()
        if self._thread.is_alive():
            with suppress(queue.Full):
                self._lots.put_nowait(None)
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while True:
            try:
                with closing(_open(self._path)) as connection:
                    while lots := self._waiting():
                        _write(connection, lots)
                        self._closing.wait(self._write_every_s)
                    return
            except sqlite3.Error as fault:
                _log.warning("heard.unwritten", fault=str(fault))
                if self._closing.wait(_RETRY_S):
                    return

    def _waiting(self) -> list[_Lot]:
        """All that waits, as soon as something does; nothing once the store is closed."""
        lots = [self._lots.get()]
        with suppress(queue.Empty):
            while True:
                lots.append(self._lots.get_nowait())
        if None in lots:
            self._lots.put_nowait(None)  # and so again
        return [lot for lot in lots if lot is not None]


def upto_of(path: Path) -> Mapping[str, Place]:
    """Sync's end: how far the gate has heard each fellow; nothing if it cannot be read."""
    try:
        connection, _ = read_only.connect(path, isolation_level=None, timeout=0.5)
        with closing(connection):
            return _upto(connection)
    except sqlite3.Error:
        return {}


def passages_of(path: Path) -> tuple[Passage, ...]:
    """What fellows said of passes, the newest last; nothing if it cannot be read, as where there are no fellows."""
    try:
        connection, _ = read_only.connect(path, isolation_level=None, timeout=0.5)
        with closing(connection):
            return _passages(connection)
    except sqlite3.Error:
        return ()


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        # NORMAL: whole after a power cut, but perhaps some seconds old.
        connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
        steps.take(connection, "heard", "agent.stores.heard_schema")
    except BaseException:
        connection.close()
        raise
    return connection


def _upto(connection: sqlite3.Connection) -> dict[str, Place]:
    rows = connection.execute("SELECT gate, site, epoch, seq FROM fellow").fetchall()
    return {gate: Place(site, gate, epoch, seq) for gate, site, epoch, seq in rows}


def _passages(connection: sqlite3.Connection) -> tuple[Passage, ...]:
    rows = connection.execute(
        "SELECT gate, pass, zone, count, step, way, at_utc, sure FROM passage ORDER BY at_utc DESC LIMIT ?",
        (MOST_REMEMBERED,),
    ).fetchall()
    return tuple(
        Passage(gate, pass_id, zone, Use(count, step, Way(way), at_utc), bool(sure))
        for gate, pass_id, zone, count, step, way, at_utc, sure in reversed(rows)
    )


def _write(connection: sqlite3.Connection, lots: Sequence[_Lot]) -> None:
    write = connection.execute
    write("BEGIN IMMEDIATE")
    for lot in lots:
        for passage in lot.told.passages:
            _remember(connection, passage)
        upto = lot.upto
        write(
            "INSERT OR REPLACE INTO fellow (gate, site, epoch, seq) VALUES (?, ?, ?, ?)",
            (upto.gate, upto.site, upto.epoch, upto.seq),
        )
    write("COMMIT")


def _remember(connection: sqlite3.Connection, passage: Passage) -> None:
    use = passage.use
    connection.execute(
        """INSERT INTO passage (pass, gate, zone, count, step, way, at_utc, sure)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (pass, gate) DO UPDATE SET
           zone = iif(excluded.at_utc > at_utc, excluded.zone, zone),
           way = iif(excluded.at_utc > at_utc, excluded.way, way),
           sure = iif(excluded.at_utc > at_utc, excluded.sure, sure),
           step = nullif(max(ifnull(step, -1), ifnull(excluded.step, -1)), -1),
           count = max(count, excluded.count), at_utc = max(at_utc, excluded.at_utc)""",
        (passage.pass_id, passage.gate, passage.zone, use.count, use.step, use.way, use.at_utc, passage.sure),
    )
    # Beyond the longest passback a way in means nothing; a counted use does while the pass may live.
    connection.execute(
        "DELETE FROM passage WHERE at_utc < ? - iif(count, ?, ?)", (use.at_utc, LONGEST_S, 60 * MOST_MIN)
    )
