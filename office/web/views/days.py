"""The pages about days: does yesterday add up, who is inside, who was there, what was inspected."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from office.web.rights import needs
from office.web.roles import Right


@needs(Right.SEE_LIVE)
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Where to find which."""
    return render(request, "web/days/index.html")
