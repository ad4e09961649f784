"""The file of an incident, from the page (C11)."""

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters

from office import home as homes
from office import registry
from office.faults import OfficeFault
from office.incident.taking import take
from office.models import Gate
from office.sheets.sealing import SUFFIX
from office.web.day_forms import IncidentForm
from office.web.refusals import said
from office.web.rights import name_of, needs
from office.web.roles import Right
from office.web.streaming import download
from office.web.views.sheets import SEALED_TYPE, own_keys


@needs(Right.EXPORT_NAMES)
@sensitive_post_parameters("words", "again")
def page(request: HttpRequest) -> HttpResponseBase:
    """Say what it is about, and take the file."""
    site = registry.the_site()
    gates = Gate.objects.order_by("name").values_list("name", flat=True)
    form = IncidentForm(
        request.POST or None,
        gates=gates,
        ways=("passphrase", "office", "key"),
        own_keys=own_keys(),
        site=site,
    )
    if request.method == "POST" and form.is_valid():
        try:
            chunks = take(
                homes.current(),
                form.about(),
                by=name_of(request),
                why=form.cleaned_data["why"],
                seal=form.sealing(),
            )
        except OfficeFault as fault:
            form.add_error(None, said(str(fault)))
        else:
            name = f"incident-{site}-{timezone.now():%Y%m%dT%H%MZ}.zip{SUFFIX}"
            return download(request, chunks, name, SEALED_TYPE)
    return render(request, "web/days/incident.html", {"form": form})
