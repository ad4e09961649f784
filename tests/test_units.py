"""The units: checked by systemd's own tools, and held to the table of who may touch what."""

import os
import re
import shlex
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parent.parent / "systemd"
SLOT = "/var/lib/menshen/slots/current/venv/bin/"
"""The one place that a gate's programs run from; docs/device.md names it, too."""
KIOSK = sorted(path.stem for path in SYSTEMD.glob("*.service"))
OFFICE = sorted(path.stem for path in SYSTEMD.glob("office/*.service"))
needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here"
)


def unit(name: str) -> dict[str, list[str]]:
    """Every value of every key, in order; sections don't repeat keys in these units."""
    values = defaultdict(list)
    (path,) = SYSTEMD.rglob(name if "." in name else f"{name}.service")
    for line in path.read_text().splitlines():
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
    assert ran.stdout.count("menshen-") == len(list(SYSTEMD.rglob("*.service")))


@needs_analyze
@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("RestartSec=1", "RestratSec=1", "RestratSec"),
        ("Type=notify", "Type=nofity", "nofity"),
        (f"{SLOT}menshen-agent gate", "/opt/menshen/venv/bin/menshen-agent gate", "not executable"),
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


@needs_analyze
def test_a_unit_that_nobody_has_judged_is_found(tmp_path):
    shutil.copy(SYSTEMD / "menshen-gate.service", tmp_path / "menshen-new.service")
    ran = verify(tmp_path)
    assert ran.returncode == 1
    assert "menshen-new.service has no ceiling" in ran.stderr


def programs(name: str) -> set[str]:
    """What a unit starts, by the path of the program."""
    lines = [line for key, lines in unit(name).items() if key.startswith("Exec") for line in lines]
    return {line.split()[0].lstrip("-+!@:") for line in lines}


@pytest.mark.parametrize("name", KIOSK)
def test_a_kiosk_runs_from_the_slot_the_guard_from_the_base_system(name):
    """And nothing with a prefix that would lift its confinement."""
    lines = [line for key, lines in unit(name).items() if key.startswith("Exec") for line in lines]
    for line in lines:
        assert re.match(
            rf"({SLOT}menshen-[a-z]+|/usr/lib/menshen/(guard|bases)\.py|/usr/bin/(systemctl|sleep)) ", line
        ), line
    assert any("/usr/lib/menshen/" in line for line in lines) is name.startswith("menshen-guard")


def test_the_path_of_the_slot_stands_in_the_guide_and_the_one_before_it_nowhere():
    docs = SYSTEMD.parent / "docs"
    assert SLOT.rstrip("/") in (docs / "device.md").read_text()
    for page in (docs / "device.md", docs / "updates.md", docs / "technician.md", docs / "on-a-real-pi.md"):
        assert "/opt/menshen" not in page.read_text(), page.name


@pytest.mark.parametrize("target", ["menshen-kiosk", "office/menshen-office"])
def test_the_target_names_all_that_runs_by_itself(target):
    """What is not named in it is started by somebody who is: a timer, a path, the guard, the gate."""
    folder = (SYSTEMD / f"{target}.target").parent
    text = (SYSTEMD / f"{target}.target").read_text()
    wanted = {name for line in re.findall("^Wants=(.*)$", text, re.MULTILINE) for name in line.split()}
    for name in wanted:
        assert (folder / name).is_file(), name
    started = wanted | {
        "menshen-guard-base.service",  # by itself: whatever target a release brings
        "menshen-guard-stick.service",  # by udev
        "menshen-guard-begin.service",  # by the gate
        "menshen-guard-watch.service",  # by the gate
        "menshen-safe.service",  # by the guard
        "menshen-guard-retry.timer",  # by safe mode
    }
    triggers = {path.stem for pattern in ("*.timer", "*.path") for path in folder.glob(pattern)}
    for path in folder.glob("menshen-*.*"):
        if path.suffix in {".service", ".timer", ".path"}:
            assert path.name in started or path.stem in triggers, path.name


