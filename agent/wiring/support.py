"""Packs what somebody far away needs to see of a gate, without secrets and without people.

What is not known to be harmless is masked, see agent.core.veil. Keys, lists and
codes are never opened; a journal's events go in as kinds, figures and masks.
"""

import gzip
import io
import json
import os
import platform
import secrets
import sqlite3
import subprocess
import tarfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from agent.config import GateConfig
from agent.core.moments import iso
from agent.core.veil import Veil
from agent.stores.journal_reader import JournalReader

LOG: Final = ("journalctl", "--unit=menshen-*", "--output=short-iso", "--no-pager", "--lines=5000")
NEWEST_EVENTS: Final = 2000
_MOST_BYTES: Final = 1024 * 1024
_COMMAND_S: Final = 15.0
_README: Final = """\
What a menshen gate packed for support. Look through it before you send it on.

In it: what `menshen-agent doctor` says, the settings, the gate's health, the machine, the newest events,
and the system's log of menshen.
Taken out: keys, passwords, codes. Names in log lines that nobody foresaw could remain: look.
Masked (~ and eight digits): pass ids, who gave an order, hashes, mail addresses, telephone and identity
numbers. One mask is the same thing throughout this archive, and another in the next.
"""


def packed(doctor: str, config: GateConfig | None, *, log: tuple[str, ...] = LOG) -> bytes:
    """A tar.gz; what can't be had is named in `missing.txt` inside.

    Args:
        doctor: what the doctor said.
        config: the gate's, None if it has no usable one.
        log: prints the system's log of the gate.
    """
    veil, missing = Veil(secrets.token_bytes(32)), []
    files = {"README.txt": _README, "doctor.txt": veil.text(doctor), "machine.json": _json(_machine())}
    if config:
        files["settings.json"] = veil.text(_json(config.model_dump(mode="json")))
        for name, path in _small_files(config):
            with suppress(OSError):
                files[name] = veil.text(_read(path))
        try:
            files["events.jsonl"] = "".join(_events(config.journal_file, veil))
        except (OSError, sqlite3.Error) as fault:
            missing.append(f"events.jsonl: the journal can't be read: {fault}")
    else:
        missing.append("settings.json, events.jsonl: this gate has no configuration that can be used")
    said = _command(log)
    if said.strip():
        files["log.txt"] = veil.text(said)
    else:
        missing.append(f"log.txt: `{log[0]}` gave nothing")
    files["missing.txt"] = "".join(f"{line}\n" for line in missing) or "nothing\n"
    return _archive(files)


def _small_files(config: GateConfig) -> Iterator[tuple[str, Path]]:
    yield "health.json", config.health_file
    yield "link.json", config.link_file
    yield "slots.json", config.state / "slots" / "state.json"
    yield "update.json", config.state / "updates" / "progress.json"


def _machine() -> dict[str, Any]:
    model = ""
    with suppress(OSError):
        model = _read(Path("/proc/device-tree/model")).strip("\0")
    uptime = ""
    with suppress(OSError):
        uptime = _read(Path("/proc/uptime")).split()[0]
    return {
        "model": model or platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "up_s": uptime,
        "load": os.getloadavg(),
        "now": iso(time.time()),
        "memory": _command(("free", "-m")).splitlines(),
        "disks": _command(("df", "-m", "-x", "tmpfs")).splitlines(),
        "units": _command(("systemctl", "list-units", "menshen-*", "--all", "--no-pager")).splitlines(),
    }


def _events(path: Path, veil: Veil) -> Iterator[str]:
    with closing(JournalReader(path)) as reader:
        newest = deque(reader.bodies(max(0, reader.newest() - NEWEST_EVENTS)), NEWEST_EVENTS)
    for _, line in newest:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict):
            yield _json(veil.event(event), indent=None)


def _json(value: Any, indent: int | None = 1) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False) + "\n"


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MOST_BYTES).decode(errors="replace")


def _command(words: tuple[str, ...]) -> str:
    """What a command prints, its end if it is long; nothing if it can't be run here."""
    try:
        done = subprocess.run(
            list(words), capture_output=True, timeout=_COMMAND_S, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout[-_MOST_BYTES:].decode(errors="replace")


def _archive(files: dict[str, str]) -> bytes:
    whole = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=whole, mode="wb", mtime=0) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w") as archive,
    ):
        for name, text in files.items():
            data = text.encode()
            entry = tarfile.TarInfo(f"menshen-support/{name}")
            entry.size, entry.mtime = len(data), int(time.time())
            archive.addfile(entry, io.BytesIO(data))
    return whole.getvalue()
