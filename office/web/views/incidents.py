"""The file of an incident, from the page (C11)."""

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from office import home as homes
from office import registry
from office.faults import OfficeFault
from office.incident.taking import take
from office.models import Gate
from office.web.day_forms import IncidentForm
from office.web.rights import name_of, needs
from office.web.roles import Right
from office.web.streaming import download


@needs(Right.EXPORT_NAMES)
def page(request: HttpRequest) -> HttpResponseBase:
    """Say what it is about, and take the file."""
    site = registry.the_site()
    gates = Gate.objects.order_by("name").values_list("name", flat=True)
    form = IncidentForm(request.POST or None, gates=gates, site=site)
    if request.method == "POST" and form.is_valid():
        try:
            chunks = take(homes.current(), form.about(), by=name_of(request), why=form.cleaned_data["why"])
        except OfficeFault as fault:
            form.add_error(None, str(fault))
        else:
            name = f"incident-{site}-{timezone.now():%Y%m%dT%H%MZ}.zip"
            return download(request, chunks, name, "application/zip")
    return render(request, "web/days/incident.html", {"form": form})
