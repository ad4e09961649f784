"""Both ends as people run them: real processes on a cable."""

import contextlib
import json
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from provisioning.cable import Cable, Unplugged
from provisioning.cli import main

MENSHEN_PROVISION = str(Path(sys.executable).with_name("menshen-provision"))


@contextlib.contextmanager
def device_process(room, *more, before=()):
    command = [*before, MENSHEN_PROVISION, "device", "--tty", room.far, "--etc", room.etc]
    process = subprocess.Popen(
        [*command, "--state", room.state, "--check-command", "true", *more], stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.terminate()
        _, said = process.communicate(timeout=10)
        assert b"Traceback" not in said


def run_enrol(room, site_path, *more):
    command = [MENSHEN_PROVISION, "enrol", "--port", room.near, "--site-file", site_path, "--gate", "north"]
    return subprocess.run([*command, *more], capture_output=True, text=True, check=False)


def test_both_commands_as_processes_end_in_pass_and_a_record(room, cable, site_path):
    out = room.folder / "north.json"
    with device_process(room):
        done = run_enrol(room, site_path, "--name", "North gate", "--record", out)
        shown = subprocess.run(
            [MENSHEN_PROVISION, "identify", "--port", room.near, "--json"], capture_output=True, check=True
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("PASS  kiosk ")
    record = json.loads(out.read_bytes())
    found = json.loads(shown.stdout)
    assert stat.S_IMODE(out.stat().st_mode) == 0o644
    assert {
        "site",
        "gate",
        "device_id",
        "journal_key",
        "direction",
        "zone",
        "enrolled_at",
        "software",
    } <= set(record)
    assert (record["name"], record["device_id"]) == ("North gate", found["device_id"])
    assert found["journal_key"] == record["journal_key"]
    assert found["sealed"] is True


def test_a_refused_configuration_ends_in_fail_and_exit_code_one(room, cable, site_path):
    with device_process(room, "--check-command", "false"):
        done = run_enrol(room, site_path)
    assert done.returncode == 1
    assert "FAIL  the kiosk's own check refuses this configuration" in done.stdout
    assert room.in_force() == {}


def test_a_kiosk_whose_disk_takes_no_more_says_so(room, cable, site_path):
    with device_process(room, before=("prlimit", "--fsize=600")):
        done = run_enrol(room, site_path)
    assert done.returncode == 1
    assert "FAIL  the kiosk could not use its disk: File too large" in done.stdout
    assert room.in_force() == {}


def test_a_device_killed_in_the_middle_is_started_again_and_the_technician_sees_a_pass(room, site_path):
    doomed = threading.Event()
    passed = 0

    def carry(data):
        nonlocal passed
        passed += len(data)
        if passed > 2500 and not doomed.is_set():
            doomed.set()
            raise Unplugged
        return data

    with contextlib.closing(Cable(room.near, room.far, carry, back_after_s=2.0)):
        first = device_process(room)
        with first as process:
            bench = subprocess.Popen(
                [
                    MENSHEN_PROVISION,
                    "enrol",
                    "--port",
                    room.near,
                    "--site-file",
                    site_path,
                    "--gate",
                    "north",
                ],
                stdout=subprocess.PIPE,
            )
            assert doomed.wait(30)
            process.kill()
        assert room.in_force() == {}
        with device_process(room):
            said, _ = bench.communicate(timeout=30)
    assert bench.returncode == 0, said
    assert b"PASS" in said


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("identify", "--port", "/nowhere/tty"), 1, "FAIL  there is no port /nowhere/tty; plug the cable in"),
        (("identify", "--port", "/etc/hostname"), 1, "FAIL  /etc/hostname is no serial port"),
        (("identify", "--port", "/dev/null"), 1, "FAIL  /dev/null is no serial port"),
        (("identify", "--port", "/dev/null", "--baud", "-1"), 2, "-1 is not in the range"),
        (
            ("enrol", "--port", "x", "--site-file", "x", "--gate", "../x"),
            2,
            "found '../x', wanted 1 to 32 of",
        ),
        (("enrol", "--port", "x", "--site-file", "/nowhere/x.toml", "--gate", "a"), 1, "No such file"),
        (("enrol", "--port", "x", "--site-file", "/dev/zero", "--gate", "a"), 1, "another kind of file"),
        (("device", "--tty", "x", "--etc", "/dev/null/etc"), 1, "needs both directories"),
        (("device", "--tty", "x", "--check-command", " "), 2, "--check-command is empty"),
        (("site-file",), 0, "password_file"),
        (("ports",), 0, ""),
    ],
)
def test_whatever_is_typed_a_sentence_comes_back(words, code, sentence):
    result = CliRunner().invoke(main, words)
    assert sentence in result.output
    assert result.exit_code == code
    assert result.exception is None or isinstance(result.exception, SystemExit)
