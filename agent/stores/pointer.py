"""How far the office has acknowledged this gate's journal, remembered by sync.

The place is kept by its key and head, not by its row, so that it is
recognised only in the journal it came from. Losing the file is harmless: sync
begins at the first event, and the office's acknowledgement carries it forward.
A damaged file is therefore thrown away, and nothing here is worth a flush per
event.
"""

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlite_utils
import structlog
from sqlite_utils import Migrations

from agent.stores import read_only

_log = structlog.get_logger("agent.stores.pointer")

migrations: Final = Migrations("uplink")


@migrations()
def one_pointer(db: sqlite_utils.Database) -> None:
    """One row: the key and the head of the last acknowledged event."""
    db.executescript("""
        CREATE TABLE pointer (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            epoch TEXT NOT NULL,
            seq INTEGER NOT NULL,
            head BLOB NOT NULL
        );
    """)


@dataclass(frozen=True, slots=True)
class Pointer:
    """The last acknowledged event: its epoch, its sequence number, the head after it."""

    epoch: str
    seq: int
    head: bytes


class PointerStore:
    """One pointer in one SQLite file. Belongs to the thread that made it."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; one that is damaged is made anew.

        Raises:
            OSError, sqlite3.Error: the directory is not there, or the disk refuses.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = _opened(path)
        except sqlite3.OperationalError:
            raise  # the disk, not the content
        except sqlite3.DatabaseError as fault:
            _log.warning("uplink.pointer_remade", path=str(path), found=str(fault))
            for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
                path.with_name(name).unlink(missing_ok=True)
            self._connection = _opened(path)

    def load(self) -> Pointer | None:
        """The pointer last saved, or None."""
        row = self._connection.execute("SELECT epoch, seq, head FROM pointer").fetchone()
        return Pointer(*row) if row else None

    def save(self, pointer: Pointer) -> None:
        """Remember a pointer; a power cut may bring back the one before.

        Raises:
            sqlite3.Error: the disk did not take it.
        """
        self._connection.execute(
            "INSERT INTO pointer (id, epoch, seq, head) VALUES (1, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
            " SET epoch = excluded.epoch, seq = excluded.seq, head = excluded.head",
            (pointer.epoch, pointer.seq, pointer.head),
        )

    def close(self) -> None:
        self._connection.close()


def read(path: Path) -> Pointer | None:
    """The pointer in a file, looked at from beside; None if there is none or it can't be read."""
    with contextlib.suppress(sqlite3.Error):
        connection, _ = read_only.connect(path, timeout=5.0)
        with contextlib.closing(connection):
            row = connection.execute("SELECT epoch, seq, head FROM pointer").fetchone()
            return Pointer(*row) if row else None
    return None


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    with contextlib.ExitStack() as undo:
        undo.callback(connection.close)
        connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
        migrations.apply(sqlite_utils.Database(connection))
        undo.pop_all()
    return connection
