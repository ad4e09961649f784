"""What people see when a page can't be had: a sentence and a next step, never a traceback."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from office.web.rights import for_anybody


def not_allowed(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """The account's role has no right to it."""
    del exception
    said = _("Your role does not include this. Ask an administrator if it should.")
    return render(request, "web/sentence.html", {"title": _("Not allowed"), "said": said}, status=403)


@for_anybody
def stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form from another page or another time."""
    del reason
    said = _(
        "This form was opened too long ago or in another window. Go back, load the page again, and repeat."
    )
    return render(request, "web/sentence.html", {"title": _("Please repeat"), "said": said}, status=403)


def locked_out(
    request: HttpRequest, original_response: HttpResponse | None = None, credentials: Any = None
) -> HttpResponse:
    """Too many wrong passwords (C26)."""
    del original_response, credentials
    said = _("Too many wrong passwords. Wait a quarter of an hour, then try again.")
    return render(request, "web/sentence.html", {"title": _("Please wait"), "said": said}, status=429)
