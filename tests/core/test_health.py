"""A gate's health in one small message."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.health import MAX_BYTES, GateHealth, Machine, discovery, message, news_in
from agent.core.machine_watch import throttling
from tests.core.builders import NOON

WELL = GateHealth(at="x", door="locked", list=7, list_issued=NOON - 90, list_state="fresh", camera_fps=29.9)


def test_it_says_how_the_gate_does():
    said = json.loads(message(WELL, Machine(812, 51.2, 0), NOON, 3, "1.0"))
    assert said["at"] == "2026-03-02T12:00:00.000Z"
    assert (said["door"], said["list"], said["list_age_s"], said["queue"]) == ("locked", 7, 90, 3)
    assert (said["disk_free_mb"], said["temperature_c"], said["throttled"]) == (812, 51.2, "none")


def test_a_gate_that_has_said_nothing_is_unknown():
    said = json.loads(message(GateHealth(), Machine(), NOON, 0, "1.0"))
    assert (said["door"], said["list"], said["list_age_s"], said["throttled"]) == (
        "unknown",
        None,
        None,
        None,
    )


def test_it_is_small_whatever_it_says():
    assert len(message(WELL, Machine(10**9, -40.0, 0xFFFFF), NOON, 10**9, "1.2.3")) < 512


def test_only_what_has_weight_is_told_at_once():
    assert news_in(WELL, Machine(1, 2.0, 0)) == news_in(WELL, Machine(9, 9.0, 0))
    assert news_in(WELL, Machine(1, 2.0, 0)) != news_in(WELL, Machine(1, 2.0, 1))


@pytest.mark.parametrize(
    ("bits", "words"),
    [(None, None), (0, "none"), (0x50000, "none"), (0x5, "under-voltage throttled"), (8, "hot")],
)
def test_the_firmwares_bits_become_words(bits, words):
    assert throttling(bits) == words


def test_the_gates_file_comes_back_as_it_was_written():
    assert GateHealth.from_bytes(WELL.to_bytes()) == WELL


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"7", b'{"door":["open"]}', b'{"a":"' + b"x" * MAX_BYTES + b'"}', b"[" * 100_000],
    ids=len,
)
def test_what_is_no_health_is_refused(data):
    with pytest.raises(ValueError, match="not a gate's health"):
        GateHealth.from_bytes(data)


@given(st.binary(max_size=200))
def test_nothing_else_than_a_value_error_comes_of_any_bytes(data):
    with contextlib.suppress(ValueError):
        GateHealth.from_bytes(data)


def test_home_assistant_is_told_where_to_look():
    topic, said = discovery("homeassistant", "willow-court", "north", "1.0")
    assert topic == "homeassistant/device/menshen_willow_court_north/config"
    whole = json.loads(said)
    assert whole["availability_topic"] == "site/willow-court/gate/north/status"
    assert len({one["unique_id"] for one in whole["components"].values()}) == len(whole["components"])
