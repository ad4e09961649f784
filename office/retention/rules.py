"""Which classes of data there are, and how long each is kept.

    identity   names, files, what visitors wrote; days after the last pass or the visit ended
    events     what the gates reported, orders given to them, and visits without their names
    sign-ins   who signed in from where, and who tried to
    alerts     closed ones, with their outcomes

The bounds are the law's as far as it says: identity no longer than needed
(PIPL, article 19), logs of a network at least six months (cyber-security law,
article 21). The audit log is not here: it holds no personal data but the
names of the office's own staff, and a chain that forgets proves nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from office import registry
from office.faults import OfficeFault
from office.models import RetentionRule


class Kept(StrEnum):
    """The classes."""

    IDENTITY = "identity"
    EVENTS = "events"
    SIGN_INS = "sign-ins"
    ALERTS = "alerts"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Days."""

    least: int
    usual: int
    most: int


_HALF_A_YEAR: Final = 180
_THREE_YEARS: Final = 1095
BOUNDS: Final = {
    Kept.IDENTITY: Bounds(1, 30, _HALF_A_YEAR),
    Kept.EVENTS: Bounds(_HALF_A_YEAR, _HALF_A_YEAR, _THREE_YEARS),
    Kept.SIGN_INS: Bounds(_HALF_A_YEAR, _HALF_A_YEAR, _THREE_YEARS),
    Kept.ALERTS: Bounds(_HALF_A_YEAR, 365, _THREE_YEARS),
}


def days() -> dict[Kept, int]:
    """How long each class is kept in this office."""
    chosen = dict(RetentionRule.objects.values_list("kept", "days"))
    return {kept: chosen.get(kept, bounds.usual) for kept, bounds in BOUNDS.items()}


def cutoffs(now: datetime) -> dict[Kept, datetime]:
    """What ended before these moments is due."""
    return {kept: now - timedelta(days=count) for kept, count in days().items()}


def choose(kept: Kept, count: int, *, by: str) -> None:
    """Keep a class for so many days from now on.

    Raises:
        OfficeFault: outside of its bounds.
    """
    bounds = BOUNDS[kept]
    if not bounds.least <= count <= bounds.most:
        raise OfficeFault(
            f"found {count} days for {kept}, wanted {bounds.least} to {bounds.most}: "
            "personal data no longer than needed, records of the network at least six months"
        )
    RetentionRule.objects.update_or_create(kept=kept, defaults={"days": count})
    registry.note(by, "retention.set", kept, f"{count} days")
