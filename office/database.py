"""Which database: one file in the office's home, or PostgreSQL by one setting.

    MENSHEN_OFFICE_DATABASE=postgresql://office@db.site.example/menshen?sslmode=verify-full

Whatever libpq understands may stand in the address. A password belongs in a
file that it names, `?passfile=/etc/menshen/pgpass`, or in ~/.pgpass. The keys
stay in the home in either case. A site in a group has two: its own, and the
group's with the accounts (see office.group).
"""

from pathlib import Path
from typing import Any, Final

from office.faults import OfficeFault

SETTING: Final = "MENSHEN_OFFICE_DATABASE"
ACCOUNTS: Final = "accounts"
"""The second connection, of a site in a group; a home that stands alone does not use it."""
_CONNECT_TIMEOUT_S: Final = 10
_OF_ACCOUNTS: Final = ("auth.", "sessions.", "axes.", "otp_totp.", "web.account", "web.duty")


class AccountsApart:
    """Django's router: accounts and what belongs to them are the group's, all else is the site's.

    It is off while tables are made: each database has them all, so that a home can leave its group.
    """

    so = False

    def db_for_read(self, model: Any, **_: Any) -> str | None:
        """Where a model's rows are; None is the site's own."""
        label: str = model._meta.label_lower  # noqa: SLF001  Django's own name for it
        return ACCOUNTS if self.so and label.startswith(_OF_ACCOUNTS) else None

    db_for_write = db_for_read


def database(home: Path, address: str) -> dict[str, Any]:
    """The database as Django's settings want it.

    Args:
        address: a PostgreSQL URI; empty for SQLite.
    Raises:
        OfficeFault: neither, or what PostgreSQL needs is not installed.
    Source: PostgreSQL 15, libpq, connection URIs.
    """
    return _postgresql(address) if address else _sqlite(home)


def _sqlite(home: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": home / "office.db",
        "OPTIONS": {
            # WAL: readers never wait for the ingester. FULL: what was acknowledged to a gate
            # survives a power cut. IMMEDIATE: two writers queue up instead of failing half-way.
            "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
        },
    }


def _postgresql(address: str) -> dict[str, Any]:
    try:
        from psycopg import ProgrammingError  # noqa: PLC0415  an office on SQLite needs no psycopg
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415
    except ImportError as fault:
        raise OfficeFault(
            f"{SETTING} names a PostgreSQL database, and psycopg is not installed: {fault}; "
            "install menshen[postgresql]"
        ) from fault
    try:
        if not address.startswith(("postgresql://", "postgres://")):
            raise OfficeFault(f"{SETTING} does not begin with postgresql://; unset it to use a file")
        parts = dict(conninfo_to_dict(address))
    except ProgrammingError as fault:
        # libpq quotes the address, which may hold a password.
        raise OfficeFault(
            f"{SETTING} is no address that PostgreSQL understands; wanted postgresql://USER@HOST/NAME"
        ) from fault
    parts.setdefault("connect_timeout", _CONNECT_TIMEOUT_S)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", None) or "menshen",
        "USER": parts.pop("user", None) or "",
        "PASSWORD": parts.pop("password", None) or "",
        "HOST": parts.pop("host", None) or "",
        "PORT": str(parts.pop("port", None) or ""),
        "OPTIONS": parts,
    }
