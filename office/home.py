"""The office's home: one directory with its online keys and, unless it is PostgreSQL, its database.

A home stands alone or is one of a group's (see office.group). Then the accounts are
in the group's database, and whoever works on the home reaches no other site's.

This is the only place that sets Django up. Commands call `prepare` before
they import a model, and `use` before they touch the database.
"""

import contextlib
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import django
from django.conf import settings
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import DatabaseError, OperationalError

from office.database import ACCOUNTS, SETTING, AccountsApart, database
from office.faults import OfficeFault
from office.group import FILE, Group, SiteSettings

_MIGRATING: Final = 0x6D656E7368656F  # an advisory lock's number that is nobody else's


@dataclass(frozen=True, slots=True)
class Home:
    """Where one office keeps its things.

    Args:
        group: that it belongs to; None if it stands alone.
        whole: this is the group's own: accounts and their history, no gates and no people.
    """

    path: Path
    group: Group | None = None
    whole: bool = False

    @property
    def database(self) -> Path:
        return self.path / "office.db"

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def door(self) -> Path:
        """The directory of those who sign people in: the group's, or its own."""
        return self.group.path if self.group else self.path

    @property
    def settings(self) -> SiteSettings:
        """What the group's file says of this site."""
        return self.group.of(self.path.name) if self.group and not self.whole else SiteSettings()


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


def find(path: Path | None = None, site: str = "", *, whole: bool = False) -> Home:
    """Which home is meant; opens nothing.

    Args:
        path: a home or a group; None for MENSHEN_OFFICE_HOME, else ./office-home.
        site: one of a group's; empty is the only one there is.
        whole: if no site is named, the group itself.
    Raises:
        OfficeFault: a group with several sites, or without this one.
    """
    path = path or default()
    group = Group.at(path)
    if group is None:
        return Home(path, Group.around(path))
    if not site and whole:
        return Home(path, group, whole=True)
    if site:
        found = site in group.sites
    else:
        found, site = len(group.sites) == 1, group.sites[0] if group.sites else ""
    if not found:
        there = ", ".join(group.sites) or "none yet"
        raise OfficeFault(f"group {group.name} has these sites: {there}; say which with --site")
    return Home(group.home(site), group)


def use(path: Path | None = None, site: str = "", *, create: bool = False, whole: bool = False) -> Home:
    """Work on this home's database from here on, brought up to this version's tables.

    Args:
        path, site, whole: as for `find`.
        create: make the home if it is not there; in a group, of a site with this name.
    Raises:
        OfficeFault: no office there, or its database can't be opened or is newer than this version.
        DatabaseAway: its server can't be reached just now.
    """
    group = Group.at(path or default()) if create and site else None
    home = Home(group.home(site), group) if group else find(path, site, whole=whole)
    if home.group and not home.whole:
        _open(Home(home.group.path, home.group, whole=True), create=False)  # first: its tables are needed
    _open(home, create=create)
    if not create:
        _check_name(home, site)
    return home


def _open(home: Home, *, create: bool) -> None:
    _point(home)
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
    _InUse.home = home
    try:
        _migrate(home)
    except (DatabaseError, OSError) as fault:
        if not is_file and isinstance(fault, OperationalError):
            raise DatabaseAway(
                f"the database that {_named(home)} names can't be reached: {fault}; "
                "check that it runs, and its address"
            ) from fault
        where = home.database if is_file else f"that {_named(home)} names"
        raise OfficeFault(
            f"the database {where} can't be used: {fault}; check its owner, its disk, "
            "and that no newer version of menshen has written it"
        ) from fault
    AccountsApart.so = home.group is not None and not home.whole


def _named(home: Home) -> str:
    return str(home.group.path / FILE) if home.group else SETTING


def _point(home: Home) -> None:
    """Let the connections of this process lead to the home's database, and to that of its accounts."""
    connections.close_all()
    AccountsApart.so = False
    address = os.environ.get(SETTING, "")
    if home.group is None:
        _lead(DEFAULT_DB_ALIAS, database(home.path, address))
        return
    if address:
        raise OfficeFault(
            f"found {SETTING}, wanted it unset: a group's databases are named in {home.group.path / FILE}"
        )
    accounts = database(home.group.path, home.group.database)
    own = database(home.path, home.settings.database)
    _lead(DEFAULT_DB_ALIAS, accounts if home.whole else own)
    _lead(ACCOUNTS, accounts)


def _lead(alias: str, to: dict[str, Any]) -> None:
    kept = connections.settings[alias]
    if kept["ENGINE"] != to["ENGINE"] and alias in connections:
        with contextlib.suppress(AttributeError):  # this thread has none yet
            del connections[alias]
    kept.update({"USER": "", "PASSWORD": "", "HOST": "", "PORT": "", **to})


def _check_name(home: Home, site: str) -> None:
    """A site's directory, its database and what was asked for must agree, or nothing is done at all.

    Raises:
        OfficeFault: they don't.
    """
    from office.models import Site  # noqa: PLC0415  models want Django set up

    found = Site.objects.values_list("name", flat=True).first()
    name = home.path.name if home.group else site or found
    wanted = home.group.name if home.group and home.whole else name
    if found is not None and found != wanted:
        raise OfficeFault(
            f"found the database of {found} in {home.path}, wanted that of {wanted}; "
            "look at --home, --site and the addresses of databases"
        )


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
