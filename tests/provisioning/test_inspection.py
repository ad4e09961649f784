"""A technician inspects a gate; the record is signed, and the office's feed tells of it once."""

import contextlib
import json

import pytest
from click.testing import CliRunner

from agent.config import load
from agent.core.keys import PublicKey, verify
from agent.stores.inspections import take
from agent.stores.journal_reader import JournalReader
from agent.wiring.gate import gate_process
from provisioning import identity, site_file, wire
from provisioning.bench import Refusal
from provisioning.cli import main
from provisioning.enrol import enrol

from .workbench import NORTH, Told, make_site


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    path = make_site(tmp_path_factory.mktemp("simulated") / "garden")
    path.write_text(
        path.read_text() + '[camera]\nkind = "sim"\nwidth_px = 320\nheight_px = 240\nfps = 15.0\n'
        '[gate.clock]\ntrust = "synced"\n'
    )
    return site_file.read(path)


def inspected(room, record, *steps, said="y\n" * 5):
    words = ["test", "--port", str(room.near), "--record", str(record)]
    for step in steps:
        words += ["--only", step]
    return CliRunner().invoke(main, words, input=said)


def told(config):
    """The inspections in the gate's journal."""
    with contextlib.closing(JournalReader(config.journal_file)) as reader:
        events = [json.loads(line) for _, line in reader.bodies()]
    return [event["data"] for event in events if event["type"] == "menshen.gate.inspected"]


def test_an_inspection_is_signed_by_the_kiosk_and_told_by_the_gate_once(room, cable, simulated, tmp_path):
    with room.serving(room.kiosk()):
        enrol(room.bench, simulated, NORTH, Told())
        done = inspected(room, tmp_path / "record.json", "clock", "disk", "light-green", "tone", "lock")
        assert done.output.splitlines()[-1] == "PASS  gate north of site garden: 5 steps", done.output
        failing = inspected(room, tmp_path / "bad.json", "light-red", "list", said="n\n" * 3)
        assert "FAIL  gate north failed its inspection: list, light-red" in failing.output
    record = wire.InspectionRecord.model_validate_json((tmp_path / "record.json").read_bytes())
    assert verify(
        PublicKey.parse(record.journal_key), bytes.fromhex(record.signature), wire.inspection_text(record)
    )
    config = load(room.etc / "gate.toml")
    for _ in range(2):  # the second start has nothing to tell
        with gate_process(config):
            pass
    events = told(config)
    assert sorted((event["passed"], event["failed"], event["steps"]) for event in events) == [
        (False, "list, light-red", 2),
        (True, "", 5),
    ]


def test_a_camera_that_sees_no_card_fails_and_the_record_says_at_which_distance(room, simulated, cable):
    with room.serving(room.kiosk()), room.bench() as bench:
        bench.hello()
        with pytest.raises(Refusal, match="enrol it first"):
            bench.call(wire.TEST_STEP, wire.TestStepParams(step="clock"))
    with room.serving(room.kiosk()):
        enrol(room.bench, simulated, NORTH, Told())
        with room.bench() as bench:
            bench.hello()
            found = bench.call(wire.TEST_STEP, wire.TestStepParams(step="camera"))
    assert "focus" in found.found


def test_after_half_an_hour_an_inspection_wants_a_technicians_proof(room, cable, simulated):
    with room.serving(room.kiosk()):
        enrol(room.bench, simulated, NORTH, Told())
    with room.serving(room.kiosk()), room.bench() as bench:  # a kiosk that was started anew does not remember
        bench.hello()
        with pytest.raises(Refusal, match="sealed"):
            bench.call(wire.TEST_STEP, wire.TestStepParams(step="lock"))


def test_a_record_that_somebody_else_left_is_not_told(room, cable, simulated, tmp_path):
    identity.make_journal_key(room.state)
    facts = {"site": "garden", "gate": "north", "passed": True, "steps": [], "by": "mallory", "at": "now"}
    for number, signature in enumerate(("00" * 64, "not hex", "")):
        (tmp_path / f"{number}.json").write_text(json.dumps({**facts, "signature": signature}))
    (tmp_path / "huge.json").write_bytes(b"[" * 20_000)
    journaled = []
    take(tmp_path, "garden", "north", lambda text: identity.sign_as_kiosk(room.state, text), journaled.append)
    take(tmp_path / "nowhere", "garden", "north", lambda _: b"", journaled.append)
    assert journaled == []
    assert list(tmp_path.glob("*.json")) == []
