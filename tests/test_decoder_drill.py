"""A real abort inside a decoder, in a whole gate: the eye dies, the gate does not."""

import contextlib
import sqlite3

import pytest

from agent.vision.crash_note import CrashNote
from agent.vision.stages import zbar
from tests.decoder_drill import ONE_LIBRARY, Unit, a_gate, recovered, restarted
from tests.test_gate_process import events_of


def starts_of(gate):
    with contextlib.closing(sqlite3.connect(gate.config.journal_file)) as journal:
        return journal.execute("SELECT count(*) FROM epoch").fetchone()[0]


def faults_of(gate):
    return [event["data"] for event in events_of(gate) if event["type"] == "menshen.gate.fault"]


def test_a_picture_that_aborts_a_decoder_costs_an_eye_and_the_same_gate_answers_it(tmp_path):
    gate = a_gate(tmp_path)
    assert recovered(gate, ["a"]).deaths == 1
    assert starts_of(gate) == 1
    (fault,) = faults_of(gate)
    assert fault["fault"] == "DecoderLost"
    assert fault["why"] == (
        "the reading process died of SIGABRT in zxing-cpp/a, which sits out; another one reads on"
    )
    kinds = [event["type"].removeprefix("menshen.") for event in events_of(gate)]
    assert kinds.index("gate.fault") < kinds.index("pass.admitted")
    assert "relay.lost" not in kinds
    assert CrashNote(gate.config.state / "gate" / "looking").crashes == 1


def test_a_picture_that_hangs_a_decoder_costs_an_eye_and_the_same_gate_answers_it(tmp_path):
    gate = a_gate(tmp_path)
    assert recovered(gate, ["a"], "hang").deaths == 1
    assert starts_of(gate) == 1
    (fault,) = faults_of(gate)
    assert "was not done after" in fault["why"]


@pytest.mark.skipif(zbar.why_refused() is not None, reason=str(zbar.why_refused()))
def test_a_picture_that_aborts_every_stage_of_a_library_costs_two_and_the_other_library_reads_it(tmp_path):
    gate = a_gate(tmp_path)
    assert recovered(gate, ONE_LIBRARY).deaths == 2
    assert starts_of(gate) == 1
    assert len(faults_of(gate)) == 1, "one event in ten seconds"


def test_a_gate_that_is_killed_itself_is_started_again_as_the_unit_says_and_answers(tmp_path):
    gate = a_gate(tmp_path)
    assert restarted(gate).wall_s > Unit.of(gate).restart_s
    assert starts_of(gate) == 2


def test_it_is_started_again_as_the_unit_says(tmp_path):
    unit = Unit.of(a_gate(tmp_path))
    assert unit.gate[-3:] == ["gate", "--config", str(tmp_path / "poisoned" / "gate.toml")]
    assert unit.rest[1:] == ["rest-pins", "--config", str(tmp_path / "poisoned" / "gate.toml")]
    assert unit.restart_s == 1.0
