"""Buttons, contacts and loops, on every factory that is here; see tests.wires for the hand that moves them."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.notices import Wire, WireChanged
from hw.board import InputPart, load_board
from hw.debounce import Debouncer
from hw.hand import Hand
from hw.inputs import GpioInputs
from tests.pins import FACTORIES, open_factory, wires_of

STANDARD = load_board("simulator")
MONITORED = InputPart(pin=19, active="high", pull="down", debounce_ms=20)
BOARD = STANDARD.model_copy(update={"inputs": STANDARD.inputs.model_copy(update={"lock": MONITORED})})


@pytest.fixture
def mock():
    yield from open_factory("mock")


@pytest.fixture(params=FACTORIES)
def factory(request):
    yield from open_factory(request.param)


def put(factory, wire: Wire, active: bool) -> None:
    part = getattr(BOARD.inputs, wire)
    wires_of(factory).put(part.pin, high=active == (part.active == "high"))


def heard(inputs: GpioInputs, count: int, within_s: float = 5.0) -> list[WireChanged]:
    """Listen as the gate's loop does, until count notices came."""
    notices: list[WireChanged] = []
    end = time.monotonic() + within_s
    while len(notices) < count and time.monotonic() < end:
        notices += inputs.notices()
        time.sleep(0.01)
    return notices


def test_a_quiet_board_says_nothing_and_closes_twice(factory):
    inputs = GpioInputs(BOARD, factory)
    assert inputs.notices() == ()
    inputs.close()
    inputs.close()


@pytest.mark.parametrize("wire", list(Wire))
def test_each_wire_is_heard_in_and_out(factory, wire):
    inputs = GpioInputs(BOARD, factory)
    assert inputs.notices() == ()
    put(factory, wire, active=True)
    assert heard(inputs, 1) == [WireChanged(wire, active=True)]
    put(factory, wire, active=False)
    assert heard(inputs, 1) == [WireChanged(wire, active=False)]
    assert inputs.notices() == ()
    inputs.close()


def test_a_fire_that_burns_at_the_start_is_the_first_notice(factory):
    quiet = GpioInputs(BOARD, factory)
    quiet.close()
    for wire in Wire:
        factory.pin(getattr(BOARD.inputs, wire).pin)
    part = BOARD.inputs.fire.model_copy(update={"pull": "up"})
    board = BOARD.model_copy(update={"inputs": BOARD.inputs.model_copy(update={"fire": part})})
    inputs = GpioInputs(board, factory)  # the loop is cut: the pull-up wins
    assert inputs.notices() == (WireChanged(Wire.FIRE, active=True),)
    assert inputs.notices() == ()
    inputs.close()


def test_an_exit_button_held_down_at_the_start_does_not_open(factory):
    part = BOARD.inputs.exit.model_copy(update={"pull": "down"})
    board = BOARD.model_copy(update={"inputs": BOARD.inputs.model_copy(update={"exit": part})})
    inputs = GpioInputs(board, factory)
    time.sleep(0.05)
    assert inputs.notices() == ()
    put(factory, Wire.EXIT, active=False)
    put_after = heard(inputs, 1)
    put(factory, Wire.EXIT, active=True)
    assert [*put_after, *heard(inputs, 1)] == [
        WireChanged(Wire.EXIT, active=False),
        WireChanged(Wire.EXIT, active=True),
    ]
    inputs.close()


def test_a_press_that_came_and_went_while_the_loop_hung_is_still_heard(factory):
    inputs = GpioInputs(BOARD, factory)
    put(factory, Wire.EXIT, active=True)
    time.sleep(0.4)
    put(factory, Wire.EXIT, active=False)
    time.sleep(0.1)
    assert inputs.notices() == (
        WireChanged(Wire.EXIT, active=True),
        WireChanged(Wire.EXIT, active=False),
    )
    inputs.close()


def test_a_lost_edge_costs_one_look_and_never_a_state(factory):
    inputs = GpioInputs(BOARD, factory)
    pin = factory.pin(BOARD.inputs.door.pin)
    pin.when_changed = None  # as if the kernel's event were lost
    put(factory, Wire.DOOR, active=True)
    assert heard(inputs, 1) == [WireChanged(Wire.DOOR, active=True)]
    inputs.close()


