"""The door: told as stories, and then let loose."""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent.core.door import TABLE, Door, LockOrder, Signal, State, Timing
from agent.core.events import Kind


def told(*story: tuple[Signal, float], door: Door | None = None):
    """The door after a story of signals and seconds, and all that it said: (order, kind) of each."""
    door, said = door or Door(Timing(open_s=5.0, held_after_s=30.0)), []
    for signal, mono in story:
        door, order, kind = door.hear(signal, mono)
        said.append((order, kind))
    return door, said


def at_rest(door: Door) -> bool:
    """Whether a door is as after a restart, but for its grace."""
    return replace(door, grace_until=Door().grace_until) == Door(door.timing)


# --- stories ---------------------------------------------------------------------


def test_after_a_restart_the_door_is_locked_and_has_nothing_to_do():
    door = Door()
    assert (door.state, door.pulse_until, door.due(1e9)) == (State.LOCKED, None, None)


def test_somebody_goes_through():
    door, said = told((Signal.GRANTED, 0.0), (Signal.LEAF_OPENED, 1.0), (Signal.LEAF_CLOSED, 3.0))
    assert at_rest(door)
    assert said == [
        (LockOrder.PULSE, None),
        (None, Kind.DOOR_OPENED),
        (LockOrder.REST, Kind.DOOR_CLOSED),
    ]


def test_somebody_is_let_in_and_does_not_go_through():
    door, _ = told((Signal.GRANTED, 0.0))
    assert (door.state, door.due(4.99), door.due(5.0)) == (State.OPENING, None, Signal.PULSE_OVER)
    door, said = told((Signal.PULSE_OVER, 5.0), door=door)
    assert at_rest(door)
    assert said == [(LockOrder.REST, None)]


def test_a_second_person_is_let_in_while_the_first_goes_through():
    door, said = told((Signal.GRANTED, 0.0), (Signal.LEAF_OPENED, 1.0), (Signal.GRANTED, 4.0))
    assert said[2] == (LockOrder.PULSE, None)
    assert (door.state, door.due(8.99), door.due(9.0)) == (State.OPEN, None, Signal.PULSE_OVER)


def test_the_lock_rests_under_an_open_leaf():
    door, said = told((Signal.GRANTED, 0.0), (Signal.LEAF_OPENED, 1.0), (Signal.PULSE_OVER, 5.0))
    assert said[2] == (LockOrder.REST, None)
    assert (door.state, door.pulse_until) == (State.OPEN, None)


def test_a_door_propped_open_is_held_once_and_forgiven_when_it_closes():
    story = (Signal.GRANTED, 0.0), (Signal.LEAF_OPENED, 1.0), (Signal.PULSE_OVER, 5.0)
    door, _ = told(*story)
    assert (door.due(30.99), door.due(31.0)) == (None, Signal.OPEN_TOO_LONG)
    door, said = told((Signal.OPEN_TOO_LONG, 31.0), door=door)
    assert (door.state, said) == (State.HELD, [(None, Kind.DOOR_HELD)])
    assert door.due(1e9) is None
    door, said = told((Signal.LEAF_CLOSED, 99.0), door=door)
    assert (door.state, said) == (State.LOCKED, [(LockOrder.REST, Kind.DOOR_CLOSED)])


def test_a_contact_that_repeats_itself_wins_a_propped_door_no_time():
    door, _ = told((Signal.GRANTED, 0.0), (Signal.LEAF_OPENED, 1.0), (Signal.LEAF_OPENED, 20.0))
    assert door.due(31.0) is Signal.PULSE_OVER
    assert replace(door, pulse_until=None).due(31.0) is Signal.OPEN_TOO_LONG


def test_a_door_that_nobody_was_let_through_is_forced():
    door, said = told((Signal.LEAF_OPENED, 0.0))
    assert (door.state, said) == (State.FORCED, [(None, Kind.DOOR_FORCED)])
    assert told((Signal.LEAF_CLOSED, 9.0), door=door)[0].state is State.LOCKED


def test_somebody_let_in_through_a_forced_door_makes_it_an_open_one():
    door, said = told((Signal.LEAF_OPENED, 0.0), (Signal.GRANTED, 40.0))
    assert (door.state, said[1]) == (State.OPEN, (LockOrder.PULSE, None))
    assert door.due(40.0) is Signal.OPEN_TOO_LONG, "it has stood open since it was forced"


