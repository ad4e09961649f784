"""A kiosk: the machine that an image makes. Nothing in the image is changed for it.

What the rig wants inside comes from outside: the kernel's command line hands systemd one more unit, which
mounts a disk of the rig's own and does as it is told over a serial line. The rest is what a Pi has:
pins, a camera, a USB port and a network card, all of them the kernel's.
"""

import base64
import contextlib
import json
import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path

from firmware_tools.image.packing import KERNEL_OPTIONS
from tests.rig.hand import RigFault
from tests.rig.machine import ROOT, Machine
from tests.rig.street import BIN, GATE, HERE, THEM, Street

RELAY = 17
TOOLS = "/run/rig"
SLOT = "/var/lib/menshen/slots/current/venv/bin"
MEMORY_BYTES = 4 << 30
_HAND = """[Unit]
DefaultDependencies=no
[Service]
ExecStart=/bin/sh -c 'mkdir -p /run/rig; mountpoint -q /run/rig || mount -t ext4 -o ro /dev/ubdb /run/rig; sh /run/rig/tests/rig/inside/camera.sh on; exec python3 /run/rig/tests/rig/inside/control.py /dev/ttyS1'
Restart=always
OOMScoreAdjust=-900
"""
# The reference board with inputs that are at peace when nothing is wired to them: in the rig nothing is.
BOARD = """
title = "the rig's: the reference board without its loops"
[relay]
pin = 17
active = "high"
pulse_ceiling_s = 10.0
[lamps.red]
pin = 22
[lamps.green]
pin = 27
[lamps.white]
pin = 23
[buzzer]
pin = 18
tone = true
[inputs.exit]
pin = 5
active = "low"
pull = "up"
debounce_ms = 30
"""
_NETWORK = f"""[connection]
id=street
type=ethernet
interface-name=vec0
[ipv4]
method=manual
address1={THEM}/24
[ipv6]
method=disabled
"""


