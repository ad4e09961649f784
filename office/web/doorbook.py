"""Who signed in and out, and who tried to, in the audit log (C26, C35)."""

from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from office.audit import keeper
from office.web.models import Account
from office.web.reading import Lately

_FAILED = Lately()
"""A stranger who tries names must not be able to fill the log: one act in five minutes for each address."""


def open() -> None:  # noqa: A001  a door book is opened
    """From now on the book is kept."""
    user_logged_in.connect(_came, dispatch_uid="doorbook.came")
    user_logged_out.connect(_went, dispatch_uid="doorbook.went")
    user_login_failed.connect(_failed, dispatch_uid="doorbook.failed")
    user_locked_out.connect(_locked, dispatch_uid="doorbook.locked")


def address(request: HttpRequest | None) -> str:
    """Where a request comes from."""
    return str(request.META.get("REMOTE_ADDR", "")) if request is not None else ""


def _came(request: HttpRequest | None, user: Account, **_: Any) -> None:
    keeper.append(user.get_username(), "sign-in", address(request))


def _went(request: HttpRequest | None, user: Account | None, **_: Any) -> None:
    if user is not None:
        keeper.append(user.get_username(), "sign-out", address(request))


def _failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """A name is kept only if it is an account's: people type passwords into the wrong field."""
    name = str(credentials.get("username", ""))
    if not Account.objects.filter(username=name).exists():
        name = "nobody known"
    if _FAILED.is_new((name, address(request))):
        keeper.append(name, "sign-in.failed", address(request))


def _locked(request: HttpRequest | None, username: str | None = None, **_: Any) -> None:
    name = username if username and Account.objects.filter(username=username).exists() else "nobody known"
    if _FAILED.is_new(("locked", name, address(request))):
        keeper.append(name, "sign-in.locked", address(request))
