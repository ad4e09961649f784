"""A kiosk's first start: what makes one image many machines, each with a number and a key of its own.

Each step may be repeated and changes nothing the second time; the note that it
was done is written last. So the power may go at any moment, and the next start
begins again. A password that is there before anybody was here is a default
one, and no default opens this machine: technicians come by the cable.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from provisioning import durable, identity

NOTE: Final = "first-boot.json"
LEAST_FREE_MB: Final = 400
"""For a second slot (docs/updates.md) beside journal and list."""
_MACHINE_ID: Final = re.compile(r"[0-9a-f]{32}")
_PROBE: Final = b"a card that keeps this keeps a journal\n"
_LOCKED: Final = ("!", "*")


class FirstBootFault(Exception):
    """This machine can't be a kiosk yet; says what was found, what was wanted and what to do."""


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it.

    Args:
        locked: accounts whose password was taken away.
    """

    device_id: str
    journal_key: str
    locked: Sequence[str]
    free_mb: int


def first_boot(
    state: Path,
    etc: Path = Path("/etc"),
    lock: Callable[[str], None] | None = None,
    step: Callable[[str], None] = lambda _name: None,
) -> Made | None:
    """Make this machine itself, once.

    Args:
        state: the data partition's folder.
        lock: takes an account's password away; None for usermod(8).
        step: called between any two changes; for tests.
    Returns:
        None if it was done before.
    Raises:
        FirstBootFault: something is not as it must be.
        KeyFault: what lies where the key should be is no key.
    """
    if (state / NOTE).exists():
        return None
    free_mb = _keeps(state)
    step("probed")
    _has_a_machine_id(etc / "machine-id")
    locked = []
    for name in accounts_with_a_password(etc / "shadow"):
        (lock or _usermod)(name)
        locked.append(name)
        step(f"locked {name}")
    number = identity.device_id(state)
    step("numbered")
    key = identity.make_journal_key(state)
    step("key made")
    made = Made(number, str(key), locked, free_mb)
    durable.write(state / NOTE, json.dumps(asdict(made)).encode() + b"\n")
    return made


def accounts_with_a_password(shadow: Path) -> Sequence[str]:
    """Accounts that let somebody in who knows a password, or who gives none (shadow(5))."""
    try:
        lines = shadow.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return ()
    rows = (line.split(":") for line in lines if line.count(":") > 1)
    return [name for name, secret, *_ in rows if not secret.startswith(_LOCKED)]


def _usermod(name: str) -> None:
    done = subprocess.run(
        ["/usr/sbin/usermod", "--lock", name], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        raise FirstBootFault(f"the password of {name} can't be locked: {done.stderr.strip()[:200]}")


def _keeps(state: Path) -> int:
    """Try the data partition; megabytes free."""
    probe = state / ".first-boot"
    try:
        durable.write(probe, _PROBE, 0o600)
        read = probe.read_bytes()
        probe.unlink()
        found = os.statvfs(state)
    except OSError as fault:
        raise FirstBootFault(
            f"{state} does not take what a kiosk writes: {fault.strerror}; look at the data partition (findmnt {state})"
        ) from fault
    if read != _PROBE:
        raise FirstBootFault(f"{state} does not give back what was written; put another card in")
    free_mb = found.f_bavail * found.f_frsize // 1_000_000
    if free_mb < LEAST_FREE_MB:
        raise FirstBootFault(
            f"found {free_mb} MB free in {state}, wanted {LEAST_FREE_MB}; grow the data partition or take a larger card"
        )
    return free_mb


def _has_a_machine_id(path: Path) -> None:
    try:
        found = path.read_text(errors="replace").strip()
    except OSError:
        found = ""
    if not _MACHINE_ID.fullmatch(found):
        raise FirstBootFault(
            f"found {found[:40]!r} in {path}, wanted a number of this machine's own; run systemd-machine-id-setup"
        )