def test_in_a_fire_the_lock_is_released_until_it_is_over():
    door, said = told((Signal.FIRE, 0.0), (Signal.LEAF_OPENED, 1.0), (Signal.LEAF_CLOSED, 9.0))
    assert said == [
        (LockOrder.HOLD_FOR_FIRE, Kind.FIRE_ON),
        (None, Kind.DOOR_OPENED),
        (None, Kind.DOOR_CLOSED),
    ]
    assert (door.state, door.due(1e9)) == (State.RELEASED, None)
    door, said = told((Signal.FIRE_OVER, 900.0), door=door)
    assert at_rest(door)
    assert said == [(LockOrder.REST, Kind.FIRE_OFF)]


def test_after_a_fire_a_leaf_still_open_is_nobodys_fault_yet():
    door, _ = told((Signal.FIRE, 0.0), (Signal.LEAF_OPENED, 1.0), (Signal.FIRE_OVER, 900.0))
    assert (door.state, door.due(929.9), door.due(930.0)) == (State.OPEN, None, Signal.OPEN_TOO_LONG)


def test_the_end_of_a_fire_that_never_was_changes_nothing():
    door, _ = told((Signal.GRANTED, 0.0))
    assert told((Signal.FIRE_OVER, 1.0), door=door) == (door, [(None, None)])


def test_a_leaf_that_stands_open_when_the_kiosk_wakes_is_nobodys_fault_but_is_told_when_held():
    woken = Door(Timing(held_after_s=30.0), grace_until=5.0)
    door, said = told((Signal.LEAF_OPENED, 0.1), door=woken)
    assert (door.state, said) == (State.OPEN, [(None, Kind.DOOR_OPENED)])
    assert door.due(30.1) is Signal.OPEN_TOO_LONG
    assert told((Signal.LEAF_OPENED, 5.0), door=woken)[0].state is State.FORCED


def test_who_pulls_the_door_as_the_pulse_ends_has_not_forced_it():
    story = (Signal.GRANTED, 0.0), (Signal.PULSE_OVER, 5.0)
    for seconds, state in ((5.9, State.OPEN), (6.0, State.FORCED)):
        door, _ = told(*story, (Signal.LEAF_OPENED, seconds))
        assert door.state is state


def test_in_free_passage_people_come_and_go_and_a_propped_leaf_is_no_alarm():
    door, said = told((Signal.FREE, 0.0), (Signal.LEAF_OPENED, 1.0), (Signal.GRANTED, 2.0))
    assert said == [(LockOrder.HOLD, Kind.FREE_ON), (None, Kind.DOOR_OPENED), (None, None)]
    assert (door.state, door.due(1e9)) == (State.FREE, None)
    door, said = told((Signal.FREE_OVER, 900.0), door=door)
    assert (door.state, said) == (State.OPEN, [(LockOrder.REST, Kind.FREE_OFF)])
    assert door.due(930.0) is Signal.OPEN_TOO_LONG


def test_free_passage_ends_shut_when_the_leaf_is_shut():
    door, said = told(
        (Signal.FREE, 0.0), (Signal.LEAF_OPENED, 1.0), (Signal.LEAF_CLOSED, 2.0), (Signal.FREE_OVER, 9.0)
    )
    assert at_rest(door)
    assert said[2:] == [(None, Kind.DOOR_CLOSED), (LockOrder.REST, Kind.FREE_OFF)]


# --- the table ---------------------------------------------------------------------


def standing(state: State) -> Door:
    """A door in each state, as it gets there."""
    granted, opened = (Signal.GRANTED, 0.0), (Signal.LEAF_OPENED, 1.0)
    return told(
        *{
            State.LOCKED: (),
            State.OPENING: (granted,),
            State.OPEN: (granted, opened),
            State.HELD: (granted, opened, (Signal.OPEN_TOO_LONG, 31.0)),
            State.FORCED: (opened,),
            State.FREE: ((Signal.FREE, 0.0),),
            State.RELEASED: ((Signal.FIRE, 0.0),),
        }[state]
    )[0]


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_name_and_a_way_there(state):
    assert standing(state).state is state


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("signal", Signal)
def test_a_signal_without_a_row_moves_nothing(state, signal):
    door, order, kind = standing(state).hear(signal, 50.0)
    if (state, signal) not in TABLE:
        assert (order, kind) == (None, None)
        assert (door.state, door.pulse_until) == (state, standing(state).pulse_until)


@pytest.mark.parametrize("state", State)
def test_fire_wins_in_every_state(state):
    door, order, _ = standing(state).hear(Signal.FIRE, 50.0)
    assert door.state is State.RELEASED
    assert order is LockOrder.HOLD_FOR_FIRE or state is State.RELEASED


@pytest.mark.parametrize("state", State)
def test_a_grant_is_answered_in_every_state_but_where_the_lock_is_released_already(state):
    _, order, _ = standing(state).hear(Signal.GRANTED, 50.0)
    assert order is LockOrder.PULSE or state in {State.FREE, State.RELEASED}


