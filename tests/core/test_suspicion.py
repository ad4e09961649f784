"""Guessers, people refused again and again, and odd hours: told soon, and nobody honest waits for it."""

from itertools import pairwise

from agent.core.suspicion import GUESSES, MOST_PASSES, REFUSALS, Suspicion

ALICE, BOB = b"alice---", b"bob-----"


def test_the_fifth_wrong_try_within_a_minute_raises_the_alarm_at_once_and_then_not_for_a_minute():
    watch = Suspicion()
    alerts = [watch.guess(float(second)) for second in range(40)]
    assert [bool(alert) for alert in alerts] == [False] * (GUESSES - 1) + [True] + [False] * (40 - GUESSES)
    assert alerts[GUESSES - 1] == {"what": "guessing", "tries": GUESSES, "within_s": 4.0}
    assert watch.guess(64.5) is not None


def test_a_wrong_code_now_and_then_is_no_guessing():
    watch = Suspicion()
    assert not any(watch.guess(16.0 * n) for n in range(100))
    assert watch.answers(16.0 * 99)


def test_a_guesser_is_answered_more_and_more_slowly():
    watch, answered = Suspicion(), []
    for tenth in range(300):
        watch.guess(tenth / 10)
        if watch.answers(tenth / 10):
            answered.append(tenth / 10)
    assert len(answered[:GUESSES]) == GUESSES
    gaps = [round(later - sooner, 1) for sooner, later in pairwise(answered)]
    assert gaps[GUESSES - 1 :] == [1.0, 2.0, 4.0, 8.0, 8.0]


def test_ten_quiet_seconds_and_the_next_one_is_answered_at_once():
    watch = Suspicion()
    for tenth in range(200):
        watch.guess(tenth / 10)
        watch.answers(tenth / 10)
    watch.guess(31.0)
    assert watch.answers(31.0)


def test_a_pass_refused_three_times_is_told_and_then_counted_anew():
    watch = Suspicion()
    said = [watch.refusal(ALICE, odd_hour=False, mono=60.0 * n) for n in range(2 * REFUSALS)]
    assert [bool(alert) for alert in said] == [False, False, True] * 2
    assert said[2] == {"what": "refused_again", "pass": ALICE.hex(), "tries": REFUSALS}
    assert watch.refusal(BOB, odd_hour=False, mono=360.0) is None


def test_refusals_far_apart_are_an_ordinary_month():
    watch = Suspicion()
    assert not any(watch.refusal(ALICE, odd_hour=False, mono=301.0 * n) for n in range(20))


def test_an_odd_hour_is_told_at_the_first_try_and_once_an_hour():
    watch = Suspicion()
    said = [watch.refusal(ALICE, odd_hour=True, mono=600.0 * n) for n in range(8)]
    assert [n for n, alert in enumerate(said) if alert] == [0, 6]
    assert said[0] == {"what": "odd_hour", "pass": ALICE.hex()}


def test_its_memory_is_bounded():
    watch = Suspicion()
    for n in range(10 * MOST_PASSES):
        watch.refusal(n.to_bytes(8), odd_hour=bool(n % 2), mono=float(n))
        watch.guess(float(n))
    assert max(len(watch._refused), len(watch._odd_hours), len(watch._guesses)) <= MOST_PASSES
