"""The journal on disk: one SQLite file, written by the gate, read by sync.

Every event is a row with its body as it was hashed and the chain's head after
it. Heads are signed by the device key as they are written, so that the
process with the network never needs that key. Only the checkpoints that a
message may end at are kept: each 200th of an epoch, and its newest.

The store knows order, durability and the chain; it refuses to know what an
event means, except that an admission leaves a mark of its pass's use in the
same transaction.
"""

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import sqlite_utils
from sqlite_utils import Migrations

from agent.core.chain import GENESIS, Checkpoint, extend
from agent.core.events import Event, Kind, Place, body
from agent.core.feed import MAX_EVENTS, Header
from agent.core.memory import Use
from agent.core.moments import Moment, from_iso
from agent.stores import read_only

Signer = Callable[[bytes], bytes]

migrations: Final = Migrations("journal")


@migrations()
def events_and_checkpoints(db: sqlite_utils.Database) -> None:
    """Events in order over all epochs (n); the use each pass has made of this gate."""
    db.executescript("""
        CREATE TABLE epoch (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
        CREATE TABLE event (
            n INTEGER PRIMARY KEY,
            epoch INTEGER NOT NULL REFERENCES epoch(id),
            seq INTEGER NOT NULL,
            body TEXT NOT NULL,
            head BLOB NOT NULL,
            UNIQUE (epoch, seq)
        );
        CREATE TABLE checkpoint (n INTEGER PRIMARY KEY REFERENCES event(n), signature BLOB NOT NULL);
        CREATE TABLE use (pass TEXT PRIMARY KEY, count INTEGER NOT NULL, step INTEGER) WITHOUT ROWID;
    """)


@dataclass(frozen=True, slots=True)
class Tip:
    """The newest event: its row, its place in the chain, and its time."""

    n: int
    place: Place
    head: bytes
    utc: float


