"""What a gate is for, and what has been vowed to it: the settings of a gatekeeper.

Rules come from the gate's configuration and last as long as the process.
Vows come from orders and last until an order ends them, through any restart.
"""

from dataclasses import dataclass
from enum import StrEnum


class Purpose(StrEnum):
    """What a gate does with a pass that holds."""

    ACCESS = "access"  # lets its holder through
    ATTENDANCE = "attendance"  # notes that they were here; there is no door
    CHECK_IN = "check-in"  # the same at a desk or an event


@dataclass(frozen=True, slots=True)
class Rules:
    """What one gate does beyond opening for a pass.

    Args:
        free_schedule: the list's schedule in which the lock stays released; 0 is never.
        free_after_first: only once a pass has been admitted in it.
        interlock: nobody is let in while the other door stands open.
        most_inside: how many may be inside; 0 is any number. For gates used both ways.
        lock_monitored: the board has a contact that tells whether the lock is released.
        used_codes: a rotating code that has opened another gate of the site is refused here.
    """

    purpose: Purpose = Purpose.ACCESS
    free_schedule: int = 0
    free_after_first: bool = False
    interlock: bool = False
    most_inside: int = 0
    lock_monitored: bool = False
    used_codes: bool = True


@dataclass(frozen=True, slots=True)
class Vows:
    """What was ordered until further notice.

    Args:
        lockdown: nobody comes in.
        maintenance: somebody works on the gate; alarms are recorded and not sounded.
    """

    lockdown: bool = False
    maintenance: bool = False
