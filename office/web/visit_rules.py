"""What is asked of people who come without a pass, and what pass they get: visitors, couriers, staff, contractors.

Each kind has its own form and its own pass. Until the site has its say, the
least is asked, and only visitors and couriers may ask at all (C33).
"""

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext as _

from agent.core.allowlist import PassKind
from office.web.models import VisitRules

KINDS: Final = (PassKind.VISITOR, PassKind.COURIER, PassKind.STAFF, PassKind.CONTRACTOR)


def rules_for(kind: PassKind) -> VisitRules:
    """The site's rules for a kind, or those it begins with."""
    found = VisitRules.objects.filter(kind=kind).first()
    return found or VisitRules(kind=kind, **_usual()[kind])


def offered() -> list[VisitRules]:
    """The kinds that may ask at the gates."""
    return [rules for rules in map(rules_for, KINDS) if rules.open]


def _usual() -> Mapping[PassKind, dict[str, Any]]:
    notice = _(
        "Your name and whom you visit are asked for so that the desk can let you in. Nobody else sees them."
    )
    work = _(
        "Your name and your company are asked for so that the desk can let you in. Nobody else sees them."
    )
    return {
        PassKind.VISITOR: {
            "asks": ["host"],
            "purposes": [_("visit"), _("delivery"), _("repair")],
            "notice": notice,
            "hours": 4,
        },
        PassKind.COURIER: {
            "asks": ["company"],
            "purposes": [_("delivery"), _("pick-up")],
            "notice": work,
            "hours": 1,
            "hosts": False,
        },
        PassKind.STAFF: {
            "asks": ["company"],
            "purposes": [_("work")],
            "notice": work,
            "hours": 12,
            "hosts": False,
            "open": False,
        },
        PassKind.CONTRACTOR: {
            "asks": ["company", "host"],
            "purposes": [_("repair"), _("building work")],
            "notice": work,
            "hours": 10,
            "open": False,
        },
    }