@pytest.mark.parametrize("name", KIOSK + OFFICE)
def test_no_unit_may_gain_rights_or_leave_a_core(name):
    keys = unit(name)
    assert keys["NoNewPrivileges"] == ["yes"]
    assert keys["LimitCORE"] == ["0"]
    assert keys["ProtectSystem"] == ["strict"]
    assert keys["SystemCallArchitectures"] == ["native"]


@pytest.mark.parametrize("name", ["menshen-gate", "menshen-safe"])
def test_the_gate_has_no_network(name):
    gate = unit(name)
    assert gate["PrivateNetwork"] == ["yes"]
    assert gate["RestrictAddressFamilies"] == ["AF_UNIX"]
    assert gate["IPAddressDeny"] == ["any"]


def test_whoever_is_root_has_no_network():
    for name in KIOSK:
        keys = unit(name)
        if not keys["User"] and name != "menshen-provision":
            assert keys["PrivateNetwork"] == ["yes"], name
    assert "AF_INET" not in unit("menshen-provision")["RestrictAddressFamilies"][0]


def test_only_two_of_a_kiosk_speak_with_the_network():
    assert [name for name in KIOSK if "AF_INET" in " ".join(unit(name)["RestrictAddressFamilies"])] == [
        "menshen-sync",
        "menshen-update-fetch",
    ]


def test_the_gate_waits_for_no_network_and_no_clock():
    """Only what signs the present moment waits for the time."""
    for name in KIOSK + OFFICE:
        waits = " ".join(unit(name)["After"] + unit(name)["Wants"] + unit(name)["Requires"])
        assert "network-online" not in waits
        assert ("time-sync" in waits) is (name == "menshen-office-renew"), name
    assert "network" not in " ".join(unit("menshen-gate")["After"])


def test_each_start_of_the_gate_is_counted_by_a_unit_of_its_own():
    """Wants= is followed by each start, those of Restart= too; with Requires= a broken guard would stop the gate."""
    gate = unit("menshen-gate")
    assert "menshen-guard-begin.service" in gate["Wants"][0].split()
    assert "menshen-guard-begin.service" in " ".join(gate["After"]).split()
    assert not gate["Requires"]
    assert not gate["ExecStartPre"]
    for name in ("menshen-guard-begin", "menshen-guard-watch", "menshen-gate", "menshen-safe"):
        assert unit(name)["StartLimitIntervalSec"] == ["0"]


def test_safe_mode_and_the_gate_are_never_there_together():
    assert unit("menshen-safe")["Conflicts"] == ["menshen-gate.service"]
    assert unit("menshen-gate")["Conflicts"] == ["menshen-safe.service"]
    assert "menshen-gate.service" in unit("menshen-safe")["After"][0].split()
    assert unit("menshen-safe")["DeviceAllow"] == ["char-gpiochip rw"]
    assert unit("menshen-safe")["User"] == unit("menshen-gate")["User"]


def test_each_safe_mode_waits_its_ten_minutes_before_the_gate_is_tried():
    """A timer that counts from the last try would be over at once in the second safe mode."""
    timer = unit("menshen-guard-retry.timer")
    assert {key for key in timer if key.startswith("On")} == {"OnActiveSec"}
    assert timer["PartOf"] == timer["After"] == ["menshen-safe.service"]


def test_whoever_holds_the_pins_is_watched_and_followed_by_resting_them():
    for name in ("menshen-gate", "menshen-safe"):
        assert int(unit(name)["WatchdogSec"][0]) > 0
        assert "menshen-agent rest-pins --config" in unit(name)["ExecStopPost"][0]


def test_the_screen_takes_nothing_in():
    console = unit("menshen-console")
    assert console["StandardInput"] == ["null"]
    assert console["User"] == ["menshen-console"]
    assert console["Conflicts"] == ["getty@tty1.service"]
    assert console["DeviceAllow"] == ["/dev/tty0 rw", "/dev/tty1 rw"]


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
        assert keys["InaccessiblePaths"][0] == f"-/var/lib/menshen/keys/{other}"


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
    # In safe mode another process holds the pins.
    assert {
        "Conflicts=menshen-safe.service",
        "After=menshen-safe.service",
    } <= properties or unit_name == "sync"


