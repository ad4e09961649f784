"""Gathers what the rules of agent.core.findings are told of a gate: for the doctor, and for a kiosk's screen.

Reads only, and beside the running processes.
"""

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Final

from agent.config import GateConfig, examine
from agent.core.findings import Seen
from agent.last_good import kept_good
from agent.stores import link, pointer, vitals
from agent.stores.journal_reader import JournalReader
from agent.stores.lists import stored
from agent.stores.release_news import release_news
from agent.wiring.version import installed_version
from hw import machine

STATE: Final = Path("/var/lib/menshen")
_FIRST_START: Final = Path("/usr/lib/systemd/system/menshen-first-boot.service")
_WHY: Final = Path("/run/menshen-guard/why")


def see(path: Path, *, with_broker: bool = True) -> tuple[Seen, GateConfig | None]:
    """Look at the gate of a configuration.

    Args:
        with_broker: as for agent.config.examine.
    Returns:
        What was seen; and the configuration by which it was, None if neither it nor a last good one can be used.
    Raises:
        PermissionError: this user may not look.
    """
    config, faults = examine(path, with_broker=with_broker)
    if config is None or faults:
        good = kept_good()
        return (_seen(good, faults, on_last_good=True) if good else _blind(faults)), good
    return _seen(config, (), on_last_good=False), config


def _blind(faults: tuple[str, ...]) -> Seen:
    return Seen(
        installed=installed_version(),
        now_utc=time.time(),
        faults=faults,
        configured=False,
        temperature_c=machine.temperature_c(),
        throttled=machine.throttled(),
        first_start_over=first_start_over(STATE),
    )


def first_start_over(state: Path, unit: Path = _FIRST_START) -> bool:
    """Whether a kiosk has had its first start; a machine without the unit that makes one wants none."""
    return (state / "first-boot.json").exists() or not unit.exists()


def _safe_why() -> str:
    with contextlib.suppress(OSError):
        return _WHY.read_text(errors="replace").strip().removeprefix('WHY="').removesuffix('"')[:300]
    return ""


def _seen(config: GateConfig, faults: tuple[str, ...], *, on_last_good: bool) -> Seen:
    events, queue, fault = _journal(config)
    current, refusal = stored(config.list_file)
    broker = config.broker
    return Seen(
        installed=installed_version(),
        now_utc=time.time(),
        faults=faults,
        on_last_good=on_last_good,
        health=vitals.read(config.health_file),
        health_age_s=vitals.age_s(config.health_file),
        journal_fault=fault,
        events=events,
        queue=queue,
        stored_list=current.number if current else None,
        list_expires_utc=current.expires_utc if current else 0.0,
        list_refusal=refusal,
        list_source=config.list.source,
        broker=f"{broker.host}:{broker.port}" if broker else None,
        online=link.online(config.link_file),
        update=release_news(config.state),
        temperature_c=machine.temperature_c(),
        throttled=machine.throttled(),
        free_mb=machine.disk_free_mb(config.state),
        wear=machine.storage_wear(),
        first_start_over=first_start_over(config.state),
        safe_why=_safe_why(),
    )


def _journal(config: GateConfig) -> tuple[int, int | None, str]:
    """How many events there are, how many the office lacks, and why neither can be said."""
    if vitals.age_s(config.journal_file) is None:
        return 0, None, "it is not there yet"
    try:
        with contextlib.closing(JournalReader(config.journal_file)) as reader:
            newest = reader.newest()
            acked = pointer.read(config.pointer_file)
            found = reader.find(acked.epoch, acked.seq) if acked else None
            return newest, newest - (found[0] if found else 0), ""
    except sqlite3.Error as fault:
        return 0, None, str(fault)
