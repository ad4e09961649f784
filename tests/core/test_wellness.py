"""What keeps a new release, and what sends it back."""

from dataclasses import replace

import pytest

from agent.core.health import GateHealth
from agent.core.wellness import ailments

WELL = GateHealth(version="0.2.0", door="locked", list=7, list_state="fresh", camera_fps=14.9)


def test_a_gate_that_sees_answers_and_writes_is_well():
    assert list(ailments(WELL, 3.0, "0.2.0", 7)) == []


@pytest.mark.parametrize(
    "as_before",
    [
        replace(WELL, door="held"),
        replace(WELL, door="forced"),
        replace(WELL, list_state="dead"),
        replace(WELL, list=None, list_state="none"),
        replace(WELL, clock="unknown"),
    ],
)
def test_what_no_release_has_broken_sends_none_back(as_before):
    assert list(ailments(as_before, 3.0, "0.2.0", None)) == []


@pytest.mark.parametrize(
    ("health", "age_s", "said"),
    [
        (GateHealth(), None, "gate: said nothing, wanted a word every 30 s"),
        (WELL, 300.0, "gate: said nothing for 300 s"),
        (replace(WELL, version="0.1.0"), 3.0, "gate: 0.1.0 still runs, wanted 0.2.0"),
        (replace(WELL, version=""), 3.0, "gate: an older release still runs"),
        (replace(WELL, mode="safe"), 3.0, "gate: it runs in safe mode"),
        (replace(WELL, camera_fps=0.0), 3.0, "camera: no pictures"),
        (replace(WELL, door="unknown"), 3.0, "door: nobody answers"),
        (replace(WELL, journal="late"), 3.0, "journal: the card"),
        (replace(WELL, list=None), 3.0, "list: list 7 is there, and the gate does not use it"),
    ],
)
def test_each_ailment_is_named(health, age_s, said):
    (found,) = ailments(health, age_s, "0.2.0", 7)
    assert found.startswith(said)
