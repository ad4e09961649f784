"""Reading another process's SQLite file as a user who may not write beside it.

A reader in WAL mode shares the writer's `-shm` file. After the writer's clean
end that file is gone, and a reader without the right to make it is turned
away, although the database is whole. Then, and only then, the file is opened
as one that nobody changes; such a connection must not outlive the writer's
return. Source: sqlite.org/wal.html, "Read-Only Databases".
"""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any


def connect(path: Path, **options: Any) -> tuple[sqlite3.Connection, bool]:
    """Open a database for reading.

    Args:
        options: sqlite3.connect's.
    Returns:
        The connection, and whether it is a still one: see written_again.
    Raises:
        sqlite3.Error: it is not there, or is no database.
    """
    uri = path.absolute().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, **options)
    try:
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if not path.is_file() or _wal(path).exists():
            raise
        return sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True, **options), True
    except BaseException:
        connection.close()
        raise
    return connection, False


def written_again(path: Path) -> bool:
    """Whether a writer has come back, so that a still connection must be opened anew."""
    with contextlib.suppress(OSError):
        return _wal(path).exists()
    return True


def _wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")
