"""Doing what was asked, and saying how it went on the page that follows."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from office.faults import OfficeFault
from office.web.refusing import refuse


@contextmanager
def telling(request: HttpRequest, done: str) -> Iterator[None]:
    """Say that it is done, or why the office refused; it never raises an OfficeFault."""
    try:
        yield
    except OfficeFault as fault:
        refuse(request, fault)
    else:
        messages.success(request, done)


def back(request: HttpRequest, otherwise: str) -> HttpResponse:
    """To the page that the form was on, if it says so and it is ours."""
    wanted = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}):
        return HttpResponseRedirect(wanted)
    return redirect(otherwise)
