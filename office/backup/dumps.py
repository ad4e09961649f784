"""The database in one file, as it stood at one moment, while the office goes on; and back from there.

SQLite: `VACUUM INTO`, which takes along no deleted row's remains. PostgreSQL: pg_dump in the
snapshot of a transaction that stays open, so that what is read beside it belongs to it.
"""

import contextlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from django.db import connection, transaction

from office.faults import OfficeFault

Rows = list[tuple[str, str, bytes]]
_KEYS: Final = "SELECT id, secret, wrapped FROM office_personkey ORDER BY id"


def dump(into: Path) -> Rows:
    """Copy the database into a file that is not there yet.

    Returns:
        The people's keys of the same moment: id, which secret wraps it, wrapped.
    Raises:
        OfficeFault: PostgreSQL's programs fail or are not there.
        django.db.DatabaseError: the database can't be read, or the disk is full.
    """
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(into)])
        into.chmod(0o600)
        with contextlib.closing(sqlite3.connect(into)) as copy:
            return _rows(copy.execute(_KEYS).fetchall())
    with _snapshot() as name, connection.cursor() as cursor:
        cursor.execute(_KEYS)
        rows = _rows(cursor.fetchall())
        _run(
            "pg_dump",
            "--format=custom",
            "--no-owner",
            "--no-privileges",
            f"--snapshot={name}",
            f"--file={into}",
        )
        into.chmod(0o600)
    return rows


def _rows(found: list[Any]) -> Rows:
    return [(one, secret, bytes(wrapped)) for one, secret, wrapped in found]


@contextlib.contextmanager
def _snapshot() -> Iterator[str]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        yield cursor.fetchone()[0]


def must_be_empty() -> None:
    """Look whether a database may be restored into; a file in a new home always may.

    Raises:
        OfficeFault: there are tables already.
    """
    if connection.vendor == "postgresql" and connection.introspection.table_names():
        raise OfficeFault(
            f"found tables in database {connection.settings_dict['NAME']}, wanted an empty one: "
            "make one with createdb and name it in MENSHEN_OFFICE_DATABASE"
        )


def load(dumped: Path, database: Path) -> None:
    """The reverse of dump().

    Args:
        database: where SQLite's file belongs.
    Raises:
        OfficeFault: it is damaged, or PostgreSQL refuses it; then nothing of it is there.
    """
    if connection.vendor == "postgresql":
        _run("pg_restore", "--single-transaction", "--no-owner", "--no-privileges", str(dumped))
        return
    examine(dumped, "sqlite")
    dumped.rename(database)


def examine(dumped: Path, vendor: str) -> None:
    """Look whether a dump is whole.

    Raises:
        OfficeFault: it is damaged.
    """
    if vendor == "postgresql":
        _program("pg_restore", "--list", str(dumped))
        return
    try:
        with contextlib.closing(sqlite3.connect(dumped)) as copy:
            found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as fault:
        found = str(fault)
    if found != "ok":
        raise OfficeFault(f"the database in the backup is damaged: {found}; take an earlier backup")


def _run(program: str, *words: str) -> None:
    """Run one of PostgreSQL's programs on the database in use; no password is in its arguments."""
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415  an office on SQLite needs no psycopg

    parts = connection.get_connection_params()
    known = {
        name: value
        for name, value in parts.items()
        if value and name not in {"password", "cursor_factory", "context", "prepare_threshold"}
    }
    env = os.environ | ({"PGPASSWORD": parts["password"]} if parts.get("password") else {})
    _program(program, f"--dbname={make_conninfo(**known)}", "--no-password", *words, env=env)


def _program(program: str, *words: str, env: Mapping[str, str] | None = None) -> None:
    if shutil.which(program) is None:
        raise OfficeFault(f"{program} is not installed; it comes with postgresql-client")
    done = subprocess.run([program, *words], env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
        raise OfficeFault(f"{program} did not do it: {said[0][:300]}")
