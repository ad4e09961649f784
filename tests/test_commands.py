"""menshen-agent as a stranger types it: real processes, their words and their exit codes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import pytest
import zxingcpp

from agent.stores import link, vitals
from hw.sim.codes import flat
from hw.sim.film import still
from tests.brokers import mosquitto
from tests.house import House


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("willow-court"))
    house.grant("wang")
    house.grant("gone", not_before_utc=1_772_000_000, not_after_utc=1_772_600_000)
    house.publish()
    return house


@pytest.fixture(scope="module")
def gate(house):
    gate = house.enrol("north")
    gate.bring_list()
    return gate


def agent(*arguments, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environ},
    )


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


# --- decode ------------------------------------------------------------------------


def test_every_kind_of_picture_is_read_and_each_gets_a_line(tmp_path):
    picture = still("https://example.com/a", "card", "day", seed=1)
    names = ["a.png", "b.jpg", "c.webp", "d.bmp", "e.tiff"]
    for name in names:
        assert cv2.imwrite(str(tmp_path / name), picture)
    done = agent("decode", *(tmp_path / name for name in names))
    assert done.returncode == 0
    assert [(Path(line["file"]).name, line["texts"]) for line in lines(done.stdout)] == [
        (name, ["https://example.com/a"]) for name in names
    ]
    assert all(line["ms"] > 0 for line in lines(done.stdout))


def test_files_that_are_no_pictures_are_told_and_the_others_still_read(tmp_path):
    cv2.imwrite(str(tmp_path / "good.png"), flat("here"))
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "torn.png").write_bytes((tmp_path / "good.png").read_bytes()[:60])
    order = ["text.png", "absent.png", "torn.png", ".", "good.png"]
    done = agent("decode", *(tmp_path / name for name in order))
    assert done.returncode == 1
    assert done.stderr == ""
    told = lines(done.stdout)
    assert ["error" in line for line in told] == [True, True, True, True, False]
    assert told[-1]["texts"] == ["here"]


def test_decode_without_a_file_says_how_it_is_used():
    done = agent("decode")
    assert done.returncode == 2
    assert "Usage:" in done.stderr


# --- check -------------------------------------------------------------------------


def test_a_good_configuration_is_called_good(gate):
    done = agent("check", "--config", gate.toml)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip().endswith("good, for gate north of site willow-court")


def test_faults_go_to_standard_output_one_a_line_and_the_exit_code_says_so(tmp_path):
    (tmp_path / "gate.toml").write_text('site = "?"\ngate = 4\n[door]\nopen_s = -1\n')
    done = agent("check", "--config", tmp_path / "gate.toml")
    assert done.returncode == 1
    assert [line.split(":")[0] for line in done.stdout.splitlines()][:3] == ["site", "gate", "door.open_s"]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["gate", "sync", "run", "rest-pins"])
def test_a_faulty_configuration_stops_every_command_with_sentences(tmp_path, command):
    done = agent(command, "--config", tmp_path / "absent.toml", STATE_DIRECTORY=str(tmp_path))
    assert done.returncode == 3
    assert "cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_gate_without_its_key_says_how_to_get_one(house):
    gate = house.enrol("keyless")
    gate.config.journal_key.unlink()
    done = agent("gate", "--config", gate.toml)
    assert done.returncode == 3
    assert "enrol this gate with menshen-provision" in done.stderr


def test_a_key_that_others_may_read_is_not_used(house):
    gate = house.enrol("careless")
    gate.config.journal_key.chmod(0o640)
    done = agent("gate", "--config", gate.toml)
    assert done.returncode == 3
    assert "chmod 600" in done.stderr


# --- replay ------------------------------------------------------------------------


def film_of(folder: Path, *pictures, between: int = 45) -> Path:
    """A recording: each picture alone for 3 frames, then empty frames until its code counts as gone."""
    folder.mkdir()
    empty = np.full((480, 640), 120, np.uint8)
    chance = np.random.default_rng(1)
    frames = [f for picture in pictures for f in ([picture] * 3 + [empty] * between)]
    for number, frame in enumerate(frames):
        cv2.imwrite(
            str(folder / f"{number:05}.png"), cv2.add(frame, chance.integers(0, 4, frame.shape, np.uint8))
        )
    return folder


def told(done) -> list[str]:
    return [line["data"].get("reason", "admitted") for line in lines(done.stdout) if ".pass." in line["type"]]


def test_a_recording_goes_through_the_whole_gate_and_leaves_no_trace(house, gate, tmp_path):
    frames = film_of(tmp_path / "frames", flat(house.card("wang")), flat(house.card("gone")))
    done = agent("replay", "--config", gate.toml, frames)
    assert done.returncode == 0
    assert told(done) == ["admitted", "expired"]
    assert not gate.config.journal_file.exists()


def test_the_recordings_own_time_can_be_given(house, gate, tmp_path):
    house.publish(issued_utc=1_772_000_000)  # the floor of time must not be later than the recording
    later = house.enrol("earlier")
    later.bring_list()
    frames = film_of(tmp_path / "frames", flat(house.card("gone")), between=1)
    done = agent("replay", "--config", later.toml, "--at", "2099-01-01T08:00:00+00:00", frames)
    assert told(done) == ["no_list"], "in 2099 the signatures have long expired"


def test_hostile_frames_are_refused_or_ignored_and_nothing_breaks(gate, tmp_path):
    def code(content) -> np.ndarray:
        barcode = zxingcpp.create_barcode(content, zxingcpp.BarcodeFormat.QRCode)
        return cv2.copyMakeBorder(
            np.asarray(barcode.to_image(scale=4)), 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=255
        )

    ten = np.vstack(
        [np.hstack([cv2.resize(code(f"code {r}{c}"), (300, 300)) for c in range(5)]) for r in range(2)]
    )
    frames = film_of(
        tmp_path / "frames",
        code("A" * 4296),
        code(bytes(range(256))),
        code(b"\xff\xfe\xfd invalid utf-8 \x80"),
        code("M1" + "%" * 120),
        code("M1"),
        ten,
        np.zeros((1, 1), np.uint8),
        np.zeros((480, 640), np.uint8),
        np.full((3000, 3), 255, np.uint8),
        np.random.default_rng(2).integers(0, 256, (480, 640), np.uint8),
        between=4,
    )
    done = agent("replay", "--config", gate.toml, "--fps", "20", frames)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    kinds = {line["type"] for line in lines(done.stdout)}
    assert "menshen.gate.fault" not in kinds
    assert "menshen.pass.admitted" not in kinds
    assert set(told(done)) == {"malformed"}
    assert len(told(done)) >= 10


# --- run ---------------------------------------------------------------------------


def test_run_starts_both_processes_and_ends_both_without_a_pulse(house, tmp_path):
    with mosquitto(tmp_path) as broker:
        gate = house.enrol("bench", broker={"host": "127.0.0.1", "port": broker.port, "retry_first_s": 0.1})
        with subprocess.Popen(
            [sys.executable, "-m", "agent.cli", "run", "--config", str(gate.toml)],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "MENSHEN_LOG": "json"},
        ) as running:
            heard: list[dict] = []
            until = time.monotonic() + 40
            for line in running.stderr:
                with contextlib.suppress(ValueError):
                    heard.append(json.loads(line))
                events = {entry["event"] for entry in heard}
                if {
                    "list.switched",
                    "uplink.journal_opened",
                    "broker.online",
                } <= events or time.monotonic() > until:
                    break
            while not (noted := link.online(gate.config.link_file, version("menshen"))):
                assert time.monotonic() < until
                time.sleep(0.1)
            of_whom = vitals.read(gate.config.health_file).version
            broker.kill()
            time.sleep(0.5)
            broker.start()
            time.sleep(1.5)
            running.send_signal(signal.SIGTERM)
            heard += lines(running.stderr.read())
            assert running.wait(timeout=20) == 0
    assert (noted, of_whom) == (True, version("menshen")), "an update's trial asks for both"
    assert {"list.switched", "uplink.journal_opened"} <= {entry["event"] for entry in heard}
    assert [entry for entry in heard if entry.get("output") == "relay"] == []


def test_help_tells_what_each_command_is_for_with_an_example():
    overview = agent("--help").stdout
    for command in ("gate", "sync", "run", "check", "healthy", "decode", "replay"):
        assert command in overview
        assert "Example:" in agent(command, "--help").stdout