@pytest.mark.parametrize(("state", "signal"), TABLE)
def test_only_a_grant_free_passage_and_a_fire_ever_release_the_lock(state, signal):
    order = TABLE[state, signal][1]
    assert (order is LockOrder.PULSE) == (signal is Signal.GRANTED)
    assert (order is LockOrder.HOLD) == (signal is Signal.FREE)
    assert (order is LockOrder.HOLD_FOR_FIRE) == (signal is Signal.FIRE)


# --- let loose ---------------------------------------------------------------------


class AnyDay(RuleBasedStateMachine):
    """A door through any day at all, its lock played by hand as the shell would play it."""

    timing = Timing(open_s=5.0, held_after_s=30.0)

    def __init__(self) -> None:
        super().__init__()
        self.door = Door(self.timing)
        self.mono = 0.0
        self.released = False
        self.granted_at = float("-inf")
        self.fire = False
        self.free = False
        self.leaf_open = False

    def tell(self, signal: Signal) -> LockOrder | None:
        self.door, order, _ = self.door.hear(signal, self.mono)
        if order is not None:
            self.released = order is not LockOrder.REST
        return order

    @rule()
    def somebody_is_granted(self) -> None:
        self.tell(Signal.GRANTED)
        assert self.released
        if not (self.fire or self.free):
            self.granted_at = self.mono

    @rule(opens=st.booleans())
    def the_leaf_moves(self, opens: bool) -> None:
        self.leaf_open = opens
        self.tell(Signal.LEAF_OPENED if opens else Signal.LEAF_CLOSED)

    @rule(burns=st.booleans())
    def the_fire_panel_speaks(self, burns: bool) -> None:
        if burns or self.fire:
            self.free = False  # a fire ends it; whoever keeps the schedule begins it again
            self.granted_at = float("-inf")
        self.fire = burns
        self.tell(Signal.FIRE if burns else Signal.FIRE_OVER)

    @precondition(lambda self: not self.fire)
    @rule(begins=st.booleans())
    def free_passage(self, begins: bool) -> None:
        if begins or self.free:
            self.granted_at = float("-inf")
        self.free = begins
        self.tell(Signal.FREE if begins else Signal.FREE_OVER)

    @rule(seconds=st.floats(0, 40))
    def time_passes(self, seconds: float) -> None:
        self.mono += seconds
        for _ in range(3):  # a tick: what is due settles in a few steps, or the loop would hang
            signal = self.door.due(self.mono)
            if signal is None:
                return
            self.tell(signal)
        pytest.fail("what is due never settles")

    @precondition(lambda self: not self.fire)
    @rule()
    def the_power_fails(self) -> None:
        """The lock falls to rest by its wiring; the contact's state is heard anew."""
        self.door, self.released, self.granted_at = Door(self.timing), False, float("-inf")
        self.free = False
        assert self.door.state is State.LOCKED
        if self.leaf_open:
            self.tell(Signal.LEAF_OPENED)

    @invariant()
    def the_state_has_a_name_and_knows_the_leaf(self) -> None:
        assert self.door.state in set(State)
        assert self.door.leaf_open == self.leaf_open
        assert (self.door.open_since is not None) == self.leaf_open
        if self.door.state in {State.OPEN, State.HELD, State.FORCED}:
            assert self.leaf_open
        if self.door.state in {State.LOCKED, State.OPENING}:
            assert not self.leaf_open

    @invariant()
    def fire_wins_over_everything(self) -> None:
        assert self.fire == (self.door.state is State.RELEASED)
        assert self.released or not self.fire

    @invariant()
    def free_passage_is_a_state_of_its_own(self) -> None:
        assert self.free == (self.door.state is State.FREE)
        assert self.released or not self.free

    @invariant()
    def the_lock_is_never_released_for_longer_than_it_was_granted(self) -> None:
        if self.released and not (self.fire or self.free):
            until = self.granted_at + self.timing.open_s
            assert self.door.pulse_until == until
            assert self.mono < until or self.door.due(self.mono) is Signal.PULSE_OVER

    @invariant()
    def a_lock_at_rest_waits_for_nothing(self) -> None:
        assert self.released or self.door.pulse_until is None


AnyDay.TestCase.settings = settings(stateful_step_count=40)
test_on_any_day_the_rules_of_the_door_hold = AnyDay.TestCase


def test_a_door_is_a_value_and_hearing_does_not_change_the_old_one():
    before = Door()
    before.hear(Signal.GRANTED, 1.0)
    assert before == replace(before) == Door()
