"""Forms of the pages about days: which sheet, and which days."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from office.backup.lockbox import LEAST_PASSPHRASE
from office.faults import OfficeFault
from office.incident.gathering import About
from office.models import Site
from office.sheets.attendance import MOST_DAYS
from office.sheets.masks import Mask
from office.sheets.sealing import Seal
from office.sheets.tables import TABLES, Asked
from office.web.forms import on_site

SEALS: Final[Mapping[str, Any]] = {
    "passphrase": _("by a passphrase"),
    "office": _("for the office's own key, as its backups"),
    "key": _("for the public key of whoever gets it"),
    "masked": _("none; names and telephones only in part"),
    "none": _("none"),
}
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


class SealedForm(SpanForm):
    """What may name people, and so leaves the office encrypted (C29)."""

    seal = forms.ChoiceField(label=_("Encryption"))
    words = forms.CharField(
        label=_("Passphrase"),
        required=False,
        max_length=200,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text=_("At least 12 characters. Tell it to whoever gets the file by another way than the file."),
    )
    again = forms.CharField(
        label=_("Passphrase once more"),
        required=False,
        max_length=200,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )
    recipient = forms.CharField(
        label=_("Public key of whoever gets it"), required=False, max_length=2000, help_text="age1…"
    )
    own_keys: tuple[str, ...] = ()

    def __init__(self, *args: Any, ways: Iterable[str], own_keys: tuple[str, ...], **kwargs: Any) -> None:
        """Offer some ways to encrypt.

        Args:
            ways: of SEALS, the usual one first.
            own_keys: the office's own public keys; without any, that way is not offered.
        """
        super().__init__(*args, **kwargs)
        self.own_keys = own_keys
        self.fields["seal"].choices = [  # type: ignore[attr-defined]
            (way, SEALS[way]) for way in ways if way != "office" or own_keys
        ]

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("seal") == "passphrase":
            if len(found.get("words", "")) < LEAST_PASSPHRASE:
                self.add_error("words", _now("At least %d characters.") % LEAST_PASSPHRASE)
            elif found["words"] != found.get("again"):
                self.add_error("again", _now("The two are not the same."))
        if found.get("seal") == "key":
            try:
                Seal(tuple(found.get("recipient", "").split()) or ("",)).check()
            except OfficeFault:
                self.add_error("recipient", _now("That is no age public key; they begin with age1."))
        return found

    def sealing(self) -> Seal | None:
        """The same for whoever makes the file; None is not at all."""
        found = self.cleaned_data
        match found["seal"]:
            case "passphrase":
                return Seal(words=found["words"])
            case "key":
                return Seal(tuple(found["recipient"].split()))
            case "office":
                return Seal(self.own_keys)
        return None


class SheetForm(SealedForm):
    """A sheet to take along."""

    table = forms.ChoiceField(label=_("Sheet"))
    form = forms.ChoiceField(label=_("Form"), choices=[("xlsx", "XLSX"), ("csv", "CSV")])
    why = forms.CharField(
        label=_("What for"), max_length=200, help_text=_("Stays in the history, with your name.")
    )
    field_order = ("table", "form", "since", "until", "gate", "why", "seal", "words", "again", "recipient")

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
        if mask is Mask.FULL and self.sealing() is None:
            mask = Mask.PART
        return Asked(self.site, mask, since, until, self.cleaned_data["gate"])


class IncidentForm(SealedForm):
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
    field_order = (
        *("since", "until", "person", "held", "gate", "why"),
        *("seal", "words", "again", "recipient"),
    )
    most_days = 366

    def about(self) -> About:
        """The same for whoever gathers it."""
        found = self.cleaned_data
        return About(*self.span(), found["person"], found["held"].lower(), found["gate"])
