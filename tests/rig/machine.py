"""The rig's virtual machine: a kernel that runs as a program, and a hand inside.

Knows how to start it, cut its power and clear it away; what runs inside is told to its hand (hand.py).
Refuses to know what a gate is. It has no network.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from firmware_tools.image.carried import Signer
from tests.rig.hand import Hand, RigFault

HERE: Final = Path(__file__).parent
ROOT: Final = Path(os.environ.get("MENSHEN_RIG_ROOT", "/var/tmp/menshen-rig"))
BOOT_WITHIN_S: Final = 300.0


def image() -> Path:
    """The image of this tree, as menshen-firmware builds it for anybody; or the one that MENSHEN_RIG_IMAGE names.

    Raises:
        RigFault: it can't be built here; it said why.
    """
    if given := os.environ.get("MENSHEN_RIG_IMAGE"):
        return Path(given)
    return Path(_run(HERE / "image.sh", ROOT).strip())


def signer() -> Signer:
    """Who signs base systems for that image; image.sh makes the key."""
    folder = ROOT.with_name(f"{ROOT.name}.signer")
    return Signer(folder / "certificate.pem", folder / "key.pem")


def build() -> Path:
    """Kernel, root and disks, whatever of them is not there yet; the kernel's folder.

    Raises:
        RigFault: this machine can't make them; says what it wants.
    """
    folder = engine()
    _run(HERE / "disk.sh", ROOT)
    return folder


def engine() -> Path:
    """Kernel and root alone, for a machine that has its own disks; the kernel's folder.

    Raises:
        RigFault: as for build().
    """
    _run(HERE / "root.sh", ROOT)
    return Path(_run(HERE / "kernel.sh").strip())


def _run(*command: object) -> str:
    ran = subprocess.run([*map(str, command)], check=False, stdout=subprocess.PIPE, text=True)
    if ran.returncode:
        raise RigFault(f"{Path(str(command[0])).name} ended with {ran.returncode}; it said why above")
    return ran.stdout


class Machine(Hand):
    """One machine on disks of its own.

    Args:
        folder: keeps what it wrote to its disk, its console and its process ids.
        kernel: from build().
    """

    def __init__(self, folder: Path, kernel: Path) -> None:
        self.folder = folder
        self._kernel = kernel
        self._process: subprocess.Popen[bytes] | None = None
        self.boot_s = 0.0
        folder.mkdir(parents=True, exist_ok=True)

    def disks_and_system(self) -> list[str]:
        """What the kernel is told of disks, and of what to run from them."""
        return [
            "mem=1024M",
            f"ubd0={self.folder / 'root.cow'},{ROOT}.img",
            f"ubd1r={ROOT}.app.img",
            "root=/dev/ubda rw init=/opt/menshen/init",
        ]

    def lines_and_cards(self) -> list[str]:
        """What the kernel is told of its serial lines, beside the hand's, and of its network."""
        return []

    within: tuple[str, ...] = ()
    """A command in front of the kernel's, such as one that enters a network."""

    @property
    def console(self) -> str:
        """What kernel and systemd have said, of all starts."""
        return (self.folder / "console").read_text(errors="replace")

    def start(self) -> None:
        """Switch on, and return when the hand inside answers.

        Raises:
            RigFault: it does not come up.
        """
        assert self._process is None, "it is on"
        ours, theirs = socket.socketpair()
        arguments = [
            *self.disks_and_system(),
            f"dtb={self._kernel / 'board.dtb'}",
            "trace_event=gpio trace_clock=mono trace_buf_size=4M",
            f"con=null con0=null,fd:1 ssl=null ssl1=fd:{theirs.fileno()}",
            *self.lines_and_cards(),
            "console=tty0 quiet loglevel=4 panic=-1 systemd.show_status=false systemd.log_target=console",
        ]
        began = time.monotonic()
        with (self.folder / "console").open("ab") as console, theirs:
            # A process namespace of its own: whatever ends the kernel ends every process in it.
            self._process = subprocess.Popen(
                [
                    *self.within,
                    "unshare",
                    "--pid",
                    "--fork",
                    "--kill-child",
                    "--mount-proc",
                    self._kernel / "linux",
                    *arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                pass_fds=[theirs.fileno()],
                env={"TMPDIR": "/dev/shm", "HOME": str(self.folder), "PATH": os.environ["PATH"]},
            )
        self._wire, self._held = ours, b""
        try:
            self._hear(BOOT_WITHIN_S)
        except RigFault as fault:
            self.cut()
            raise RigFault(
                f"the machine did not come up: {fault}; its console ends:\n{self.console[-3000:]}"
            ) from None
        self.boot_s = time.monotonic() - began

    def cut(self) -> None:
        """Cut the power; safe to call twice."""
        self._end(signal.SIGKILL)

    def off(self) -> None:
        """Shut down in order, as whoever pulls no plug does."""
        with contextlib.suppress(RigFault):
            self.run("systemctl", "--no-block", "poweroff")
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(60.0)
        self.cut()

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()
        if process is not None:
            # The kernel itself, not unshare before it, which waits for it: only then has it let go of its disks.
            inside = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            for pid in [int(child) for child in inside] or [process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)
            process.wait()


def why_not() -> str | None:
    """Why the rig can't run here, as a sentence; None if it can, as far as one can see before."""
    if os.environ.get("MENSHEN_RIG") != "1":
        return "the rig boots a machine of its own: `make rig` runs it (root, Debian, 12 GB of disk, an hour the first time)"
    if os.geteuid() != 0:
        return "the rig wants root, for a root file system of its own"
    if os.uname().machine != "x86_64":
        return f"the rig's kernel runs on x86-64 only, and this is {os.uname().machine}"
    for tool, package in (
        ("debootstrap", "debootstrap"),
        ("unshare", "util-linux"),
        ("mosquitto", "mosquitto"),
        ("ip", "iproute2"),
    ):
        if shutil.which(tool) is None:
            return f"{tool} is missing: apt install {package}"
    return None