class Kiosk(Machine):
    """A card with an image on it, and what it is plugged into.

    Args:
        image: from tests.rig.machine.image(); copied to a card of its own.
        within: the command that enters the street's network.
    """

    def __init__(self, folder: Path, kernel: Path, image: Path, within: tuple[str, ...] = ()) -> None:
        super().__init__(folder, kernel)
        self.within = within
        self.card = folder / "card.img"
        self.cable = folder / "cable"
        self._far = folder / "far"
        subprocess.run(["cp", "--sparse=always", image, self.card], check=True)
        os.truncate(self.card, max(self.card.stat().st_size, MEMORY_BYTES))
        self._tools = _tools(folder)
        self._line = subprocess.Popen(
            [BIN / "menshen-provision", "cable", self.cable, self._far],
            stdout=subprocess.PIPE,
            text=True,
            cwd=HERE,
        )
        assert "a cable" in self._line.stdout.readline()

    def disks_and_system(self) -> list[str]:
        hand = base64.b64encode(_HAND.encode()).decode()
        return [
            "mem=1024M",
            f"ubd0={self.card}",
            f"ubd1r={self._tools}",
            f"root=PARTLABEL=menshen-base-a {KERNEL_OPTIONS}",
            f"systemd.set_credential_binary=systemd.extra-unit.rig-hand.service:{hand} systemd.wants=rig-hand.service",
            # Its screen is none: this kernel has no virtual terminals.
            "systemd.mask=menshen-console.service",
        ]

    def lines_and_cards(self) -> list[str]:
        return [
            f"ssl2=tty:{self._far.resolve()}",
            *(["vec0:transport=tap,ifname=kiosk,depth=64"] if self.within else []),
            "vivid.n_devs=1 vivid.node_types=0x101 vivid.num_inputs=1 vivid.input_types=0x2 vivid.num_outputs=1 vivid.output_types=0x0",
        ]

    def close(self) -> None:
        self.cut()
        self._line.terminate()
        self._line.wait()
        self._line.stdout.close()

    # --- what is done to it ----------------------------------------------------

    def plug_in(self) -> None:
        """The network's cable, once; NetworkManager keeps it on the data partition."""
        self.put("/etc/NetworkManager/system-connections/street.nmconnection", _NETWORK, "600")
        self.sh("nmcli connection reload && nmcli connection up street", within_s=60)

    def plug_in_laptop(self) -> None:
        """Join the USB port's other end, inside the same kernel, with the serial line that leads outside."""
        self.sh(
            f"systemd-run --quiet --collect --unit=rig-cable python3 {TOOLS}/tests/rig/inside/cable.py /dev/ttyACM0 /dev/ttyS2"
        )
        time.sleep(2.0)  # until both ends are open

    def draw(self, *texts: str) -> None:
        """Prepare the pictures of codes, once after each start; drawn inside, for the hand's line is slow."""
        self.sh(
            f"mkdir -p /run/codes && {SLOT}/python {TOOLS}/tests/rig/inside/picture.py /run/codes {shlex.join(texts)}",
            within_s=120,
        )

    def show(self, number: int = 0, seconds: float = 3.0) -> None:
        """Hold the code of this number to the camera."""
        self.sh(
            f"sh {TOOLS}/tests/rig/inside/camera.sh show /run/codes/{number}.bgr {seconds}",
            within_s=seconds + 60,
        )

    def film(self, seconds: float = 2.0) -> None:
        """Hold all that was drawn to the camera, one code after the other, for ever."""
        loop = f"while :; do for one in /run/codes/*; do sh {TOOLS}/tests/rig/inside/camera.sh show $one {seconds}; done; done"
        self.sh(f"systemd-run --quiet --collect --unit=rig-film sh -c {shlex.quote(loop)}")

    def enrol(self, street: Street) -> None:
        """What a technician types, at the other end of the cable."""
        street.menshen(
            "menshen-provision", "enrol", "--port", self.cable, "--site-file", "site.toml", "--gate", GATE, "--zone", "main",
            "--direction", "in", "--record", f"{GATE}.json",
        )  # fmt: skip

    def take(self, version: str) -> None:
        """What the timers start at night: bring the release that is due, build the other slot, put it on trial."""
        self.sh("systemctl start menshen-update-fetch.service", within_s=600)
        self.sh("systemctl start menshen-update-install.service", within_s=1800)
        about = self.menshen("menshen-firmware", "update", "status")
        if version not in about:
            raise RigFault(
                f"{version} was not installed:\n{about}{self.sh('journalctl -b -u menshen-update* --no-pager')}"
            )

    # --- what is seen of it ----------------------------------------------------

    def moments(self, pin: int = RELAY) -> list[tuple[float, int]]:
        """Every level that a pin was driven to since the kernel began, each with its second."""
        return [tuple(one) for one in self.wires("drove", str(pin))]

    def wires(self, *arguments: str):
        return json.loads(self.sh(f"cd {TOOLS} && python3 -m tests.wires {shlex.join(arguments)}"))

    def menshen(self, command: str, *arguments: str, within_s: float = 120.0) -> str:
        """One of the running slot's commands, as root."""
        return self.sh(shlex.join([f"{SLOT}/{command}", *arguments]), within_s=within_s)

    def leave(self, folder: Path) -> None:
        """For whoever looks for a fault: console and messages."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "console").write_text(self.console)
        with contextlib.suppress(RigFault):
            (folder / "messages").write_text(self.run("journalctl", "-b", "--no-pager").out)


def _tools(folder: Path) -> Path:
    """A disk with what the rig runs inside: its own files, and v4l2-ctl from the rig's root."""
    tree, disk = folder / "tools", folder / "tools.img"
    (tree / "lib").mkdir(parents=True)
    shutil.copytree(HERE / "tests/rig/inside", tree / "tests/rig/inside")
    for name in ("tests/__init__.py", "tests/wires.py"):
        shutil.copy(HERE / name, tree / name)
    shutil.copy(ROOT / "usr/bin/v4l2-ctl", tree / "v4l2-ctl")
    for name in ("libv4l2.so.0", "libv4lconvert.so.0", "libjpeg.so.62"):
        shutil.copy(next((ROOT / "usr/lib/x86_64-linux-gnu").glob(name)).resolve(), tree / "lib" / name)
    with disk.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-d", tree, disk], check=True)
    return disk
