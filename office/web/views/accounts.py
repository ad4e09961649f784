"""Signing in and out, one's own account, and everybody's for the administrator."""

from typing import Any, cast

import django_otp
import segno
from axes.models import AccessAttempt, AccessLog
from django import forms
from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import LoginView
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_otp.plugins.otp_totp.models import TOTPDevice

from office import home as homes
from office import registry
from office.differences import OF_ACCOUNTS
from office.faults import OfficeFault
from office.models import Difference
from office.web import accounts, leaving
from office.web import telling as gates
from office.web.forms import CodeForm
from office.web.models import Account, Duty
from office.web.places import door
from office.web.refusing import refuse
from office.web.rights import for_all_signed_in, for_anybody, name_of, needs
from office.web.roles import Right, Role
from office.web.views.tell import telling


class SignIn(LoginView):
    """Django's, but the page is called as the office is, not as the host."""

    template_name = "web/accounts/sign_in.html"
    redirect_authenticated_user = True

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        facts = super().get_context_data(**more)
        del facts["site"], facts["site_name"]
        return facts


sign_in = for_anybody(SignIn.as_view())


@for_all_signed_in
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect(door("sign-in"))


@for_all_signed_in
def second_factor(request: HttpRequest) -> HttpResponse:
    """The code of the authenticator, after the password."""
    account = cast("Account", request.user)
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        device = django_otp.match_token(account, form.cleaned_data["code"])
        if device is not None:
            django_otp.login(request, device)
            return redirect("/")
        form.add_error(
            "code", _("Not this code. Wait for the next one; after several wrong ones it takes longer.")
        )
    return render(request, "web/accounts/second_factor.html", {"form": form})


@for_all_signed_in
def second_factor_setup(request: HttpRequest) -> HttpResponse:
    """Show the secret once, and believe it after a first right code."""
    account = cast("Account", request.user)
    if TOTPDevice.objects.filter(user=account, confirmed=True).exists():
        return redirect(door("me"))
    device, _made = TOTPDevice.objects.get_or_create(user=account, confirmed=False, name="authenticator")
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if device.verify_token(form.cleaned_data["code"]):
            device.confirmed = True
            device.save()
            django_otp.login(request, device)
            registry.note(name_of(request), "account.second-factor", account.username[:64], "")
            messages.success(request, _("From now on you are asked for a code at each sign-in."))
            return redirect(door("me"))
        form.add_error("code", _("Not this code. Wait for the next one and try again."))
    drawn = segno.make(device.config_url).svg_inline(border=4, light="white", omitsize=True)
    shown = {"form": form, "drawn": mark_safe(drawn)}  # noqa: S308  our own drawing, of modules alone
    return render(request, "web/accounts/second_factor_setup.html", shown)


@for_all_signed_in
def change_password(request: HttpRequest) -> HttpResponse:
    account = cast("Account", request.user)
    form = PasswordChangeForm(account, request.POST or None)
    if request.method == "POST" and form.is_valid():
        changed = form.save()
        changed.must_change_password = False
        changed.save(update_fields=["must_change_password"])
        update_session_auth_hash(request, changed)
        registry.note(account.username, "account.password", account.username[:64], "")
        messages.success(request, _("Your password is changed."))
        return redirect("/")
    return render(request, "web/accounts/change_password.html", {"form": form})


@for_all_signed_in
@require_safe
def me(request: HttpRequest) -> HttpResponse:
    """One's own account: roles, second factor, and when it was used."""
    account = cast("Account", request.user)
    shown = {
        "duties": account.duties.exclude(role="").order_by("site"),
        "signed_in": AccessLog.objects.filter(username=name_of(request)).order_by("-attempt_time")[:20],
        "secured": TOTPDevice.objects.filter(user=account, confirmed=True).exists(),
    }
    return render(request, "web/accounts/me.html", shown)


class AccountForm(forms.Form):
    """An account to be made or closed."""

    name = forms.CharField(max_length=60)
    role = forms.ChoiceField(choices=Role.choices, required=False)
    what = forms.ChoiceField(choices=[(word, word) for word in ("add", "appoint", "close", "reset")])
    handover = forms.CharField(max_length=100, required=False)
    person = forms.IntegerField(min_value=1, max_value=1 << 62, required=False)


@needs(Right.MANAGE_ACCOUNTS)
def index(request: HttpRequest) -> HttpResponse:
    """All accounts of this site, who signed in, and who tried to."""
    if request.method == "POST":
        form = AccountForm(request.POST)
        if not form.is_valid():
            messages.error(request, _("Found no usable name or role."))
        else:
            wish = form.cleaned_data
            if wish["what"] == "close":
                _close(request, wish["name"], wish["handover"], wish["person"])
            else:
                _make_or_reset(request, wish["name"], wish["role"], wish["what"])
        return redirect("accounts")
    there, alone = accounts.of_this_site(), homes.current().group is None
    signed_in, failed = (
        AccessLog.objects.order_by("-attempt_time"),
        AccessAttempt.objects.order_by("-attempt_time"),
    )
    if not alone:  # how often other sites' people come is not told here
        names = list(there.values_list("username", flat=True))
        signed_in, failed = signed_in.filter(username__in=names), failed.filter(username__in=names)
    here = Prefetch("duties", Duty.objects.filter(site=registry.the_site().name), to_attr="here")
    shown = {
        "accounts": there.prefetch_related(here, "totpdevice_set"),
        "roles": Role.choices,
        "alone": alone,
        "signed_in": signed_in[:30],
        "failed": failed[:30],
        "restored": Difference.objects.filter(what__in=OF_ACCOUNTS, settled_at=None).order_by("pk"),
    }
    return render(request, "web/accounts/index.html", shown)


def _close(request: HttpRequest, name: str, handover: str, person: int | None) -> None:
    revoked: tuple[str, ...] = ()
    with telling(request, _("The account is closed.")):
        revoked = leaving.leave(name, by=name_of(request), handover=handover, person=person).revoked
    if revoked:
        with telling(request, _("The gates are told of the revoked passes.")):
            gates.deny_at_once()


def _make_or_reset(request: HttpRequest, name: str, role: str, what: str) -> None:
    by = name_of(request)
    try:
        if what == "reset":
            accounts.check_whole(name, by)
            words = accounts.reset_password(name, by=by)
        elif what == "appoint":
            accounts.appoint(name, Role(role or Role.CLERK), by=by)
            messages.success(request, _("%(name)s has this role here from now on.") % {"name": name})
            return
        else:
            words = accounts.add(name, Role(role or Role.CLERK), None, by=by)
    except OfficeFault as fault:
        refuse(request, fault)
    else:
        said = _("For %(name)s, shown this once: %(words)s – it must be changed at the first sign-in.")
        messages.success(request, said % {"name": name, "words": words})
