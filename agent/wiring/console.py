"""The screen of a kiosk's first console: which machine this is, how it does, and what is wrong.

For whoever stands before it with a monitor. It takes nothing in, knows no
secret, and says of people nothing at all. English, since a text console has no
Chinese letters.
"""

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.config import GateConfig, examine
from agent.core.health import GateHealth
from agent.core.machine_watch import throttling
from agent.core.wellness import FRESH_S
from agent.stores import link, vitals
from agent.stores.release_news import release_news
from agent.wiring.version import installed_version
from hw import machine

WIDTH: Final = 78
_LOW_MB: Final = 100
_SERIAL: Final = Path("/proc/device-tree/serial-number")
_WHY: Final = Path("/run/menshen-guard/why")
_STATE: Final = Path("/var/lib/menshen")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the screen tells of.

    Args:
        config: None where there is none that can be read.
        blank: whether nobody has enrolled this kiosk yet.
        age_s: how long ago the gate said how it does; None if it has not.
        online: whether sync reaches the broker.
        safe_why: why the guard chose safe mode.
    """

    version: str
    serial: str
    addresses: Sequence[str]
    config: GateConfig | None = None
    blank: bool = True
    ready: bool = True
    health: GateHealth = field(default_factory=GateHealth)
    age_s: float | None = None
    online: bool = False
    update: str | None = None
    safe_why: str = ""
    free_mb: int | None = None
    throttled: int | None = None

    @property
    def speaks(self) -> bool:
        """Whether the gate, or safe mode in its place, runs and says so."""
        return self.age_s is not None and self.age_s <= FRESH_S


def look(config_path: Path) -> Facts:
    """What is so now; whatever can't be read is left out."""
    config, _ = examine(config_path, with_broker=False)
    state = config.state if config else _STATE
    health, age_s = GateHealth(), None
    if config:
        health = vitals.read(config.health_file)
        with contextlib.suppress(PermissionError):
            age_s = vitals.age_s(config.health_file)
    return Facts(
        version=installed_version(),
        serial=_text(_SERIAL) or _text(state / "device-id") or "unknown",
        addresses=tuple(_addresses()),
        config=config,
        blank=not config_path.exists(),
        ready=(state / "first-boot.json").exists(),
        health=health,
        age_s=age_s,
        online=bool(config) and link.online(state / "sync" / "link.json"),
        update=release_news(state),
        safe_why=_text(_WHY).removeprefix('WHY="').removesuffix('"'),
        free_mb=machine.disk_free_mb(state),
        throttled=machine.throttled(),
    )


def screen(facts: Facts) -> str:
    """The whole screen, a page of lines no longer than the console's."""
    faults = list(wrong(facts))
    lines = [
        "",
        f"menshen {facts.version}",
        "",
        *(f"{name:<9}{text}" for name, text in _rows(facts)),
        "",
        *(["WRONG", *(f"- {fault}" for fault in faults)] if faults else ["Nothing is wrong."]),
        "",
        "Technicians: plug the USB cable in and run menshen-provision.",
    ]
    return "\n".join("  " + _plain(line)[: WIDTH - 2] for line in lines) + "\n"


def _rows(facts: Facts) -> Iterator[tuple[str, str]]:
    config, health = facts.config, facts.health
    if config:
        yield "gate", f"{config.gate} of site {config.site}, zone {config.zone}, way {config.direction}"
    else:
        yield "gate", "none yet" if facts.blank else "unknown"
    yield "kiosk", facts.serial
    yield "address", ", ".join(facts.addresses) or "none"
    if facts.speaks:
        known = f"list {health.list} ({health.list_state})" if health.list is not None else "no list"
        yield (
            "state",
            f"{health.mode}, door {health.door}, {known}, clock {health.clock}, {health.camera_fps:.0f} fps",
        )
    if config:
        yield "office", "reached" if facts.online else "not reached"
    if facts.update:
        yield "update", facts.update


def wrong(facts: Facts) -> Iterator[str]:
    """What somebody should see to, a sentence each."""
    if not facts.ready:
        yield "the first start is not finished: journalctl -u menshen-first-boot"
    if facts.config is None and not facts.blank:
        yield "gate.toml can't be used; menshen-provision writes it anew"
    if facts.config is not None:
        yield from (
            _ails(facts.health) if facts.speaks else ("the gate does not run: journalctl -u menshen-gate",)
        )
        if facts.safe_why and facts.speaks and facts.health.mode == "safe":
            yield facts.safe_why
        if facts.config.broker and not facts.online:
            yield "office: the broker is not reached"
    if facts.free_mb is not None and facts.free_mb < _LOW_MB:
        yield f"card: {facts.free_mb} MB free"
    if (hot := throttling(facts.throttled)) not in {None, "none"}:
        yield f"supply or heat: {hot}"


def _ails(health: GateHealth) -> Iterator[str]:
    """What is wrong with a gate that says how it does."""
    if health.mode != "normal":
        yield f"{health.mode} mode: only the exit button and the fire input work"
    elif health.camera_fps <= 0:
        yield "camera: no pictures in the last half minute"
    if health.mode == "normal" and health.list_state != "fresh":
        yield f"list: {'none yet' if health.list is None else health.list_state}"
    if health.journal != "good":
        yield "card: it does not take events in time"
    if health.clock == "unknown":
        yield "clock: nobody has said what time it is"


def _addresses() -> Iterator[str]:
    """Such as `eth0 192.0.2.7/24`, by `ip`, which asks the kernel."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, subprocess.TimeoutExpired):
        done = subprocess.run(["ip", "-json", "address"], capture_output=True, check=False, timeout=10)
        for one in json.loads(done.stdout):
            for address in one.get("addr_info", ()):
                if address.get("scope") == "global":
                    yield f"{one['ifname']} {address['local']}/{address['prefixlen']}"


def _text(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace").strip("\0\n ")[:300]
    return ""


def _plain(text: str) -> str:
    """Nothing that could move a cursor or change a colour."""
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in text)
