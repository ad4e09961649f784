"""Visitors' own two pages, and the desk's queue."""

import segno
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import get_script_prefix, reverse
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from agent.core.allowlist import PassKind
from office import issuing, registry
from office.faults import OfficeFault
from office.logs import log
from office.models import Gate
from office.web import telling as gates
from office.web import visit_rules, visits
from office.web.forms import RulesForm, VisitForm
from office.web.models import Visit, VisitRules, VisitState
from office.web.refusals import said
from office.web.refusing import refuse
from office.web.rights import for_anybody, name_of, needs
from office.web.roles import Right

_COOKIE = "visit"
_REMEMBERED_S = 12 * 3600
_OPEN = (VisitState.WAITING, VisitState.APPROVED, VisitState.ENTERED)


@for_anybody
def form(request: HttpRequest, gate: str) -> HttpResponse:
    """What the gate's printed code opens."""
    where = get_object_or_404(Gate, name=gate)
    kinds = visit_rules.offered()
    named = request.GET.get("as", "")
    wanted = next((one for one in kinds if one.kind == named), kinds[0] if kinds and not named else None)
    if wanted is None:
        raise Http404
    asked = VisitForm(request.POST or None, asks=wanted.asks, purposes=wanted.purposes)
    if request.method == "POST" and asked.is_valid():
        try:
            visit = visits.ask(where, asked.cleaned_data, PassKind(wanted.kind))
        except OfficeFault as fault:
            asked.add_error(None, said(str(fault)))
        else:
            answer = redirect("my-visit", visit.token)
            answer.set_cookie(
                _COOKIE,
                visit.token,
                _REMEMBERED_S,
                path=get_script_prefix(),
                httponly=True,
                samesite="Lax",
                secure=request.is_secure(),
            )
            return answer
    token = request.COOKIES.get(_COOKIE, "")
    mine = Visit.objects.filter(token_hash=Visit.hashed(token), state__in=_OPEN).exists()
    shown = {"form": asked, "gate": where, "rules": wanted, "kinds": kinds, "mine": token if mine else ""}
    return render(request, "web/visits/form.html", shown)


@for_anybody
@require_safe
def mine(request: HttpRequest, token: str) -> HttpResponse:
    """The visitor's page: waiting, then the pass; it loads itself again until it is decided."""
    found = Visit.objects.select_related("key", "held__person__site", "gate")
    visit = get_object_or_404(found, token_hash=Visit.hashed(token))
    stands = visit.state in {VisitState.APPROVED, VisitState.ENTERED}
    code = issuing.Codes.here().of(visit.held) if stands and visit.held else ""
    answer = render(request, "web/visits/mine.html", {"visit": visit, "code": code})
    if visit.state in _OPEN:
        answer["Refresh"] = "4" if visit.state == VisitState.WAITING else "30"
    return answer


@needs(Right.DECIDE_VISITS)
@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """Who waits, who is here, and the last ones (C09)."""
    found = Visit.objects.select_related("key", "gate", "held")
    shown = {
        "waiting": found.filter(state=VisitState.WAITING).order_by("pk"),
        "others": found.exclude(state=VisitState.WAITING).order_by("-pk")[:100],
        "gates": Gate.objects.order_by("name"),
    }
    answer = render(request, "web/visits/queue.html", shown)
    if not shown["waiting"]:  # nobody is typing a reason, then
        answer["Refresh"] = "10"
    return answer


@needs(Right.DECIDE_VISITS)
@require_POST
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve or refuse one visitor; the gates are told with the next list."""
    by = name_of(request)
    try:
        if request.POST.get("decision") == "refuse":
            visits.refuse(pk, by=by, why=request.POST.get("why", ""))
        else:
            visits.approve(pk, by=by)
            _tell_gates(request, by)
    except OfficeFault as fault:
        refuse(request, fault)
    return redirect("visits")


def _tell_gates(request: HttpRequest, by: str) -> None:
    try:
        gates.publish_if_begun(by)
    except OfficeFault as fault:
        log.error("visits.unpublished", found=str(fault))
        messages.error(request, _("The pass is approved, but the gates could not be told: %s") % fault)


@needs(Right.MANAGE_ACCOUNTS)
def rules(request: HttpRequest) -> HttpResponse:
    """What visitors are asked (C33)."""
    kind = request.GET.get("kind", PassKind.VISITOR)
    if kind not in visit_rules.KINDS:
        raise Http404
    now = visit_rules.rules_for(PassKind(kind))
    initial = {
        "open": now.open,
        "hosts": now.hosts,
        "asks": now.asks,
        "purposes": ", ".join(now.purposes),
        "notice": now.notice,
        "hours": now.hours,
    }
    asked = RulesForm(request.POST or None, initial=initial)
    if request.method == "POST" and asked.is_valid():
        with transaction.atomic():
            VisitRules.objects.update_or_create(kind=kind, defaults=asked.cleaned_data)
            registry.note(
                name_of(request), "visitors.rules", kind, f"asks {', '.join(asked.cleaned_data['asks'])}"
            )
        messages.success(request, _("Visitors are asked this from now on."))
        return redirect(f"{reverse('visit-rules')}?kind={kind}")
    return render(
        request, "web/visits/rules.html", {"form": asked, "kind": kind, "kinds": map(str, visit_rules.KINDS)}
    )


@needs(Right.SEE_LIVE)
@require_safe
def poster(request: HttpRequest, gate: str) -> HttpResponse:
    """The code to print and fix beside a gate."""
    where = get_object_or_404(Gate, name=gate)
    address = request.build_absolute_uri(reverse("visit", args=[where.name]))
    drawn = segno.make_qr(address, error="q").svg_inline(border=4, light="white", omitsize=True)
    shown = {"gate": where, "address": address, "drawn": mark_safe(drawn)}  # noqa: S308  our own drawing
    return render(request, "web/visits/poster.html", shown)
