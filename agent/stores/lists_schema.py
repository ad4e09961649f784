"""The tables of the list on disk; see agent.stores.lists."""

from typing import Final

from sqlite_utils import Database, Migrations

migrations: Final = Migrations("menshen-lists")


@migrations()
def lists(db: Database) -> None:
    # UNIQUE makes an index of its own on digest, so that finding out what is
    # missing or left over never reads a blob.
    db.execute("CREATE TABLE parts (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, data BLOB NOT NULL)")
    db.execute("CREATE TABLE files (path TEXT PRIMARY KEY, data BLOB NOT NULL)")
    db.execute(
        "CREATE TABLE current (one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL,"
        " number INTEGER NOT NULL, head BLOB NOT NULL, expires_utc REAL NOT NULL, anchor TEXT NOT NULL)"
    )


@migrations()
def refusals(db: Database) -> None:
    db.execute("CREATE TABLE refused (one INTEGER PRIMARY KEY CHECK (one = 1), why TEXT NOT NULL)")
