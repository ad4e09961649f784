"""Forms of the pages about days: which sheet, and which days."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from office.incident.gathering import About
from office.models import Site
from office.sheets.attendance import MOST_DAYS
from office.sheets.masks import Mask
from office.sheets.tables import TABLES, Asked
from office.web.forms import on_site

_EARLIEST: Final = date(2020, 1, 1)
_LATEST: Final = date(2200, 1, 1)


def day_field(label: Any) -> forms.DateField:
    """A day, by the browser's own picker."""
    return forms.DateField(label=label, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"))


def today(site: Site) -> date:
    """On the site's clock."""
    return (datetime.now(UTC) + timedelta(minutes=site.utc_offset_min)).date()


def midnight(day: date, site: Site) -> datetime:
    """Where a day begins on the site's clock."""
    return on_site(datetime.combine(day, time(), UTC), site)


class SpanForm(forms.Form):
    """From a day to a day, both included."""

    since = day_field(_("First day"))
    until = day_field(_("Last day"))
    gate = forms.ChoiceField(label=_("Gate"), required=False)
    most_days = MOST_DAYS

    def __init__(self, *args: Any, gates: Iterable[str], site: Site, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.site = site
        self.fields["gate"].choices = [("", _("all gates")), *((gate, gate) for gate in gates)]  # type: ignore[attr-defined]
        for name in ("since", "until"):
            self.fields[name].initial = today(site)

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        since, until = found.get("since"), found.get("until")
        if since and until:
            if not _EARLIEST <= since <= until <= _LATEST:
                self.add_error(
                    "until", _now("The last day is not before the first, and both are of this age.")
                )
            elif (until - since).days >= self.most_days:
                self.add_error("until", _now("At most %d days at once.") % self.most_days)
        return found

    def span(self) -> tuple[datetime, datetime]:
        """From midnight to midnight; the end is exclusive."""
        found = self.cleaned_data
        return midnight(found["since"], self.site), midnight(found["until"] + timedelta(days=1), self.site)


class SheetForm(SpanForm):
    """A sheet to take along."""

    table = forms.ChoiceField(label=_("Sheet"))
    form = forms.ChoiceField(label=_("Form"), choices=[("xlsx", "XLSX"), ("csv", "CSV")])
    why = forms.CharField(
        label=_("What for"), max_length=200, help_text=_("Stays in the history, with your name.")
    )
    field_order = ("table", "form", "since", "until", "gate", "why")

    def __init__(self, *args: Any, of_people: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["table"].choices = [  # type: ignore[attr-defined]
            (name, table.label) for name, table in TABLES.items() if of_people or not table.of_people
        ]

    def clean(self) -> dict[str, Any]:
        self.most_days = MOST_DAYS if self.cleaned_data.get("table") == "attendance" else 3660
        return super().clean()

    def asked(self, mask: Mask) -> Asked:
        """The same for whoever makes the sheet."""
        since, until = self.span()
        return Asked(self.site, mask, since, until, self.cleaned_data["gate"])


class IncidentForm(SpanForm):
    """What an incident is about."""

    person = forms.IntegerField(
        label=_("Person's number"),
        required=False,
        min_value=1,
        max_value=1 << 62,
        help_text=_("Stands in the address of the person's page; empty is everybody."),
    )
    held = forms.RegexField(r"^[0-9a-fA-F]{16}$", label=_("Pass"), required=False)
    why = forms.CharField(
        label=_("What happened"), max_length=300, help_text=_("Stays in the history, with your name.")
    )
    field_order = ("since", "until", "person", "held", "gate", "why")
    most_days = 366

    def about(self) -> About:
        """The same for whoever gathers it."""
        found = self.cleaned_data
        return About(*self.span(), found["person"], found["held"].lower(), found["gate"])
