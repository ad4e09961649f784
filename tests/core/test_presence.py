"""Who is standing there already, and who has just come."""

from hypothesis import given
from hypothesis import strategies as st

from agent.core.decision import Reason
from agent.core.presence import AWAY_S, MOST_CODES, Presence

ALICE = (b"alice", None)
CLAIMS_TO_BE_ALICE = (b"alice", Reason.FORGED)


def test_a_code_held_up_is_new_once():
    presence = Presence()
    assert [presence.still_shows("M1A", t) for t in (0.0, 0.1, 1.0, 2.0)] == [False, True, True, True]


def test_a_code_taken_away_is_new_again():
    presence = Presence()
    presence.still_shows("M1A", 0.0)
    assert not presence.still_shows("M1A", AWAY_S)


def test_a_pass_stays_while_any_of_its_codes_is_shown():
    presence = Presence()
    assert not presence.still_holds(ALICE, "M1A", 0.0)
    for t in range(1, 15):
        assert presence.still_shows("M1A", float(t))
    assert presence.still_holds(ALICE, "M1B", 15.0)
    assert not presence.still_holds((b"bob", None), "M1C", 15.0)
    assert not presence.still_holds(ALICE, "M1D", 15.0 + AWAY_S)


def test_a_code_that_came_back_has_to_prove_itself_again():
    presence = Presence()
    presence.still_holds(ALICE, "M1A", 0.0)
    presence.still_shows("M1A", 10.0)
    assert not presence.still_holds(ALICE, "M1B", 10.5)


def test_a_claim_is_not_a_proof_and_each_is_told_once():
    presence = Presence()
    assert not presence.still_holds(CLAIMS_TO_BE_ALICE, "M1A", 0.0)
    assert not presence.still_holds(ALICE, "M1B", 0.5)
    assert presence.still_holds(CLAIMS_TO_BE_ALICE, "M1C", 1.0)


def test_a_flood_of_claims_hides_no_pass():
    presence = Presence()
    presence.still_holds(ALICE, "M1A", 0.0)
    for number in range(1000):
        presence.still_holds((number.to_bytes(8), Reason.FORGED), f"claim {number}", 0.5)
    assert presence.still_holds(ALICE, "M1B", 1.0)


def test_a_flood_of_nobodys_codes_hides_no_pass():
    presence = Presence()
    presence.still_holds(ALICE, "M1A", 0.0)
    for number in range(1000):
        presence.still_shows(f"poster {number}", 0.5)
    assert presence.still_holds(ALICE, "M1B", 1.0)


def test_of_too_many_passes_the_longest_unseen_is_forgotten():
    presence = Presence()
    for number in range(MOST_CODES + 1):
        presence.still_holds((bytes([number]), None), f"code {number}", number / 1000)
    assert not presence.still_shows("code 0", 0.1)
    assert presence.still_shows(f"code {MOST_CODES}", 0.1)


@given(st.lists(st.tuples(st.text(max_size=2), st.none() | st.binary(max_size=1)), max_size=300))
def test_no_story_makes_it_remember_more_than_it_may(story):
    presence = Presence()
    for number, (text, pass_id) in enumerate(story):
        if pass_id is None:
            presence.still_shows(text, number / 100)
        else:
            presence.still_holds((pass_id, None), text, number / 100)
        assert len(presence._codes) <= MOST_CODES


def test_whose_standing_has_changed_is_a_new_try_and_nobody_else():
    there = Presence()
    for text, bearer in (("a", (b"alice", Reason.UNKNOWN_PASS)), ("b", (b"bob", Reason.UNKNOWN_PASS))):
        there.still_shows(text, 0.0)
        there.still_holds(bearer, text, 0.0)
    there.forget((b"alice", Reason.UNKNOWN_PASS))
    assert not there.still_shows("a", 0.1)
    assert there.still_shows("b", 0.1)
