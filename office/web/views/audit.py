"""The audit log as a page: read it, check it, take a copy along (C21)."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from office import home as homes
from office import registry
from office.audit import keeper
from office.keyring import audit_key
from office.models import Act, ActSeal
from office.web.rights import name_of, needs
from office.web.roles import Right
from office.web.streaming import download

LOOKED = ("read", "command")
"""What changes nothing; the page leaves it out unless it is asked for."""


@needs(Right.SEE_HISTORY)
@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """Who did what, when and why; nothing here can be changed (C21)."""
    acts = Act.objects.order_by("-n")
    if words := request.GET.get("q", "").strip():
        acts = acts.filter(subject=words) | acts.filter(who=words)
    reads = request.GET.get("reads", "")
    if reads != "1":
        acts = acts.exclude(what__in=LOOKED)
    shown = Paginator(acts, 100).get_page(request.GET.get("page"))
    facts = {
        "acts": shown,
        "q": words,
        "reads": reads,
        "sealed": ActSeal.objects.order_by("-n").first(),
        "key": audit_key(homes.current().keys).public,
    }
    return render(request, "web/history.html", facts)


@needs(Right.SEE_HISTORY)
@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """Go through the whole log now."""
    found = keeper.verify(homes.current())
    registry.note(name_of(request), "audit.check", "", found.flaw or f"sound, {found.acts} acts")
    if found.flaw:
        messages.error(request, _("The log is not sound: %s") % found.flaw)
    elif found.last is not None:
        said = _("The log is sound: %(acts)d acts, %(seals)d seals. Note for the next check: %(n)d:%(head)s")
        facts = {"acts": found.acts, "seals": found.seals, "n": found.last.n, "head": found.last.head.hex()}
        messages.success(request, said % facts)
    return redirect("history")


@needs(Right.SEE_HISTORY)
@require_POST
def copy(request: HttpRequest) -> HttpResponseBase:
    """A copy that is checked elsewhere by `menshen-office audit verify`."""
    registry.note(name_of(request), "export", "audit log", "")
    name = f"audit-{registry.the_site().name}-{timezone.now():%Y%m%dT%H%MZ}.jsonl"
    return download(request, keeper.copy(homes.current()), name, "application/jsonl")
