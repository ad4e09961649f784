"""Somebody waves posters at the camera."""

from hypothesis import given
from hypothesis import strategies as st

from agent.core.curb import BURST, EACH_S, TELL_AFTER_S, Curb


def test_the_first_few_are_recorded_singly_and_then_one_every_few_seconds():
    curb = Curb()
    singly = [curb.lets(t / 10) for t in range(300)]
    assert singly[:BURST] == [True] * BURST
    assert sum(singly) == BURST + 9  # one each 3 s of 30


def test_the_rest_are_counted_and_told_once_after_a_while():
    curb = Curb()
    let = sum(curb.lets(0.0) for _ in range(25))
    assert curb.settle(TELL_AFTER_S - 0.01) == 0
    assert curb.settle(TELL_AFTER_S) == 25 - let
    assert curb.settle(TELL_AFTER_S * 9) == 0


def test_a_second_flood_waits_its_own_while():
    curb = Curb()
    for _ in range(BURST + 1):
        curb.lets(0.0)
    assert curb.settle(30.0) == 1
    for _ in range(BURST + 1):
        curb.lets(100.0)
    assert curb.settle(129.0) == 0
    assert curb.settle(130.0) == 1


def test_when_nothing_was_held_back_there_is_nothing_to_tell():
    assert Curb().settle(1e9) == 0


def test_a_quiet_night_fills_the_burst_and_no_more():
    curb = Curb()
    for _ in range(BURST):
        curb.lets(0.0)
    assert not curb.lets(EACH_S - 0.01)
    assert sum(curb.lets(86400.0) for _ in range(BURST * 2)) == BURST


@given(st.lists(st.floats(0, 60), max_size=200).map(sorted))
def test_every_code_is_either_recorded_or_counted(times):
    curb = Curb()
    singly = sum(curb.lets(t) for t in times)
    assert singly + curb.settle(1e6) == len(times)
    assert singly <= BURST + 60 / EACH_S
