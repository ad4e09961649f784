"""The table of uses: how each pass has used this gate, in the journal's own file.

It is written in the transaction of the admission that it follows from, so
that a used step or a way in outlives any cut. A pass lasts a year at most,
and so does its row.
"""

import contextlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog

from agent.core.events import Fact
from agent.core.memory import UNUSED, Use, Way
from agent.core.passes import LONGEST_S
from agent.stores import read_only

_log: Final = structlog.get_logger("agent.stores.uses")

_COLUMNS: Final = "count, step, way, at_utc"


def enter(connection: sqlite3.Connection, facts: Mapping[str, Fact], at_utc: float) -> None:
    """Note an admission, from its event's facts."""
    pass_id, step = facts.get("pass"), facts.get("step")
    before = _use_of(connection, pass_id)
    # A gate for both ways says which way it took the passage for; any other has one direction.
    way = Way.OUT if facts.get("way", facts.get("direction")) == Way.OUT else Way.IN
    after = before.once_more(step if isinstance(step, int) else None, way, at_utc)
    connection.execute(
        f"INSERT OR REPLACE INTO use (pass, {_COLUMNS}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608  constants
        (pass_id, after.count, after.step, after.way, after.at_utc),
    )


def newest(connection: sqlite3.Connection, most: int) -> tuple[dict[bytes, Use], bool]:
    """The uses of the passes used last, that of longest ago first, and whether those are all."""
    rows = connection.execute(
        f"SELECT pass, {_COLUMNS} FROM use ORDER BY at_utc DESC LIMIT ?",  # noqa: S608  constants
        (most + 1,),
    ).fetchall()
    uses = {bytes.fromhex(pass_id): _use(*row) for pass_id, *row in reversed(rows[:most])}
    return uses, len(rows) <= most


def forget_over(connection: sqlite3.Connection, utc: float) -> None:
    """Forget passes whose last use is so long ago that they must be over."""
    connection.execute("DELETE FROM use WHERE at_utc < ?", (utc - LONGEST_S,))


class UseReader:
    """Asks the journal's file about passes that the gate no longer remembers.

    Belongs to the thread that asks. A file that can't be read is no reason to keep people out: the
    pass then counts as unused, and the log says so.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def use_of(self, pass_id: bytes) -> Use:
        try:
            if self._connection is None:
                self._connection, _ = read_only.connect(self._path, isolation_level=None, timeout=0.5)
            return _use_of(self._connection, pass_id.hex())
        except sqlite3.Error as fault:
            _log.warning("uses.unreadable", fault=str(fault))
            self.close()
            return UNUSED

    def close(self) -> None:
        """Let go of the file; asking opens it again."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


def _use_of(connection: sqlite3.Connection, pass_id: Fact) -> Use:
    row = connection.execute(f"SELECT {_COLUMNS} FROM use WHERE pass = ?", (pass_id,)).fetchone()  # noqa: S608  constants
    return _use(*row) if row else UNUSED


def _use(count: int, step: int | None, way: str | None, at_utc: float) -> Use:
    return Use(count, step, Way(way) if way else None, at_utc)
