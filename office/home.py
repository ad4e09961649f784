"""The office's home: one directory with its online keys and, unless it is PostgreSQL, its database.

This is the only place that sets Django up. Commands call `prepare` before
they import a model, and `use` before they touch the database.
"""

import contextlib
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import django
from django.conf import settings
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import DatabaseError, OperationalError

from office.database import SETTING
from office.faults import OfficeFault

_MIGRATING: Final = 0x6D656E7368656F  # an advisory lock's number that is nobody else's


@dataclass(frozen=True, slots=True)
class Home:
    """Where one office keeps its things."""

    path: Path

    @property
    def database(self) -> Path:
        return self.path / "office.db"

    @property
    def keys(self) -> Path:
        return self.path / "keys"


class _InUse:
    """The home that `use` was last called for in this process."""

    home: Home | None = None


def current() -> Home:
    """The home whose database is in use.

    Raises:
        OfficeFault: `use` was not called yet.
    """
    if _InUse.home is None:
        raise OfficeFault("no office is in use; `office.home.use` comes first")
    return _InUse.home


def prepare() -> None:
    """Let models be imported; reads no database and needs no home. Safe to repeat."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "office.settings")
    django.setup()


class DatabaseAway(OfficeFault):
    """The database's server is not there just now; whoever runs for good waits for it."""


def default() -> Path:
    """Where the home is if no command says otherwise."""
    path: Path = settings.HOME
    return path


def use(path: Path | None = None, *, create: bool = False) -> Home:
    """Work on this home's database from here on, brought up to this version's tables.

    Args:
        path: None for MENSHEN_OFFICE_HOME, else ./office-home.
        create: make the home if it is not there.
    Raises:
        OfficeFault: no office there, or its database can't be opened or is newer than this version.
        DatabaseAway: its server can't be reached just now.
    """
    home = Home(path or default())
    is_file = connection.vendor == "sqlite"
    if create:
        home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_file:
            home.database.touch(mode=0o600)  # before SQLite does it with the usual rights
    elif not (home.database if is_file else home.keys).exists():
        raise OfficeFault(
            f"no office in {home.path}; wanted a home made by `menshen-office site`: "
            "give --home or set MENSHEN_OFFICE_HOME"
        )
    connections.close_all()
    if is_file:
        connections[DEFAULT_DB_ALIAS].settings_dict["NAME"] = home.database
    _InUse.home = home
    try:
        _migrate(home)
    except (DatabaseError, OSError) as fault:
        if not is_file and isinstance(fault, OperationalError):
            raise DatabaseAway(
                f"the database that {SETTING} names can't be reached: {fault}; check that it runs, and its address"
            ) from fault
        where = home.database if is_file else f"that {SETTING} names"
        raise OfficeFault(
            f"the database {where} can't be used: {fault}; check its owner, its disk, "
            "and that no newer version of menshen has written it"
        ) from fault
    return home


def _migrate(home: Home) -> None:
    """Apply what is missing, one process at a time, on however many machines."""
    if not _pending():
        return
    with (home.path / "migrate.lock").open("w") as lock, contextlib.ExitStack() as until_done:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if connection.vendor == "postgresql":
            cursor = until_done.enter_context(connection.cursor())
            cursor.execute("SELECT pg_advisory_lock(%s)", [_MIGRATING])
            until_done.callback(cursor.execute, "SELECT pg_advisory_unlock(%s)", [_MIGRATING])
        if _pending():
            call_command("migrate", verbosity=0, interactive=False)
            _let_go_of_old_pages()


def _let_go_of_old_pages() -> None:
    """What a migration took out of tables must not linger in a file's free pages and its log."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _pending() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
