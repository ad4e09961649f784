"""What of its machine a kiosk's link may touch: the clock, the radio, the system's log.

Each is a part that may be missing: a kiosk on a bench, or in a test, has none
of them, and says so. Commands run as children with fixed words, bounded in time
and in what they may say; nothing from the line becomes a word of a command.
"""

import json
import subprocess
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from provisioning import durable
from provisioning.check import beside_this_one
from provisioning.wire import MAX_READ, Interface, NetworkResult, WifiParams, plain

WIFI_FILE: Final = "menshen-wifi.nmconnection"
JOURNALCTL: Final = ("journalctl", "--unit=menshen-*", "--output=short-iso", "--no-pager", "--lines=20000")
SELFTEST: Final = ("menshen-agent", "selftest")
DOCTOR: Final = ("menshen-agent", "doctor")
SUPPORT: Final = ("menshen-agent", "support", "-")
INSIDE: Final = ("menshen-agent", "inside", "--out", "-")
_COMMAND_S: Final = 15.0
_GATE_COMMAND_S: Final = 75.0
"""A gate's own command starts slowly on a small Pi, and asks others in its turn."""
_SYS_NET: Final = Path("/sys/class/net")
_MOST: Final = 16


class Cannot(Exception):
    """This machine does not allow it; says why, for the technician."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine under a kiosk.

    Args:
        sets_clock: whether the link may set the system's clock.
        networks: where NetworkManager keeps its connections; None where it is not used.
        reload_networks: run after a connection was written.
        log: prints the system's log of this gate.
        try_gate, try_sync: given a step, `--config FILE` and `--for SECONDS`, try one part of the gate as
            its own process would, and print what was found as one line of JSON.
        doctor, support, inside: given `--config FILE`, print how the gate is, an archive for whoever is to help,
            and who is inside, signed.
    """

    sets_clock: bool = False
    networks: Path | None = None
    reload_networks: Sequence[str] = ("nmcli", "connection", "reload")
    log: Sequence[str] = JOURNALCTL
    try_gate: Sequence[str] = SELFTEST
    try_sync: Sequence[str] = SELFTEST
    doctor: Sequence[str] = DOCTOR
    support: Sequence[str] = SUPPORT
    inside: Sequence[str] = INSIDE

    def set_clock(self, utc: float) -> None:
        """Set the system's clock.

        Raises:
            Cannot: not allowed here.
        """
        if not self.sets_clock:
            raise Cannot("this kiosk's link may not set the clock; it was started without --set-clock")
        try:
            time.clock_settime(time.CLOCK_REALTIME, utc)
        except OSError as fault:
            raise Cannot(f"this kiosk's link may not set the clock: {fault.strerror}") from fault

    def network(self) -> NetworkResult:
        """The interfaces and their addresses, and the Wi-Fi network that was set."""
        wifi = None
        if self.networks:
            try:
                text = (self.networks / WIFI_FILE).read_text(errors="replace")
                wifi = next((line[5:] for line in text.splitlines() if line.startswith("# to ")), None)
            except OSError:
                pass
        return NetworkResult(interfaces=list(_interfaces()), wifi=plain(wifi) if wifi else None)

    def join(self, wifi: WifiParams) -> str:
        """Write a Wi-Fi network for NetworkManager, durably, and have it read.

        Returns:
            A sentence on what was done.
        Raises:
            Cannot: there is no NetworkManager here.
            OSError: the disk's reason.
        """
        if self.networks is None or not self.networks.is_dir():
            raise Cannot("this kiosk has no NetworkManager; set its network up by hand")
        durable.write(self.networks / WIFI_FILE, _keyfile(wifi).encode(), 0o600)
        try:
            done = subprocess.run(
                list(self.reload_networks), capture_output=True, timeout=_COMMAND_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return "written; NetworkManager could not be told, so restart the kiosk"
        if done.returncode:
            return "written; NetworkManager did not take it up, so restart the kiosk"
        return "written, and NetworkManager has read it"

    def system_log(self) -> bytes:
        """The newest of the system's log of this gate.

        Raises:
            Cannot: there is none.
        """
        try:
            done = subprocess.run(list(self.log), capture_output=True, timeout=_COMMAND_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as fault:
            raise Cannot(
                "this kiosk has no system log to read; `logs --sessions` reads the link's own"
            ) from fault
        return done.stdout[-MAX_READ:]

    def examined(self, config: Path) -> bytes:
        """What the gate's doctor says.

        Raises:
            Cannot: it says nothing.
        """
        return _said(self.doctor, config, {0, 1})

    def packed(self, config: Path) -> bytes:
        """The gate's archive for support.

        Raises:
            Cannot: there is none, or it is too long for the cable.
        """
        return _said(self.support, config, {0})

    def mustered(self, config: Path) -> bytes:
        """The gate's signed account of who passed last.

        Raises:
            Cannot: it has none, as one that has never run.
        """
        return _said(self.inside, config, {0})


def _said(command: Sequence[str], config: Path, good: set[int]) -> bytes:
    """What a command of the gate prints; exit codes other than the good ones mean that it could not."""
    words = [beside_this_one(command[0]), *command[1:], "--config", str(config)]
    name = " ".join(command[:2])
    try:
        done = subprocess.run(
            words, capture_output=True, timeout=_GATE_COMMAND_S, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise Cannot(f"this kiosk could not run `{name}`; `logs` reads its log") from fault
    if done.returncode not in good:
        why = plain(done.stderr.decode(errors="replace").strip().rpartition("\n")[2], 200)
        raise Cannot(f"`{name}` ended with code {done.returncode}: {why}")
    if len(done.stdout) > MAX_READ:
        raise Cannot(f"`{name}` made {len(done.stdout)} bytes, and the cable carries {MAX_READ}")
    return done.stdout


def _interfaces() -> Sequence[Interface]:
    """By `ip -json address`; by /sys, without addresses, where there is no `ip`."""
    try:
        done = subprocess.run(
            ["ip", "-json", "address"], capture_output=True, timeout=_COMMAND_S, check=False
        )
        return [
            Interface(
                name=plain(str(one["ifname"]), 40),
                up="UP" in one.get("flags", ()),
                addresses=[plain(f"{a['local']}/{a['prefixlen']}", 60) for a in one.get("addr_info", ())][:8],
            )
            for one in json.loads(done.stdout)
            if one["ifname"] != "lo"
        ][:_MOST]
    except (OSError, ValueError, KeyError, TypeError, subprocess.TimeoutExpired):
        names = sorted(path.name for path in _SYS_NET.iterdir()) if _SYS_NET.is_dir() else []
        return [Interface(name=name, up=True, addresses=[]) for name in names if name != "lo"][:_MOST]


def _keyfile(wifi: WifiParams) -> str:
    """A connection in NetworkManager's keyfile format (nm-settings-keyfile(5)).

    The name is written as bytes, so that no letter of it can end the line or begin another.
    """
    name = "".join(f"{byte};" for byte in wifi.ssid.encode())
    secret = wifi.passphrase.replace("\\", "\\\\")
    if secret.startswith(" "):
        secret = "\\s" + secret[1:]
    security = f"\n[wifi-security]\nkey-mgmt=wpa-psk\npsk={secret}\n" if secret else ""
    return (
        f"# to {plain(wifi.ssid, 40)}\n"
        f"[connection]\nid=menshen-wifi\nuuid={uuid.uuid5(uuid.NAMESPACE_DNS, 'menshen-wifi')}\ntype=wifi\n"
        f"\n[wifi]\nmode=infrastructure\nssid={name}\n{security}\n[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n"
    )
