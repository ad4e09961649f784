"""The pages about days: does yesterday add up, who is inside, who was there, what was inspected."""

from collections.abc import Iterable
from datetime import date, timedelta

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from agent.core.events import Kind
from agent.core.moments import Trust
from agent.core.muster import MAX_BYTES
from office import gaps, mustering, reconcile, registry, wear
from office import home as homes
from office.faults import OfficeFault
from office.identity.register import holders
from office.ingest.line import read
from office.keyring import Keyring
from office.models import Act, Event, Gap, Gate, Restoration
from office.sheets.attendance import attended
from office.sheets.tables import names_of
from office.web import muster
from office.web.day_forms import SpanForm, midnight, today
from office.web.reading import shows
from office.web.refusing import refuse
from office.web.rights import name_of, needs, sees_names
from office.web.roles import Right

_A_SCREEN = 200
_INSPECTIONS = 200
_MOST_ACCOUNTS = 64


@needs(Right.SEE_LIVE)
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Where to find which."""
    return render(request, "web/days/index.html", {"restored": Restoration.objects.exists()})


@needs(Right.SEE_LIVE)
@require_http_methods(["GET", "POST"])
def adds_up(request: HttpRequest) -> HttpResponse:
    """Each gate's closing statement of a day against what the office keeps; countersigned on request (C20)."""
    site = registry.the_site()
    day = _day(request.POST.get("day") or request.GET.get("day", "")) or today(site) - timedelta(days=1)
    if request.method == "POST":
        sign = Keyring.load(homes.current().keys).ack.sign
        verdicts = [str(one.verdict) for one in reconcile.reconcile(site.name, f"{day}", sign)]
        registry.note(name_of(request), "reconcile", f"{day}", ", ".join(verdicts)[:200])
        return redirect(f"{reverse('reconcile')}?day={day}")
    found = list(reconcile.reconcile(site.name, f"{day}"))
    kept = Act.objects.filter(what=reconcile.KEPT, subject__endswith=f"/{day}").values_list(
        "subject", flat=True
    )
    facts = {
        "day": day,
        "before": day - timedelta(days=1),
        "after": day + timedelta(days=1) if day < today(site) else None,
        "found": found,
        "kept": {subject.partition("/")[0] for subject in kept},
        "adds_up": bool(found) and all(one.verdict is reconcile.Verdict.COMPLETE for one in found),
    }
    return render(request, "web/days/reconcile.html", facts)


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2020 <= found.year < 2200 else None


@needs(Right.SEE_LIVE)
@require_http_methods(["GET", "POST"])
def inside(request: HttpRequest) -> HttpResponse:
    """Everybody who is inside: the sheet for a muster, by zone, to print; with gates' own accounts laid over (C24)."""
    site, accounts = registry.the_site(), []
    for file in request.FILES.getlist("accounts")[:_MOST_ACCOUNTS]:
        try:
            accounts.append(mustering.read_file(file.name or "", file.read(MAX_BYTES + 1), site))
        except OfficeFault as fault:
            refuse(request, fault)
    zones = muster.inside(accounts, names=sees_names(request))
    people = [one.person for _, those in zones for one in those] if sees_names(request) else []
    shows(request, detail=f"{len(people)} people" if people else "")
    facts = {
        "zones": zones,
        "count": sum(len(those) for _, those in zones),
        "now": timezone.now(),
        "accounts": accounts,
        "gaps": gaps.touching(midnight(today(site), site).timestamp(), None),
        "unsure": [one.gate for one in accounts if one.clock is Trust.UNKNOWN],
    }
    return render(request, "web/days/inside.html", facts)


@needs(Right.SEE_LIVE)
@require_safe
def attendance(request: HttpRequest) -> HttpResponse:
    """Who was there, by person and day (C16)."""
    gates = Gate.objects.order_by("name").values_list("name", flat=True)
    site = registry.the_site()
    form = SpanForm(request.GET if "since" in request.GET else None, gates=gates, site=site)
    days = attended(*form.span(), site.utc_offset_min, form.cleaned_data["gate"]) if form.is_valid() else []
    page = Paginator(days, _A_SCREEN).get_page(request.GET.get("page"))
    names = names_of({one.person for one in page}) if sees_names(request) else {}
    shows(request, people=names)
    shown = [(one, names.get(one.person, ""), one.inside_s / 3600) for one in page]
    facts = {"form": form, "page": page, "shown": shown, "gaps": _gaps(form) if form.is_valid() else ()}
    return render(request, "web/days/attendance.html", facts)


def _gaps(form: SpanForm) -> Iterable[Gap]:
    since, until = form.span()
    gate = form.cleaned_data["gate"]
    return gaps.touching(since.timestamp(), until.timestamp(), [gate] if gate else ())


@needs(Right.SEE_LIVE)
@require_safe
def inspections(request: HttpRequest) -> HttpResponse:
    """What technicians found at the gates, and which cards wear out (C17, C22)."""
    events = Event.objects.filter(kind=Kind.INSPECTED).select_related("gate").order_by("-pk")[:_INSPECTIONS]
    found = [(one, read(bytes(one.body)).data) for one in events]
    newest: dict[str, float] = {}
    for one, _ in found:
        newest.setdefault(one.gate.name, one.at_utc)
    gates = [(gate, newest.get(gate.name)) for gate in Gate.objects.order_by("name")]
    wants_cards = "cards" in request.GET  # they are worked out from every reading of half a year
    cards = wear.worn_cards(timezone.now()) if wants_cards else []
    names = holders(one.pass_id for one in cards) if sees_names(request) else {}
    shows(request, people=[pk for _, pk in names.values()])
    worn = [(one, *names.get(one.pass_id, ("", None))) for one in cards]
    facts = {"found": found, "gates": gates, "worn": worn, "wants_cards": wants_cards}
    return render(request, "web/days/inspections.html", facts)
