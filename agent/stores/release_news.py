"""What became of the newest release here, in a few words, as updates note it for themselves.

The files are the updater's and the guard's; this only reads, and believes
nothing: a word that is not understood is left out.
"""

import json
from pathlib import Path
from typing import Any, Final

_MAX_BYTES: Final = 64 * 1024
_MAX_WORDS: Final = 120


def release_news(state: Path) -> str | None:
    """Such as `fetching 0.2.0, 40 %`, `trial 0.2.0` or `rolled back 0.2.0: no pictures`.

    Args:
        state: the gate's directory of data.
    Returns:
        None where nothing was ever updated.
    """
    decided = _read(state / "slots" / "state.json")
    progress = _read(state / "updates" / "progress.json")
    history = decided.get("history")
    last = history[-1] if isinstance(history, list) and history and isinstance(history[-1], dict) else {}
    if isinstance(trial := decided.get("trial"), dict):
        said = f"trial {trial.get('version')}"
    elif progress.get("phase") == "fetching":
        said = f"fetching {progress.get('version')}, {progress.get('percent')} %"
    elif progress.get("phase") == "refused":
        said = f"not fetched: {progress.get('why')}"
    elif last:
        said = f"{last.get('what')} {last.get('version')}" + (f": {last['why']}" if last.get("why") else "")
    else:
        return None
    return "".join(c if c.isprintable() else "?" for c in said)[:_MAX_WORDS]


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(_MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
