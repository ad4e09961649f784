"""The last configuration that worked: a spoilt one must not close a gate.

It is kept in the gate's own state directory, since a file that cannot be
read does not say where its state lies.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from agent.config import GateConfig, examine

_NAME: Final = "config.good.json"


def kept_at(environ: Mapping[str, str] = os.environ) -> Path:
    """The file; systemd's STATE_DIRECTORY says where, as it does to the gate's unit."""
    return Path(environ.get("STATE_DIRECTORY", "/var/lib/menshen/gate")) / _NAME


def load_or_last_good(path: Path) -> tuple[GateConfig | None, tuple[str, ...]]:
    """The gate's configuration; or, if it has faults, the last good one and those faults.

    Returns:
        (None, faults) when there is neither.
    """
    config, faults = examine(path, with_broker=False)
    if config is not None and not faults:
        return config, ()
    return kept_good(), faults


def kept_good() -> GateConfig | None:
    """The last configuration that a gate started with, if there is one."""
    try:
        return GateConfig.model_validate_json(kept_at().read_bytes())
    except (OSError, ValidationError):
        return None


def remember_good(config: GateConfig) -> None:
    """Keep a configuration that a gate has started with, unless it is kept already or is not this machine's."""
    kept = kept_at()
    text = config.model_dump_json()
    if config.state / "gate" != kept.parent or (kept.is_file() and kept.read_text() == text):
        return
    draft = kept.with_suffix(".draft")
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(kept)
