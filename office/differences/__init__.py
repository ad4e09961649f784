"""What happened after the backup from which an office was restored, and what is to become of it (C30).

The newest published list, a copy of the audit log and the gates know more than an old backup. Whatever they deny is denied
here from the restore on; what they grant and the office has forgotten goes on as it is. Each such
difference is a row until a person has settled it.
"""

from enum import StrEnum
from typing import Final

BY_ITSELF: Final = "restore"
"""The name that the history keeps for what nobody decided."""


class What(StrEnum):
    """What a difference is, and what was done about it by itself."""

    REVOKED = "revoked"  # the list revokes it: revoked here
    SUSPENDED = "suspended"  # the list suspends it: suspended here
    ABSENT = "absent"  # live here, and not in the list: suspended
    DENIED = "denied"  # live here, and a gate refused it as revoked or suspended: suspended
    PHONE = "phone"  # the list has another phone's key for it: taken over
    PHONE_OUT = "phone_out"  # the list has no phone's key for it any more: taken out
    TERMS = "terms"  # the list gives other zones, hours or times: taken over
    APPROVED = "approved"  # a draft here, granted by the list: live
    RESUMED = "resumed"  # stopped here, granted by the list: stays stopped
    UNKNOWN = "unknown"  # in the list, and not here: taken over, and nobody knows whose it is
    STRANGER = "stranger"  # a gate let it in, and neither office nor list knows it
    RULE = "rule"  # the list has another rule for all passes: taken over, or the stricter one
    GATE = "gate"  # the list has another device's key for a gate: taken over
    GATE_UNKNOWN = "gate_unknown"  # the list names a gate that is not on record here
    GATE_ABSENT = "gate_absent"  # a gate on record here that the list does not name
    ACCOUNT = "account"  # open as in the backup, and nobody knows what became of it since
    ACCOUNT_CLOSED = "account_closed"  # closed since: closed here
    ACCOUNT_ROLE = "account_role"  # another role since: taken over
    ACCOUNT_PASSWORD = "account_password"  # noqa: S105  changed since: the backup's opens nothing any more
    ACCOUNT_NEW = "account_new"  # made since, and not here


ABOUT_ALL: Final = frozenset({What.RULE, What.GATE, What.GATE_UNKNOWN, What.GATE_ABSENT})
"""Differences whose subject is no pass."""
OF_ACCOUNTS: Final = frozenset(
    {What.ACCOUNT, What.ACCOUNT_CLOSED, What.ACCOUNT_ROLE, What.ACCOUNT_PASSWORD, What.ACCOUNT_NEW}
)
"""Those about accounts, whose subject is @ and a name; an administrator settles them."""


class Outcome(StrEnum):
    """What a person said to a difference."""

    SEEN = "seen"  # as it stands now
    SHUT = "shut"  # the pass is revoked
    OPEN = "open"  # the pass may open again
