"""Times as people at the desk write them, in the site's own time of day."""

import re
from datetime import UTC, datetime, timedelta, timezone

from office.faults import OfficeFault

_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})")
_MOST_MIN = 14 * 60


def parse_offset(text: str) -> int:
    """Minutes east of UTC from `+08:00`, `-0330` or `Z`.

    Raises:
        OfficeFault: anything else.
    """
    if text.upper() in ("Z", "UTC"):
        return 0
    match = _OFFSET.fullmatch(text)
    minutes = int(match[2]) * 60 + int(match[3]) if match else _MOST_MIN + 1
    if match is None or int(match[3]) > 59 or minutes > _MOST_MIN:
        raise OfficeFault(f"found offset {text!r}, wanted one from -14:00 to +14:00, such as +08:00")
    return -minutes if match[1] == "-" else minutes


def parse(text: str, offset_min: int, *, end: bool = False) -> datetime:
    """A moment from `2026-11-22`, `2026-11-22T08:30` or the same with an offset.

    Args:
        offset_min: the site's, for a text without one.
        end: a date alone means the end of that day.
    Raises:
        OfficeFault: no such time.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone(timedelta(minutes=offset_min)))
        if end and len(text) <= len("2026-11-22"):
            moment += timedelta(days=1)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as fault:
        raise OfficeFault(
            f"found time {text!r}, wanted a date and time such as 2026-11-22T08:30 or "
            f"2026-11-22T08:30+08:00, or a date alone ({fault})"
        ) from fault


def show(moment: datetime, offset_min: int) -> str:
    """A moment in the site's time of day, with its offset."""
    return moment.astimezone(timezone(timedelta(minutes=offset_min))).isoformat(timespec="minutes")


def show_seconds(moment: datetime, offset_min: int) -> str:
    """The same to the millisecond and without the offset, for columns."""
    local = moment.astimezone(timezone(timedelta(minutes=offset_min)))
    return local.replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