class JournalStore:
    """The gate's end: the only writer. Belongs to the thread that made it."""

    def __init__(self, path: Path, site: str, gate: str, sign: Signer) -> None:
        """Open or make the journal; no epoch is begun yet.

        Args:
            sign: Ed25519 over bytes with the device key; 64 bytes.
        Raises:
            sqlite3.Error: the file cannot be opened, or is no journal.
        """
        self._site, self._gate, self._sign = site, gate, sign
        self._connection = sqlite3.connect(path, isolation_level=None)
        try:
            # FULL: a commit survives a power cut. WAL: sync reads while we write.
            self._connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
            self._db = sqlite_utils.Database(self._connection)
            migrations.apply(self._db)
            self._tip = _tip(self._connection, site, gate)
        except BaseException:
            self._connection.close()
            raise
        self._epoch_id = 0

    @property
    def tip(self) -> Tip | None:
        """The newest event, or None in an empty journal."""
        return self._tip

    def uses(self) -> Mapping[bytes, Use]:
        """What each pass has used at this gate, by pass id."""
        rows = self._connection.execute("SELECT pass, count, step FROM use")
        return {bytes.fromhex(pass_id): Use(count, step) for pass_id, count, step in rows}

    def begin_epoch(self, at: Moment, facts: Mapping[str, str | int] | None = None) -> None:
        """Start a new epoch with its `journal.opened`, linked to the old head.

        Raises:
            sqlite3.Error: the disk did not take it.
        """
        before = self._tip
        link: dict[str, str | int] = {}
        if before:
            link = {
                "prev_epoch": before.place.epoch,
                "prev_seq": before.place.seq,
                "prev_head": before.head.hex(),
            }
        name = secrets.token_hex(8)
        n = before.n if before else 0
        self._tip = Tip(n, Place(self._site, self._gate, name, 0), GENESIS, at.utc)
        try:
            with self._db.atomic():
                self._epoch_id = (
                    self._connection.execute("INSERT INTO epoch (name) VALUES (?)", (name,)).lastrowid or 0
                )
                self._insert([Event(Kind.JOURNAL_OPENED, at, {**link, **(facts or {})})])
        except BaseException:
            self._tip = before
            raise

    def append(self, events: Iterable[Event]) -> None:
        """Write events durably, in order, all or none.

        Raises:
            sqlite3.Error: the disk did not take them; nothing has changed.
        """
        before = self._tip
        try:
            with self._db.atomic():
                self._insert(events)
        except BaseException:
            self._tip = before
            raise

    def _insert(self, events: Iterable[Event]) -> None:
        tip = self._tip
        if tip is None:
            raise RuntimeError("begin_epoch comes before append")
        rows: list[tuple[int, int, int, str, bytes]] = []
        signed: list[tuple[int, bytes]] = []
        used: list[tuple[Any, Any]] = []
        # The newest checkpoint moves along, unless messages of 200 may end there.
        if tip.place.seq % MAX_EVENTS:
            self._connection.execute("DELETE FROM checkpoint WHERE n = ?", (tip.n,))
        for event in events:
            place = replace(tip.place, seq=tip.place.seq + 1)
            line = body(event, place)
            tip = Tip(tip.n + 1, place, extend(tip.head, line), event.at.utc)
            rows.append((tip.n, self._epoch_id, place.seq, line.decode(), tip.head))
            if place.seq % MAX_EVENTS == 0:
                signed.append(self._checkpoint(tip))
            if event.kind is Kind.ADMITTED:
                used.append((event.facts.get("pass"), event.facts.get("step")))
        if rows and tip.place.seq % MAX_EVENTS:
            signed.append(self._checkpoint(tip))
        write = self._connection.executemany
        write("INSERT INTO event (n, epoch, seq, body, head) VALUES (?, ?, ?, ?, ?)", rows)
        write("INSERT INTO checkpoint (n, signature) VALUES (?, ?)", signed)
        write(
            "INSERT INTO use (pass, count, step) VALUES (?, 1, ?)"
            " ON CONFLICT (pass) DO UPDATE SET count = count + 1,"
            # As Use.once_more: a card of the same pass, or an older code, takes no step back.
            " step = CASE WHEN excluded.step > ifnull(step, -1) THEN excluded.step ELSE step END",
            used,
        )
        self._tip = tip

    def _checkpoint(self, tip: Tip) -> tuple[int, bytes]:
        return tip.n, self._sign(Checkpoint(tip.place, tip.head).signed_by_gate())

    def close(self) -> None:
        self._connection.close()


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive events of one epoch, ready to be sent: rows first_n to last_n."""

    first_n: int
    last_n: int
    header: Header
    bodies: tuple[bytes, ...]


class JournalReader:
    """Sync's end, and the offline tools': reads only, from any process."""

    def __init__(self, path: Path, site: str, gate: str) -> None:
        """Open an existing journal.

        Raises:
            sqlite3.Error: it is not there yet, or is no journal.
        """
        self._site, self._gate = site, gate
        # Looked at before it is opened, so that an exchange in between is noticed.
        self._path, self._file = path, _file_at(path)
        self._connection, self._still = read_only.connect(path, isolation_level=None, timeout=5.0)

    def displaced(self) -> bool:
        """Whether this reader must be opened anew.

        Another file stands at the path, or none, because a damaged journal was set aside; or the
        gate, which was not running when the file was opened, is writing it again.
        """
        if self._still and read_only.written_again(self._path):
            return True
        return _file_at(self._path) != self._file

    def newest(self) -> int:
        """The newest row, 0 if none; cheap enough to ask often."""
        (n,) = self._connection.execute("SELECT ifnull(max(n), 0) FROM event").fetchone()
        return int(n)

    def run_after(self, n: int) -> Run | None:
        """The next events after row n, up to 200, within one epoch, ending at a signed head.

        Returns:
            None when there is nothing newer.
        """
        self._connection.execute("BEGIN")
        try:
            return self._run_after(n)
        finally:
            self._connection.execute("COMMIT")

    def _run_after(self, n: int) -> Run | None:
        first = self._connection.execute(
            "SELECT event.n, epoch, seq, name FROM event JOIN epoch ON epoch.id = epoch"
            " WHERE event.n > ? ORDER BY event.n LIMIT 1",
            (n,),
        ).fetchone()
        if first is None:
            return None
        first_n, epoch, first_seq, name = first
        # The plus keeps SQLite from walking the whole epoch by its index (sqlite.org/optoverview.html, 2.1).
        last = self._connection.execute(
            "SELECT event.n, seq, head, signature FROM event JOIN checkpoint ON checkpoint.n = event.n"
            " WHERE event.n BETWEEN ? AND ? AND +epoch = ? ORDER BY event.n DESC LIMIT 1",
            (first_n, first_n + MAX_EVENTS - 1, epoch),
        ).fetchone()
        if last is None:
            raise sqlite3.DatabaseError(f"no signed head follows row {n}; the journal was changed by hand")
        last_n, last_seq, head, signature = last
        bodies = self._connection.execute(
            "SELECT body FROM event WHERE n BETWEEN ? AND ? ORDER BY n", (first_n, last_n)
        ).fetchall()
        before = GENESIS
        if first_seq > 1:
            (before,) = self._connection.execute(
                "SELECT head FROM event WHERE n = ?", (first_n - 1,)
            ).fetchone()
        place = Place(self._site, self._gate, name, first_seq)
        header = Header(place, last_seq, before, head, signature)
        return Run(first_n, last_n, header, tuple(line.encode() for (line,) in bodies))

    def find(self, epoch: str, seq: int) -> tuple[int, bytes] | None:
        """The row and the head of the event (epoch, seq), or None."""
        found = self._connection.execute(
            "SELECT n, head FROM event JOIN epoch ON epoch.id = epoch WHERE name = ? AND seq = ?",
            (epoch, seq),
        ).fetchone()
        return (found[0], found[1]) if found else None

    def bodies(self, after: int = 0) -> Iterable[tuple[int, bytes]]:
        """Every event after a row, as (row, line)."""
        rows = self._connection.execute("SELECT n, body FROM event WHERE n > ? ORDER BY n", (after,))
        return ((n, line.encode()) for n, line in rows)

    def close(self) -> None:
        self._connection.close()


def _file_at(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _tip(connection: sqlite3.Connection, site: str, gate: str) -> Tip | None:
    row = connection.execute(
        "SELECT event.n, name, seq, head, body FROM event JOIN epoch ON epoch.id = epoch"
        " ORDER BY event.n DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    n, epoch, seq, head, line = row
    return Tip(n, Place(site, gate, epoch, seq), head, from_iso(json.loads(line)["time"]))
