"""Accounts: made for one real person (C26), each with a role at a site (C28); `office.web.leaving` ends it.

In a group an account is one for all sites: one name, one password. Its role at another site is
nobody's business here, and whoever has one can't be given a new password from here alone.
"""

import secrets

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django_otp.plugins.otp_totp.models import TOTPDevice

from office import home as homes
from office import registry
from office.faults import OfficeFault
from office.web.duties import here, sites_of, with_accounts
from office.web.models import Account, Duty
from office.web.roles import Role


def add(name: str, role: Role, password: str | None, *, by: str) -> str:
    """Make an account with a role here.

    Args:
        name: the person's; the history keeps it with all that they do.
        password: None makes one, which must be changed at the first sign-in.
    Returns:
        The password.
    Raises:
        OfficeFault: the name is taken or unfit, or the password too easy.
    """
    site = _site()
    account = Account(username=name, must_change_password=password is None)
    words = password if password is not None else secrets.token_urlsafe(12)
    account.set_password(words)
    try:
        account.full_clean(exclude=["password"])
        validate_password(words, account)
    except ValidationError as fault:
        raise OfficeFault(f"no account {name!r} was made: {' '.join(fault.messages)}") from fault
    with with_accounts():
        account.save()
        Duty.objects.create(account=account, site=site, role=role.value)
        registry.note(by, "account.add", name[:64], role.value)
    return words


def appoint(name: str, role: Role, *, by: str) -> None:
    """Give an account that there is in the group a role here.

    Raises:
        OfficeFault: there is no such open account, or it has a role here already.
    """
    site = _site()
    with with_accounts():
        account = _open(name)
        duty, _made = Duty.objects.select_for_update().get_or_create(account=account, site=site)
        if duty.role:
            raise OfficeFault(f"{name} is {duty.role} here; close that first, then give the new role")
        duty.role = role.value
        duty.save()
        registry.note(by, "account.appoint", name[:64], role.value)


def reset_password(name: str, *, by: str) -> str:
    """Give an account a password that must be changed, and take its second factor away.

    Raises:
        OfficeFault: there is no such open account here.
    """
    words = secrets.token_urlsafe(12)
    with with_accounts():
        account = find(name)
        account.set_password(words)
        account.must_change_password = True
        account.save()
        TOTPDevice.objects.filter(user=account).delete()
        registry.note(by, "account.password", name[:64], "")
    return words


def check_whole(name: str, by: str) -> None:
    """Look whether an administrator may touch what an account has everywhere: its password.

    Raises:
        OfficeFault: it has a role at a site that they don't administer.
    """
    theirs = Duty.objects.filter(account__username=by, role=Role.ADMINISTRATOR).values_list("site", flat=True)
    if beyond := set(sites_of(find(name).username)) - set(theirs):
        raise OfficeFault(
            f"{name} has a role at {len(beyond)} more of the group's sites; somebody who administers all of them "
            "does this, or whoever keeps the machine, with `menshen-office account reset`"
        )


def find(name: str) -> Account:
    """An open account with a role here; at the group itself, any open account.

    Raises:
        OfficeFault: there is none of this name.
    """
    account = _open(name)
    if not homes.current().whole and not account.duties.filter(site=here()).exclude(role="").exists():
        raise _not_found(name)
    return account


def of_this_site() -> QuerySet[Account]:
    """All accounts that have or had a role here; at the group itself all there are."""
    found = Account.objects.order_by("username")
    return found if homes.current().whole else found.filter(duties__site=here())


def _open(name: str) -> Account:
    account = Account.objects.filter(username=name, is_active=True).first()
    if account is None:
        raise _not_found(name)
    return account


def _not_found(name: str) -> OfficeFault:
    return OfficeFault(f"found no open account {name!r}; see `menshen-office account list`")


def _site() -> str:
    if homes.current().whole:
        raise OfficeFault("a role is one at a site; say with --site at which")
    return registry.the_site().name
