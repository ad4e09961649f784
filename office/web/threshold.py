"""Between signing in and the pages: a new password where one is due, and the second factor."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponseRedirect
from django.utils.deprecation import MiddlewareMixin
from django_otp import user_has_device
from django_otp.middleware import is_verified

from office.web.places import door
from office.web.rights import ANYBODY

_STEPS: Final = frozenset({"second-factor", "change-password", "sign-out", "language"})


class ThresholdMiddleware(MiddlewareMixin):
    """Send who is not all the way in to the step that is missing."""

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponseRedirect | None:
        """Django calls this once it knows which view the request is for."""
        del args, kwargs
        account = request.user
        if getattr(view, "asks_for", "") == ANYBODY or not account.is_authenticated:
            return None
        if request.resolver_match is not None and request.resolver_match.url_name in _STEPS:
            return None
        if not is_verified(account) and user_has_device(account):
            return HttpResponseRedirect(door("second-factor"))
        if account.must_change_password:
            return HttpResponseRedirect(door("change-password"))
        return None
