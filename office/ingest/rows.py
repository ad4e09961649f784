"""Events into the database: many at once, each at most once, by one writer at a time.

Django's bulk_create takes three times as long, and a row for a statement twice.
So this module speaks to the drivers, and to nothing else of theirs: SQLite gets
one statement for many rows, PostgreSQL a binary COPY.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final, TypeAlias

from django.db import IntegrityError, connection, transaction

Row: TypeAlias = tuple[int, str, int, float, str, str, str, bytes]
"""gate, epoch, seq, at_utc, kind, reason, pass id, body."""

_COLUMNS: Final = "gate_id, epoch, seq, at_utc, kind, reason, pass_id, body"
_INTO: Final = f"INSERT INTO office_event ({_COLUMNS})"
_ONCE: Final = "ON CONFLICT DO NOTHING"
_STATEMENT_ROWS: Final = 200  # 1,600 values; SQLite takes 32,766
_WRITER: Final = 0x6D656E7368656E  # any number that is nobody else's: "menshen"
_TYPES: Final = ("int8", "text", "int8", "float8", "text", "text", "text", "bytea")
_ARRIVING: Final = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS arriving (gate_id int8, epoch text, seq int8, at_utc float8,"
    " kind text, reason text, pass_id text, body bytea) ON COMMIT DELETE ROWS"
)


def one_writer() -> None:
    """Wait until no other ingester is between its first and its last word in a transaction.

    Whoever reads on from the last number seen would otherwise miss what was numbered earlier
    and committed later. SQLite's transactions are like that by themselves.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_WRITER])


def insert(rows: Sequence[Row]) -> None:
    """Add what is not there yet; inside a transaction.

    Raises:
        django.db.DatabaseError: the transaction is to be given up.
    """
    if not rows:
        return
    if connection.vendor == "postgresql":
        _copy(rows)
    else:
        _insert(rows)


def _insert(rows: Sequence[Row]) -> None:
    for first in range(0, len(rows), _STATEMENT_ROWS):
        part = rows[first : first + _STATEMENT_ROWS]
        places = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * len(part))
        with connection.wrap_database_errors:
            connection.connection.execute(
                f"{_INTO} VALUES {places} {_ONCE}", tuple(chain.from_iterable(part))
            )


def _copy(rows: Sequence[Row]) -> None:
    """Straight into the table; nobody else writes, and positions say what is there.

    Should the table know better, as after somebody's repair by hand, the careful way steps over
    what is there. It takes twice as long.
    """
    try:
        with transaction.atomic():  # a savepoint
            _copy_into("office_event", rows)
    except IntegrityError:
        with connection.cursor() as cursor:
            cursor.execute(_ARRIVING)
            _copy_into("arriving", rows)
            cursor.execute(f"{_INTO} SELECT {_COLUMNS} FROM arriving {_ONCE}")  # noqa: S608  nothing from outside


def _copy_into(table: str, rows: Sequence[Row]) -> None:
    cursor: Any
    with (
        connection.wrap_database_errors,
        connection.connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types(_TYPES)
        for row in rows:
            copy.write_row(row)
