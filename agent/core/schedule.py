"""Schedules: the parts of the week in which a pass opens.

A schedule is a set of windows, in the site's own time of day. A window
belongs to the day on which it begins: one from 22:00 to 06:00 on Fridays ends
on Saturday morning. A holiday is a day of its own, the eighth: on it, only
windows that name it begin, whatever day of the week it is.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

AS_KIND: Final = 0
"""The number of no schedule: a grant with it follows its kind's, if the site gave the kind one."""
ALWAYS: Final = 255
"""The number of a schedule without limits, for a pass that is freer than its kind."""
HOLIDAY: Final = 8
DAYS: Final = frozenset(range(1, HOLIDAY + 1))
DAY_MIN: Final = 24 * 60

_DAY_ZERO: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the week.

    Args:
        days: 1 (Monday) to 7, and 8 for holidays.
        from_min, to_min: minutes of the local day, end exclusive; an end before the beginning is
            on the next morning.
    """

    days: frozenset[int]
    from_min: int
    to_min: int

    def covers(self, minute: int, today: int, yesterday: int) -> bool:
        """Whether a minute of a day lies in this window.

        Args:
            today, yesterday: days 1 to 8.
        """
        if self.from_min < self.to_min:
            return today in self.days and self.from_min <= minute < self.to_min
        return (today in self.days and minute >= self.from_min) or (
            yesterday in self.days and minute < self.to_min
        )


def covers(windows: Iterable[Window], holidays: Collection[int], local_min: int) -> bool:
    """Whether a moment lies in one of some windows.

    Args:
        holidays: as day_number counts days.
        local_min: minutes since 1970-01-01T00:00 of the site's own time.
    """
    number, minute = divmod(local_min, DAY_MIN)
    today, yesterday = (
        HOLIDAY if day in holidays else (day + 3) % 7 + 1  # 1970-01-01 was a Thursday, day 4
        for day in (number, number - 1)
    )
    return any(window.covers(minute, today, yesterday) for window in windows)


def day_number(text: str) -> int:
    """Days since 1970-01-01 of a date, `2026-10-01`.

    Raises:
        ValueError: no date.
    """
    return (date.fromisoformat(text) - _DAY_ZERO).days


def day_text(number: int) -> str:
    """The reverse of day_number."""
    return (_DAY_ZERO + timedelta(days=number)).isoformat()
