"""Who may touch what, tried from inside the units' own confinement under a real systemd.

Part of the rig: it wants root, systemd and the right to make namespaces, so it
runs when MENSHEN_RIG=1 asks for it and says why when it can't.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

REPO = Path(__file__).parent.parent
WAIT_S = 60

pytestmark = [
    pytest.mark.skipif(os.environ.get("MENSHEN_RIG") != "1", reason="a rig test: set MENSHEN_RIG=1, as root"),
    pytest.mark.skipif(
        os.geteuid() != 0 or not Path("/lib/systemd/systemd").exists() or not shutil.which("unshare"),
        reason="the confinement wants root, systemd and unshare",
    ),
]


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Boot, and yield {role: {what was tried: what came of it}} of gate, sync and rest-pins."""
    stage, report = tmp_path_factory.mktemp("stage"), tmp_path_factory.mktemp("report")
    cgroup = own_cgroup()
    prefix = Path(sys.base_prefix)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = sys.executable if prefix == Path("/usr") else f"/opt/menshen/python/bin/{version}"
    with (report / "console").open("wb") as console:
        boot = subprocess.Popen(
            [
                *("sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', cgroup),
                *("unshare", "-m", "-p", "-u", "-i", "-n", "-C", "--fork", "--kill-child"),
                *("sh", REPO / "tests/rig/boot.sh"),
                *(stage, report, REPO, sysconfig.get_path("purelib"), prefix, python),
            ],
            stdout=console,
            stderr=subprocess.STDOUT,
        )
    try:
        yield gather(boot, report)
    finally:
        boot.send_signal(signal.SIGKILL)
        boot.wait()
        empty(cgroup)


def own_cgroup() -> Path:
    """A cgroup for the container: systemd takes over the one that it is started in."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            cgroup = Path(place) / f"menshen-rig-{os.getpid()}"
            try:
                cgroup.mkdir()
            except OSError as fault:
                pytest.skip(f"no cgroup can be made here: {fault}")
            return cgroup
    pytest.skip("no cgroup2 is mounted here")


def gather(boot: subprocess.Popen, report: Path) -> dict[str, dict[str, str]]:
    """Wait until all three have reported."""
    found: dict[str, dict[str, str]] = {}
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end and len(found) < 3:
        if boot.poll() is not None:
            said = (report / "console").read_text(errors="replace")
            if boot.returncode == 77:
                pytest.skip(said.strip().splitlines()[-1])
            pytest.fail(f"systemd did not boot: {said}")
        for file in report.glob("*.jsonl"):
            for line in file.read_text().splitlines():
                one = json.loads(line)
                found[one["role"]] = one["tried"]
        time.sleep(0.2)
    if len(found) < 3:
        texts = "\n".join(path.read_text(errors="replace")[-3000:] for path in sorted(report.iterdir()))
        pytest.fail(f"only {sorted(found)} reported: {texts}")
    return found


def empty(cgroup: Path) -> None:
    """Remove the container's cgroups, which hold no process any more."""
    for _ in range(50):
        for inner in sorted(cgroup.rglob("*/"), key=lambda path: -len(path.parts)):
            if inner.is_dir():
                with contextlib.suppress(OSError):
                    inner.rmdir()
        with contextlib.suppress(OSError):
            cgroup.rmdir()
            return
        time.sleep(0.1)


FORBIDDEN_TO_ALL = (
    "listen to netlink",
    "set the clock",
    "write to /etc/menshen",
    "write to /usr",
    "write to /home",
    "read /proc/1/environ",
)
ALLOWED_TO_ALL = (
    "read /etc/menshen/gate.toml",
    "read /var/lib/menshen/gate/theirs",
    "read /var/lib/menshen/sync/theirs",
    "ask the kernel for the time's trust",
    "load the native libraries",
    "keep a database",
    "rest the pins of a simulated board",
)


@pytest.mark.parametrize("role", ["gate", "sync", "rest-pins"])
def test_what_nobody_may_do_nobody_can(reports, role):
    assert [what for what in FORBIDDEN_TO_ALL if reports[role][what] == "done"] == []


@pytest.mark.parametrize("role", ["gate", "sync", "rest-pins"])
def test_what_each_must_do_each_can(reports, role):
    assert {what: reports[role][what] for what in ALLOWED_TO_ALL} == dict.fromkeys(ALLOWED_TO_ALL, "done")


def test_the_gate_can_not_reach_the_network_and_sync_can(reports):
    assert reports["gate"]["speak to the network"] == "OSError"
    assert reports["sync"]["speak to the network"] == "done"


@pytest.mark.parametrize(("mine", "other"), [("gate", "sync"), ("sync", "gate")])
def test_each_writes_at_home_and_reads_its_own_key_only(reports, mine, other):
    assert reports[mine][f"write to /var/lib/menshen/{mine}"] == "done"
    assert reports[mine][f"write to /var/lib/menshen/{other}"] == "OSError"
    assert reports[mine][f"read /var/lib/menshen/keys/{mine}/key"] == "done"
    assert reports[mine][f"read /var/lib/menshen/keys/{other}/key"] == "PermissionError"


def test_no_process_of_ours_opens_a_device_that_it_was_not_given(reports):
    # The gate's device list forbids it; in sync's private /dev it does not exist.
    assert reports["gate"]["open a device that is not ours"] == "PermissionError"
    assert reports["sync"]["open a device that is not ours"] == "FileNotFoundError"


def test_sync_reads_the_health_that_the_gate_leaves_in_memory(reports):
    assert {role: reports[role]["pass the gate's health on"] for role in ("gate", "sync")} == {
        "gate": "done",
        "sync": "done",
    }


def test_a_gate_that_ended_is_followed_by_resting_pins(reports):
    assert reports["rest-pins"]["rest the pins of a simulated board"] == "done"
