"""Accounts that go along when a home joins a group, or leaves it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.sessions.models import Session
from django.db import DEFAULT_DB_ALIAS
from django_otp.plugins.otp_totp.models import TOTPDevice

from office.faults import OfficeFault
from office.web.duties import here
from office.web.models import Account, Duty

_KEPT: Final = ("username", "password", "must_change_password", "is_active", "last_login", "date_joined")


@dataclass(frozen=True, slots=True)
class Carried:
    """One account, by itself: what it is called, its password's hash, its role at the site, its second factors."""

    name: str
    role: str
    facts: dict[str, Any]
    factors: tuple[dict[str, Any], ...]


def pack() -> list[Carried]:
    """The accounts that have or had a role at the site in use."""
    packed = []
    for duty in Duty.objects.filter(site=here()).select_related("account").order_by("account__username"):
        account = duty.account
        factors = list(TOTPDevice.objects.filter(user=account).values())
        for one in factors:
            del one["id"], one["user_id"]
        facts = {name: getattr(account, name) for name in _KEPT}
        packed.append(Carried(account.username, duty.role, facts, tuple(factors)))
    return packed


def unpack(carried: Sequence[Carried], site: str, same: Collection[str] = ()) -> None:
    """Put accounts into the database in use; belongs into a transaction.

    Args:
        same: names that are the same person's as in the account that is there; it keeps its password.
    Raises:
        OfficeFault: a name is there already, and nobody said that it is the same person's.
    """
    there = set(
        Account.objects.filter(username__in=[one.name for one in carried]).values_list("username", flat=True)
    )
    if unsure := sorted(there - set(same)):
        raise OfficeFault(
            f"found {', '.join(unsure)} in the group already; say --same NAME for each who is the same person, "
            "and who then signs in with the group's password; rename no account that has a history"
        )
    for one in carried:
        account = Account.objects.filter(username=one.name).first()
        if account is None:
            account = Account.objects.create(**one.facts)
            for factor in one.factors:
                TOTPDevice.objects.create(user=account, **factor)
        Duty.objects.update_or_create(account=account, site=site, defaults={"role": one.role})


def leave_behind() -> None:
    """Take the accounts out of a site's own database, once the group has them; sessions end."""
    for rows in (Session.objects, TOTPDevice.objects, Duty.objects, Account.objects):
        rows.using(DEFAULT_DB_ALIAS).all().delete()
