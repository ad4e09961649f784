"""A spreadsheet of people becomes drafts, or a list of what is wrong with it (C12)."""

from dataclasses import replace

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import ngettext

from office.faults import OfficeFault
from office.web import importing, refusals
from office.web.forms import SheetForm
from office.web.rights import name_of, needs
from office.web.roles import Right


@needs(Right.DRAFT_PASSES)
def page(request: HttpRequest) -> HttpResponse:
    """The form; with a sheet that has faults, all of them."""
    form = SheetForm(request.POST or None, request.FILES or None)
    faults: list[importing.Fault] = []
    if request.method == "POST" and form.is_valid():
        sheet = form.cleaned_data["sheet"]
        try:
            made, faults = importing.draft_all(sheet.file, sheet.name, name_of(request))
        except OfficeFault as fault:
            form.add_error("sheet", refusals.said(str(fault)))
        else:
            if not faults:
                said = ngettext("%d pass drafted.", "%d passes drafted.", len(made))
                messages.success(request, said % len(made))
                return redirect("review")
    told = [replace(fault, why=refusals.said(fault.why)) for fault in faults]
    shown = {"form": form, "faults": told, "columns": importing.COLUMNS, "required": importing.REQUIRED}
    return render(request, "web/people/import.html", shown, status=422 if faults or form.errors else 200)
