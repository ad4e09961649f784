"""Accounts: made for one real person (C26); `office.web.leaving` closes them."""

import secrets

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django_otp.plugins.otp_totp.models import TOTPDevice

from office import registry
from office.faults import OfficeFault
from office.web.models import Account
from office.web.roles import Role


def add(name: str, role: Role, password: str | None, *, by: str) -> str:
    """Make an account.

    Args:
        name: the person's; the history keeps it with all that they do.
        password: None makes one, which must be changed at the first sign-in.
    Returns:
        The password.
    Raises:
        OfficeFault: the name is taken or unfit, or the password too easy.
    """
    account = Account(username=name, must_change_password=password is None)
    words = password if password is not None else secrets.token_urlsafe(12)
    account.set_password(words)
    try:
        account.full_clean(exclude=["password"])
        validate_password(words, account)
    except ValidationError as fault:
        raise OfficeFault(f"no account {name!r} was made: {' '.join(fault.messages)}") from fault
    with transaction.atomic():
        account.save()
        account.groups.set([Group.objects.get(name=role.value)])
        registry.note(by, "account.add", name[:64], role.value)
    return words


def reset_password(name: str, *, by: str) -> str:
    """Give an account a password that must be changed, and take its second factor away.

    Raises:
        OfficeFault: there is no such open account.
    """
    words = secrets.token_urlsafe(12)
    with transaction.atomic():
        account = find(name)
        account.set_password(words)
        account.must_change_password = True
        account.save()
        TOTPDevice.objects.filter(user=account).delete()
        registry.note(by, "account.password", name[:64], "")
    return words


def find(name: str) -> Account:
    """An open account.

    Raises:
        OfficeFault: there is none of this name.
    """
    account = Account.objects.filter(username=name, is_active=True).first()
    if account is None:
        raise OfficeFault(f"found no open account {name!r}; see `menshen-office account list`")
    return account
