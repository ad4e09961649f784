"""Where updates happen: this machine, this gate, and the folders on the data partition.

    /var/lib/menshen/updates/    the updater's: what it has fetched, verified bytes alone
    /var/lib/menshen/slots/      root's: two slots, the link, what was decided (firmware_tools.device.guard)

Of gate.toml only what is needed here is read, and nothing is judged that
`menshen-agent check` judges: an update must be able to mend a gate whose
configuration is spoilt.
"""

import os
import platform
import re
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent import RELEASED_UTC
from agent.core.allowlist import NAME
from agent.core.moments import Moment
from agent.stores.anchor import Anchor
from firmware_tools.device.guard import Slots
from firmware_tools.manifest import OWN_BOARD

_MAX_BYTES: Final = 256 * 1024
_AUTOMATIC: Final = re.compile("fetch|stage|switch")


class UpdateFault(Exception):
    """An update that does not happen; says what was found, what was wanted and what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """One gate, as updates see it.

    Args:
        source: where releases come from: dir:/path, http://… or https://…; empty if nowhere.
        automatic: `fetch` only, `stage` too, or `switch` as well.
    """

    config: Path
    site: str
    gate: str
    board: str
    root: Path
    state: Path
    source: str
    automatic: str
    arch: str
    python: str

    @classmethod
    def read(cls, config: Path) -> "Place":
        """Read gate.toml.

        Raises:
            UpdateFault: it is not there, or says too little.
        """
        try:
            with config.open("rb") as file:
                fields: dict[str, Any] = tomllib.loads(file.read(_MAX_BYTES).decode())
            site, gate = fields["site"], fields["gate"]
            update, board = fields.get("update", {}), fields.get("board", {}).get("name", "reference")
            listed = fields.get("list", {}).get("source", "")
            folder = config.resolve().parent
            source = update.get("source", "") or (listed if listed != "mqtt" else "")
            if source.startswith("dir:"):
                source = f"dir:{folder / source.removeprefix('dir:')}"
            return cls(
                config=config,
                site=_one_of("site", site, NAME),
                gate=_one_of("gate", gate, NAME),
                board=OWN_BOARD if board.endswith(".toml") else board,
                root=folder / fields.get("root", "root.json"),
                state=folder / fields.get("state", "/var/lib/menshen"),
                source=source,
                automatic=_one_of("update.automatic", update.get("automatic", "switch"), _AUTOMATIC),
                arch=platform.machine(),
                python="{}.{}".format(*sys.version_info[:2]),
            )
        except OSError as fault:
            raise UpdateFault(f"{config} can't be read: {fault.strerror}; is this gate enrolled?") from fault
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
            raise UpdateFault(
                f"{config} does not say what a gate says: {fault}; run menshen-agent check"
            ) from fault

    @property
    def updates(self) -> Path:
        """What the updater has fetched: part of a repository, as it lies beside the published list."""
        return self.state / "updates" / "repository"

    @property
    def progress_file(self) -> Path:
        """What the updater says of itself, for `status` and for sync."""
        return self.state / "updates" / "progress.json"

    @property
    def slots(self) -> Slots:
        return Slots(self.state / "slots")

    @property
    def link_file(self) -> Path:
        """Whether sync reaches the broker, as it says itself."""
        return self.state / "sync" / "link.json"

    def anchor(self, who: str) -> Anchor:
        """The root of trust and the memory of one of the two: `updates`, which fetches, or `slots`, which installs.

        Raises:
            UpdateFault: there is no root.
        """
        try:
            return Anchor(self.root.read_bytes(), self.site, self.state / who / "trust")
        except OSError as fault:
            raise UpdateFault(
                f"the root of trust {self.root} can't be read: {fault.strerror}; enrol this gate"
            ) from fault


def _one_of(key: str, found: str, wanted: re.Pattern[str]) -> str:
    if not wanted.fullmatch(found):
        raise ValueError(f"found {key} {found!r}, wanted {wanted.pattern}")
    return found


def moment() -> Moment:
    """Now, never before this software was released."""
    return Moment(max(time.time(), RELEASED_UTC), time.monotonic())


def free_bytes(folder: Path) -> int:
    """What may still be written beside a folder."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
