"""Forms: what they ask, in which bounds. What may be done with it, the registry decides."""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from agent.core.allowlist import PassKind
from agent.core.decision import Reason
from office.feed import Wish
from office.models import Site
from office.registry import MAX_USES, Application
from office.web.ordering import MOST_WHY, OFFERED
from office.web.words import ORDERS, SAID

_MINUTE: Final = "%Y-%m-%dT%H:%M"


def moment_field(label: Any, *, required: bool = True) -> forms.DateTimeField:
    """A minute on the site's clock, by the browser's own picker."""
    return forms.DateTimeField(
        label=label,
        required=required,
        input_formats=[_MINUTE, "%Y-%m-%d %H:%M", "%Y-%m-%d"],
        widget=forms.DateTimeInput({"type": "datetime-local"}, _MINUTE),
    )


def on_site(moment: datetime, site: Site) -> datetime:
    """What was written in a form, which knows no zone, as the site's clock means it."""
    return moment.replace(tzinfo=timezone(timedelta(minutes=site.utc_offset_min)))


class SearchForm(forms.Form):
    """Which events."""

    q = forms.CharField(label=_("Person or pass"), required=False, max_length=100, strip=True)
    gate = forms.ChoiceField(label=_("Gate"), required=False)
    result = forms.ChoiceField(label=_("Result"), required=False)
    since = moment_field(_("From"), required=False)
    until = moment_field(_("Until"), required=False)
    before = forms.IntegerField(required=False, min_value=0, max_value=1 << 62, widget=forms.HiddenInput())

    def __init__(self, *args: Any, gates: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["gate"].choices = [("", _("all gates")), *((gate, gate) for gate in gates)]  # type: ignore[attr-defined]
        results = ("admitted", "refused")
        self.fields["result"].choices = [  # type: ignore[attr-defined]
            ("", _("all events")),
            *((result, SAID[f"pass.{result}"]) for result in results),
            *((str(reason), SAID.get(reason, str(reason))) for reason in Reason),
        ]

    def wish(self) -> tuple[Wish, str, int]:
        """The wish, the words to find a person by, and the number to go back from."""
        found = self.cleaned_data
        site = Site.objects.get()
        since, until = (
            on_site(found[name], site).timestamp() if found[name] else None for name in ("since", "until")
        )
        gates = (found["gate"],) if found["gate"] else ()
        wish = Wish(gates=gates, result=found["result"], since_utc=since, until_utc=until)
        return wish, found["q"], found["before"] or 0


class FileForm(forms.Form):
    """What is kept of a person beside the name."""

    unit = forms.CharField(label=_("Flat or company"), max_length=64, required=False)
    phone = forms.CharField(label=_("Telephone"), max_length=32, required=False)
    note = forms.CharField(label=_("Note"), max_length=500, required=False)


class PassForm(forms.Form):
    """What a pass is asked for."""

    kind = forms.ChoiceField(label=_("Kind"), choices=[(str(kind), SAID[kind]) for kind in PassKind])
    form = forms.ChoiceField(
        label=_("Form"),
        required=False,
        choices=[("card", _("printed card")), ("phone", _("on the holder's phone"))],
        help_text=_("A phone is invited once the pass is approved."),
    )
    zones = forms.MultipleChoiceField(label=_("Zones"), widget=forms.CheckboxSelectMultiple())
    begins = moment_field(_("From"))
    ends = moment_field(_("Until"))
    uses = forms.IntegerField(
        label=_("Uses"),
        min_value=0,
        max_value=MAX_USES,
        initial=0,
        help_text=_("0 is without limit"),
    )
    why = forms.CharField(label=_("Reason"), required=False, max_length=200)

    def __init__(self, *args: Any, site: Site, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._site = site
        self.fields["zones"].choices = [(zone, zone) for zone in site.zones]  # type: ignore[attr-defined]

    def application(self, person: str) -> Application:
        """The same as the registry wants it."""
        asked = self.cleaned_data
        return Application(
            kind=PassKind(asked["kind"]),
            person=person,
            zones=tuple(asked["zones"]),
            not_before=on_site(asked["begins"], self._site),
            not_after=on_site(asked["ends"], self._site),
            uses=asked["uses"],
            on_phone=asked["form"] == "phone",
        )


class PersonForm(PassForm):
    """A new person with their first pass."""

    name = forms.CharField(label=_("Name"), max_length=200)
    unit = forms.CharField(label=_("Flat or company"), max_length=64, required=False)
    phone = forms.CharField(label=_("Telephone"), max_length=32, required=False)
    field_order = ("name", "unit", "phone")


class SheetForm(forms.Form):
    """A spreadsheet of people."""

    sheet = forms.FileField(label=_("CSV or XLSX file"), max_length=200)


class CodeForm(forms.Form):
    """Six digits of an authenticator."""

    code = forms.RegexField(
        r"^\d{6}$",
        label=_("Code of six digits"),
        widget=forms.TextInput({"inputmode": "numeric", "autocomplete": "one-time-code"}),
    )


class OrderForm(forms.Form):
    """An order to a gate."""

    gate = forms.ChoiceField(label=_("Gate"))
    what = forms.ChoiceField(label=_("Order"), choices=[(str(what), ORDERS[what]) for what in OFFERED])
    why = forms.CharField(label=_("Reason"), max_length=MOST_WHY)

    def __init__(self, *args: Any, gates: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["gate"].choices = [(gate, gate) for gate in gates]  # type: ignore[attr-defined]


class OrderRulesForm(forms.Form):
    """Which orders want a second person."""

    second_person = forms.MultipleChoiceField(
        label=_("A second person confirms"),
        required=False,
        widget=forms.CheckboxSelectMultiple(),
        choices=[(str(what), ORDERS[what]) for what in OFFERED],
    )


class VisitForm(forms.Form):
    """What a visitor is asked: what the site configured, and no more (C33)."""

    name = forms.CharField(
        label=_("Your name"), max_length=100, widget=forms.TextInput({"autocomplete": "name"})
    )
    purpose = forms.ChoiceField(label=_("What you come for"))
    host = forms.CharField(label=_("Whom you visit (name or flat)"), max_length=100)
    phone = forms.CharField(
        label=_("Your telephone"),
        max_length=32,
        widget=forms.TextInput({"inputmode": "tel", "autocomplete": "tel"}),
    )
    company = forms.CharField(label=_("Your company"), max_length=100)
    plate = forms.CharField(label=_("Number plate"), max_length=16, required=False)
    consent = forms.BooleanField(label=_("I agree that this is kept for the visit."), label_suffix="")

    once = forms.CharField(
        max_length=32, required=False, widget=forms.HiddenInput(), initial=partial(secrets.token_urlsafe, 12)
    )

    def __init__(self, *args: Any, asks: Iterable[str], purposes: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in {"host", "phone", "company", "plate"} - set(asks):
            del self.fields[name]
        self.fields["purpose"].choices = [(word, word) for word in purposes]  # type: ignore[attr-defined]

    def clean_name(self) -> str:
        """A name is printable."""
        name = " ".join(str(self.cleaned_data["name"]).split())
        if not name.isprintable():
            raise forms.ValidationError(_("Write your name in letters."))
        return name


class RulesForm(forms.Form):
    """What visitors of one kind are asked."""

    open = forms.BooleanField(label=_("May ask at the gates"), required=False)
    hosts = forms.BooleanField(
        label=_("The host may approve"),
        required=False,
        help_text=_("From the phone with the host's own pass; the desk may in any case."),
    )
    asks = forms.MultipleChoiceField(
        label=_("Ask for"),
        required=False,
        widget=forms.CheckboxSelectMultiple(),
        choices=[
            ("host", _("host")),
            ("phone", _("telephone")),
            ("company", _("company")),
            ("plate", _("number plate")),
        ],
    )
    purposes = forms.CharField(label=_("Purposes, with commas"), max_length=300)
    notice = forms.CharField(
        label=_("What for, and how long it is kept"), max_length=1000, widget=forms.Textarea({"rows": 3})
    )
    hours = forms.IntegerField(label=_("Hours a pass is valid"), min_value=1, max_value=72)

    def clean_purposes(self) -> list[str]:
        """The single ones."""
        words = [
            one.strip()[:100] for one in str(self.cleaned_data["purposes"]).replace("，", ",").split(",")
        ]
        return [one for one in words if one]
