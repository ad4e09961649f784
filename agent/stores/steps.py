"""The steps that bring a store's file to this release's form, loaded only when one is missing.

sqlite-utils notes in each file which steps it has had. A gate that starts has people before it and reads that
note by itself; on nearly every start nothing is missing, and the library need not be loaded.
"""

import sqlite3
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Final

_FORMS: Final = Path(__file__).with_name("forms.toml")
_NOTE: Final = "_sqlite_migrations"


def take(connection: sqlite3.Connection, store: str, schema: str) -> None:
    """Take the steps that a file has not had yet, in their order, each in a transaction.

    Args:
        connection: to the file, for writing.
        store: its name in forms.toml, which names the steps.
        schema: the module with its `migrations`.
    Raises:
        sqlite3.Error: the file is damaged, or can't be written.
    """
    with _FORMS.open("rb") as file:
        wanted = tomllib.load(file)[store]["migrations"]
    if _had(connection).issuperset(wanted):
        return
    from sqlite_utils import Database  # noqa: PLC0415  see above

    import_module(schema).migrations.apply(Database(connection))


def _had(connection: sqlite3.Connection) -> set[str]:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (_NOTE,)).fetchone()
    return {name for (name,) in connection.execute(f"SELECT name FROM {_NOTE}")} if found else set()  # noqa: S608  a constant
