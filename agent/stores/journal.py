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

from agent.core.chain import GENESIS, Checkpoint, extend
from agent.core.closing import Account, counted_as
from agent.core.events import TYPE_PREFIX, Event, Fact, Kind, Place, lead, tail
from agent.core.feed import MAX_EVENTS
from agent.core.memory import Use
from agent.core.moments import Moment, from_iso
from agent.core.orders import FORGET_AFTER_S
from agent.stores import steps, uses
from agent.stores.journal_reader import find, lines

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
            steps.take(self._connection, "journal", "agent.stores.journal_schema")
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
        return find(self._connection, epoch, seq)

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
        _, place, head, line = next(lines(self._connection, n - 1, 1))
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
        for _, place, head, line in lines(self._connection, since - 1):
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
            if not write(
                "UPDATE tip SET n = ?, signature = ?", (tip.n, signature := self._signature(tip))
            ).rowcount:
                write("INSERT INTO tip (id, n, signature) VALUES (1, ?, ?)", (tip.n, signature))
            self._tip = tip

    def _signature(self, tip: Tip) -> bytes:
        return self._sign(Checkpoint(tip.place, tip.head).signed_by_gate())

    def close(self) -> None:
        self._connection.close()


def _tip(connection: sqlite3.Connection) -> Tip | None:
    (newest,) = connection.execute("SELECT ifnull(max(n), 0) FROM event").fetchone()
    for n, place, head, line in lines(connection, newest - 1):
        return Tip(n, place, head, from_iso(json.loads(line)["time"]))
    return None
