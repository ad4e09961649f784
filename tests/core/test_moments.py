"""What time it is, as far as anybody knows."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.moments import Moment, Trust, from_iso, iso
from tests.core.builders import NOON


def test_a_clock_ahead_of_its_floor_is_left_alone():
    moment = Moment(NOON, 5.0, Trust.HOLDOVER)
    assert moment.not_before(NOON) is moment


def test_a_pi_that_wakes_in_the_past_moves_to_its_floor_and_is_not_believed():
    assert Moment(0.0, 5.0).not_before(NOON) == Moment(NOON, 5.0, Trust.UNKNOWN)


def test_a_clock_that_is_no_number_is_not_believed_either():
    assert Moment(float("nan"), 5.0).not_before(NOON) == Moment(NOON, 5.0, Trust.UNKNOWN)


@given(st.lists(st.floats(-1e10, 1e10), min_size=1), st.floats(0, 1e10))
def test_time_never_runs_behind_the_floor(readings, floor):
    assert all(Moment(utc, 0).not_before(floor).utc >= floor for utc in readings)


def test_a_time_is_written_for_people_and_machines():
    assert iso(NOON + 0.25) == "2026-03-02T12:00:00.250Z"
    assert iso(0) == "1970-01-01T00:00:00.000Z"


@given(st.integers(0, 4 * 10**9 * 1000))
def test_a_written_time_is_read_back_to_the_millisecond(ms):
    assert abs(from_iso(iso(ms / 1000)) - ms / 1000) <= 0.001


def test_an_offset_is_heeded():
    assert from_iso("2026-03-02T20:00:00+08:00") == NOON


@pytest.mark.parametrize("text", ["2026-03-02T12:00:00", "2026-03-02", "noon", "", "1772452800"])
def test_a_time_that_does_not_say_where_it_is_is_refused(text):
    with pytest.raises(ValueError, match=r"offset|Invalid"):
        from_iso(text)


def test_the_written_form_is_what_the_standard_library_reads():
    assert datetime.fromisoformat(iso(NOON)).timestamp() == NOON
