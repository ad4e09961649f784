"""The tables of what a gate has heard from its fellows; see agent.stores.heard."""

from typing import Final

import sqlite_utils
from sqlite_utils import Migrations

migrations: Final = Migrations("heard")


@migrations()
def fellows_and_passages(db: sqlite_utils.Database) -> None:
    """How far each fellow was heard, and the last that each said of a pass."""
    db.executescript("""
        CREATE TABLE fellow (
            gate TEXT PRIMARY KEY, site TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE passage (
            pass BLOB NOT NULL, gate TEXT NOT NULL, zone TEXT NOT NULL, count INTEGER NOT NULL, step INTEGER,
            way TEXT NOT NULL, at_utc REAL NOT NULL, sure INTEGER NOT NULL, PRIMARY KEY (pass, gate)
        ) WITHOUT ROWID;
        CREATE INDEX passage_by_time ON passage (at_utc);
    """)
