"""Events into the database: many at once, each at most once, by one writer at a time.

Django's bulk_create takes three times as long, and a row for a statement twice.
So this module speaks to the drivers, and to nothing else of theirs: SQLite gets
one statement for the rows of a message, PostgreSQL a binary COPY.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import Any, Final, NamedTuple

from django.db import IntegrityError, connection, transaction

from office.ingest.line import Columns

_COLUMNS: Final = "gate_id, epoch, seq, at_utc, kind, reason, pass_id, body"
_INTO: Final = f"INSERT INTO office_event ({_COLUMNS})"
_ONCE: Final = "ON CONFLICT DO NOTHING"
_WRITER: Final = 0x6D656E7368656E  # any number that is nobody else's: "menshen"
_TYPES: Final = ("int8", "text", "int8", "float8", "text", "text", "text", "bytea")
_ARRIVING: Final = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS arriving (gate_id int8, epoch text, seq int8, at_utc float8,"
    " kind text, reason text, pass_id text, body bytea) ON COMMIT DELETE ROWS"
)


class Rows(NamedTuple):
    """Consecutive events of one epoch, at most a message's, as they go into the table.

    Args:
        gate: its primary key.
        first: the sequence number of the first body.
        columns: of the bodies.
    """

    gate: int
    epoch: str
    first: int
    columns: Columns
    bodies: Sequence[bytes]

    def by_row(self) -> Iterator[tuple[Any, ...]]:
        """Row by row, in the order of the table's columns."""
        seqs = range(self.first, self.first + len(self.bodies))
        return zip(repeat(self.gate), repeat(self.epoch), seqs, *self.columns, self.bodies, strict=False)


def one_writer() -> None:
    """Wait until no other ingester is between its first and its last word in a transaction.

    Whoever reads on from the last number seen would otherwise miss what was numbered earlier
    and committed later. SQLite's transactions are like that by themselves.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_WRITER])


def insert(some: Sequence[Rows]) -> None:
    """Add what is not there yet; inside a transaction.

    Raises:
        django.db.DatabaseError: the transaction is to be given up.
    """
    if not some:
        return
    if connection.vendor == "postgresql":
        _copy(some)
    else:
        _insert(some)


def _insert(some: Sequence[Rows]) -> None:
    with connection.wrap_database_errors:
        for rows in some:
            values = tuple(chain.from_iterable(rows.by_row()))
            connection.connection.execute(_statement(len(rows.bodies)), values)


@lru_cache(maxsize=256)
def _statement(rows: int) -> str:
    return f"{_INTO} VALUES {', '.join(['(?, ?, ?, ?, ?, ?, ?, ?)'] * rows)} {_ONCE}"


def _copy(some: Sequence[Rows]) -> None:
    """Straight into the table; nobody else writes, and positions say what is there.

    Should the table know better, as after somebody's repair by hand, the careful way steps over
    what is there. It takes twice as long.
    """
    try:
        with transaction.atomic():  # a savepoint
            _copy_into("office_event", some)
    except IntegrityError:
        with connection.cursor() as cursor:
            cursor.execute(_ARRIVING)
            _copy_into("arriving", some)
            cursor.execute(f"{_INTO} SELECT {_COLUMNS} FROM arriving {_ONCE}")  # noqa: S608  nothing from outside


def _copy_into(table: str, some: Sequence[Rows]) -> None:
    cursor: Any
    with (
        connection.wrap_database_errors,
        connection.connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types(_TYPES)
        for rows in some:
            for row in rows.by_row():
                copy.write_row(row)
