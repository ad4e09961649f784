"""Passes: review, publish, renew, stop, print."""

from datetime import timedelta

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from office import issuing, registry
from office.faults import OfficeFault
from office.models import Pass, PassState, Publication
from office.web import telling as gates
from office.web.reading import shows
from office.web.refusing import refuse
from office.web.rights import name_of, needs
from office.web.roles import Right
from office.web.views.tell import telling

RENEW_BEFORE = timedelta(days=30)
_MOST_BADGES = 500
_TYPES = {"png": "image/png", "svg": "image/svg+xml"}


@needs(Right.SEE_PEOPLE)
@require_safe
def review(request: HttpRequest) -> HttpResponse:
    """Drafts that wait for another person, and what the gates have not been told yet."""
    drafts = (
        Pass.objects.filter(state=PassState.DRAFT)
        .select_related("person__key", "person__file__key")
        .order_by("pk")
    )
    ready = Pass.objects.filter(state=PassState.LIVE, published=None).count()
    shown = {"drafts": drafts, "ready": ready, "last": Publication.objects.order_by("-number").first()}
    return render(request, "web/passes/review.html", shown)


@needs(Right.APPROVE_PASSES)
@require_POST
def decide(request: HttpRequest) -> HttpResponse:
    """Approve or refuse the drafts that were ticked; each stands alone (C03)."""
    by, why = name_of(request), request.POST.get("why", "")[:200]
    refused = request.POST.get("decision") == "refuse"
    if refused and not why.strip():
        messages.error(request, _("Write a reason to refuse."))
        return redirect("review")
    done = 0
    for pass_id in request.POST.getlist("pass"):
        try:
            if refused:
                _refuse(pass_id, by, why)
            else:
                registry.approve(pass_id, by=by, why=why)
        except OfficeFault as fault:
            refuse(request, fault)
        else:
            done += 1
    if done:
        said = (
            ngettext("%d draft refused.", "%d drafts refused.", done)
            if refused
            else ngettext("%d draft approved.", "%d drafts approved.", done)
        )
        messages.success(request, said % done)
    return redirect("review")


def _refuse(pass_id: str, by: str, why: str) -> None:
    if registry.find(pass_id).state != PassState.DRAFT:
        raise OfficeFault(f"pass {pass_id} is no draft any more; somebody was quicker")
    registry.move("revoke", pass_id, by=by, why=why)


@needs(Right.PUBLISH_LISTS)
@require_POST
def publish(request: HttpRequest) -> HttpResponse:
    """Send the list to the gates."""
    try:
        told = gates.publish(name_of(request))
    except OfficeFault as fault:
        refuse(request, fault)
    else:
        messages.success(
            request,
            _("List %(number)d with %(passes)d passes is published.")
            % {"number": told.number, "passes": told.passes},
        )
    return redirect("review")


@needs(Right.SEE_PEOPLE)
@require_safe
def renewals(request: HttpRequest) -> HttpResponse:
    """Passes that end within 30 days (C04)."""
    now = timezone.now()
    due = Pass.objects.filter(
        state__in=(PassState.LIVE, PassState.SUSPENDED),
        not_after__gt=now,
        not_after__lte=now + RENEW_BEFORE,
        visit=None,
    )
    shown = {"passes": due.select_related("person__key", "person__file__key").order_by("not_after")}
    return render(request, "web/passes/renewals.html", shown)


@needs(Right.STOP_PASSES)
@require_POST
def move(request: HttpRequest, pass_id: str) -> HttpResponse:
    """Suspend, resume or revoke, with a reason; the gates are told at once."""
    what, why = request.POST.get("what", ""), request.POST.get("why", "").strip()
    if what not in ("suspend", "resume", "revoke"):
        raise Http404
    one = found_pass(pass_id)
    if not why:
        messages.error(request, _("Write a reason; the history keeps it."))
        return redirect("person", one.person_id)
    with telling(request, _("Done, and kept in the history.")):
        registry.move(what, pass_id, by=name_of(request), why=why)
        if what != "resume":
            gates.deny_at_once()
    return redirect("person", one.person_id)


@needs(Right.DRAFT_PASSES)
@require_POST
def replace(request: HttpRequest, pass_id: str) -> HttpResponse:
    """A worn card is printed again: the pass stays as it is (C14, C17)."""
    one = found_pass(pass_id)
    if one.on_phone or not issuing.Codes.here().of(one):
        messages.error(request, _("Only a live printed pass has a card to replace."))
        return redirect("person", one.person_id)
    registry.note(name_of(request), "replace", pass_id, request.POST.get("why", "")[:200])
    return redirect(f"/badges?pass={pass_id}")


@needs(Right.SEE_PEOPLE)
@require_safe
def badges(request: HttpRequest) -> HttpResponse:
    """A sheet for the printer: the passes asked for, or all live printed ones."""
    printed = Pass.objects.filter(state=PassState.LIVE, on_phone=False, person__key__isnull=False)
    found = printed.select_related("person__key", "person__site", "person__file__key")
    if chosen := request.GET.getlist("pass"):
        found = found.filter(pass_id__in=chosen[:_MOST_BADGES])
    if kind := request.GET.get("kind", ""):
        found = found.filter(kind=kind)
    shown = list(found.order_by("-pk")[:_MOST_BADGES])
    shows(request, people=[one.person_id for one in shown])
    codes = issuing.Codes.here()
    told = {"passes": [(one, codes.of(one)) for one in shown], "most": _MOST_BADGES}
    return render(request, "web/passes/badges.html", told)


@needs(Right.SEE_PEOPLE)
@require_safe
def code(request: HttpRequest, pass_id: str, kind: str) -> HttpResponse:
    """A printed pass's code as a file."""
    del request
    one = found_pass(pass_id)
    text = "" if one.on_phone or kind not in _TYPES else issuing.Codes.here().of(one)
    if not text:
        raise Http404
    response = HttpResponse(issuing.picture(text, kind), content_type=_TYPES[kind])
    response["Content-Disposition"] = f'attachment; filename="{one.pass_id}.{kind}"'
    return response


def found_pass(pass_id: str) -> Pass:
    """One pass, or the page that says there is none."""
    try:
        return registry.find(pass_id)
    except OfficeFault as fault:
        raise Http404 from fault
