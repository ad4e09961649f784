"""The doorkeeper: orders, wires and hours, told as stories, and then any day at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.actions import HoldUnlocked, Lock, Record, Remember, Show, Unlock
from agent.core.decision import Admit, Reason
from agent.core.door import State, Timing
from agent.core.doorkeeper import Doorkeeper
from agent.core.memory import Way
from agent.core.notices import (
    IdentifyOrder,
    MaintenanceOrder,
    OpenOrder,
    Order,
    RelayBack,
    RelayLost,
    Wire,
    WireChanged,
)
from agent.core.rules import Purpose, Rules, Vows
from tests.core.builders import at, shown, told

ALICE = Admit(b"alice---", "resident")
ALICE_OUT = Admit(b"alice---", "resident", way=Way.OUT)
TIMING = Timing(open_s=5.0, held_after_s=30.0)


def keeper(vows: Vows | None = None, **rules) -> Doorkeeper:
    return Doorkeeper.at_start(TIMING, Rules(**rules), vows or Vows(), -100.0)


def on(wire: Wire) -> WireChanged:
    return WireChanged(wire, active=True)


def off(wire: Wire) -> WireChanged:
    return WireChanged(wire, active=False)


def opens(actions) -> bool:
    return any(isinstance(action, Unlock) for action in actions)


# --- orders --------------------------------------------------------------------------


def test_a_lockdown_is_remembered_through_a_restart_and_so_is_its_end():
    gate = keeper()
    began = gate.hear(Order(lockdown=True, by="chen"), at())
    assert (told(began), began[1]) == (["lockdown.on"], Remember(Vows(lockdown=True)))
    woken = keeper(began[1].vows)
    assert woken.forbids(ALICE, "in") is Reason.LOCKED_DOWN
    over = woken.hear(Order(lockdown=False, by="chen"), at(9.0))
    assert (told(over), over[1]) == (["lockdown.off"], Remember(Vows()))
    assert woken.forbids(ALICE, "in") is None


def test_in_a_lockdown_a_gate_for_both_ways_takes_nobodys_word_for_going_out_and_a_way_out_does():
    gate = keeper(Vows(lockdown=True))
    assert gate.forbids(ALICE_OUT, "both") is Reason.LOCKED_DOWN
    assert gate.forbids(ALICE_OUT, "out") is None
    assert opens(gate.hear(on(Wire.EXIT), at()))


def test_a_guard_opens_from_afar_once_even_in_a_lockdown_and_it_is_recorded_first():
    gate = keeper(Vows(lockdown=True))
    actions = gate.hear(OpenOrder("wang"), at())
    assert [type(action) for action in actions] == [Record, Unlock, Show]
    assert told(actions) == ["order.opened"]
    assert gate.tick(at(5.0)) == (Lock(),)


def test_while_somebody_works_on_the_gate_alarms_are_recorded_and_not_sounded():
    gate = keeper()
    began = gate.hear(MaintenanceOrder(on=True, by="liu"), at())
    assert (told(began), began[1]) == (["maintenance.on"], Remember(Vows(maintenance=True)))
    quiet = [
        gate.hear(on(Wire.TAMPER), at(1.0)),
        gate.hear(on(Wire.DOOR), at(2.0)),
        gate.hear(RelayLost("killed"), at(3.0)),
    ]
    assert [told(each) for each in quiet] == [["tamper.on"], ["door.forced"], ["relay.lost"]]
    assert [shown(each) for each in quiet] == [[], [], []]
    assert all(each[0].event.facts["maintenance"] is True for each in quiet)
    gate.hear(off(Wire.DOOR), at(4.0))
    assert opens(gate.let_through(ALICE, at(5.0)))
    assert told(gate.hear(MaintenanceOrder(on=False), at(6.0))) == ["maintenance.off"]
    assert shown(gate.hear(on(Wire.TAMPER), at(7.0))) == ["alarm"]


def test_a_gate_that_is_asked_which_it_is_shows_itself_and_does_not_open():
    actions = keeper().hear(IdentifyOrder("wang"), at())
    assert (told(actions), shown(actions)) == (["gate.identified"], ["identify"])
    assert not opens(actions)


def test_a_lost_supervisor_is_an_alarm_and_its_return_is_told():
    gate = keeper()
    lost = gate.hear(RelayLost("it ended"), at())
    assert (told(lost), shown(lost), lost[0].event.facts) == (["relay.lost"], ["alarm"], {"why": "it ended"})
    assert told(gate.hear(RelayBack(), at(1.0))) == ["relay.back"]


# --- two doors, many people --------------------------------------------------------------


def test_nobody_is_let_in_while_the_other_door_stands_open_and_everybody_gets_out():
    gate = keeper(interlock=True)
    assert told(gate.hear(on(Wire.SECOND), at())) == ["second.opened"]
    assert gate.forbids(ALICE, "in") is Reason.INTERLOCKED
    assert gate.forbids(ALICE_OUT, "both") is None
    pressed = gate.hear(on(Wire.EXIT), at(1.0))
    assert opens(pressed)
    assert pressed[0].event.facts == {"second_open": True}
    assert told(gate.hear(off(Wire.SECOND), at(2.0))) == ["second.closed"]
    assert gate.forbids(ALICE, "in") is None


def test_without_an_interlock_the_other_door_is_nobodys_business():
    gate = keeper()
    assert gate.hear(on(Wire.SECOND), at()) == ()
    assert gate.forbids(ALICE, "in") is None


def test_a_full_room_lets_in_the_next_one_when_somebody_has_left():
    gate = keeper(most_inside=2)
    gate.let_through(ALICE, at(0.0))
    gate.let_through(ALICE, at(10.0))
    assert gate.forbids(ALICE, "both") is Reason.FULL
    assert gate.forbids(ALICE_OUT, "both") is None
    gate.let_through(ALICE_OUT, at(20.0))
    assert gate.forbids(ALICE, "both") is None
    gate.let_through(ALICE, at(30.0))
    gate.hear(on(Wire.EXIT), at(40.0))
    assert gate.forbids(ALICE, "both") is None


def test_the_button_of_an_empty_room_makes_no_debt():
    gate = keeper(most_inside=1)
    for second in range(5):
        gate.hear(on(Wire.EXIT), at(float(second)))
    gate.let_through(ALICE, at(10.0))
    assert gate.forbids(ALICE, "both") is Reason.FULL


# --- what the gate is for --------------------------------------------------------------


@pytest.mark.parametrize("purpose", [Purpose.ATTENDANCE, Purpose.CHECK_IN])
def test_where_there_is_no_door_a_pass_is_noted_and_nothing_opens(purpose):
    gate = keeper(Vows(lockdown=True), purpose=purpose)
    assert gate.forbids(ALICE, "in") is None
    actions = gate.let_through(ALICE, at())
    assert (shown(actions), opens(actions)) == (["noted"], False)
    assert gate.tick(at(1.0), free_time=True) == ()


def test_under_a_threat_the_door_opens_as_ever_and_only_the_record_tells():
    calm, threatened = keeper(), keeper()
    usual = calm.let_through(ALICE, at())
    actions = threatened.let_through(Admit(b"alice---", "resident", duress=True), at())
    assert actions[: len(usual)] == usual
    assert told(actions) == ["pass.duress"]
    assert actions[-1].event.facts == {"pass": b"alice---".hex()}


# --- free passage --------------------------------------------------------------------


def test_in_its_hours_the_gate_stands_free_and_after_them_it_is_shut():
    gate = keeper(free_schedule=1)
    began = gate.tick(at(0.0), free_time=True)
    assert [type(action) for action in began] == [Record, HoldUnlocked, Show]
    assert (told(began), began[1].fire) == (["free.on"], False)
    assert gate.tick(at(1.0), free_time=True) == ()
    over = gate.tick(at(2.0))
    assert (over[0], told(over)) == (Lock(), ["free.off"])


def test_where_the_first_one_in_opens_for_all_nobody_passes_before_them_nor_the_next_day():
    gate = keeper(free_schedule=1, free_after_first=True)
    assert gate.tick(at(0.0), free_time=True) == ()
    gate.let_through(ALICE, at(1.0))
    assert told(gate.tick(at(2.0), free_time=True)) == ["free.on"]
    gate.tick(at(3.0))
    assert gate.tick(at(4.0), free_time=True) == ()


def test_a_lockdown_ends_free_passage_and_its_end_brings_it_back():
    gate = keeper(free_schedule=1)
    gate.tick(at(0.0), free_time=True)
    gate.hear(Order(lockdown=True), at(1.0))
    assert gate.tick(at(1.1), free_time=True)[0] == Lock()
    gate.hear(Order(lockdown=False), at(2.0))
    assert told(gate.tick(at(2.1), free_time=True)) == ["free.on"]


def test_after_a_fire_free_passage_comes_back_by_itself():
    gate = keeper(free_schedule=1)
    gate.tick(at(0.0), free_time=True)
    burning = gate.hear(on(Wire.FIRE), at(1.0))
    assert burning[0] == HoldUnlocked(fire=True)
    assert gate.tick(at(2.0), free_time=True) == ()
    gate.hear(off(Wire.FIRE), at(3.0))
    assert told(gate.tick(at(3.1), free_time=True)) == ["free.on"]


# --- the lock's monitor -------------------------------------------------------------


def test_a_lock_that_stays_released_is_an_alarm_where_it_is_watched_and_unknown_where_it_is_not():
    watched, unwatched = keeper(lock_monitored=True), keeper()
    for gate in (watched, unwatched):
        gate.hear(on(Wire.LOCK), at(0.0))
    alarm = watched.tick(at(60.0))
    assert (told(alarm), shown(alarm)) == (["lock.welded"], ["alarm"])
    watched.hear(off(Wire.LOCK), at(61.0))
    true = watched.tick(at(62.0))
    assert (told(true), shown(true)) == (["lock.true"], [])
    assert unwatched.tick(at(60.0)) == ()


# --- any day at all -------------------------------------------------------------------

THINGS = (
    st.builds(WireChanged, st.sampled_from(Wire), st.booleans())
    | st.builds(Order, st.booleans())
    | st.builds(MaintenanceOrder, st.booleans())
    | st.sampled_from([OpenOrder(), IdentifyOrder(), RelayLost("gone"), RelayBack(), ALICE, ALICE_OUT])
    | st.tuples(st.floats(0, 50), st.booleans())
)
RULES = st.builds(
    Rules,
    purpose=st.sampled_from(Purpose),
    free_schedule=st.just(1),
    free_after_first=st.booleans(),
    interlock=st.booleans(),
    most_inside=st.integers(0, 2),
    lock_monitored=st.booleans(),
)


@given(st.lists(THINGS, max_size=60), RULES)
def test_on_any_day_nothing_releases_the_lock_unrecorded_and_fire_comes_first(day, rules):  # noqa: C901  one story
    gate, mono, fire = Doorkeeper.at_start(TIMING, rules, Vows(), 0.0), 0.0, False
    released_until = 0.0
    for thing in day:
        if isinstance(thing, tuple):
            mono += thing[0]
            actions = gate.tick(at(mono), free_time=thing[1])
        elif isinstance(thing, Admit):
            if gate.forbids(thing, "both"):
                continue
            actions = (Record(None), *gate.let_through(thing, at(mono)))  # recorded by the gatekeeper
        else:
            actions = gate.hear(thing, at(mono))
        if thing == on(Wire.FIRE):
            assert fire or actions[0] == HoldUnlocked(fire=True)
            fire = True
        elif thing == off(Wire.FIRE):
            fire = False
        kinds = [type(action) for action in actions]
        for n, kind in enumerate(kinds):
            if kind is Unlock or (kind is HoldUnlocked and not actions[n].fire):
                assert Record in kinds[:n]
            if kind is Unlock:
                assert actions[n].for_s == TIMING.open_s
                released_until = mono + actions[n].for_s
            if kind is Lock:
                assert not fire
                released_until = 0.0
        if thing == on(Wire.EXIT):
            assert Unlock in kinds or gate.door.state in {State.FREE, State.RELEASED}
        assert (gate.door.state is State.RELEASED) == fire
        assert gate.door.pulse_until is None or gate.door.pulse_until == released_until
        assert kinds.count(Show) <= 1 + isinstance(thing, tuple) * 2
        assert gate.door.state in set(State)
