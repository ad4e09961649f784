"""The rig's container: this machine's own systemd, started afresh over a throw-away layer, as a kiosk.

Quicker to be had than the rig's machine and without its pins: for what systemd
does with the units. Knows how to boot it, run something inside and clear it
away. Wants root, systemd and the right to make namespaces.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

REPO: Final = Path(__file__).parents[2]
NOT_HERE: Final = 77


def why_not() -> str | None:
    """Why it can't be had here, as a sentence; None if it can, as far as one can see before."""
    if os.environ.get("MENSHEN_RIG") != "1":
        return "a rig test: set MENSHEN_RIG=1, as root"
    if os.geteuid() != 0 or not Path("/lib/systemd/systemd").exists() or not shutil.which("unshare"):
        return "the confinement wants root, systemd and unshare"
    return None


class Container:
    """Args: folder: for what is mounted and reported. staged: the script that fills it, see boot.sh."""

    def __init__(self, folder: Path, staged: str) -> None:
        self.report = folder / "report"
        for path in (stage := folder / "stage", self.report):
            path.mkdir(parents=True)
        self._cgroup = _own_cgroup()
        prefix = Path(sys.base_prefix)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        python = sys.executable if prefix == Path("/usr") else f"/opt/rig/python/bin/{version}"
        with (self.report / "console").open("wb") as console:
            self._boot = subprocess.Popen(
                [
                    *("sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', self._cgroup),
                    *("unshare", "-m", "-p", "-u", "-i", "-n", "-C", "--fork", "--kill-child"),
                    *("sh", REPO / "tests/rig/boot.sh"),
                    *(stage, self.report, REPO, sysconfig.get_path("purelib"), prefix, python),
                    REPO / "tests/rig/staged" / staged,
                ],
                stdout=console,
                stderr=subprocess.STDOUT,
            )

    @property
    def console(self) -> str:
        """What systemd has said."""
        return (self.report / "console").read_text(errors="replace")

    def run(self, *command: str, within_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command inside as root, and wait for its end."""
        (first,) = Path(f"/proc/{self._boot.pid}/task/{self._boot.pid}/children").read_text().split()
        return subprocess.run(
            ["nsenter", "-t", first, "-m", "-p", "-u", "-i", "-n", "-C", "-r", "-w", *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=within_s,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
        )

    def sh(self, script: str) -> str:
        """The output of a shell script inside that must succeed."""
        ran = self.run("sh", "-ec", script)
        assert ran.returncode == 0, f"inside, `{script}` ended with {ran.returncode}: {ran.stderr}"
        return ran.stdout

    def until(self, so: Callable[[], object], within_s: float = 60.0) -> None:
        """Wait until something is so; fails with what the container has said, or skips if it can't be had here."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            if self._boot.poll() is not None:
                if self._boot.returncode == NOT_HERE:
                    pytest.skip(self.console.strip().splitlines()[-1])
                pytest.fail(f"systemd did not boot: {self.console}")
            with contextlib.suppress(AssertionError, ValueError, OSError):
                if so():
                    return
            time.sleep(0.2)
        log = self.run("journalctl", "-b", "--no-pager", "-o", "short-monotonic", "-u", "menshen*").stdout[
            -6000:
        ]
        texts = f"{log}\n" + "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')[-4000:]}"
            for path in sorted(self.report.iterdir())
            if path.is_file()
        )
        pytest.fail(f"it did not come to pass within {within_s:.0f} s: {texts}")

    def close(self) -> None:
        """End it, with every process in it."""
        self._boot.send_signal(signal.SIGKILL)
        self._boot.wait()
        for _ in range(50):
            for inner in sorted(self._cgroup.rglob("*/"), key=lambda path: -len(path.parts)):
                if inner.is_dir():
                    with contextlib.suppress(OSError):
                        inner.rmdir()
            with contextlib.suppress(OSError):
                self._cgroup.rmdir()
                return
            time.sleep(0.1)


def _own_cgroup() -> Path:
    """A cgroup for the container: systemd takes over the one that it is started in."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            cgroup = Path(place) / f"menshen-rig-{os.getpid()}-{time.monotonic_ns()}"
            try:
                cgroup.mkdir()
            except OSError as fault:
                pytest.skip(f"no cgroup can be made here: {fault}")
            return cgroup
    pytest.skip("no cgroup2 is mounted here")
