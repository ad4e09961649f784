"""What a restored office has otherwise than its gates, for a person to settle (C30)."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from office.differences import OF_ACCOUNTS, Outcome, settling
from office.faults import OfficeFault
from office.identity.register import holders
from office.models import Difference, Restoration
from office.web import telling as gates
from office.web.reading import shows
from office.web.refusing import refuse
from office.web.rights import name_of, needs
from office.web.roles import Right

_A_SCREEN = 100


@needs(Right.SEE_PEOPLE)
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """What waits first, then what was settled."""
    found = Difference.objects.exclude(what__in=OF_ACCOUNTS).order_by("-settled_at", "pk")
    waiting = Paginator(found.filter(settled_at=None), _A_SCREEN).get_page(request.GET.get("page"))
    settled = found.exclude(settled_at=None)[:_A_SCREEN]
    names = holders(one.subject for one in (*waiting, *settled))
    shows(request, people=[pk for _name, pk in names.values()])
    shown = {
        "waiting": waiting,
        "rows": [(one, *names.get(one.subject, ("", None))) for one in waiting],
        "settled": [(one, *names.get(one.subject, ("", None))) for one in settled],
        "restored": Restoration.objects.order_by("-pk").first(),
        "accounts": Difference.objects.filter(what__in=OF_ACCOUNTS, settled_at=None).count(),
    }
    return render(request, "web/days/differences.html", shown)


@needs(Right.STOP_PASSES)
@require_POST
def settle(request: HttpRequest) -> HttpResponse:
    """Settle those that were ticked; each stands alone."""
    if request.POST.get("outcome") not in set(Outcome):
        raise Http404
    outcome = Outcome(request.POST["outcome"])
    done = _settled(request, Difference.objects.exclude(what__in=OF_ACCOUNTS), outcome)
    if done and outcome is Outcome.SHUT:
        try:
            gates.deny_at_once()
        except OfficeFault as fault:
            refuse(request, fault)
    if done:
        said = ngettext("%d difference settled.", "%d differences settled.", done) % done
        messages.success(request, said + " " + _("Publish, so that the gates know."))
    return redirect("differences")


@needs(Right.MANAGE_ACCOUNTS)
@require_POST
def settle_accounts(request: HttpRequest) -> HttpResponse:
    """Settle what a restore left open about accounts: each stays as it is, or is closed."""
    if request.POST.get("outcome") not in {Outcome.SEEN, Outcome.SHUT}:
        raise Http404
    about = Difference.objects.filter(what__in=OF_ACCOUNTS)
    if done := _settled(request, about, Outcome(request.POST["outcome"])):
        messages.success(request, ngettext("%d account settled.", "%d accounts settled.", done) % done)
    return redirect("accounts")


def _settled(request: HttpRequest, among: QuerySet[Difference], outcome: Outcome) -> int:
    """Settle those that were ticked, each alone; how many that were."""
    why, done = request.POST.get("why", ""), 0
    for number in request.POST.getlist("difference"):
        one = get_object_or_404(among, pk=int(number) if number.isdecimal() else 0)
        name = request.POST.get(f"name-{number}", "")
        try:
            settling.settle(one, outcome, by=name_of(request), why=why, name=name)
        except OfficeFault as fault:
            refuse(request, fault)
        else:
            done += 1
    return done
