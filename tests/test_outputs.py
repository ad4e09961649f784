"""The lock, the lamps and the buzzer, on every factory that is here."""

import threading
import time
from collections.abc import Callable

import pytest
from gpiozero.pins.mock import MockFactory

from agent.core.answers import REFUSALS, WELCOME, Beat, Light, Pattern
from agent.core.decision import Reason
from hw.board import Board, load_board
from hw.outputs import GpioOutputs, rest_pins
from hw.pins import SimulatedPin
from tests.pins import FACTORIES, open_factory, wires_of
from tests.wires import MockWires, Wires

CEILING_S = 0.4


@pytest.fixture(params=FACTORIES)
def factory(request):
    yield from open_factory(request.param)


@pytest.fixture
def mock():
    yield from open_factory("mock")


@pytest.fixture
def wires(factory) -> Wires:
    """What hangs on the pins: on a real chip it is the kernel that tells."""
    return wires_of(factory)


@pytest.fixture(params=["reference", "relay-hat-3"])
def board(request) -> Board:
    return short(load_board(request.param))


def short(board: Board) -> Board:
    """The same board with a ceiling that a test can wait for."""
    return board.model_copy(update={"relay": board.relay.model_copy(update={"pulse_ceiling_s": CEILING_S})})


class Diary:
    """An on_change that writes everything down."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, bool | int]] = []

    def __call__(self, name: str, value: bool | int) -> None:
        self.lines.append((name, value))

    def of(self, name: str) -> list[bool | int]:
        return [value for other, value in self.lines if other == name]


def energised(board: Board, wires: Wires) -> bool:
    return wires.level(board.relay.pin) == (board.relay.active == "high")


def soon(true: Callable[[], bool], within_s: float = 5.0) -> bool:
    end = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def test_starting_and_stopping_never_pulses_the_lock(board, factory, wires):
    for _ in range(5):
        outputs = GpioOutputs(board, factory)
        outputs.close()
    at_rest = 0.0 if board.relay.active == "high" else 1.0
    drove = wires.drove(board.relay.pin)
    assert drove
    assert set(drove) == {at_rest}


def test_no_lamp_or_tone_is_given_at_start(board, factory, wires):
    outputs = GpioOutputs(board, factory)
    for pin in (board.lamps.red.pin, board.lamps.green.pin, board.buzzer.pin):
        assert set(wires.drove(pin)) == {0.0}
    outputs.close()


def test_a_pass_opens_and_the_lock_falls_shut_by_itself(board, factory, wires):
    outputs = GpioOutputs(board, factory)
    assert not energised(board, wires)
    outputs.unlock(CEILING_S)
    assert energised(board, wires)
    assert soon(lambda: not energised(board, wires))
    assert not outputs.released
    outputs.close()


def test_the_pulse_ends_at_the_ceiling_though_the_caller_asked_for_an_hour_and_hangs(board, factory, wires):
    outputs = GpioOutputs(board, factory)
    outputs.unlock(3600)
    time.sleep(3 * CEILING_S)  # the caller does nothing at all
    assert not energised(board, wires)
    outputs.close()


def test_a_caller_gone_mad_can_not_hold_the_lock_open(board, factory):
    diary = Diary()
    outputs = GpioOutputs(board, factory, diary)
    for _ in range(60):
        outputs.unlock(3600)
        time.sleep(CEILING_S / 20)
    assert diary.of("relay")[:2] == [True, False]
    outputs.close()


def test_a_second_pass_while_open_moves_the_end_without_a_second_click(board, factory):
    diary = Diary()
    outputs = GpioOutputs(load_board("simulator"), factory, diary)
    outputs.unlock(0.05)
    outputs.unlock(5.0)
    time.sleep(0.15)
    assert outputs.released
    outputs.unlock(0.01)
    assert soon(lambda: not outputs.released)
    outputs.close()
    assert diary.of("relay") == [True, False]


@pytest.mark.parametrize("for_s", [0, -1, float("nan"), float("-inf")])
def test_a_time_that_is_none_opens_nothing(board, factory, for_s, wires):
    outputs = GpioOutputs(board, factory)
    outputs.unlock(for_s)
    assert not energised(board, wires)
    outputs.close()


def test_a_fire_holds_the_lock_released_beyond_the_ceiling_until_it_is_over(board, factory, wires):
    outputs = GpioOutputs(board, factory)
    outputs.hold_unlocked()
    outputs.unlock(0.01)  # a pass meanwhile must not end it
    time.sleep(2 * CEILING_S)
    assert energised(board, wires)
    outputs.lock()
    assert not energised(board, wires)
    outputs.close()


def test_locking_cuts_a_pulse_short(board, factory, wires):
    outputs = GpioOutputs(board, factory)
    outputs.unlock(CEILING_S)
    outputs.lock()
    assert not energised(board, wires)
    outputs.close()


def test_closing_while_open_rests_the_lock_and_twice_is_once(board, factory, wires):
    outputs = GpioOutputs(board, factory)
    outputs.unlock(CEILING_S)
    outputs.show(WELCOME)
    outputs.close()
    outputs.close()
    assert not energised(board, wires)
    outputs.unlock(CEILING_S)
    assert not energised(board, wires)


def test_after_a_crash_the_pins_are_rested(board, factory, wires):
    pin = factory.pin(board.relay.pin)
    pin.output_with_state(board.relay.active == "high")  # what a killed gate left behind
    assert energised(board, wires)
    rest_pins(board, factory)
    assert pin.function == "output"
    assert not energised(board, wires)


def test_an_answer_is_light_and_sound_and_then_dark(factory):
    diary = Diary()
    outputs = GpioOutputs(load_board("simulator"), factory, diary)
    outputs.show(Pattern("one", (Beat(0.03, Light.RED, 330), Beat(0.03), Beat(0.03, Light.GREEN, 880))))
    assert soon(lambda: diary.lines[-1:] == [("tone", 0)] and len(diary.lines) == 8)
    assert diary.lines == [
        ("red", True), ("tone", 330), ("red", False), ("tone", 0),
        ("green", True), ("tone", 880), ("green", False), ("tone", 0),
    ]  # fmt: skip
    outputs.close()


def test_the_newest_answer_takes_the_place_of_the_running_one(factory):
    diary = Diary()
    outputs = GpioOutputs(load_board("simulator"), factory, diary)
    outputs.show(Pattern("long", (Beat(60.0, Light.RED, 330),)))
    assert soon(lambda: diary.of("red") == [True])
    asked = time.monotonic()
    outputs.show(WELCOME)
    assert soon(lambda: diary.of("green") == [True])
    assert time.monotonic() - asked < 1.0  # 200 ms on a quiet machine
    assert diary.of("red") == [True, False]
    outputs.close()
    assert diary.of("green") == [True, False]


def test_a_person_at_the_panel_sees_the_lamp_that_the_board_wires(board, factory, wires):
    outputs = GpioOutputs(board, factory)
    outputs.show(Pattern("green", (Beat(60.0, Light.GREEN),)))
    assert soon(lambda: wires.level(board.lamps.green.pin))
    assert not wires.level(board.lamps.red.pin)
    outputs.close()
    assert not wires.level(board.lamps.green.pin)


def test_the_piezo_plays_the_tone_that_was_asked_for(mock):
    board = load_board("simulator")
    outputs = GpioOutputs(board, mock)
    pin = mock.pin(board.buzzer.pin)
    outputs.show(Pattern("tone", (Beat(60.0, None, 880),)))
    assert soon(lambda: (pin.frequency, pin.state) == (880, 0.5))
    outputs.close()
    assert pin.state == 0


@pytest.mark.parametrize("factory", ["lgpio"], indirect=True)
def test_a_tone_is_on_the_wire_and_ends_in_silence_at_rest(factory, wires):
    """On a real chip a tone is a level that changes, hundreds of times a second."""
    board = load_board("simulator")
    outputs = GpioOutputs(board, factory)
    began = time.monotonic()
    outputs.show(Pattern("tone", (Beat(60.0, None, 330),)))
    assert soon(lambda: wires.drove(board.buzzer.pin).count(1.0) >= 100)
    sounded_s = time.monotonic() - began
    outputs.close()
    assert not wires.level(board.buzzer.pin)
    played = wires.drove(board.buzzer.pin)
    assert played.count(1.0) < 2 * 330 * sounded_s + 10
    time.sleep(0.1)
    assert wires.drove(board.buzzer.pin) == played, "it still sounds after the end"


def test_a_buzzer_without_tones_is_on_or_off(factory, wires):
    board = load_board("simulator")
    board = board.model_copy(
        update={"buzzer": board.buzzer.model_copy(update={"tone": False, "active": "low"})}
    )
    outputs = GpioOutputs(board, factory)
    assert wires.level(board.buzzer.pin)
    outputs.show(Pattern("tone", (Beat(60.0, None, 880),)))
    assert soon(lambda: not wires.level(board.buzzer.pin))
    outputs.close()
    assert wires.level(board.buzzer.pin)


def test_a_board_without_a_white_lamp_still_answers(factory):
    board = load_board("simulator")
    board = board.model_copy(update={"lamps": board.lamps.model_copy(update={"white": None})})
    diary = Diary()
    outputs = GpioOutputs(board, factory, diary)
    outputs.show(Pattern("white", (Beat(0.01, Light.WHITE), Beat(0.01, Light.GREEN))))
    assert soon(lambda: diary.lines == [("green", True), ("green", False)])
    outputs.close()


def test_every_refusal_can_be_played_and_interrupted(factory):
    outputs = GpioOutputs(load_board("simulator"), factory)
    for reason in Reason:
        outputs.show(REFUSALS[reason])
    outputs.close()


class StiffPin(SimulatedPin):
    """A pin that refuses some writes, as a chip does whose driver is in trouble."""

    refusals = 0

    def _set_state(self, value):
        if type(self).refusals > 0 and self.function == "output":
            type(self).refusals -= 1
            raise OSError("no such device")
        super()._set_state(value)


def test_a_pin_that_refuses_to_rest_is_told_again_until_it_does(board):
    with MockFactory(pin_class=StiffPin) as factory:
        outputs = GpioOutputs(board, factory)
        outputs.unlock(CEILING_S)
        StiffPin.refusals = 3
        outputs.lock()  # refused, and no exception reaches the gate's loop
        assert energised(board, MockWires(factory))
        assert soon(lambda: not energised(board, MockWires(factory)))
        assert not outputs.released
        outputs.close()


def test_a_lamp_that_fails_costs_nobody_the_lock(board):
    with MockFactory(pin_class=StiffPin) as factory:
        outputs = GpioOutputs(board, factory)
        StiffPin.refusals = 2
        outputs.show(WELCOME)
        assert soon(lambda: StiffPin.refusals == 0)
        outputs.unlock(0.05)
        assert soon(lambda: not energised(board, MockWires(factory)))
        outputs.close()


def test_a_listener_that_raises_changes_nothing(board, factory, wires):
    def broken(_name: str, _value: bool | int) -> None:
        raise RuntimeError("the log is full")

    outputs = GpioOutputs(board, factory, broken)
    outputs.unlock(0.05)
    outputs.show(WELCOME)
    assert soon(lambda: not energised(board, wires))
    outputs.close()


def test_a_listener_that_hangs_can_not_hold_the_lock_open(board, factory, wires):
    forever = threading.Event()
    outputs = GpioOutputs(board, factory, lambda _name, _value: forever.wait(20) and None)
    for _ in range(2):
        outputs.unlock(CEILING_S)
        assert energised(board, wires)
        assert soon(lambda: not energised(board, wires))
    forever.set()
    outputs.close()


def test_a_change_is_told_before_the_call_that_made_it_returns(factory):
    diary = Diary()
    outputs = GpioOutputs(load_board("simulator"), factory, diary)
    outputs.unlock(1.0)
    assert diary.lines == [("relay", True)]
    outputs.lock()
    assert diary.lines == [("relay", True), ("relay", False)]
    outputs.close()


def test_two_simulated_gates_live_side_by_side():
    factories = [open_factory("mock"), open_factory("mock")]
    first, second = (next(factory) for factory in factories)
    board = load_board("simulator")
    north, south = GpioOutputs(board, first), GpioOutputs(board, second)
    north.unlock(1.0)
    assert (energised(board, MockWires(first)), energised(board, MockWires(second))) == (True, False)
    north.close()
    south.close()
    for factory in factories:
        assert next(factory, None) is None
