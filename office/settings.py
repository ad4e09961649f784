"""Django's settings for one office; its home directory decides where the data lies.

`office.home.use` may still move the database to another home before the
first query, so that one command can serve `--home`.
"""

import os
from pathlib import Path

from office.database import SETTING, database

HOME = Path(os.environ.get("MENSHEN_OFFICE_HOME", "office-home"))
SECRET_KEY = "unused: no page is served yet"  # noqa: S105
INSTALLED_APPS = ["office"]
DATABASES = {"default": database(HOME, os.environ.get(SETTING, ""))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
