"""The two ways in which the office reads a line find the same."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.events import Event, Fact, Kind, Place, body
from agent.core.moments import Moment
from office.ingest.line import UNREADABLE, columns, read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)
GOOD = {
    "specversion": "1.0",
    "type": "menshen.pass.refused",
    "time": "2026-03-02T07:30:00.125Z",
    "data": {"clock": "synced", "reason": "expired", "pass": "00c0ffee00c0ffee", "late": True},
}
ORDINARY = json.dumps(GOOD).encode()


def both(line: bytes) -> tuple[float, str, str, str]:
    slow = read(line)
    slowly = (slow.at_utc, slow.kind, slow.reason, slow.pass_id)
    alone, between = columns([line]), columns([ORDINARY, line])
    assert [*zip(*alone, strict=True)] == [slowly]
    assert [*zip(*between, strict=True)][1] == slowly
    return slowly


def test_an_ordinary_event() -> None:
    assert both(json.dumps(GOOD).encode()) == (
        1772436600.125,
        "pass.refused",
        "expired",
        "00c0ffee00c0ffee",
    )


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_event(kind: Kind) -> None:
    facts: dict[str, Fact] = {"reason": "expired", "pass": "00c0ffee00c0ffee", "note": "ünïcode 门"}
    line = body(Event(kind, Moment(1772436600.5, 0.0), facts), Place("s", "g", "0" * 16, 1))
    assert both(line) == (1772436600.5, kind, "expired", "00c0ffee00c0ffee")


@pytest.mark.parametrize(
    "time",
    [
        "2026-03-02T07:30:00+08:00",
        "2026-03-02T07:30:00",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "1969-12-31T23:59:59Z",
        "2026-03-02 07:30:00Z",
        "2026-03-02",
        "yesterday",
        5,
        None,
    ],
)
def test_every_time_of_day(time: object) -> None:
    both(json.dumps({**GOOD, "time": time}).encode())


@settings(deadline=None)
@given(st.sampled_from(["type", "time", "data"]), JSON)
def test_any_field_of_a_wrong_shape(name: str, value: object) -> None:
    both(json.dumps({**GOOD, name: value}).encode())


@settings(deadline=None)
@given(st.sampled_from(["reason", "pass", "clock"]), JSON)
def test_any_fact_of_a_wrong_shape(name: str, value: object) -> None:
    both(json.dumps({**GOOD, "data": {"reason": "expired", name: value}}).encode())


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_anything_at_all(line: bytes) -> None:
    assert both(line)[1] == UNREADABLE
