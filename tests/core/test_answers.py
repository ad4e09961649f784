"""Light and sound: each answer is its own, also to somebody who can't tell red from green, or can't hear."""

from itertools import combinations

import pytest

from agent.core.answers import (
    ALARM,
    CODES,
    DOOR_HELD,
    FREE,
    HIGH_HZ,
    IDENTIFY,
    LOW_HZ,
    NOTED,
    REFUSALS,
    WELCOME,
    Beat,
    Light,
    Pattern,
)
from agent.core.decision import Reason

ALL = [WELCOME, NOTED, ALARM, DOOR_HELD, FREE, IDENTIFY, *REFUSALS.values()]
NAMED = {"ids": lambda pattern: pattern.name}


def colourless(pattern: Pattern):
    return [(beat.for_s, beat.light is not None, beat.tone_hz) for beat in pattern.beats]


def seen_only(pattern: Pattern):
    return [(beat.for_s, beat.light is not None) for beat in pattern.beats]


def heard_only(pattern: Pattern):
    return [(beat.for_s, beat.tone_hz) for beat in pattern.beats]


def test_every_reason_has_its_own_pattern():
    assert set(REFUSALS) == set(CODES) == set(Reason)
    assert len(set(CODES.values())) == len(Reason)


@pytest.mark.parametrize("told", [colourless, seen_only, heard_only])
def test_no_two_answers_are_alike_without_colour_without_sound_or_without_sight(told):
    for one, other in combinations(ALL, 2):
        assert told(one) != told(other), f"{one.name} and {other.name}"


@pytest.mark.parametrize("pattern", ALL, **NAMED)
def test_every_answer_is_light_and_sound_from_the_first_instant(pattern):
    first = pattern.beats[0]
    assert first.light is not None
    assert first.tone_hz > 0
    assert all(beat.for_s > 0 for beat in pattern.beats)
    assert pattern.lasts_s == pytest.approx(sum(beat.for_s for beat in pattern.beats))
    assert 0.5 < pattern.lasts_s < 5


def test_no_two_answers_share_a_name():
    assert len({pattern.name for pattern in ALL}) == len(ALL)


@pytest.mark.parametrize("reason", Reason)
def test_a_refusal_is_counted_out_in_long_and_short(reason):
    long, short = CODES[reason]
    lit = [beat for beat in REFUSALS[reason].beats if beat.light]
    assert [beat.tone_hz for beat in lit] == [LOW_HZ] * long + [HIGH_HZ] * short
    assert all(beat.light is Light.RED for beat in lit)
    assert 1 <= long <= 4
    assert 1 <= short <= 6
    assert [beat.light for beat in REFUSALS[reason].beats[1::2]] == [None] * (long + short), (
        "a gap after each"
    )


def test_green_is_for_going_through_and_never_for_staying_out():
    lights = {pattern.name: {beat.light for beat in pattern.beats} - {None} for pattern in ALL}
    assert lights.pop("admitted") == lights.pop("noted") == lights.pop("free") == {Light.GREEN}
    assert lights.pop("identify") == {Light.WHITE}
    assert set(map(frozenset, lights.values())) == {frozenset({Light.RED})}


def test_a_beat_is_dark_and_silent_unless_it_says_otherwise():
    assert Beat(1.0) == Beat(1.0, None, 0)
