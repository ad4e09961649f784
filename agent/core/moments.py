"""Moments: what a gate may believe about the time.

A Raspberry Pi has no battery clock. After a power cut it wakes in the past,
until a time server or an RTC says otherwise. So nothing here asks for "the
time"; every rule is given a Moment that says how far it may be trusted.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum


class Trust(StrEnum):
    """How far a wall-clock reading may be believed."""

    SYNCED = "synced"  # a time source agrees now
    HOLDOVER = "holdover"  # it agreed since boot, or an RTC kept the time
    UNKNOWN = "unknown"  # nobody has said


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading of both clocks.

    Args:
        utc: seconds since 1970-01-01 UTC; may be wrong, see trust.
        mono: seconds on a clock that only runs forward; no epoch.
        trust: how far utc may be believed.
    """

    utc: float
    mono: float
    trust: Trust = Trust.SYNCED

    def not_before(self, floor_utc: float) -> "Moment":
        """This moment, unless it lies before what is known to have passed.

        A clock behind its floor is wrong, so it also loses its trust.
        """
        if self.utc >= floor_utc:
            return self
        return replace(self, utc=floor_utc, trust=Trust.UNKNOWN)


def iso(utc: float) -> str:
    """Seconds since 1970 as RFC 3339 with milliseconds, `2026-03-01T08:00:00.250Z`."""
    return datetime.fromtimestamp(utc, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso(text: str) -> float:
    """The reverse of iso.

    Raises:
        ValueError: not an RFC 3339 time with an offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time {text!r} has no offset; wanted RFC 3339 such as 2026-03-01T08:00:00Z")
    return moment.timestamp()
