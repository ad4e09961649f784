"""Django's settings for one office; its home directory decides where the data lies.

`office.home.use` may still move the database to another home before the
first query, so that one command can serve `--home`; `office.web.server` puts
the home's own secret and the names it is served under in place.
"""

import os
from pathlib import Path
from typing import Any

from django.utils.translation import gettext_lazy as _

from office.database import ACCOUNTS, SETTING, database

HOME = Path(os.environ.get("MENSHEN_OFFICE_HOME", "office-home"))
SECRET_KEY = "replaced by the home's own before a page is served"  # noqa: S105
INSTALLED_APPS = [
    "office",
    "office.web",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "axes",
]
DATABASES = {"default": database(HOME, os.environ.get(SETTING, "")), ACCOUNTS: database(HOME, "")}
DATABASE_ROUTERS = ["office.database.AccountsApart"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"

# --- the pages -------------------------------------------------------------------
ROOT_URLCONF = "office.web.urls"
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "office.web.headers.ContentPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "office.web.threshold.ThresholdMiddleware",
    "office.web.reading.ReadingMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "office.web.frame.frame",
            ],
        },
    }
]
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
SOCKETS: Any = {}  # where each site's process listens, at the door of a group
ORDER_BROKER: Any = None  # an office.ingest.subscriber.Address, if `serve` is given one
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

LANGUAGE_CODE = "en"
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
USE_I18N = True

# --- accounts (C26) --------------------------------------------------------------
AUTH_USER_MODEL = "web.Account"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: it refuses who has guessed too often
    "office.web.duties.DutyBackend",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator"},
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
    {"NAME": f"{_VALIDATION}.NumericPasswordValidator"},
]
LOGIN_URL = "/sign-in"  # at the door, also for the pages of a site in a group
LOGIN_REDIRECT_URL = "/"
SESSION_COOKIE_AGE = 8 * 3600  # a shift
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "office.web.views.errors.stale_form"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
# A name is locked for a quarter of an hour from where it was guessed at, so that nobody
# can lock a colleague out from elsewhere.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "office.web.views.errors.locked_out"
AXES_VERBOSE = False
OTP_TOTP_ISSUER = "menshen"
