"""The demonstration: it must end well when all is well, and badly when it is not."""

import json
import os
import subprocess
import sys
from contextlib import closing

from agent.core.events import Event, Kind
from agent.demo.cast import ADMITTED, GATES, PEOPLE, Turn, scenes
from agent.demo.scene import Scene, pattern
from agent.demo.verdict import judge
from agent.stores.journal import JournalStore
from agent.stores.journal_reader import JournalReader
from tests.core.builders import at, ed25519
from tests.house import SITE, House

TURNS = {"north": [Turn("north", "Li Ming", ADMITTED), Turn("north", "Gao Jie", "revoked")]}


def played(tmp_path, *answers: str):
    """A gate whose journal holds these answers, and the feed of an office that has all of it."""
    gate = House(tmp_path).enrol("north")
    gate.config.journal_file.parent.mkdir()
    with closing(JournalStore(gate.config.journal_file, SITE, "north", ed25519("k").sign)) as journal:
        journal.begin_epoch(at(0))
        for answer in answers:
            kind = Kind.ADMITTED if answer == ADMITTED else Kind.REFUSED
            journal.append(
                [Event(kind, at(1), {"pass": "00" * 8} if kind is Kind.ADMITTED else {"reason": answer})]
            )
    with closing(JournalReader(gate.config.journal_file)) as journal:
        ids = [json.loads(body)["id"].split("/") for _, body in journal.bodies()]
    return {"north": gate.toml}, [{"gate": "north", "epoch": epoch, "seq": int(seq)} for epoch, seq in ids]


def test_all_right_is_all_right(tmp_path):
    configs, feed = played(tmp_path, ADMITTED, "revoked")
    verdict = judge(TURNS, configs, feed)
    assert verdict.faults == ()
    assert (verdict.answers, verdict.events) == ({ADMITTED: 1, "revoked": 1}, 3)


def test_a_wrong_decision_is_found(tmp_path):
    configs, feed = played(tmp_path, ADMITTED, ADMITTED)
    assert judge(TURNS, configs, feed).faults == (
        "gate north: wanted admitted, revoked; it answered admitted, admitted",
    )


def test_an_answer_missed_or_given_twice_is_found(tmp_path):
    configs, feed = played(tmp_path, ADMITTED, "revoked", "revoked")
    assert "it answered admitted, revoked, revoked" in judge(TURNS, configs, feed).faults[0]


def test_an_event_lost_doubled_foreign_or_out_of_order_is_found(tmp_path):
    configs, feed = played(tmp_path, ADMITTED, "revoked")
    assert "lacks 1 of 3" in judge(TURNS, configs, feed[:2]).faults[0]
    assert "twice" in judge(TURNS, configs, [*feed, feed[0]]).faults[0]
    assert "never wrote" in judge(TURNS, configs, [*feed, {**feed[0], "seq": 99}]).faults[0]
    assert "another order" in judge(TURNS, configs, [feed[1], feed[0], feed[2]]).faults[0]


def test_every_person_and_gate_in_the_cast_is_on_the_books():
    turns = [turn for _, turn in scenes(300)]
    assert {turn.gate for turn in turns} == set(GATES)
    assert {turn.who for turn in turns if turn.trick not in {"poster", "unknown"}} <= set(PEOPLE)
    assert len({turn.answer for turn in turns}) >= 10


def test_what_a_bystander_sees_is_told_once():
    scene = Scene()
    refused = json.dumps({"event": "pass.refused", "reason": "revoked"})
    flash = json.dumps({"event": "output.changed", "output": "red", "value": True})
    assert scene.hear_gate("north", refused) == "refuses: revoked"
    assert scene.hear_gate("north", flash) == f"red light {pattern('revoked')}"
    assert scene.hear_gate("north", flash) == ""
    assert scene.hear_gate("north", "Segmentation fault") == "Segmentation fault"


def test_the_demonstration_plays_in_a_pipe_and_ends_well():
    done = subprocess.run(
        [sys.executable, "-m", "agent.demo"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        env={**os.environ, "DEMO_SECONDS": "9"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "every decision right, every event in the office once and in order"
    assert "\x1b[" not in done.stdout
    for words in ("lock released", "refuses: expired", "office  ", "admitted  Li Ming"):
        assert words in done.stdout


def test_a_length_that_is_no_number_is_a_sentence():
    done = subprocess.run(
        [sys.executable, "-m", "agent.demo"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DEMO_SECONDS": "soon"},
    )
    assert (done.returncode, done.stderr) == (2, "DEMO_SECONDS: found 'soon', wanted a number of seconds\n")
