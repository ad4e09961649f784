"""Who may do what: five roles and their rights (C28). Who has which role at a site is a row, `Duty`.

Whatever is not named here is denied. No role may both draft and approve, and
an administrator, who makes accounts, may do neither.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Right(StrEnum):
    """By name, as templates ask for them: `perms.web.draft_passes`."""

    SEE_LIVE = "see_live"  # events, gates, and how many are inside
    SEE_PEOPLE = "see_people"  # names and personal files
    HANDLE_ALERTS = "handle_alerts"
    DRAFT_PASSES = "draft_passes"  # and keep personal files
    APPROVE_PASSES = "approve_passes"  # drafts of others
    STOP_PASSES = "stop_passes"  # suspend and revoke
    PUBLISH_LISTS = "publish_lists"
    DECIDE_VISITS = "decide_visits"
    GIVE_ORDERS = "give_orders"
    SEE_HISTORY = "see_history"  # of what everybody did
    MANAGE_ACCOUNTS = "manage_accounts"
    EXPORT_NAMES = "export_names"  # and telephones, unmasked


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
