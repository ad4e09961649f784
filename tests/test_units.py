"""The units: checked by systemd's own tools, and held to the table of who may touch what."""

import os
import shlex
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parent.parent / "systemd"
needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here"
)


def unit(name: str) -> dict[str, list[str]]:
    """Every value of every key, in order; sections don't repeat keys in these units."""
    values = defaultdict(list)
    for line in (SYSTEMD / f"{name}.service").read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            values[key].append(value)
    return values


def verify(*arguments: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SYSTEMD / "verify.sh", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | environ,
    )


@needs_analyze
def test_the_units_that_ship_are_clean():
    ran = verify()
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.count("menshen-") == len(list(SYSTEMD.glob("*.service")))


@needs_analyze
@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("RestartSec=1", "RestratSec=1", "RestratSec"),
        ("Type=notify", "Type=nofity", "nofity"),
        ("/opt/menshen/venv/bin/menshen-agent gate", "/opt/menshen/bin/menshen gate", "not executable"),
        ("@system-service", "@system-servise", "@system-servise"),
        ("char-media rw", "char-media rx", "device rights"),
    ],
)
def test_a_real_mistake_in_a_unit_is_found(tmp_path, right, wrong, said):
    for path in SYSTEMD.glob("*.service"):
        shutil.copy(path, tmp_path)
    gate = tmp_path / "menshen-gate.service"
    text = gate.read_text()
    assert right in text
    gate.write_text(text.replace(right, wrong))
    ran = verify(tmp_path)
    assert ran.returncode == 1
    assert said in ran.stderr


@needs_analyze
def test_a_wall_with_holes_is_found(tmp_path):
    for path in SYSTEMD.glob("*.service"):
        kept = (
            line for line in path.read_text().splitlines() if not line.startswith(("Protect", "SystemCall"))
        )
        (tmp_path / path.name).write_text("\n".join(kept))
    ran = verify(tmp_path)
    assert ran.returncode == 1
    assert "more exposed" in ran.stderr


def test_without_systemd_it_says_so_and_does_not_fail(tmp_path):
    for tool in ("sh", "dirname"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    ran = verify(PATH=str(tmp_path))
    assert ran.returncode == 0
    assert "not installed" in ran.stdout


def test_the_gate_has_no_network():
    gate = unit("menshen-gate")
    assert gate["PrivateNetwork"] == ["yes"]
    assert gate["RestrictAddressFamilies"] == ["AF_UNIX"]
    assert gate["IPAddressDeny"] == ["any"]


def test_the_process_that_holds_the_relay_may_rest_it_when_the_gate_has_gone():
    """It heeds no SIGTERM, see tests/test_supervisor.py; any other KillMode= sends SIGKILL at once, or nothing."""
    assert not unit("menshen-gate")["KillMode"]
    assert int(unit("menshen-gate")["TimeoutStopSec"][0]) > 1


def test_the_gate_has_pins_cameras_and_a_loudspeaker_and_no_other_device():
    gate = unit("menshen-gate")
    assert gate["DevicePolicy"] == ["closed"]
    assert sorted(gate["DeviceAllow"]) == [
        f"char-{driver} rw" for driver in ("alsa", "dma_heap", "gpiochip", "media", "video4linux")
    ]


def test_sync_has_neither_pins_nor_cameras():
    sync = unit("menshen-sync")
    assert sync["PrivateDevices"] == ["yes"]
    assert sync["DevicePolicy"] == ["closed"]
    assert not sync["DeviceAllow"]
    assert not sync["SupplementaryGroups"]


def test_sync_can_not_grow_beyond_its_share():
    assert unit("menshen-sync")["MemoryMax"] == ["160M"]


def test_each_writes_to_its_own_directory_only_and_sees_no_key_of_the_other():
    for mine, other in (("gate", "sync"), ("sync", "gate")):
        keys = unit(f"menshen-{mine}")
        assert keys["User"] == [f"menshen-{mine}"]
        assert keys["ProtectSystem"] == ["strict"]
        assert keys["ReadWritePaths"] == [f"/var/lib/menshen/{mine}"]
        assert keys["InaccessiblePaths"] == [f"-/var/lib/menshen/keys/{other}"]


@pytest.mark.parametrize("name", ["menshen-gate", "menshen-sync"])
def test_each_holds_no_right_and_comes_back_for_ever(name):
    keys = unit(name)
    assert keys["CapabilityBoundingSet"] == [""]
    assert keys["NoNewPrivileges"] == ["yes"]
    assert keys["MemoryDenyWriteExecute"] == ["yes"]
    assert (keys["Type"], keys["Restart"], keys["StartLimitIntervalSec"]) == (["notify"], ["always"], ["0"])
    assert int(keys["WatchdogSec"][0]) > 0
    assert "PYTHONSAFEPATH=1" in keys["Environment"][0]


@pytest.mark.parametrize(("command", "unit_name"), [("AS_GATE", "gate"), ("AS_SYNC", "sync")])
def test_an_inspections_step_waits_until_what_it_tries_is_free(command, unit_name):
    """systemd.unit(5): a stop job and a start job are only ordered by After= or Before=."""
    (line,) = (line for line in unit("menshen-provision")["Environment"] if line.startswith(f'"{command}='))
    words = shlex.split(shlex.split(line)[0])
    properties = {words[n + 1] for n, word in enumerate(words) if word == "-p"}
    other = f"menshen-{unit_name}.service"
    assert {f"Conflicts={other}", f"After={other}", f"OnSuccess={other}", f"OnFailure={other}"} <= properties


def test_a_gate_that_died_rests_its_pins():
    (post,) = unit("menshen-gate")["ExecStopPost"]
    assert "menshen-agent rest-pins --config" in post


@pytest.mark.skipif(
    shutil.which("systemd-sysusers") is None or shutil.which("systemd-tmpfiles") is None or os.geteuid() != 0,
    reason="making users and directories wants root and systemd's two tools",
)
def test_users_and_directories_are_made_as_the_units_expect(tmp_path):
    root = tmp_path / "root"
    for folder in ("etc", "var/lib", "etc/menshen"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "etc/menshen/gate.toml").touch(0o600)
    for tool, *arguments in (
        ("systemd-sysusers", SYSTEMD / "sysusers.d/menshen.conf"),
        ("systemd-tmpfiles", "--create", SYSTEMD / "tmpfiles.d/menshen.conf"),
    ):
        subprocess.run([tool, f"--root={root}", *arguments], check=True, capture_output=True, timeout=60)
    users = dict(line.split(":")[:3:2] for line in (root / "etc/passwd").read_text().splitlines())
    groups = {line.split(":")[0]: line.split(":") for line in (root / "etc/group").read_text().splitlines()}
    assert sorted(groups["menshen"][3].split(",")) == ["menshen-gate", "menshen-sync"]
    for path, mode, user in (
        ("etc/menshen/gate.toml", 0o640, None),
        ("var/lib/menshen/gate", 0o2750, "menshen-gate"),
        ("var/lib/menshen/sync", 0o2750, "menshen-sync"),
        ("var/lib/menshen/keys/gate", 0o700, "menshen-gate"),
        ("var/lib/menshen/keys/sync", 0o700, "menshen-sync"),
    ):
        found = (root / path).stat()
        assert found.st_mode & 0o7777 == mode, path
        assert found.st_uid == (int(users[user]) if user else 0), path
        assert found.st_gid == int(groups["menshen"][2]), path
