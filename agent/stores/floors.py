"""Floors: the versions below which signed metadata is not believed again.

A thief of an old repository has good signatures on old lists. What stops
them is remembering what was seen. The TUF client remembers in plain files
that a power cut can tear; this remembers in SQLite.

A floor holds for one set of keys: when the offline keys replace a stolen
key, whatever the thief pushed its version to is forgotten with it. The root
has no keys above it, so its floor is bound to the root that was installed.
"""

import hashlib
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlite_utils import Database, Migrations

_MIGRATIONS: Final = Migrations("menshen-floors")


@_MIGRATIONS()
def floors(db: Database) -> None:
    db.execute(
        "CREATE TABLE floors (role TEXT NOT NULL, keys TEXT NOT NULL, version INTEGER NOT NULL,"
        " PRIMARY KEY (role, keys)) WITHOUT ROWID"
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """A version that was seen, correctly signed.

    Args:
        role: `root`, `timestamp`, `snapshot`, `targets`, `allowlist`, `revoke`, or `head` for the list's number.
        keys: what the floor is bound to, see bound_to.
        version: at most 2**62.
    """

    role: str
    keys: str
    version: int


def bound_to(key_ids: Iterable[str]) -> str:
    """A short name for a set of keys."""
    return hashlib.sha256("\n".join(sorted(key_ids)).encode()).hexdigest()


class Floors:
    """The floors of one process, in a database of its own.

    Args:
        path: the database; its directory must exist.
    Raises:
        sqlite3.Error: it can't be opened or is damaged. Deleting it loses the protection; ask why first.
    """

    def __init__(self, path: Path) -> None:
        self._db = Database(sqlite3.connect(path, timeout=5))
        self._db.execute("PRAGMA synchronous = FULL")
        _MIGRATIONS.apply(self._db)

    def below(self, seen: Iterable[Seen]) -> str | None:
        """What is older than its floor, as a sentence; None if nothing is."""
        for one in seen:
            row = self._db.execute(
                "SELECT version FROM floors WHERE role = ? AND keys = ?", (one.role, one.keys)
            ).fetchone()
            if row and one.version < row[0]:
                return f"{one.role} v{one.version} is older than v{row[0]}, which was here before"
        return None

    def rise(self, seen: Iterable[Seen]) -> None:
        """Remember versions, durably; a lower one changes nothing."""
        with self._db.atomic():
            self._db.conn.executemany(
                "INSERT INTO floors (role, keys, version) VALUES (?, ?, ?) ON CONFLICT (role, keys)"
                " DO UPDATE SET version = excluded.version WHERE excluded.version > version",
                [(one.role, one.keys, one.version) for one in seen],
            )

    def close(self) -> None:
        self._db.close()
