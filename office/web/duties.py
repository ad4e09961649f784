"""What an account is at the site of this process, asked anew for each request (C28).

In a group the rows are in the group's database, and each site's process reads
them itself; it believes nobody who says what somebody may do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import ModelBackend
from django.db import DEFAULT_DB_ALIAS, transaction

from office.database import ACCOUNTS, AccountsApart
from office.models import Site
from office.web.models import Duty
from office.web.roles import RIGHTS, Right, Role

_REMEMBERED: Final = "_rights_here"


def here() -> str:
    """The site that this process works for; empty if there is none."""
    return Site.objects.values_list("name", flat=True).first() or ""


def rights(name: str) -> frozenset[Right]:
    """What somebody may do here, now."""
    role = (
        Duty.objects.filter(account__username=name, account__is_active=True, site=here())
        .values_list("role", flat=True)
        .first()
    )
    return RIGHTS[Role(role)] if role else frozenset()


def sites_of(name: str) -> list[str]:
    """Where somebody is anything, in order."""
    held = Duty.objects.filter(account__username=name, account__is_active=True).exclude(role="")
    return list(held.order_by("site").values_list("site", flat=True))


@contextmanager
def with_accounts() -> Iterator[None]:
    """One transaction over the site's rows and those of accounts.

    In a group they are two databases. The site's, with its history, is committed first: it
    may tell of an account that was not made, and never lacks one that was.
    """
    with transaction.atomic(using=ACCOUNTS if AccountsApart.so else DEFAULT_DB_ALIAS), transaction.atomic():
        yield


class DutyBackend(ModelBackend):
    """Passwords as Django checks them; rights by the table of roles and by nothing else."""

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Of this account, here: `web.see_live` and so on."""
        if not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return set()
        found = getattr(user_obj, _REMEMBERED, None)
        if found is None:
            found = {f"web.{right}" for right in rights(user_obj.get_username())}
            setattr(user_obj, _REMEMBERED, found)  # for as long as a request lasts
        return set(found)

    async def aget_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        return await sync_to_async(self.get_all_permissions)(user_obj, obj)
