"""The hours of the week: working days, nights across midnight, holidays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.schedule import DAY_MIN, HOLIDAY, Window, covers, day_number, day_text

MONDAY = day_number("2026-03-02") * DAY_MIN
HOUR = 60
WORK = Window(frozenset({1, 2, 3, 4, 5}), 9 * HOUR, 18 * HOUR)
FRIDAY_NIGHT = Window(frozenset({5}), 22 * HOUR, 6 * HOUR)
HOLIDAY_MORNING = Window(frozenset({HOLIDAY}), 10 * HOUR, 12 * HOUR)
THURSDAY, SATURDAY = (frozenset({day_number(text)}) for text in ("2026-03-05", "2026-03-07"))


def minutes_of(day: int, hour: int, minute: int = 0) -> int:
    """Of the week that begins on Monday, 2 March 2026."""
    return MONDAY + day * DAY_MIN + hour * HOUR + minute


@pytest.mark.parametrize(
    ("day", "hour", "minute", "wanted"),
    [
        (4, 5, 0, False),
        (4, 21, 59, False),
        (4, 22, 0, True),
        (4, 23, 59, True),
        (5, 0, 0, True),
        (5, 5, 59, True),
        (5, 6, 0, False),
        (5, 22, 0, False),
    ],
)
def test_a_night_belongs_to_the_day_it_begins_on(day, hour, minute, wanted):
    assert covers((FRIDAY_NIGHT,), (), minutes_of(day, hour, minute)) is wanted


def test_on_a_holiday_only_what_names_it_opens():
    assert not covers((WORK,), THURSDAY, minutes_of(3, 11))
    assert covers((WORK, HOLIDAY_MORNING), THURSDAY, minutes_of(3, 11))
    assert not covers((WORK, HOLIDAY_MORNING), THURSDAY, minutes_of(3, 14))
    assert not covers((WORK, HOLIDAY_MORNING), THURSDAY, minutes_of(5, 11))
    assert covers((WORK,), THURSDAY, minutes_of(2, 11))


def test_a_night_that_began_on_a_working_day_ends_on_the_holiday():
    assert covers((FRIDAY_NIGHT,), SATURDAY, minutes_of(5, 5))
    holiday_night = Window(frozenset({HOLIDAY}), 22 * HOUR, 6 * HOUR)
    assert covers((holiday_night,), SATURDAY, minutes_of(5, 23))
    assert covers((holiday_night,), SATURDAY, minutes_of(6, 5))
    assert not covers((holiday_night,), SATURDAY, minutes_of(5, 5))


@given(st.integers(-(10**9), 10**9), st.frozensets(st.integers(-(10**6), 10**6), max_size=5))
def test_every_minute_is_in_one_day_of_eight(local_min, holidays):
    days = [covers((Window(frozenset({day}), 0, DAY_MIN),), holidays, local_min) for day in range(1, 9)]
    assert sum(days) == 1


@given(st.integers(0, DAY_MIN - 1), st.integers(0, DAY_MIN), st.integers(0, 10**7))
def test_a_window_and_its_complement_share_no_minute(start, end, local_min):
    all_days = frozenset(range(1, 9))
    if start != end < DAY_MIN:
        inside = covers((Window(all_days, start, end),), (), local_min)
        assert inside is not covers((Window(all_days, end, start),), (), local_min)


def test_a_holiday_is_written_as_its_date():
    assert day_text(day_number("2026-10-01")) == "2026-10-01"
    assert day_number("1970-01-01") == 0
    with pytest.raises(ValueError, match="isoformat"):
        day_number("1 October")