def test_a_bouncing_contact_is_one_change(factory):
    slow = BOARD.inputs.door.model_copy(update={"debounce_ms": 200})
    board = BOARD.model_copy(update={"inputs": BOARD.inputs.model_copy(update={"door": slow})})
    inputs = GpioInputs(board, factory)
    for _ in range(20):
        put(factory, Wire.DOOR, active=True)
        put(factory, Wire.DOOR, active=False)
    put(factory, Wire.DOOR, active=True)
    assert heard(inputs, 2, within_s=0.5) == [WireChanged(Wire.DOOR, active=True)]
    inputs.close()


def test_what_happened_first_is_told_first(factory):
    inputs = GpioInputs(BOARD, factory)
    for wire in (Wire.FIRE, Wire.DOOR, Wire.EXIT):
        put(factory, wire, active=True)
        time.sleep(0.01)
    time.sleep(0.1)
    assert [notice.wire for notice in inputs.notices()] == [Wire.FIRE, Wire.DOOR, Wire.EXIT]
    inputs.close()


def test_a_storm_with_nobody_listening_is_bounded_and_ends_in_the_truth(factory):
    eager = BOARD.inputs.door.model_copy(update={"debounce_ms": 0})
    board = BOARD.model_copy(update={"inputs": BOARD.inputs.model_copy(update={"door": eager})})
    inputs = GpioInputs(board, factory)
    for _ in range(500):
        put(factory, Wire.DOOR, active=True)
        put(factory, Wire.DOOR, active=False)
    put(factory, Wire.DOOR, active=True)
    notices = heard(inputs, 1) + list(inputs.notices())
    assert len(notices) <= 66
    assert [notice.active for notice in notices] == [n % 2 == 0 for n in range(len(notices))]
    assert notices[-1].active
    inputs.close()


def test_edges_from_another_thread_and_the_loop_do_not_trip_over_each_other(factory):
    inputs = GpioInputs(BOARD, factory)

    def fidget() -> None:
        for n in range(300):
            put(factory, Wire.DOOR, active=n % 2 == 0)

    thread = threading.Thread(target=fidget)
    thread.start()
    while thread.is_alive():
        inputs.notices()
    thread.join()
    put(factory, Wire.DOOR, active=False)
    heard(inputs, 1, within_s=0.2)
    inputs.close()


def test_an_unreadable_wire_is_no_exception_in_the_loop(factory):
    inputs = GpioInputs(BOARD, factory)
    inputs.close()
    assert inputs.notices() == ()


def test_a_board_without_inputs_is_a_board(mock):
    bare = BOARD.model_copy(update={"inputs": type(BOARD.inputs)()})
    inputs = GpioInputs(bare, mock)
    assert inputs.notices() == ()
    inputs.close()
    with pytest.raises(LookupError, match=r"add inputs\.fire"):
        Hand(bare, mock).put(Wire.FIRE, active=True)


@given(
    steps=st.lists(st.tuples(st.booleans(), st.integers(1, 500)), max_size=60),
    lasting_ms=st.integers(0, 200),
)
def test_whatever_lasts_is_told_once_and_what_does_not_is_not(steps, lasting_ms):
    """Against the plain reading: merge equal neighbours, keep what lasted, merge again."""
    debouncer = Debouncer(lasting_ms, settled=False, level=False, since=0)
    now, told = 0, []
    runs = [[False, 0]]
    for level, lasts_ms in steps:
        if news := debouncer.at(level, now):
            told.append(news[0])
        now += lasts_ms
        if level == runs[-1][0]:
            runs[-1][1] += lasts_ms
        else:
            runs.append([level, lasts_ms])
    if news := debouncer.at(debouncer.level, now):
        told.append(news[0])
    expected, state = [], False
    for level, lasts_ms in runs:
        if lasts_ms >= lasting_ms and level != state:
            state = level
            expected.append(level)
    assert told == expected
