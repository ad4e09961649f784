"""At the desk: invite a holder's phone, and take a lost one's key out."""

import segno
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from office import phones
from office.faults import OfficeFault
from office.models import Pass
from office.web import telling as gates
from office.web.rights import name_of, needs
from office.web.roles import Right
from office.web.views.passes import found_pass

_SAID = {
    "card": _("This pass is a printed card. Draft one for a phone instead."),
    "not_live": _("Only an approved pass whose time is not over can be put on a phone."),
    "on_phone": _("This pass is on a phone already. If that was lost, take its key out."),
    "on_none": _("This pass is on no phone now."),
    "no_reason": _("Write what became of the phone; the history keeps it."),
}


@needs(Right.DRAFT_PASSES)
@require_POST
def invite(request: HttpRequest, pass_id: str) -> HttpResponse:
    """Show an invitation, this once; it is scanned from the screen, printed or sent."""
    one = found_pass(pass_id)
    try:
        return _invitation(request, one)
    except phones.PhoneFault as fault:
        messages.error(request, _SAID[fault.why])
    return redirect("person", one.person_id)


@needs(Right.DRAFT_PASSES)
@require_POST
def lost(request: HttpRequest, pass_id: str) -> HttpResponse:
    """Old key out, a new invitation: the pass stays, every gate refuses the lost phone."""
    one = found_pass(pass_id)
    try:
        phones.take_out(
            pass_id, by=name_of(request), why=request.POST.get("why", "")[:200], now=timezone.now()
        )
        _tell_gates(request)
        return _invitation(request, one)
    except phones.PhoneFault as fault:
        messages.error(request, _SAID[fault.why])
    return redirect("person", one.person_id)


def _tell_gates(request: HttpRequest) -> None:
    try:
        gates.deny_at_once()
    except OfficeFault as fault:
        messages.error(request, _("The key is out, but the gates could not be told: %s") % fault)


def _invitation(request: HttpRequest, one: Pass) -> HttpResponse:
    token, ends = phones.invite(one.pass_id, by=name_of(request), now=timezone.now())
    # After the #, so that no server's or proxy's log ever has it.
    link = f"{request.build_absolute_uri(reverse('holder'))}#{token}"
    drawn = segno.make_qr(link, error="m").svg_inline(border=4, light="white", omitsize=True)
    shown = {"one": one, "link": link, "ends": ends, "secure": _keeps_keys(request)}
    shown["drawn"] = mark_safe(drawn)  # noqa: S308  our own drawing, of modules alone
    return render(request, "web/people/invitation.html", shown)


def _keeps_keys(request: HttpRequest) -> bool:
    """Whether a phone's browser would make a key on the page that the link opens."""
    return request.is_secure() or request.get_host().partition(":")[0] in ("localhost", "127.0.0.1")
