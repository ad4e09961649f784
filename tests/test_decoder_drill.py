"""A real abort inside a decoder, in a whole gate process, started again as its unit says."""

import contextlib
import sqlite3

import pytest

from agent.vision.crash_note import CrashNote
from agent.vision.stages import zbar
from tests.decoder_drill import ONE_LIBRARY, Unit, a_gate, recovered


def test_a_picture_that_aborts_a_decoder_costs_one_restart_and_is_answered(tmp_path):
    gate = a_gate(tmp_path)
    seen = recovered(gate, ["a"], most_deaths=1)
    assert seen.deaths == 1
    with contextlib.closing(sqlite3.connect(gate.config.journal_file)) as journal:
        (admitted,) = journal.execute(
            "SELECT count(*) FROM event WHERE tail LIKE 'pass.admitted%'"
        ).fetchone()
        (starts,) = journal.execute("SELECT count(*) FROM epoch").fetchone()
    assert admitted >= 1
    assert starts == 2  # the picture stayed before the camera, and killed the gate once
    assert CrashNote(gate.config.state / "gate" / "looking").crashes == 1


@pytest.mark.skipif(zbar.why_refused() is not None, reason=str(zbar.why_refused()))
def test_a_picture_that_aborts_every_stage_of_a_library_costs_two_and_the_other_library_reads_it(tmp_path):
    assert recovered(a_gate(tmp_path), ONE_LIBRARY, most_deaths=2).deaths == 2


def test_it_is_started_again_as_the_unit_says(tmp_path):
    unit = Unit.of(a_gate(tmp_path))
    assert unit.gate[-3:] == ["gate", "--config", str(tmp_path / "poisoned" / "gate.toml")]
    assert unit.rest[1:] == ["rest-pins", "--config", str(tmp_path / "poisoned" / "gate.toml")]
    assert unit.restart_s == 1.0
