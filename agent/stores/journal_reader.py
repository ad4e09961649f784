"""The journal as others read it: sync, and the tools for a file from a gate's card.

What is stored of an event is the tail of its line; where it stands gives the
lead. Reads only, from any process, and refuses to know what an event means.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.core.chain import GENESIS, Checkpoint
from agent.core.events import Place, around_seq
from agent.core.feed import MAX_EVENTS, Header, Purged
from agent.stores import read_only


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
        tails = ask(
            "SELECT CAST(tail AS BLOB) FROM event WHERE n BETWEEN ? AND ? ORDER BY n", (first_n, last_n)
        ).fetchall()
        if len(tails) != last_n - first_n + 1:
            raise sqlite3.DatabaseError(f"events are missing after row {n}; the journal was changed by hand")
        (head,) = ask("SELECT head FROM event WHERE n = ?", (last_n,)).fetchone()
        header = Header(
            place,
            place.seq + last_n - first_n,
            self._before(first_n, place),
            head,
            signature,
            self._purged(first_n, place),
        )
        before_seq, after_seq = around_seq(place)
        bodies = tuple(
            [b"%s%d%s%s" % (before_seq, seq, after_seq, rest) for seq, (rest,) in enumerate(tails, place.seq)]
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

    def _purged(self, n: int, place: Place) -> Purged | None:
        """The gate's signature over having let go of everything before row n, if it did."""
        found = self._connection.execute(
            "SELECT epoch, seq, head, signature FROM anchor WHERE n = ? AND site = ? AND gate = ?",
            (n - 1, place.site, place.gate),
        ).fetchone()
        if found is None:
            return None
        epoch, seq, head, signature = found
        return Purged(Checkpoint(Place(place.site, place.gate, epoch, seq), head), signature)

    def find(self, epoch: str, seq: int) -> tuple[int, bytes] | None:
        """The row and the head of the event (epoch, seq), or None."""
        return find(self._connection, epoch, seq)

    def lines(self, after: int, most: int) -> list[tuple[int, bytes]]:
        """The next events after a row, at most so many, as (row, line)."""
        return [(n, line) for n, _, _, line in lines(self._connection, after, most)]

    def bodies(self, after: int = 0) -> Iterator[tuple[int, bytes]]:
        """Every event after a row, as (row, line)."""
        return ((n, line) for n, _, _, line in lines(self._connection, after))

    def close(self) -> None:
        self._connection.close()


def _file_at(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def lines(
    connection: sqlite3.Connection, after: int, most: int = -1
) -> Iterator[tuple[int, Place, bytes, bytes]]:
    """The events after a row, all or at most so many: its row, its place, the head after it, its line."""
    epochs: list[Any] = connection.execute(
        "SELECT first_n, name, site, gate FROM epoch ORDER BY first_n DESC"
    ).fetchall()
    first_n, name, site, gate = 1, "", "", ""
    before_seq, after_seq = b"", b""
    for n, head, rest in connection.execute(
        "SELECT n, head, CAST(tail AS BLOB) FROM event WHERE n > ? ORDER BY n LIMIT ?", (after, most)
    ):
        while epochs and epochs[-1][0] <= n:
            first_n, name, site, gate = epochs.pop()
            before_seq, after_seq = around_seq(Place(site, gate, name, 1))
        seq = n - first_n + 1
        yield n, Place(site, gate, name, seq), head, b"%s%d%s%s" % (before_seq, seq, after_seq, rest)


def find(connection: sqlite3.Connection, epoch: str, seq: int) -> tuple[int, bytes] | None:
    found = connection.execute(
        "SELECT n, head FROM event WHERE n = (SELECT first_n FROM epoch WHERE name = ?1) + ?2 - 1"
        " AND n < ifnull((SELECT min(first_n) FROM epoch WHERE first_n >"
        " (SELECT first_n FROM epoch WHERE name = ?1)), n + 1)"
        " UNION ALL SELECT n, head FROM anchor WHERE epoch = ?1 AND seq = ?2",
        (epoch, seq),
    ).fetchone()
    return (found[0], found[1]) if found else None
