"""Lock and relay: what is a fault, and the ten thousand ordinary days that are not."""

import random

import pytest

from agent.core.events import Kind
from agent.core.lock_truth import FAILURES, UNMENDED_S, WELDED_AFTER_S, LockTruth

OPEN_S = 5.0
MONITORED = 0.5  # how often the gate's loop looks, at the least


class Days:
    """A lock in use: its truth, the clock, and all that was said."""

    def __init__(self) -> None:
        self.truth, self.mono, self.said = LockTruth(), 0.0, []

    def wait(self, seconds: float) -> None:
        end = self.mono + seconds
        while self.mono < end:
            self.mono = min(end, self.mono + MONITORED)
            if (kind := self.truth.due(self.mono)) is not None:
                self.said.append((kind, self.mono))

    def pulse(self, *, follows_after_s: float | None = 0.1, falls_after_s: float | None = 0.1) -> None:
        """One release; the bolt follows and falls so much later, or not at all."""
        self.truth.relay(True, self.mono)
        if follows_after_s is None:
            self.wait(OPEN_S)
        else:
            self.wait(follows_after_s)
            self.truth.monitor(True, self.mono)
            self.wait(OPEN_S - follows_after_s)
        self.truth.relay(False, self.mono)
        if follows_after_s is not None and falls_after_s is not None:
            self.wait(falls_after_s)
            self.truth.monitor(False, self.mono)


def test_a_lock_that_follows_its_relay_is_true():
    days = Days()
    for _ in range(10):
        days.pulse()
        days.wait(300)
    assert days.said == []


def test_a_welded_contact_is_told_within_two_minutes_and_so_is_its_repair():
    days = Days()
    days.pulse(falls_after_s=None)
    shut_at = days.mono
    days.wait(120)
    ((kind, at),) = days.said
    assert (kind, at - shut_at <= 120) == (Kind.LOCK_WELDED, True)
    days.truth.monitor(False, days.mono)
    days.wait(1)
    assert [kind for kind, _ in days.said] == [Kind.LOCK_WELDED, Kind.LOCK_TRUE]


def test_a_lock_that_never_follows_is_told_within_two_minutes_of_the_first_person_left_outside():
    days = Days()
    days.pulse(follows_after_s=None)
    began = days.mono - OPEN_S
    days.wait(120)
    ((kind, at),) = days.said
    assert (kind, at - began <= 120) == (Kind.LOCK_STUCK, True)
    days.pulse()
    days.wait(1)
    assert [kind for kind, _ in days.said] == [Kind.LOCK_STUCK, Kind.LOCK_TRUE]


def test_people_who_keep_trying_at_a_stuck_lock_are_heard_sooner():
    days = Days()
    for _ in range(FAILURES):
        days.pulse(follows_after_s=None)
        days.wait(2)
    assert [kind for kind, _ in days.said] == [Kind.LOCK_STUCK]
    assert days.mono < UNMENDED_S


def test_a_lock_that_does_not_open_for_a_fire_is_stuck():
    days = Days()
    days.truth.relay(True, 0.0)
    days.wait(60)
    assert [kind for kind, _ in days.said] == [Kind.LOCK_STUCK]
    days.truth.monitor(True, days.mono)
    days.wait(1)
    assert days.said[-1][0] is Kind.LOCK_TRUE


def test_a_bolt_that_waits_for_the_leaf_to_close_is_not_welded():
    days = Days()
    days.pulse(falls_after_s=None)
    days.truth.leaf(True, days.mono)
    days.wait(600)
    days.truth.leaf(False, days.mono)
    days.wait(2)
    days.truth.monitor(False, days.mono)
    days.wait(600)
    assert days.said == []


def test_who_leans_on_the_door_and_then_gets_in_has_broken_nothing():
    days = Days()
    for _ in range(FAILURES - 1):
        days.pulse(follows_after_s=None)
        days.wait(4)
    days.pulse()
    days.wait(600)
    assert days.said == []


def test_told_twice_is_told_once_and_a_blink_proves_nothing():
    days = Days()
    for _ in range(20):
        days.truth.relay(True, days.mono)
        days.truth.relay(True, days.mono)
        days.wait(0.5)
        days.truth.relay(False, days.mono)
        days.wait(20)
    assert days.said == []


@pytest.mark.parametrize("seed", range(4))
def test_in_ten_thousand_ordinary_openings_there_is_no_false_alarm(seed):
    chance, days = random.Random(seed), Days()
    for _ in range(2_500):
        for _ in range(chance.choice([0] * 20 + [1, 2, 3])):  # leans on the door, and tries again
            days.pulse(follows_after_s=None)
            days.wait(chance.uniform(0.5, 8))
        if chance.random() < 0.7:  # goes through: the bolt may wait for the leaf
            days.truth.relay(True, days.mono)
            days.wait(chance.uniform(0.02, 0.9))
            days.truth.monitor(True, days.mono)
            days.wait(chance.uniform(0.1, 3))
            days.truth.leaf(True, days.mono)
            days.wait(chance.uniform(0.5, 60))
            days.truth.leaf(False, days.mono)
            days.truth.relay(False, days.mono)
            days.wait(chance.uniform(0.02, WELDED_AFTER_S / 2))
            days.truth.monitor(False, days.mono)
        else:
            days.pulse(follows_after_s=chance.uniform(0.02, 0.9), falls_after_s=chance.uniform(0.02, 6))
        days.wait(chance.expovariate(1 / 20))
    assert days.said == []
