"""Why the office did not do it, on the page that follows, in the reader's language."""

from django.contrib import messages
from django.http import HttpRequest

from office.faults import OfficeFault
from office.web.refusals import said


def refuse(request: HttpRequest, fault: OfficeFault) -> None:
    """Say it."""
    messages.error(request, said(str(fault)))
