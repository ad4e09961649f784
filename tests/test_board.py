"""What an installer writes into a board file, and what is said about it."""

import tomllib

import pytest

from hw.board import BOARDS, Board, BoardFault, board_names, check_board, load_board


def reference() -> dict:
    return tomllib.loads((BOARDS / "reference.toml").read_text()) | {"name": "reference"}


@pytest.mark.parametrize("name", board_names())
def test_every_board_that_ships_is_sound(name):
    board = load_board(name)
    assert board.name == name
    assert 0 < board.relay.pulse_ceiling_s <= 30


def test_the_three_boards_are_there():
    assert {"reference", "relay-hat-3", "simulator"} <= set(board_names())


def test_the_hat_is_driven_as_its_maker_says():
    relay = load_board("relay-hat-3").relay
    assert (relay.pin, relay.active) == (26, "low")


def test_an_installers_own_file_takes_its_name_from_the_file(tmp_path):
    own = tmp_path / "north-gate.toml"
    own.write_text((BOARDS / "reference.toml").read_text())
    assert load_board(own).name == "north-gate"
    assert load_board(str(own)) == load_board(own)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(BoardFault, match="known are reference, relay-hat-3, simulator"):
        load_board("referense")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "can't be read"),
        (b"pin = = 3", "is not TOML"),
        (b"\xff\xfe", "is not TOML"),
        (b"#" * 9_000, "larger than"),
    ],
)
def test_a_file_that_is_no_board_is_a_sentence(tmp_path, content, said):
    path = tmp_path / "own.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BoardFault, match=said):
        load_board(path)


def test_every_fault_is_named_with_key_value_and_what_is_allowed():
    raw = reference()
    raw["relay"] |= {"pulse_ceiling_s": 45, "active": "hi"}
    raw["buzzer"]["pin"] = True
    raw["inputs"]["fire"]["debounce_ms"] = 900
    raw["lamps"]["gren"] = raw["lamps"].pop("green")
    faults = check_board(raw)
    assert sorted(faults) == sorted(
        [
            'relay.active = \'hi\' is not allowed; allowed: "high" or "low"',
            "relay.pulse_ceiling_s = 45 is not allowed; allowed: seconds, more than 0, at most 30",
            "buzzer.pin = True is not allowed; allowed: a GPIO (BCM) number, 2 to 27 without 14 and 15",
            "inputs.fire.debounce_ms = 900 is not allowed; allowed: milliseconds, 0 to 200 (400 ms must still be seen)",
            "lamps.gren = {'pin': 27} is not a key of a board; allowed here: red, green, white",
            "lamps.green is missing; allowed: a table with pin, active",
        ]
    )


def test_a_board_without_a_ceiling_is_refused():
    raw = reference()
    del raw["relay"]["pulse_ceiling_s"]
    assert check_board(raw) == (
        "relay.pulse_ceiling_s is missing; allowed: seconds, more than 0, at most 30",
    )


@pytest.mark.parametrize("ceiling", [0, -1, 30.1, float("inf"), float("nan"), "5", None])
def test_no_ceiling_outside_its_bounds_passes(ceiling):
    raw = reference()
    raw["relay"]["pulse_ceiling_s"] = ceiling
    (fault,) = check_board(raw)
    assert fault.startswith("relay.pulse_ceiling_s")


@pytest.mark.parametrize(
    ("pin", "why"),
    [
        (0, "EEPROM"),
        (1, "EEPROM"),
        (14, "serial console"),
        (15, "serial console"),
        (28, "camera"),
        (44, "camera"),
        (41, "header"),
        (-1, "header"),
    ],
)
def test_a_pin_that_is_taken_says_by_what(pin, why):
    raw = reference()
    raw["lamps"]["red"]["pin"] = pin
    (fault,) = check_board(raw)
    assert fault.startswith(f"lamps.red.pin = {pin} is")
    assert why in fault


def test_no_pin_serves_twice():
    raw = reference()
    raw["inputs"]["door"]["pin"] = raw["inputs"]["fire"]["pin"] = raw["relay"]["pin"]
    assert check_board(raw) == (
        "relay.pin and inputs.door.pin and inputs.fire.pin are the same, 17; allowed: each pin once",
    )


def test_a_lock_may_not_hang_on_a_pin_that_is_pulled_up_at_boot():
    raw = reference()
    raw["relay"]["pin"] = 4
    (fault,) = check_board(raw)
    assert "release an active-high lock at every boot" in fault
    raw["relay"]["active"] = "low"
    assert check_board(raw) == ()


def test_faults_of_shape_do_not_hide_faults_of_wiring():
    raw = reference()
    raw["relay"]["active"] = "hi"
    raw["lamps"]["red"]["pin"] = 14
    assert len(check_board(raw)) == 2


@pytest.mark.parametrize(
    "raw", [{}, {"relay": 3}, {"relay": []}, {"lamps": {"red": {"pin": "x"}}}, {"inputs": None}]
)
def test_rubbish_is_faulted_never_raised(raw):
    assert check_board(raw)


def test_a_bottomless_file_is_faulted_in_few_words(tmp_path):
    path = tmp_path / "deep.toml"
    path.write_text(f"{'a.' * 3_500}pin = 1\ntitle = '{'x' * 1_000}'")
    with pytest.raises(BoardFault) as fault:
        load_board(path)
    assert len(str(fault.value)) < 2_000


def test_a_board_made_in_code_is_held_to_the_same_rules():
    board = load_board("reference")
    with pytest.raises(ValueError, match="same, 22"):
        Board.model_validate(
            board.model_dump() | {"relay": {"pin": 22, "active": "high", "pulse_ceiling_s": 1.0}}
        )
