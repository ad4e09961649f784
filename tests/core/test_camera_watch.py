"""A camera that dies, hangs and comes back."""

import pytest

from agent.core.camera_watch import (
    FROZEN_AFTER_S,
    HOPELESS_AFTER_S,
    HOPELESS_AFTER_START_S,
    LOST_AFTER_S,
    CameraWatch,
)
from agent.core.notices import CameraChanged, CameraState

LOST, FROZEN, GOOD = map(CameraChanged, (CameraState.LOST, CameraState.FROZEN, CameraState.GOOD))


def watched(story, watch=None):
    """What the watch said, and when; a story is (second, fingerprint or None)."""
    watch = watch or CameraWatch(0.0)
    return [(mono, said) for mono, seen in story if (said := watch.look(seen, mono))]


def test_both_are_flagged_within_five_seconds():
    assert LOST_AFTER_S < 5
    assert FROZEN_AFTER_S < 5


def test_a_camera_at_work_is_not_worth_a_word():
    assert watched((t / 10, t) for t in range(600)) == []


def test_a_camera_that_never_starts_is_lost_and_one_that_starts_late_is_back():
    assert watched([(2.9, None), (3.0, None), (9.0, None), (9.5, 1), (9.6, 2)]) == [(3.0, LOST), (9.5, GOOD)]


def test_an_unplugged_camera_is_lost_once_and_back_once():
    story = [(0, 1), (1, 2), *((1 + t / 10, None) for t in range(1, 100)), (11, 3), (11.1, 4)]
    assert watched(story) == [(4.0, LOST), (11, GOOD)]


def test_a_few_dropped_frames_are_nothing():
    assert watched([(0, 1), (1, None), (2.9, None), (3.0, 2), (5.9, None), (5.95, 3)]) == []


def test_a_camera_that_repeats_its_last_picture_is_frozen():
    story = [(0, 1), (1, 2), *((1 + t / 10, 2) for t in range(1, 100)), (11, 3)]
    assert watched(story) == [(5.0, FROZEN), (11, GOOD)]


def test_a_frozen_camera_that_goes_altogether_is_lost_and_back_only_with_a_new_picture():
    story = [(0, 7), (4, 7), (5, None), (7, None), (8, 7), (9, None), (9.5, 8)]
    assert watched(story) == [(4, FROZEN), (7, LOST), (8, FROZEN), (9.5, GOOD)]


@pytest.mark.parametrize("gap", [0.05, 0.5, 2.9])
def test_between_two_frames_of_a_frozen_camera_nothing_is_learnt(gap):
    assert watched([(0, 7), (4, 7), (4 + gap / 2, None), (4 + gap, 7)]) == [(4, FROZEN)]


def test_a_still_life_can_be_given_more_time():
    assert watched([(0, 7), (3, 7), (6, 7), (9, 7)], CameraWatch(0.0, frozen_after_s=9)) == [(9, FROZEN)]


def hopeless_at(story, watch=None):
    """The seconds at which the watch has lost hope."""
    watch = watch or CameraWatch(0.0)
    hopeless = []
    for mono, seen in story:
        watch.look(seen, mono)
        if watch.hopeless(mono):
            hopeless.append(mono)
    return hopeless


def test_a_camera_that_was_there_is_hoped_for_a_minute():
    story = [(0.0, 1), *((float(t), None) for t in range(1, 120))]
    assert hopeless_at(story)[0] == LOST_AFTER_S + HOPELESS_AFTER_S


def test_one_that_never_was_is_hoped_for_longer_since_a_fresh_start_serves_nobody():
    story = [(float(t), None) for t in range(1000)]
    assert hopeless_at(story)[0] == LOST_AFTER_S + HOPELESS_AFTER_START_S


def test_a_picture_that_stands_still_is_no_hope_either_and_a_lost_one_does_not_begin_anew():
    story = [
        (0.0, 1),
        (0.5, 2),
        *((float(t), 2) for t in range(1, 30)),
        *((float(t), None) for t in range(30, 90)),
    ]
    assert hopeless_at(story)[0] == 65.0


def test_one_that_comes_back_is_never_given_up():
    story = [(float(t), t if t % 50 < 10 else None) for t in range(2000)]
    assert hopeless_at(story) == []
