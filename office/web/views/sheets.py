"""Exports as a page: which sheet, of which days, what for (C15)."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from office import registry
from office.faults import OfficeFault
from office.models import Gate
from office.sheets.masks import Mask
from office.sheets.taking import Taker, take
from office.sheets.writing import TYPES
from office.web.day_forms import SheetForm
from office.web.rights import mask_of, name_of, needs
from office.web.roles import Right
from office.web.streaming import download


@needs(Right.SEE_LIVE)
def page(request: HttpRequest) -> HttpResponseBase:
    """Take a sheet; names are told by the taker's role."""
    site, mask = registry.the_site(), mask_of(request)
    gates = Gate.objects.order_by("name").values_list("name", flat=True)
    form = SheetForm(request.POST or None, gates=gates, of_people=mask is not Mask.NONE, site=site)
    if request.method == "POST" and form.is_valid():
        wish = form.cleaned_data
        try:
            chunks = take(wish["table"], wish["form"], form.asked(mask), Taker(name_of(request), wish["why"]))
        except OfficeFault as fault:
            form.add_error(None, str(fault))
        else:
            name = f"{wish['table']}-{site}-{timezone.now():%Y%m%dT%H%MZ}.{wish['form']}"
            return download(request, chunks, name, TYPES[wish["form"]])
    return _page(request, form, mask)


def _page(request: HttpRequest, form: SheetForm, mask: Mask) -> HttpResponse:
    return render(request, "web/days/exports.html", {"form": form, "mask": mask})
