"""What a gate remembers of a pass, and of how many."""

import pytest

from agent.core.memory import UNUSED, Memory, Use, Way
from tests.core.builders import NOON, id_of, remembering


def test_a_pass_begins_unused():
    assert Use() == UNUSED == Use(0, None, None, 0.0)


def test_a_card_leaves_the_phones_newest_step_where_it_was():
    assert Use(3, 100, Way.IN, NOON).once_more(None, Way.IN, NOON + 9) == Use(4, 100, Way.IN, NOON + 9)


@pytest.mark.parametrize(
    ("before", "step", "after"), [(None, 5, 5), (5, 6, 6), (6, 5, 6), (0, 0, 0), (None, None, None)]
)
def test_the_newest_step_never_goes_back(before, step, after):
    assert Use(0, before).once_more(step).step == after


def test_only_ways_in_are_counted():
    there_and_back = UNUSED.once_more(None, Way.IN, NOON).once_more(None, Way.OUT, NOON + 60)
    assert there_and_back == Use(1, None, Way.OUT, NOON + 60)


def test_the_time_of_a_passage_never_goes_back():
    assert Use(1, None, Way.IN, NOON).once_more(at_utc=NOON - 5).at_utc == NOON


def test_a_gate_remembers_so_many_and_asks_for_the_others():
    asked = []

    def older(pass_id):
        asked.append(pass_id)
        return Use(9)

    memory = Memory({bytes((n,)): Use(n) for n in range(3)}, older, most=3)
    assert [memory.of(bytes((n,))).count for n in range(4)] == [0, 1, 2, 0]
    assert asked == [], "it knows that it has forgotten nobody"
    memory.once_more(b"\x00", None, Way.IN, NOON)
    memory.once_more(b"new", None, Way.IN, NOON)
    assert len(memory) == 3
    assert memory.of(b"\x00") == Use(1, None, Way.IN, NOON), "it was used again since"
    assert memory.of(b"\x01") == Use(9)
    assert asked == [b"\x01"]


def test_a_gate_that_was_told_only_the_newest_asks_from_the_start():
    memory = Memory({b"newest": Use(1)}, lambda _: Use(4), whole=False)
    memory.once_more(b"older", None, Way.IN, NOON)
    assert memory.of(b"older") == Use(5, None, Way.IN, NOON)


def test_with_nobody_to_ask_a_forgotten_pass_is_unused():
    memory = Memory({b"a": Use(1), b"b": Use(1)}, most=1)
    assert memory.of(b"a") == UNUSED
    assert remembering(alice=Use(1)).of(id_of("alice")) == Use(1)
