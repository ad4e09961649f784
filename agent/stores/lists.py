"""The list on disk: verified bytes, switched whole.

One SQLite database holds the files that prove the current list, and its
parts by SHA-256. `sync` writes it through ListStore; `gate` reads it through
a ListReader, perhaps as another user, and sees the list before a switch or
after it, never between. The parts of the list before stay until the next
switch, because a gate still looks passes up in it while it loads the new one.

This module refuses to know what makes a list trustworthy: it stores what
agent.stores.updates has verified, and agent.stores.loading verifies again.
"""

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from agent.stores import read_only, steps
from agent.stores.sources import MAX_FILE_BYTES

MODE: Final = 0o640
"""Of the database's files: the gate's user reads them through the group."""
MAX_PART_BYTES: Final = 256 * 1024
_MAX_FILES: Final = 80
MAX_WHY: Final = 500
"""Characters of the sentence that says why sync refused what it was offered."""
_BUSY_S: Final = 5.0
_READER_BUSY_S: Final = 0.5
"""The gate reads between two frames; a reader is kept waiting only while sync opens or closes."""
_BESIDE: Final = ("-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Current:
    """The list in the store.

    Args:
        generation: grows with every switch and with every renewal of signatures.
        number: the list's own.
        head: its al/head.
        expires_utc: what sync found; the gate finds its own.
        anchor: the name of the anchor that sync verified it from.
    """

    generation: int
    number: int
    head: bytes
    expires_utc: float
    anchor: str


class View:
    """Reading through one connection.

    Raises:
        sqlite3.Error: from any method: the database is damaged or can't be reached.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def current(self) -> Current | None:
        row = self._connection.execute(
            "SELECT generation, number, head, expires_utc, anchor FROM current"
        ).fetchone()
        return Current(*row) if row else None

    def files(self) -> dict[str, bytes]:
        """The files that prove the current list, by path."""
        return dict(
            self._connection.execute(
                "SELECT path, data FROM files WHERE length(data) <= ? LIMIT ?", (MAX_FILE_BYTES, _MAX_FILES)
            )
        )

    def refusal(self) -> str:
        """Why sync refused what it was last offered; empty if it did not."""
        row = self._connection.execute(
            "SELECT why FROM refused WHERE typeof(why) = 'text' AND length(why) <= ?", (MAX_WHY,)
        ).fetchone()
        return row[0] if row else ""

    def part(self, digest: bytes) -> bytes | None:
        """A part as stored; whoever needs to believe it hashes it."""
        return _part(self._connection, digest)


def stored(path: Path) -> tuple[Current | None, str]:
    """The list in a store and why sync refused what it was offered since; nothing where it can't be read."""
    with contextlib.suppress(sqlite3.Error):
        connection, _ = read_only.connect(path, timeout=_BUSY_S)
        with contextlib.closing(connection):
            view = View(connection)
            return view.current(), view.refusal()
    return None, ""


class ListReader:
    """The gate's side: opened read-only, never raises, and waits for the file to appear.

    Args:
        path: the database that sync writes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._still = False
        self._inode = 0

    def generation(self) -> int:
        """Changes when there is something to load; 0 while there is nothing. Cheap: ask every second."""
        try:
            current = View(self._connected()).current()
        except (sqlite3.Error, OSError):
            self.close()
            return 0
        return current.generation if current else 0

    def current_number(self) -> int:
        """The number of the stored list; 0 if there is none."""
        try:
            current = View(self._connected()).current()
        except (sqlite3.Error, OSError):
            self.close()
            return 0
        return current.number if current else 0

    def refusal(self) -> str:
        """What sync says it refused, and why; empty if nothing. Not to be believed, only passed on."""
        try:
            return View(self._connected()).refusal()
        except (sqlite3.Error, OSError):
            self.close()
            return ""

    def part(self, digest: bytes) -> bytes | None:
        """A part by its SHA-256, or None if it is missing or can't be read; not hashed here."""
        try:
            if self._connection is not None and (data := _part(self._connection, digest)) is not None:
                return data
            return _part(self._connected(), digest)
        except (sqlite3.Error, OSError):
            self.close()
            return None

    @contextlib.contextmanager
    def pinned(self) -> Iterator[View]:
        """One whole list through a connection of its own, whatever sync does meanwhile.

        Raises:
            FileNotFoundError: sync has not made the database yet.
            sqlite3.Error, OSError: it can't be read.
        """
        self._path.stat()
        opened, _ = _read_only(self._path)
        with contextlib.closing(opened) as connection:
            connection.execute("BEGIN")
            yield View(connection)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __del__(self) -> None:
        # A list in use holds its reader; whoever drops the list lets go of the file with it.
        self.close()

    def _connected(self) -> sqlite3.Connection:
        inode = self._path.stat().st_ino
        stale = self._still and read_only.written_again(self._path)
        if self._connection is None or stale or inode != self._inode:  # a technician may have deleted it
            self.close()
            self._connection, self._still = _read_only(self._path)
            self._inode = inode
        return self._connection


class ListStore:
    """sync's side.

    Args:
        path: the database; made if missing, its directory too.
    Raises:
        sqlite3.Error: from any method: the disk is full or the database damaged. It may be deleted;
            the next update fetches everything again. See open_store.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        _touch(path)  # SQLite's other files copy this one's mode
        from sqlite_utils import Database  # noqa: PLC0415  the gate, which only reads, starts without it

        self._db = Database(sqlite3.connect(path, timeout=_BUSY_S))
        try:
            self._db.execute(
                "PRAGMA page_size = 16384"
            )  # a shard of 256 grants in one page, not a chain of four
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA temp_store = MEMORY")
            steps.take(self._db.conn, "list", "agent.stores.lists_schema")
        except sqlite3.Error:
            self._db.close()
            raise
        self._view = View(self._db.conn)
        self.current, self.files, self.part = self._view.current, self._view.files, self._view.part

    def current_number(self) -> int:
        """The number of the stored list; 0 if there is none."""
        current = self.current()
        return current.number if current else 0

    def missing(self, digests: Sequence[bytes]) -> list[bytes]:
        """Those parts that are not in the store, in order, each once."""
        held: set[bytes] = set()
        for start in range(0, len(digests), 500):
            some = digests[start : start + 500]
            marks = ",".join("?" * len(some))
            rows = self._db.execute(f"SELECT digest FROM parts WHERE digest IN ({marks})", some)  # noqa: S608  marks only
            held.update(row[0] for row in rows)
        return [digest for digest in dict.fromkeys(digests) if digest not in held]

    def add_parts(self, parts: Iterable[bytes]) -> None:
        """Store parts that the caller has verified. They mean nothing until a switch to a list that names them."""
        with self._db.atomic():
            self._db.conn.executemany(
                "INSERT OR IGNORE INTO parts (digest, data) VALUES (?, ?)",
                ((hashlib.sha256(data).digest(), data) for data in parts),
            )

    def switch(self, new: Current, files: Mapping[str, bytes], keep: Iterable[bytes]) -> None:
        """Make a list the current one, in one transaction.

        Args:
            files: what proves it, by path.
            keep: the digests to hold on to: its parts and those of the list before. Others are dropped.
        """
        with self._db.atomic():
            self._db.execute("DELETE FROM files")
            self._db.conn.executemany("INSERT INTO files VALUES (?, ?)", files.items())
            self._db.execute(
                "INSERT OR REPLACE INTO current VALUES (1, ?, ?, ?, ?, ?)",
                (new.generation, new.number, new.head, new.expires_utc, new.anchor),
            )
            self._db.execute("CREATE TEMP TABLE kept (digest BLOB PRIMARY KEY) WITHOUT ROWID")
            self._db.conn.executemany("INSERT OR IGNORE INTO kept VALUES (?)", ((digest,) for digest in keep))
            self._db.execute("DELETE FROM parts WHERE digest NOT IN (SELECT digest FROM kept)")
            self._db.execute("DROP TABLE kept")

    def renew(self, expires_utc: float, files: Mapping[str, bytes]) -> None:
        """The same list under newer signatures, in one transaction."""
        with self._db.atomic():
            self._db.execute("DELETE FROM files")
            self._db.conn.executemany("INSERT INTO files VALUES (?, ?)", files.items())
            self._db.execute(
                "UPDATE current SET generation = generation + 1, expires_utc = ?", (expires_utc,)
            )

    def note_refusal(self, why: str) -> None:
        """Say for the gate's journal what was refused, "" for nothing; written only when it changes."""
        why = why[:MAX_WHY]
        if why == self._view.refusal():
            return
        with self._db.atomic():
            self._db.execute("DELETE FROM refused")
            if why:
                self._db.execute("INSERT INTO refused VALUES (1, ?)", (why,))

    def drop_damaged(self) -> int:
        """Drop the parts whose bytes changed on the disk, so that the next update fetches them again.

        Returns:
            How many. It reads everything: for the start of sync, not for every update.
        """
        rows = self._db.execute("SELECT id, digest, data FROM parts")
        damaged = [(number,) for number, digest, data in rows if hashlib.sha256(data).digest() != digest]
        with self._db.atomic():
            self._db.conn.executemany("DELETE FROM parts WHERE id = ?", damaged)
        return len(damaged)

    def close(self) -> None:
        """Let go, leaving the two files of the write-ahead log behind.

        SQLite deletes them with the last connection, and a reader who may not
        write in the directory could then not open the database at all.
        """
        self._db.close()
        for suffix in _BESIDE:
            _touch(self._path.with_name(self._path.name + suffix))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _touch(path: Path) -> None:
    """Make a file if it is missing, and let its group read it whatever the umask says."""
    path.touch()
    if path.stat().st_mode & 0o777 != MODE:
        path.chmod(MODE)


def _part(connection: sqlite3.Connection, digest: bytes) -> bytes | None:
    row = connection.execute(
        "SELECT data FROM parts WHERE digest = ? AND length(data) <= ?", (digest, MAX_PART_BYTES)
    ).fetchone()
    return row[0] if row else None


def open_store(path: Path) -> ListStore:
    """Open sync's store at its start; what the disk damaged is dropped and fetched again.

    Everything in it came from the repository and can come again, so a database that SQLite
    can't read is deleted and begun anew.

    Raises:
        sqlite3.OperationalError, OSError: the disk is full, or another process holds the store.
    """
    try:
        return _sound(path)
    except sqlite3.DatabaseError as fault:
        if isinstance(fault, sqlite3.OperationalError):
            raise
    for suffix in ("", *_BESIDE):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return _sound(path)


def _sound(path: Path) -> ListStore:
    store = ListStore(path)
    try:
        store.drop_damaged()
    except sqlite3.Error:
        store.close()
        raise
    return store


def _read_only(path: Path) -> tuple[sqlite3.Connection, bool]:
    """A connection, and whether it is a still one: see read_only."""
    # From any thread: SQLite itself serialises, and one caller at a time is the rule anyway.
    connection, still = read_only.connect(
        path, timeout=_READER_BUSY_S, check_same_thread=False, isolation_level=None
    )
    # sync owns the schema too: a view in a table's place could run for ever.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.set_authorizer(_plain_reads)
    return connection, still


def _plain_reads(
    action: int, _one: str | None, two: str | None, _database: str | None, view: str | None
) -> int:
    """Allow reading tables, length() and typeof(), and nothing that a view or trigger asks for."""
    allowed = action in {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_TRANSACTION}
    measured = action == sqlite3.SQLITE_FUNCTION and two in {"length", "typeof"}
    return sqlite3.SQLITE_OK if (allowed or measured) and view is None else sqlite3.SQLITE_DENY
