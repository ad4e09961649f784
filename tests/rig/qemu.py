"""A computer on which an image starts as on a gate's: firmware, boot loader, the image's own kernel and initrd.

Every instruction is emulated, so it is slow and needs nothing of this machine's processor. Where
others want this machine's processor, it is late by its own clock, and the watchdog may end a start that was only slow. Nothing in the image is
changed: what the rig wants inside comes as a firmware's strings (SMBIOS type 11), from which systemd-boot takes words
for the kernel's command line, and systemd a unit. The computer has a disk, memory, a screen, a hardware watchdog, and no network;
its USB port that is a device is the kernel's (dummy_hcd).
"""

import base64
import contextlib
import json
import os
import select
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from tests.rig.hand import Hand, RigFault
from tests.rig.machine import HERE

MEMORY_BYTES: Final = 6 << 30
BOOT_WITHIN_S: Final = 900.0
"""Ample: on a machine of two processors that others used, it took two minutes."""
_FIRMWARE: Final = Path("/usr/share/OVMF")
_PORT: Final = "/dev/virtio-ports/rig"
_HAND: Final = f"""[Unit]
DefaultDependencies=no
[Service]
LoadCredential=rig.control
ExecStart=/bin/sh -c 'until [ -e {_PORT} ]; do sleep 0.2; done; exec python3 ${{CREDENTIALS_DIRECTORY}}/rig.control {_PORT}'
Restart=always
OOMScoreAdjust=-900
"""


def why_not() -> str | None:
    """Why no such computer can be had here, as a sentence; None if it can."""
    if shutil.which("qemu-system-x86_64") is None:
        return "qemu-system-x86_64 is missing: apt install qemu-system-x86"
    if not (_FIRMWARE / "OVMF_CODE_4M.fd").exists():
        return f"found no firmware in {_FIRMWARE}: apt install ovmf"
    return None


