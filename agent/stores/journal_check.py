"""Checks a journal from its first event to its last, with nothing but the gate's public key.

Every line must hash to the head beside it, every head follow from the one
before, every signature be the gate's, every row have its number, and every epoch
say which event it follows. The first place where that fails is named.

What it cannot know: whether the file is an older true state of the journal, as
from a backup of the card. Only somebody who saw a later state can tell: an
acknowledgement by the office says so, if one is at hand.
"""

import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

from agent.core.chain import GENESIS, Checkpoint
from agent.core.events import TYPE_PREFIX, Kind, Place, around_seq
from agent.core.feed import MAX_EVENTS, Ack
from agent.core.keys import PublicKey, verify
from agent.stores import read_only

_NO_EPOCH: Final = (1, "", "", "")
_LINK: Final = ("prev_epoch", "prev_seq", "prev_head")
_Epochs: TypeAlias = dict[int, tuple[int, str, str, str]]


@dataclass(frozen=True, slots=True)
class Flaw:
    """The first thing that is wrong.

    Args:
        n: the row; place: the event's key, as far as it is known.
        what: a sentence.
    """

    n: int
    place: Place
    what: str

    def __str__(self) -> str:
        return f"row {self.n}, epoch {self.place.epoch or '?'}, event {self.place.seq or '?'}: {self.what}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found.

    Args:
        events, epochs, signatures: how many were found good.
        first, last: of the good events; None in an empty journal.
    """

    events: int
    epochs: int
    signatures: int
    first: Place | None
    last: Place | None
    flaw: Flaw | None


class _Broken(Exception):
    """Ends the check at its first flaw."""

    def __init__(self, n: int, place: Place, what: str) -> None:
        super().__init__(what)
        self.flaw = Flaw(n, place, what)


def check_file(path: Path, key: PublicKey, acked: Ack | None = None) -> Verdict:
    """Check a journal file; it is only read.

    Args:
        key: the public half of the gate's journal key, as enrolment recorded it.
        acked: the office's word on how far it had the journal, if there is one.
    Raises:
        sqlite3.Error: it cannot be opened, or is no journal of this version.
    """
    connection, _ = read_only.connect(path)
    with closing(connection):
        connection.execute("SELECT n FROM tip").fetchone()
        return check(connection, key, acked)


def check(connection: sqlite3.Connection, key: PublicKey, acked: Ack | None = None) -> Verdict:
    """The same, on an open connection."""
    checker = _Checker(connection, key, acked)
    flaw = None
    try:
        checker.walk()
    except _Broken as broken:
        flaw = broken.flaw
    except sqlite3.DatabaseError as fault:
        flaw = Flaw(checker.n + 1, checker.place, f"the file is damaged: {fault}")
    except (ArithmeticError, KeyError, RecursionError, TypeError, ValueError) as fault:
        # Nothing in a file that was changed by hand need be of the kind that its column says.
        flaw = Flaw(checker.n + 1, checker.place, f"found a value that no gate wrote: {fault!r}")
    return Verdict(
        checker.events,
        checker.epochs,
        checker.signatures,
        checker.first,
        checker.place if checker.events else None,
        flaw,
    )


class _Checker:
    """One walk over a journal; how far it has come, and what it has seen."""

    def __init__(self, connection: sqlite3.Connection, key: PublicKey, acked: Ack | None) -> None:
        self._ask, self._key, self._acked = connection.execute, key, acked
        self.n, self._head = 0, GENESIS
        self.events = self.epochs = self.signatures = self._signed_n = 0
        self._acked_head: bytes | None = None  # ours, at the event that the office acknowledged
        self._epoch = _NO_EPOCH
        self.first: Place | None = None

    @property
    def place(self) -> Place:
        """The place of the last good event."""
        return _place(self._epoch, self.n - self._epoch[0] + 1)

    def walk(self) -> None:
        """Go from the first event to the last.

        Raises:
            _Broken: at the first flaw.
            sqlite3.DatabaseError: the file is damaged.
        """
        self._start_at_anchor()
        epochs = {row[0]: row for row in self._ask("SELECT first_n, name, site, gate FROM epoch")}
        signed = dict(self._ask("SELECT n, signature FROM checkpoint").fetchall())
        tip = self._ask("SELECT n, signature FROM tip").fetchone() or (0, b"")
        if tip[0]:
            signed.setdefault(*tip)
        acked_n = self._row_of(self._acked.checkpoint.place, epochs) if self._acked else 0
        first_n, (before_seq, after_seq) = self._epoch[0], around_seq(self.place)
        last_n, last_head = self.n, self._head
        sha256 = hashlib.sha256
        # As stored, not decoded: what was changed by hand need not be text.
        rows = self._ask("SELECT n, typeof(tail) = 'text', head, CAST(tail AS BLOB) FROM event ORDER BY n")
        for n, sound, head, tail in rows:
            if n != last_n + 1:
                raise self._missing(epochs)
            seq, before = n - first_n + 1, last_head
            if n in epochs:
                self._must_be_signed()
                first_n, seq, before = n, 1, GENESIS
                before_seq, after_seq = around_seq(_place(epochs[n], 1))
            line = b"%s%d%s%s" % (before_seq, seq, after_seq, tail)
            if not sound or sha256(before + line).digest() != head:
                place = _place(epochs.get(n, self._epoch), seq)
                raise _Broken(n, place, "the event, its place or the head beside it was changed")
            if n in epochs:
                self._link(n, _place(epochs[n], 1), line)
                self._epoch = epochs[n]
            self.n, self._head = last_n, last_head = n, head
            if n in signed:
                self._signature(signed[n])
            elif seq % MAX_EVENTS == 0:
                self._must_be_signed()
            if n == acked_n and self._acked:
                self._meets(self._acked.checkpoint)
            self.events += 1
            self.first = self.first or self.place
        self._end(max((self.n, tip[0], *signed, *epochs)), tip, signed, epochs)

    @staticmethod
    def _row_of(place: Place, epochs: _Epochs) -> int:
        return next(
            (first_n + place.seq - 1 for first_n, name, _, _ in epochs.values() if name == place.epoch), 0
        )

    def _start_at_anchor(self) -> None:
        """What the gate purged is vouched for by its signature over having done so."""
        found = self._ask("SELECT n, seq, epoch, site, gate, head, signature FROM anchor").fetchone()
        if found:
            n, seq, *epoch, head, signature = found
            self._epoch = (n - seq + 1, *map(str, epoch))
            self.n, self._head, self._signed_n = n, head, n
            if not _holds(self._key, signature, Checkpoint(self.place, head), purged=True):
                raise _Broken(n, self.place, "the gate did not sign that it purged the events up to here")

    def _missing(self, epochs: _Epochs) -> _Broken:
        n = self.n + 1
        place = _place(epochs[n], 1) if n in epochs else replace(self.place, seq=self.place.seq + 1)
        return _Broken(n, place, "the event is missing")

    def _must_be_signed(self) -> None:
        if self.n and self._signed_n != self.n:
            raise _Broken(self.n, self.place, "the signed head that belongs here is missing")

    def _link(self, n: int, place: Place, line: bytes) -> None:
        """An epoch opens with the place and the head that it follows."""
        self.epochs += 1
        wanted: dict[str, object] = {}
        if self.n:
            before = self.place
            wanted = {"prev_epoch": before.epoch, "prev_seq": before.seq, "prev_head": self._head.hex()}
        event = json.loads(line)
        if event["type"] != TYPE_PREFIX + Kind.JOURNAL_OPENED:
            raise _Broken(n, place, "an epoch that does not begin with journal.opened")
        data = event["data"]
        if {name: data[name] for name in _LINK if name in data} != wanted:
            raise _Broken(
                n,
                place,
                f"found {wanted.get('prev_epoch', 'nothing')} before it, where epoch"
                f" {data.get('prev_epoch', 'none')} should be",
            )

    def _signature(self, signature: object) -> None:
        if not _holds(self._key, signature, Checkpoint(self.place, self._head)):
            raise _Broken(
                self.n,
                self.place,
                "the head here is not signed by this gate: the signature, or events since the"
                f" last good one at row {self._signed_n}, were forged",
            )
        self._signed_n = self.n
        self.signatures += 1

    def _end(self, known_n: int, tip: tuple[int, bytes], signed: dict[int, bytes], epochs: _Epochs) -> None:
        """Nothing may be known of events after the last, and the last must be signed as the newest."""
        if known_n > self.n:
            raise self._missing(epochs)
        if self.n and (tip[0] != self.n or tip[1] != signed.get(self.n)):
            if self.events:
                raise _Broken(
                    self.n, self.place, "the last event is not signed as the newest: later ones are missing"
                )
            raise self._missing(epochs)
        acked = self._acked
        if acked and self._acked_head is None and not self._purged(acked.checkpoint.place, epochs):
            place = acked.checkpoint.place
            raise _Broken(
                self.n + 1, place, "the office has this event, the journal has not: an older state of it"
            )

    def _purged(self, place: Place, epochs: _Epochs) -> bool:
        """Whether the event lay before what is left."""
        found = self._ask("SELECT epoch, seq FROM anchor").fetchone()
        if found is None:
            return False
        epoch, seq = found
        return (
            place.seq <= seq
            if place.epoch == epoch
            else place.epoch not in {row[1] for row in epochs.values()}
        )

    def _meets(self, acked: Checkpoint) -> None:
        """The office's acknowledgement names the event that was just read."""
        self._acked_head = self._head
        if acked.head != self._head:
            raise _Broken(self.n, self.place, "the office has another event here: two journals of one gate")


def _place(epoch: tuple[int, str, str, str], seq: int) -> Place:
    _, name, site, gate = epoch
    return Place(str(site), str(gate), str(name), seq)


def _holds(key: PublicKey, signature: object, point: Checkpoint, *, purged: bool = False) -> bool:
    signed = point.signed_as_purged(key.alg) if purged else point.signed_by_gate(key.alg)
    return isinstance(signature, bytes) and verify(key, signature, signed)
