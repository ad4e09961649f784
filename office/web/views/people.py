"""People: find one, open the file, keep it, draft a pass."""

from datetime import timedelta

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from office import registry
from office.faults import OfficeFault
from office.models import Act, Person
from office.web import files, lookup
from office.web.forms import FileForm, PassForm, PersonForm
from office.web.models import PersonFile
from office.web.reading import shows
from office.web.refusals import said
from office.web.rights import name_of, needs
from office.web.roles import Right
from office.web.views.tell import telling

_A_YEAR = timedelta(days=365)


@needs(Right.SEE_PEOPLE)
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """People by name, flat, telephone or pass."""
    words = " ".join(request.GET.get("q", "")[:100].split())
    found = lookup.people(words)
    shows(request, people=[one.pk for one in found], detail="search" if words else "")
    return render(request, "web/people/index.html", {"people": found, "q": words})


@needs(Right.DRAFT_PASSES)
def new(request: HttpRequest) -> HttpResponse:
    """A person with a first pass, as a draft."""
    site = registry.the_site()
    form = PersonForm(request.POST or None, site=site, initial=_usual())
    if request.method == "POST" and form.is_valid():
        by, asked = name_of(request), form.cleaned_data
        try:
            with transaction.atomic():
                made = registry.draft(form.application(asked["name"]), by=by, why=asked["why"])
                files.change(made.person, {"unit": asked["unit"], "phone": asked["phone"]}, by)
        except OfficeFault as fault:
            form.add_error(None, said(str(fault)))
        else:
            messages.success(request, _("Drafted. A colleague approves it under Review."))
            return redirect("person", made.person_id)
    return render(request, "web/people/new.html", {"form": form})


@needs(Right.SEE_PEOPLE)
@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """One person's file: passes, what was done with them, where they were seen last."""
    person = get_object_or_404(Person.objects.select_related("key"), pk=pk)
    return _page(request, person, PassForm(site=person.site, initial=_usual()))


@needs(Right.DRAFT_PASSES)
@require_POST
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep the file."""
    person = get_object_or_404(Person.objects.select_related("key"), pk=pk)
    form = FileForm(request.POST)
    if form.is_valid():
        if files.change(person, form.cleaned_data, name_of(request)):
            messages.success(request, _("The file is changed; the card stays as it is."))
    else:
        messages.error(request, _("The file was not changed: a field is too long."))
    return redirect("person", pk)


@needs(Right.DRAFT_PASSES)
@require_POST
def draft(request: HttpRequest, pk: int) -> HttpResponse:
    """Draft another pass, or the next year's."""
    person = get_object_or_404(Person.objects.select_related("key"), pk=pk)
    form = PassForm(request.POST, site=person.site)
    if not form.is_valid():
        return _page(request, person, form)
    with telling(request, _("Drafted. A colleague approves it under Review.")):
        registry.draft(form.application(person.name), by=name_of(request), why=form.cleaned_data["why"])
    return redirect("person", pk)


def _page(request: HttpRequest, person: Person, form: PassForm) -> HttpResponse:
    held = list(person.passes.prefetch_related("keys", "invitations").order_by("-pk"))
    subjects = [files.subject(person), *(one.pass_id for one in held)]
    file = PersonFile.objects.filter(person=person).first()
    shown = {
        "person": person,
        "now": timezone.now(),
        "file": file,
        "file_form": FileForm(initial={name: getattr(file, name, "") for name in files.FIELDS}),
        "passes": held,
        "draft_form": form,
        "acts": Act.objects.filter(subject__in=subjects).order_by("-pk")[:100],
        "seen": lookup.newest_of([one.pass_id for one in held]),
    }
    return render(request, "web/people/page.html", shown)


def _usual() -> dict[str, object]:
    """A pass from today for a year, on the site's clock."""
    today = timezone.now() + timedelta(minutes=registry.the_site().utc_offset_min)
    begins = today.replace(hour=0, minute=0, second=0, microsecond=0)
    return {"begins": begins, "ends": begins + _A_YEAR, "uses": 0}
