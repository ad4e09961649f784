"""Inspection records that the provisioning link left for this gate, as facts for its journal.

Each is signed by the gate's own journal key, so a file that somebody else put here is not
told. A record is removed once its event is in the journal; a crash in between tells
it twice, with the same digest.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from agent.core.events import Fact

LARGEST: Final = 16 * 1024
_MOST: Final = 32
_PREFIX: Final = b"menshen/inspection/1\0"


def take(
    folder: Path,
    site: str,
    gate: str,
    sign: Callable[[bytes], bytes],
    journal: Callable[[Mapping[str, Fact]], None],
) -> None:
    """Journal each record that waits in a folder, and remove it; never raises.

    Args:
        sign: with the gate's journal key; Ed25519 signs alike each time, so a record is this
            gate's if its signature is what the gate would sign.
        journal: appends the facts as an event.
    """
    for path, data in _waiting(folder):
        facts = _facts(data, site, gate, sign)
        if facts:
            journal(facts)
        try:
            path.unlink()
        except OSError:
            continue  # told again at the next start, with the same digest


def _waiting(folder: Path) -> Iterator[tuple[Path, bytes]]:
    try:
        names = sorted(folder.glob("*.json"))[:_MOST]
    except OSError:
        return
    for path in names:
        try:
            with path.open("rb") as file:
                yield path, file.read(LARGEST + 1)
        except OSError:
            continue


def _facts(data: bytes, site: str, gate: str, sign: Callable[[bytes], bytes]) -> dict[str, Fact] | None:
    """What the journal says of a record; None if it is not this gate's, whole and signed."""
    try:
        record: dict[str, Any] = json.loads(data)
        signature = bytes.fromhex(record.pop("signature"))
        text = _PREFIX + json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
        if (record["site"], record["gate"]) != (site, gate) or sign(text) != signature:
            return None
        bad = [
            " ".join(filter(None, (step["step"], step["note"]))) for step in record["steps"] if not step["ok"]
        ]
        return {
            "passed": record["passed"] is True,
            "steps": len(record["steps"]),
            "failed": ", ".join(bad)[:200],
            "by": str(record["by"])[:64],
            "inspected_at": str(record["at"])[:32],
            "record": hashlib.sha256(data).hexdigest(),
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
