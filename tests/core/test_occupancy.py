"""How many are inside."""

from agent.core.memory import Way
from agent.core.occupancy import Occupancy


def test_a_room_for_two_is_full_after_two_and_not_after_one_left():
    room = Occupancy(most=2)
    for _ in range(2):
        assert room.lets_in()
        room.passed(Way.IN)
    assert not room.lets_in()
    room.passed(Way.OUT)
    assert room.lets_in()


def test_nobody_leaves_an_empty_room_and_a_room_without_a_limit_is_never_full():
    room = Occupancy()
    room.passed(Way.OUT)
    assert room.inside == 0
    for _ in range(1000):
        room.passed(Way.IN)
    assert room.lets_in()
