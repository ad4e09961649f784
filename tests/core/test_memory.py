"""What a gate remembers of a pass."""

import pytest

from agent.core.memory import Use


def test_a_pass_begins_unused():
    assert Use() == Use(0, None)


def test_a_card_leaves_the_phones_newest_step_where_it_was():
    assert Use(3, 100).once_more(None) == Use(4, 100)


@pytest.mark.parametrize(
    ("before", "step", "after"), [(None, 5, 5), (5, 6, 6), (6, 5, 6), (0, 0, 0), (None, None, None)]
)
def test_the_newest_step_never_goes_back(before, step, after):
    assert Use(0, before).once_more(step) == Use(1, after)
