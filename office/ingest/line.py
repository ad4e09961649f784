"""What of an event's line becomes a column; the line itself is kept as it came.

A gate is believed to have signed a line, not to have written a good one: a
field of a wrong shape is left empty, and nothing here raises.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from agent.core.events import TYPE_PREFIX
from agent.core.moments import from_iso

UNREADABLE: Final = "unreadable"
_WORD: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")
_LATEST_UTC: Final = 253_402_200_000  # some time zones away from the end of the year 9999
_PASS_ID: Final = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Line:
    """One event as the office's tables know it.

    Args:
        at_utc: seconds since 1970 by the gate's clock; 0 if it did not say.
        kind: without its prefix; `unreadable` for a line that is no event.
        data: the rest, as the gate wrote it.
    """

    at_utc: float = 0.0
    kind: str = UNREADABLE
    reason: str = ""
    pass_id: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


def read(body: bytes) -> Line:
    """Read a line."""
    try:
        fields = json.loads(body.decode())
        kind = _word(fields["type"].removeprefix(TYPE_PREFIX)) or UNREADABLE
        at_utc = from_iso(fields["time"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return Line()
    if not 0 <= at_utc < _LATEST_UTC:
        at_utc = 0.0
    found = fields.get("data")
    data = found if isinstance(found, dict) else {}
    pass_id = data.get("pass")
    is_pass = isinstance(pass_id, str) and _PASS_ID.fullmatch(pass_id)
    return Line(at_utc, kind, _word(data.get("reason")), str(pass_id) if is_pass else "", data)


def _word(text: object) -> str:
    return text if isinstance(text, str) and _WORD.fullmatch(text) else ""
