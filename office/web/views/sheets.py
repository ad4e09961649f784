"""Exports as a page: which sheet, of which days, what for (C15)."""

from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters

from office import home as homes
from office import registry
from office.backup.folder import Newest
from office.faults import OfficeFault
from office.models import Gate
from office.sheets.masks import Mask
from office.sheets.sealing import SUFFIX
from office.sheets.taking import Taker, take
from office.sheets.writing import TYPES
from office.web.day_forms import SheetForm
from office.web.refusals import said
from office.web.rights import mask_of, name_of, needs
from office.web.roles import Right
from office.web.streaming import download

SEALED_TYPE: Final = "application/octet-stream"
_SEALED: Final = ("passphrase", "office", "key", "masked")
_OPEN: Final = ("none", "passphrase", "office", "key")


@needs(Right.SEE_LIVE)
@sensitive_post_parameters("words", "again")
def page(request: HttpRequest) -> HttpResponseBase:
    """Take a sheet; names are told by the taker's role."""
    site, mask = registry.the_site(), mask_of(request)
    gates = Gate.objects.order_by("name").values_list("name", flat=True)
    form = SheetForm(
        request.POST or None,
        gates=gates,
        of_people=mask is not Mask.NONE,
        ways=_SEALED if mask is Mask.FULL else _OPEN,
        own_keys=own_keys(),
        site=site,
    )
    if request.method == "POST" and form.is_valid():
        wish, taker = form.cleaned_data, Taker(name_of(request), form.cleaned_data["why"])
        seal = form.sealing()
        try:
            chunks = take(wish["table"], wish["form"], form.asked(mask), taker, seal)
        except OfficeFault as fault:
            form.add_error(None, said(str(fault)))
        else:
            name = f"{wish['table']}-{site}-{timezone.now():%Y%m%dT%H%MZ}.{wish['form']}"
            if seal:
                return download(request, chunks, name + SUFFIX, SEALED_TYPE)
            return download(request, chunks, name, TYPES[wish["form"]])
    return _page(request, form, mask)


def _page(request: HttpRequest, form: SheetForm, mask: Mask) -> HttpResponse:
    return render(request, "web/days/exports.html", {"form": form, "mask": mask})


def own_keys() -> tuple[str, ...]:
    """The public keys that the office's backups are encrypted for."""
    newest = Newest.of(homes.current())
    return tuple(newest.recipients) if newest else ()
