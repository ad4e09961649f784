"""Each view says which right it asks for; `office.web.urls` is walked by a test that none is silent."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from django.contrib.auth.decorators import login_not_required, permission_required
from django.http import HttpRequest

from office.sheets.masks import Mask
from office.web.roles import Right

View = TypeVar("View", bound=Callable[..., Any])
SIGNED_IN: Final = "signed in"
ANYBODY: Final = "anybody"


def needs(right: Right) -> Callable[[View], View]:
    """Only for accounts with this right; others are told so, with status 403."""

    def wrap(view: View) -> View:
        guarded: Any = permission_required(f"web.{right}", raise_exception=True)(view)
        guarded.asks_for = right.value
        return guarded  # type: ignore[no-any-return]

    return wrap


def for_all_signed_in(view: View) -> View:
    """For every account, whatever its role: LoginRequiredMiddleware is the guard."""
    view.asks_for = SIGNED_IN  # type: ignore[attr-defined]
    return view


def for_anybody(view: View) -> View:
    """For people without an account."""
    opened: Any = login_not_required(view)
    opened.asks_for = ANYBODY
    return opened  # type: ignore[no-any-return]


def name_of(request: HttpRequest) -> str:
    """The name that the history keeps for what this request does."""
    return request.user.get_username()


def sees_names(request: HttpRequest) -> bool:
    """Whether names may be shown in answer to this request."""
    return request.user.has_perm(f"web.{Right.SEE_PEOPLE}")


def mask_of(request: HttpRequest) -> Mask:
    """How much of who people are a sheet may tell whoever asks."""
    if request.user.has_perm(f"web.{Right.EXPORT_NAMES}"):
        return Mask.FULL
    return Mask.PART if sees_names(request) else Mask.NONE
