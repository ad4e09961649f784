"""menshen-agent doctor and support, on a gate that was enrolled and has run."""

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from dataclasses import replace

import pytest

from agent.core.events import Event, Kind
from agent.core.health import GateHealth
from agent.core.moments import Moment, Trust
from agent.stores import link, vitals
from agent.stores.journal import JournalStore
from agent.wiring.version import installed_version
from tests.core.builders import id_of
from tests.house import SITE, House

WELL = GateHealth(
    version=installed_version(), door="locked", list=1, list_state="fresh", clock="synced", camera_fps=15.0
)
BROKER = {"host": "127.0.0.1", "username": "north", "password_file": "broker-password"}


@pytest.fixture
def gate(tmp_path):
    house = House(tmp_path)
    house.publish()
    gate = house.enrol("north", broker=BROKER)
    (gate.folder / "broker-password").write_text("hunter2\n")
    gate.bring_list()
    vitals.write(gate.config.health_file, WELL)
    link.Link(gate.config.link_file, installed_version()).say(online=True)
    journal = JournalStore(gate.config.journal_file, SITE, "north", gate.key.sign)
    moment = Moment(time.time(), 1.0, Trust.SYNCED)
    journal.begin_epoch(moment)
    journal.append([Event(Kind.ADMITTED, moment, {"pass": id_of("wang").hex(), "kind": "resident"})])
    journal.append([Event(Kind.ORDER_OPENED, moment, {"by": "wang.wei"})])
    journal.close()
    return gate


def run(gate, command: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    words = [sys.executable, "-m", "agent.cli", command, "--config", str(gate.toml), *arguments]
    return subprocess.run(words, capture_output=True, check=False, timeout=60)


def doctor(gate) -> tuple[int, str]:
    done = run(gate, "doctor")
    assert not done.stderr
    return done.returncode, done.stdout.decode()


def test_a_gate_that_is_well_is_told_of_in_a_page(gate):
    code, said = doctor(gate)
    assert code == 0, said
    assert said.startswith(f"gate north of site {SITE}\n")
    assert "127.0.0.1:1883 is reached; 3 events to be sent" in said
    assert said.endswith("all is well\n")
    assert max(map(len, said.splitlines())) < 120


def test_what_is_wrong_comes_with_what_to_do(gate):
    vitals.write(gate.config.health_file, replace(WELL, camera_fps=0.0))
    gate.config.link_file.unlink()
    code, said = doctor(gate)
    assert code == 1
    assert (
        "wrong camera    no pictures in the last half minute\n                  -> press the ribbon" in said
    )
    assert "wrong office" in said
    assert said.endswith("2 of 10 wrong\n")


def test_for_programs(gate):
    findings = [json.loads(line) for line in run(gate, "doctor", "--json").stdout.splitlines()]
    assert len(findings) == 10
    assert findings[0] == {"part": "settings", "state": "good", "found": "no fault", "advice": ""}


def test_a_journal_that_is_no_journal(gate):
    gate.config.journal_file.write_bytes(b"\0" * 4096)
    for beside in gate.config.journal_file.parent.glob("journal.db-*"):
        beside.unlink()
    code, said = doctor(gate)
    assert code == 1
    assert "wrong journal   can't be read" in said


def test_settings_that_cannot_be_used(gate):
    gate.toml.write_text("site = 3")
    code, said = doctor(gate)
    assert code == 1
    assert "wrong settings  site: found 3" in said
    assert said.count("not known without settings") == 8


def test_a_state_that_is_nowhere(gate):
    gate.toml.write_text(gate.toml.read_text().replace("state = ", 'state = "/nowhere" # '))
    done = run(gate, "doctor")
    assert done.returncode == 1
    assert b"it is not there yet" in done.stdout
    assert not done.stderr


@pytest.mark.skipif(
    os.getuid() != 0, reason="to become somebody without rights, this test wants to begin as root"
)
def test_who_may_not_look_is_told_to_come_back_as_root(gate):
    (gate.config.state / "gate").chmod(0o700)
    for folder in gate.toml.parents:
        if folder.is_relative_to("/tmp"):
            folder.chmod(0o755)
    words = ["setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-m", "agent.cli", "doctor"]
    done = subprocess.run([*words, "--config", str(gate.toml)], capture_output=True, check=False, timeout=60)
    if b"No module" in done.stderr or b"Permission denied" in done.stderr:
        pytest.skip("this interpreter lies where nobody else may read")
    assert done.returncode == 3
    assert b"sudo menshen-agent doctor" in done.stderr


def test_support_packs_what_helps_and_nobody(gate):
    done = run(gate, "support", "-")
    assert done.returncode == 0, done.stderr
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        files = {name.split("/")[1]: archive.extractfile(name).read().decode() for name in archive.getnames()}
    assert {"README.txt", "doctor.txt", "settings.json", "events.jsonl", "health.json"} <= files.keys()
    events = [json.loads(line) for line in files["events.jsonl"].splitlines()]
    assert [event["type"] for event in events[1:]] == ["menshen.pass.admitted", "menshen.order.opened"]
    assert events[1]["data"]["kind"] == "resident"
    whole = "".join(files.values())
    key = gate.config.journal_key.read_text().splitlines()[1]
    for secret in ("hunter2", "wang", id_of("wang").hex(), key):
        assert secret not in whole


def test_support_leaves_another_file_alone(gate, tmp_path):
    there = tmp_path / "there.tar.gz"
    there.write_text("mine")
    done = run(gate, "support", str(there))
    assert (done.returncode, there.read_text()) == (3, "mine")
    assert b"is there already" in done.stderr
    made = tmp_path / "made.tar.gz"
    assert run(gate, "support", str(made)).returncode == 0
    assert made.stat().st_mode & 0o777 == 0o600
    assert run(gate, "support", str(tmp_path / "no" / "where.tar.gz")).returncode == 3


def test_support_works_where_the_settings_do_not(gate):
    gate.toml.write_text("site = 3\npassword = 'hunter2'")
    done = run(gate, "support", "-")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        files = {name.split("/")[1]: archive.extractfile(name).read() for name in archive.getnames()}
    assert b"no configuration that can be used" in files["missing.txt"]
    assert b"hunter2" not in b"".join(files.values())
