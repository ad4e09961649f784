"""The journal's tables, and the way from each older form of them.

epoch       each start of the gate process: its first row, its name, and whose it was
event       one row an event, numbered without gaps over all epochs (n): the tail of its line,
            whose lead follows from its place, and the chain's head after it
checkpoint  the gate's signature over the head of each 200th event of an epoch, and of its last
tip         the same for the newest event
closing     the rows that hold a day's closing statement
anchor      the newest event that was purged, and the gate's signature over having done so
spent       orders that were obeyed, until long after they have expired
use         each pass that has opened this gate: times in, newest step of its code, last way and time
"""

import json
import sqlite3
from typing import Final

import sqlite_utils
from sqlite_utils import Migrations

from agent.core.events import TYPE_PREFIX
from agent.core.moments import from_iso

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


@migrations()
def lean_rows(db: sqlite_utils.Database) -> None:
    """A row keeps what does not follow from its place: a third less to write and to store."""
    db.execute("ALTER TABLE epoch RENAME TO old_epoch")
    db.execute("ALTER TABLE event RENAME TO old_event")
    db.execute("ALTER TABLE checkpoint RENAME TO old_checkpoint")
    for table in (
        "epoch (first_n INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, site TEXT NOT NULL, gate TEXT NOT NULL)",
        "event (n INTEGER PRIMARY KEY, head BLOB NOT NULL, tail TEXT NOT NULL)",
        "checkpoint (n INTEGER PRIMARY KEY, signature BLOB NOT NULL)",
        "tip (id INTEGER PRIMARY KEY CHECK (id = 1), n INTEGER NOT NULL, signature BLOB NOT NULL)",
        "closing (n INTEGER PRIMARY KEY)",
        """anchor (id INTEGER PRIMARY KEY CHECK (id = 1), n INTEGER NOT NULL, epoch TEXT NOT NULL,
            seq INTEGER NOT NULL, site TEXT NOT NULL, gate TEXT NOT NULL, head BLOB NOT NULL, signature BLOB NOT NULL)""",
    ):
        db.execute(f"CREATE TABLE {table}")
    firsts = db.execute(
        "SELECT min(n), name, body FROM old_event JOIN old_epoch ON old_epoch.id = epoch GROUP BY epoch"
    ).fetchall()
    for first_n, name, body in firsts:
        try:
            _, _, site, _, gate = json.loads(body)["source"].split("/")
        except (ValueError, KeyError, AttributeError) as fault:
            raise sqlite3.DatabaseError(f"row {first_n} does not say whose it is") from fault
        db.execute("INSERT INTO epoch VALUES (?, ?, ?, ?)", (first_n, name, site, gate))
    start = f'"type":"{TYPE_PREFIX}'
    db.execute(
        "INSERT INTO event SELECT n, head, substr(body, instr(body, ?) + ?) FROM old_event ORDER BY n",
        (start, len(start)),
    )
    db.execute("INSERT INTO checkpoint SELECT n, signature FROM old_checkpoint")
    newest = "(SELECT max(n) FROM event)"
    db.execute(f"INSERT INTO tip SELECT 1, n, signature FROM checkpoint WHERE n = {newest}")  # noqa: S608  a constant
    db.execute(
        "DELETE FROM checkpoint WHERE n = (SELECT n FROM tip)"
        " AND (SELECT seq FROM old_event WHERE n = checkpoint.n) % 200"
    )
    for table in ("old_checkpoint", "old_event", "old_epoch"):
        db.execute(f"DROP TABLE {table}")


@migrations()
def ways_of_uses(db: sqlite_utils.Database) -> None:
    """Which way a pass went last, and when; of passages before now, not later than the newest event."""
    db.execute("ALTER TABLE use ADD COLUMN way TEXT")
    db.execute("ALTER TABLE use ADD COLUMN at_utc REAL NOT NULL DEFAULT 0")
    newest = db.execute("SELECT tail FROM event ORDER BY n DESC LIMIT 1").fetchone()
    if newest:
        db.execute("UPDATE use SET at_utc = ?", (_time_of(newest[0]),))


@migrations()
def spent_orders(db: sqlite_utils.Database) -> None:
    """An order is obeyed once, restarts or not."""
    db.execute("CREATE TABLE spent (nonce TEXT PRIMARY KEY, expires INTEGER NOT NULL) WITHOUT ROWID")


def _time_of(tail: str) -> float:
    try:
        return from_iso(json.loads(f'{{"type":"{tail}')["time"])
    except (ValueError, KeyError, TypeError) as fault:
        raise sqlite3.DatabaseError("the newest event does not say when it was") from fault