class Computer(Hand):
    """One computer with a disk of its own.

    Args:
        folder: keeps the disk, the firmware's memory and the console.
        image: copied to a disk of MEMORY_BYTES.
        sticks: memory sticks for its USB ports; see plug_in.
        watchdog: whether it has one; without it a slow start is a slow start, where starts are counted.
    """

    def __init__(
        self, folder: Path, image: Path, sticks: tuple[Path, ...] = (), *, watchdog: bool = True
    ) -> None:
        self.folder = folder
        self.card = folder / "card.img"
        self.boot_s = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._monitor: socket.socket | None = None
        self._said = b""
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "--sparse=always", image, self.card], check=True)
        os.truncate(self.card, MEMORY_BYTES)
        shutil.copy(_FIRMWARE / "OVMF_VARS_4M.fd", folder / "firmware.vars")
        self._strings = _strings(folder)
        self._watchdog = ["-device", "i6300esb"] if watchdog else []
        self._sticks = ["-device", "qemu-xhci"]
        for stick in sticks:
            self._sticks += [
                "-blockdev", f"driver=raw,node-name={stick.stem},read-only=on,file.driver=file,file.filename={stick}",
            ]  # fmt: skip

    @property
    def console(self) -> str:
        """What firmware, boot loader, kernel and systemd have said, of all starts."""
        return (self.folder / "console").read_text(errors="replace")

    def start(self) -> None:
        """Switch on, and return when the hand inside answers.

        Raises:
            RigFault: it does not come up.
        """
        assert self._process is None, "it is on"
        hand, theirs = socket.socketpair()
        monitor, its = socket.socketpair()
        with (self.folder / "console").open("ab") as console, theirs, its:
            self._process = subprocess.Popen(
                [
                    "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35",
                    "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1536",
                    "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={_FIRMWARE}/OVMF_CODE_4M.fd",
                    "-drive", f"if=pflash,unit=1,format=raw,file={self.folder}/firmware.vars",
                    "-drive", f"if=none,id=card,format=raw,discard=unmap,file={self.card}", "-device", "virtio-blk-pci,drive=card",
                    "-device", "VGA", "-action", "watchdog=reset",
                    "-chardev", "stdio,id=console", "-device", "isa-serial,chardev=console",
                    "-chardev", f"socket,id=hand,fd={theirs.fileno()}", "-device", "virtio-serial-pci",
                    "-device", "virtserialport,chardev=hand,name=rig",
                    "-chardev", f"socket,id=monitor,fd={its.fileno()}", "-mon", "chardev=monitor,mode=control",
                    *self._watchdog, *self._sticks, *self._strings,
                ],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, pass_fds=[theirs.fileno(), its.fileno()],
            )  # fmt: skip
        self._wire, self._held = hand, b""
        self._monitor, self._said = monitor, b""
        self._tell("qmp_capabilities")
        try:
            self.comes_up()
        except RigFault:
            self.cut()
            raise

    def comes_up(self) -> None:
        """Return when the hand inside answers, after a start that somebody has seen to.

        Raises:
            RigFault: it does not come up.
        """
        began = time.monotonic()
        try:
            while "hello" not in self._hear(BOOT_WITHIN_S):
                pass
        except RigFault as fault:
            raise RigFault(
                f"the computer did not come up: {fault}; its console ends:\n{self.console[-3000:]}"
            ) from None
        self.boot_s = time.monotonic() - began

    def restart(self) -> None:
        """In order, as `systemctl reboot` does, and up again.

        Raises:
            RigFault: it does not come up.
        """
        self.sh("systemctl --no-block reboot")
        self.comes_up()

    def happens(self, event: str, within_s: float) -> dict:
        """Wait for an event of the computer's own, such as WATCHDOG.

        Raises:
            RigFault: it did not happen.
        Source: QEMU's machine protocol (QMP).
        """
        assert self._monitor is not None
        until = time.monotonic() + within_s
        while True:
            line, newline, rest = self._said.partition(b"\n")
            if newline:
                self._said = rest
                if (told := json.loads(line)).get("event") == event:
                    return told
                continue
            left_s = until - time.monotonic()
            if left_s <= 0 or not select.select([self._monitor], [], [], left_s)[0]:
                raise RigFault(
                    f"no {event} within {within_s:.0f} s; the console ends:\n{self.console[-2000:]}"
                )
            self._said += self._monitor.recv(65536)

    def plug_in(self, stick: str) -> None:
        """Put a stick into a USB port, until the power is cut.

        Args:
            stick: its file's name without the ending.
        """
        self._tell("device_add", driver="usb-storage", drive=stick)

    def cut(self) -> None:
        """Cut the power; safe to call twice."""
        process, self._process = self._process, None
        for line in (self._wire, self._monitor):
            if line is not None:
                line.close()
        self._wire = self._monitor = None
        if process is not None:
            process.kill()
            process.wait()

    def leave(self, folder: Path) -> None:
        """For whoever looks for a fault: console and messages."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "console").write_text(self.console)
        with contextlib.suppress(RigFault):
            (folder / "messages").write_text(self.run("journalctl", "-b", "--no-pager").out)

    def _tell(self, command: str, **arguments: str) -> None:
        """A word to the computer itself; what it answers is passed over by happens()."""
        assert self._monitor is not None
        self._monitor.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")


def _strings(folder: Path) -> list[str]:
    """What the firmware says, for QEMU.

    Source: systemd-boot(7), systemd.system-credentials(7), systemd-debug-generator(8).
    """
    control = (HERE / "inside/control.py").read_bytes()
    said = {
        "boot.kernel-cmdline-extra=": b"console=ttyS0 modules_load=dummy_hcd",
        "credential.binary:systemd.extra-unit.rig-hand.service=": base64.b64encode(_HAND.encode()),
        "credential.binary:systemd.unit-dropin.sysinit.target=": base64.b64encode(
            b"[Unit]\nWants=rig-hand.service\n"
        ),
        "credential.binary:rig.control=": base64.b64encode(control),
    }
    options = []
    for number, (name, value) in enumerate(said.items()):
        path = folder / f"string{number}"
        path.write_bytes(f"io.systemd.{name}".encode() + value)
        options += ["-smbios", f"type=11,path={path}"]
    return options
