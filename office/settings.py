"""Django's settings for one office; the home directory decides where its data lies."""

import os
from pathlib import Path

HOME = Path(os.environ.get("MENSHEN_OFFICE_HOME", "office-home"))
SECRET_KEY = "unused: no page is served yet"  # noqa: S105
INSTALLED_APPS = ["office"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": HOME / "office.db"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
