"""What was vowed to a gate, on the card: a lockdown outlives a restart.

One small file, in the gate's own directory. A file that cannot be read vows
nothing, and the fault is told: a gate must not lock people out for a bad sector.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Final

from agent.core.rules import Vows

_MOST_BYTES: Final = 1024


def keep(path: Path, vows: Vows) -> None:
    """Write what is vowed, whole or not at all, durably.

    Raises:
        OSError: the card does not take it.
    """
    draft = path.with_suffix(".draft")
    with draft.open("w") as file:
        json.dump(asdict(vows), file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def recall(path: Path) -> tuple[Vows, str]:
    """What was vowed, and what is wrong with the file, if anything is."""
    try:
        with path.open("rb") as file:
            fields = json.loads(file.read(_MOST_BYTES))
        lockdown, maintenance = fields["lockdown"], fields["maintenance"]
    except FileNotFoundError:
        return Vows(), ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as fault:
        return Vows(), f"{path.name} cannot be read, so no lockdown is remembered: {fault!r}"
    return Vows(lockdown is True, maintenance is True), ""
