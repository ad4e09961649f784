"""Who may do what: five roles, each a Django group with its permissions (C28).

Whatever is not named here is denied. No role may both draft and approve, and
an administrator, who makes accounts, may do neither.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Right(StrEnum):
    """Permissions by codename, as templates ask for them: `perms.web.draft_passes`."""

    SEE_LIVE = "see_live"
    SEE_PEOPLE = "see_people"
    HANDLE_ALERTS = "handle_alerts"
    DRAFT_PASSES = "draft_passes"
    APPROVE_PASSES = "approve_passes"
    STOP_PASSES = "stop_passes"
    PUBLISH_LISTS = "publish_lists"
    DECIDE_VISITS = "decide_visits"
    GIVE_ORDERS = "give_orders"
    SEE_HISTORY = "see_history"
    MANAGE_ACCOUNTS = "manage_accounts"
    EXPORT_NAMES = "export_names"


MEANINGS: Final[Mapping[Right, str]] = {
    Right.SEE_LIVE: "See events, gates, and how many are inside",
    Right.SEE_PEOPLE: "See names and personal files",
    Right.HANDLE_ALERTS: "Acknowledge and close alerts",
    Right.DRAFT_PASSES: "Keep personal files and draft passes",
    Right.APPROVE_PASSES: "Approve drafts of others",
    Right.STOP_PASSES: "Suspend and revoke passes",
    Right.PUBLISH_LISTS: "Publish the list to the gates",
    Right.DECIDE_VISITS: "Approve or refuse visitors",
    Right.GIVE_ORDERS: "Open gates from afar, lock them down, release them",
    Right.SEE_HISTORY: "Read the history of what everybody did",
    Right.MANAGE_ACCOUNTS: "Make and close accounts",
    Right.EXPORT_NAMES: "Take sheets with names and telephones along unmasked",
}


class Role(TextChoices):
    """What a person is in the office."""

    CLERK = "clerk", _("clerk")
    APPROVER = "approver", _("approver")
    AUDITOR = "auditor", _("auditor")
    TECHNICIAN = "technician", _("technician")
    ADMINISTRATOR = "administrator", _("administrator")


_DESK: Final = {
    Right.SEE_LIVE,
    Right.SEE_PEOPLE,
    Right.HANDLE_ALERTS,
    Right.STOP_PASSES,
    Right.DECIDE_VISITS,
    Right.GIVE_ORDERS,
    Right.EXPORT_NAMES,
}
RIGHTS: Final[Mapping[Role, frozenset[Right]]] = {
    Role.CLERK: frozenset({*_DESK, Right.DRAFT_PASSES}),
    Role.APPROVER: frozenset({*_DESK, Right.APPROVE_PASSES, Right.PUBLISH_LISTS}),
    Role.AUDITOR: frozenset({Right.SEE_LIVE, Right.SEE_PEOPLE, Right.SEE_HISTORY}),
    Role.TECHNICIAN: frozenset({Right.SEE_LIVE, Right.HANDLE_ALERTS}),
    Role.ADMINISTRATOR: frozenset({Right.SEE_LIVE, Right.SEE_HISTORY, Right.MANAGE_ACCOUNTS}),
}


def grant_after_migration(sender: Any, **_: Any) -> None:
    """Bring the groups to what the table says; after a migration, since they are rows."""
    create_permissions(sender, verbosity=0)
    known = {one.codename: one for one in Permission.objects.filter(content_type__app_label="web")}
    for role, rights in RIGHTS.items():
        group, _made = Group.objects.get_or_create(name=role.value)
        group.permissions.set(known[right] for right in rights)
