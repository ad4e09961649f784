"""The journal on disk: one SQLite file, written by the gate, read by sync.

Heads are signed by the device key as they are written, so that the process
with the network never needs that key. Only the signatures that a message may
end at are kept: at each 200th event of an epoch, at its last, and at the newest.

The store knows order, durability and the chain; it refuses to know what an
event means, except that an admission leaves a mark of its pass's use, an
obeyed order its nonce and a closing statement its row, in the same transaction.
"""

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlite_utils

from agent.core.chain import GENESIS, Checkpoint, extend
from agent.core.closing import Account, counted_as
from agent.core.events import TYPE_PREFIX, Event, Fact, Kind, Place, lead, tail
from agent.core.feed import MAX_EVENTS, Header
from agent.core.memory import Use
from agent.core.moments import Moment, from_iso
from agent.core.orders import FORGET_AFTER_S
from agent.stores import read_only, uses
from agent.stores.journal_schema import migrations

Signer = Callable[[bytes], bytes]


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
            migrations.apply(sqlite_utils.Database(self._connection))
            self._tip = _tip(self._connection)
        except BaseException:
            self._connection.close()
            raise
        self._account: Account | None = None  # read when it is first asked for

    @property
    def tip(self) -> Tip | None:
        """The newest event, or None in an empty journal."""
        return self._tip

    def uses(self, most: int) -> tuple[Mapping[bytes, Use], bool]:
        """What the passes used last have used at this gate, and whether those are all; see uses.newest."""
        return uses.newest(self._connection, most)

    def spent(self) -> dict[str, int]:
        """The nonces of orders that were obeyed, and when each expired."""
        return dict(self._connection.execute("SELECT nonce, expires FROM spent").fetchall())

    def find(self, epoch: str, seq: int) -> tuple[int, bytes] | None:
        """The row and the head of the event (epoch, seq), or None."""
        return _find(self._connection, epoch, seq)

    def begin_epoch(self, at: Moment, facts: Mapping[str, str | int] | None = None) -> None:
        """Start a new epoch with its `journal.opened`, linked to the old head.

        Raises:
            sqlite3.Error: the disk did not take it.
        """
        before = self._tip
        link: dict[str, Fact] = {}
        if before:
            link = {
                "prev_epoch": before.place.epoch,
                "prev_seq": before.place.seq,
                "prev_head": before.head.hex(),
            }
        n = before.n if before else 0
        first = Tip(n, Place(self._site, self._gate, secrets.token_hex(8), 0), GENESIS, at.utc)
        with self._all_or_none():
            write = self._connection.execute
            uses.forget_over(self._connection, at.utc)
            # The newest signature becomes the epoch's last, which stays.
            write("INSERT OR IGNORE INTO checkpoint SELECT n, signature FROM tip")
            write(
                "INSERT INTO epoch (first_n, name, site, gate) VALUES (?, ?, ?, ?)",
                (n + 1, first.place.epoch, self._site, self._gate),
            )
            self._insert(first, [Event(Kind.JOURNAL_OPENED, at, {**link, **(facts or {})})])

    def append(self, events: Iterable[Event]) -> None:
        """Write events durably, in order, all or none.

        Raises:
            sqlite3.Error: the disk did not take them; nothing has changed.
            TypeError, ValueError, OverflowError: one of them cannot be written; nothing has changed.
        """
        tip = self._tip
        if tip is None:
            raise RuntimeError("begin_epoch comes before append")
        with self._all_or_none():
            self._insert(tip, events)

    def close_day(self, at: Moment, utc_offset_min: int) -> bool:
        """Write the closing statement of the day that is over at this moment, if one is.

        Returns:
            Whether there was one to write.
        Raises:
            sqlite3.Error: the disk did not take it, or the journal cannot be read.
        """
        if self._account is None:
            self._account = self._read_account()
        statement = self._account.due(at.utc, utc_offset_min)
        if statement is None:
            return False
        signature = self._sign(statement.signed_by_gate())
        self.append([Event(Kind.DAY_CLOSED, at, {**statement.facts(), "sig": signature.hex()})])
        return True

    def purge_step(self, upto_n: int, before_utc: float) -> int:
        """Let go of the oldest events up to the next signature, at most 200.

        Only what is older than before_utc, not newer than row upto_n, and accounted for in a closing
        statement; the gate signs that it did so.

        Returns:
            How many; 0 when there is nothing to let go of.
        Raises:
            sqlite3.Error: the disk did not take it, or the journal cannot be read.
        """
        ask = self._connection.execute
        (n,) = ask("SELECT ifnull(min(n), 0) FROM checkpoint").fetchone()
        (closed_n,) = ask("SELECT ifnull(max(n), 0) FROM closing").fetchone()
        if not 0 < n <= upto_n or n >= closed_n:
            return 0
        _, place, head, line = next(_lines(self._connection, n - 1, 1))
        if from_iso(json.loads(line)["time"]) >= before_utc:
            return 0
        signature = self._sign(Checkpoint(place, head).signed_as_purged())
        with self._all_or_none():
            gone = ask("DELETE FROM event WHERE n <= ?", (n,)).rowcount
            for table in ("checkpoint", "closing"):
                ask(f"DELETE FROM {table} WHERE n <= ?", (n,))  # noqa: S608  the names above
            ask(
                "DELETE FROM epoch WHERE first_n < (SELECT max(first_n) FROM epoch WHERE first_n <= ? + 1)",
                (n,),
            )
            ask(
                "INSERT OR REPLACE INTO anchor (id, n, epoch, seq, site, gate, head, signature)"
                " VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
                (n, place.epoch, place.seq, place.site, place.gate, head, signature),
            )
        return gone

    def _read_account(self) -> Account:
        account = Account()
        (since,) = self._connection.execute("SELECT ifnull(max(n), 1) FROM closing").fetchone()
        for _, place, head, line in _lines(self._connection, since - 1):
            event = json.loads(line)
            name = counted_as(event["type"].removeprefix(TYPE_PREFIX), event["data"])
            account.enter(place, head, from_iso(event["time"]), name)
        return account

    @contextmanager
    def _all_or_none(self) -> Iterator[None]:
        before = self._tip
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            self._tip, self._account = before, None
            with suppress(sqlite3.Error):  # a full disk may have rolled back by itself
                self._connection.execute("ROLLBACK")
            raise

    def _insert(self, tip: Tip, events: Iterable[Event]) -> None:
        write = self._connection.execute
        for event in events:
            old = tip.place
            place = Place(old.site, old.gate, old.epoch, old.seq + 1)
            rest = tail(event)
            tip = Tip(tip.n + 1, place, extend(tip.head, lead(place) + rest), event.at.utc)
            write("INSERT INTO event (n, head, tail) VALUES (?, ?, ?)", (tip.n, tip.head, rest.decode()))
            if place.seq % MAX_EVENTS == 0:
                write("INSERT INTO checkpoint (n, signature) VALUES (?, ?)", (tip.n, self._signature(tip)))
            if event.kind is Kind.ADMITTED:
                uses.enter(self._connection, event.facts, event.at.utc)
            elif event.kind is Kind.ORDER_OBEYED:
                write("DELETE FROM spent WHERE expires < ?", (int(event.at.utc) - FORGET_AFTER_S,))
                write(
                    "INSERT OR REPLACE INTO spent (nonce, expires) VALUES (?, ?)",
                    (event.facts.get("nonce"), event.facts.get("expires")),
                )
            elif event.kind is Kind.DAY_CLOSED:
                write("INSERT INTO closing (n) VALUES (?)", (tip.n,))
            if self._account:
                self._account.enter(place, tip.head, tip.utc, counted_as(event.kind, event.facts))
        if self._tip is None or tip.n > self._tip.n:
            write(
                "INSERT OR REPLACE INTO tip (id, n, signature) VALUES (1, ?, ?)",
                (tip.n, self._signature(tip)),
            )
            self._tip = tip

    def _signature(self, tip: Tip) -> bytes:
        return self._sign(Checkpoint(tip.place, tip.head).signed_by_gate())

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

    def __init__(self, path: Path) -> None:
        """Open an existing journal.

        Raises:
            sqlite3.Error: it is not there yet, or is no journal.
        """
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
        Raises:
            sqlite3.Error: it cannot be read, or was changed by hand.
        """
        self._connection.execute("BEGIN")
        try:
            return self._run_after(n)
        finally:
            self._connection.execute("COMMIT")

    def _run_after(self, n: int) -> Run | None:
        ask = self._connection.execute
        first = ask("SELECT n FROM event WHERE n > ? ORDER BY n LIMIT 1", (n,)).fetchone()
        if first is None:
            return None
        (first_n,) = first
        place, most_n = self._place(first_n)
        last = ask(
            "SELECT n, signature FROM checkpoint WHERE n BETWEEN ?1 AND ?2"
            " UNION ALL SELECT n, signature FROM tip WHERE n BETWEEN ?1 AND ?2 ORDER BY n DESC LIMIT 1",
            (first_n, min(most_n, first_n + MAX_EVENTS - 1)),
        ).fetchone()
        if last is None:
            raise sqlite3.DatabaseError(f"no signed head follows row {n}; the journal was changed by hand")
        last_n, signature = last
        rows = ask(
            "SELECT head, tail FROM event WHERE n BETWEEN ? AND ? ORDER BY n", (first_n, last_n)
        ).fetchall()
        if len(rows) != last_n - first_n + 1:
            raise sqlite3.DatabaseError(f"events are missing after row {n}; the journal was changed by hand")
        header = Header(
            place, place.seq + last_n - first_n, self._before(first_n, place), rows[-1][0], signature
        )
        bodies = tuple(
            lead(Place(place.site, place.gate, place.epoch, seq)) + rest.encode()
            for seq, (_, rest) in enumerate(rows, place.seq)
        )
        return Run(first_n, last_n, header, bodies)

    def _place(self, n: int) -> tuple[Place, int]:
        """Where row n stands, and the last row that its epoch may have."""
        found = self._connection.execute(
            "SELECT site, gate, name, first_n, (SELECT min(first_n) FROM epoch WHERE first_n > ?1) FROM epoch"
            " WHERE first_n <= ?1 ORDER BY first_n DESC LIMIT 1",
            (n,),
        ).fetchone()
        if found is None:
            raise sqlite3.DatabaseError(f"row {n} belongs to no epoch; the journal was changed by hand")
        site, gate, name, first_n, next_n = found
        return Place(site, gate, name, n - first_n + 1), (next_n or 1 << 62) - 1

    def _before(self, n: int, place: Place) -> bytes:
        """The head that row n is chained to."""
        if place.seq == 1:
            return GENESIS
        found = self._connection.execute(
            "SELECT head FROM event WHERE n = ?1 UNION ALL SELECT head FROM anchor WHERE n = ?1", (n - 1,)
        ).fetchone()
        if found is None:
            raise sqlite3.DatabaseError(f"nothing is known of what came before row {n}")
        return bytes(found[0])

    def find(self, epoch: str, seq: int) -> tuple[int, bytes] | None:
        """The row and the head of the event (epoch, seq), or None."""
        return _find(self._connection, epoch, seq)

    def lines(self, after: int, most: int) -> list[tuple[int, bytes]]:
        """The next events after a row, at most so many, as (row, line)."""
        return [(n, line) for n, _, _, line in _lines(self._connection, after, most)]

    def bodies(self, after: int = 0) -> Iterator[tuple[int, bytes]]:
        """Every event after a row, as (row, line)."""
        return ((n, line) for n, _, _, line in _lines(self._connection, after))

    def close(self) -> None:
        self._connection.close()


def _file_at(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _lines(
    connection: sqlite3.Connection, after: int, most: int = -1
) -> Iterator[tuple[int, Place, bytes, bytes]]:
    """The events after a row, all or at most so many: its row, its place, the head after it, its line."""
    epochs: list[Any] = connection.execute(
        "SELECT first_n, name, site, gate FROM epoch ORDER BY first_n DESC"
    ).fetchall()
    first_n, name, site, gate = 1, "", "", ""
    for n, head, rest in connection.execute(
        "SELECT n, head, tail FROM event WHERE n > ? ORDER BY n LIMIT ?", (after, most)
    ):
        while epochs and epochs[-1][0] <= n:
            first_n, name, site, gate = epochs.pop()
        place = Place(site, gate, name, n - first_n + 1)
        yield n, place, head, lead(place) + rest.encode()


def _tip(connection: sqlite3.Connection) -> Tip | None:
    (newest,) = connection.execute("SELECT ifnull(max(n), 0) FROM event").fetchone()
    for n, place, head, line in _lines(connection, newest - 1):
        return Tip(n, place, head, from_iso(json.loads(line)["time"]))
    return None


def _find(connection: sqlite3.Connection, epoch: str, seq: int) -> tuple[int, bytes] | None:
    found = connection.execute(
        "SELECT n, head FROM event WHERE n = (SELECT first_n FROM epoch WHERE name = ?1) + ?2 - 1"
        " AND n < ifnull((SELECT min(first_n) FROM epoch WHERE first_n >"
        " (SELECT first_n FROM epoch WHERE name = ?1)), n + 1)"
        " UNION ALL SELECT n, head FROM anchor WHERE epoch = ?1 AND seq = ?2",
        (epoch, seq),
    ).fetchone()
    return (found[0], found[1]) if found else None
