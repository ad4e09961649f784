"""Django's settings for one office; its home directory decides where the data lies.

`office.home.use` may still move the database to another home before the
first query, so that one command can serve `--home`.
"""

import os
from pathlib import Path

HOME = Path(os.environ.get("MENSHEN_OFFICE_HOME", "office-home"))
SECRET_KEY = "unused: no page is served yet"  # noqa: S105
INSTALLED_APPS = ["office"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": HOME / "office.db",
        "OPTIONS": {
            # WAL: readers never wait for the ingester. FULL: what was acknowledged to a gate
            # survives a power cut. IMMEDIATE: two writers queue up instead of failing half-way.
            "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