@pytest.mark.skipif(
    shutil.which("systemd-sysusers") is None or shutil.which("systemd-tmpfiles") is None or os.geteuid() != 0,
    reason="making users and directories wants root and systemd's two tools",
)
def test_users_and_directories_are_made_as_the_units_expect(tmp_path):
    root = tmp_path / "root"
    for folder in ("etc", "var/lib", "etc/menshen"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "etc/menshen/gate.toml").touch(0o600)
    for kind in ("kiosk", "office"):
        subprocess.run([SYSTEMD / "install.sh", kind, root], check=True, timeout=60)
    for tool, *arguments in (("systemd-sysusers",), ("systemd-tmpfiles", "--create")):
        of = [
            root / f"usr/lib/{tool.removeprefix('systemd-')}.d/{one}.conf"
            for one in ("menshen", "menshen-office")
        ]
        subprocess.run([tool, f"--root={root}", *arguments, *of], check=True, capture_output=True, timeout=60)
    users = dict(line.split(":")[:3:2] for line in (root / "etc/passwd").read_text().splitlines())
    groups = {line.split(":")[0]: line.split(":") for line in (root / "etc/group").read_text().splitlines()}
    assert sorted(groups["menshen"][3].split(",")) == ["menshen-gate", "menshen-sync", "menshen-update"]
    assert {unit(name)["User"][0] for name in KIOSK + OFFICE if unit(name)["User"]} <= users.keys()
    for path, mode, user, group in (
        ("etc/menshen/gate.toml", 0o640, None, "menshen"),
        ("var/lib/menshen/gate", 0o2750, "menshen-gate", "menshen"),
        ("var/lib/menshen/sync", 0o2750, "menshen-sync", "menshen"),
        ("var/lib/menshen/updates", 0o2750, "menshen-update", "menshen"),
        ("var/lib/menshen/slots", 0o755, None, None),
        ("var/lib/menshen/keys/gate", 0o700, "menshen-gate", "menshen"),
        ("var/lib/menshen/keys/sync", 0o700, "menshen-sync", "menshen"),
        ("var/lib/menshen-office", 0o750, "menshen-office", "menshen-office"),
        ("etc/menshen-office/office.env", 0o640, None, "menshen-office"),
    ):
        found = (root / path).stat()
        assert found.st_mode & 0o7777 == mode, path
        assert found.st_uid == (int(users[user]) if user else 0), path
        assert found.st_gid == (int(groups[group][2]) if group else 0), path


def test_a_sticks_name_is_asked_for_after_udev_has_read_it():
    """By 60-persistent-storage.rules; rules are read in the order of their names."""
    (rule,) = (SYSTEMD / "udev").glob("*stick.rules")
    assert rule.name > "60-persistent-storage.rules"
    named = re.search(r'SYSTEMD_WANTS}\+="(.+?)"', rule.read_text())
    assert named
    assert (SYSTEMD / named[1]).is_file()
    label = re.search(r'ID_FS_LABEL}=="(.+?)"', rule.read_text())
    assert label
    image = SYSTEMD.parent / "firmware_tools/image/debian/files/etc/fstab"
    assert f"LABEL={label[1]} " in image.read_text()
    assert len(label[1]) <= 11, "FAT has no longer ones"


def test_an_image_gets_what_the_units_want_and_starts_one_target(tmp_path):
    subprocess.run([SYSTEMD / "install.sh", "kiosk", tmp_path], check=True, timeout=60)
    installed = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if not path.is_dir()}
    assert {f"usr/lib/systemd/system/{name}.service" for name in KIOSK} <= installed
    assert os.access(tmp_path / "usr/lib/menshen/guard.py", os.X_OK)
    assert os.access(tmp_path / "usr/sbin/menshen-base", os.X_OK)
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    assert {path.name for path in wants.iterdir()} == {"menshen-kiosk.target", "menshen-guard-base.service"}
    assert (tmp_path / "etc/systemd/system/getty@tty1.service").readlink() == Path("/dev/null")
    assert "RuntimeWatchdogSec=14s" in (tmp_path / "usr/lib/systemd/system.conf.d/menshen.conf").read_text()
    ran = subprocess.run(
        [SYSTEMD / "install.sh", "fridge"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "found 'fridge', wanted kiosk or office" in ran.stderr
