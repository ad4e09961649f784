"""What of an event's line becomes a column; the line itself is kept as it came.

A gate is believed to have signed a line, not to have written a good one: a
field of a wrong shape is left empty, and nothing here raises.

Lines are read twice over in two ways. On the way in, `columns` decodes four
fields of a well-formed line and skips the rest, which is most of what the
ingester does with its time; whatever it stumbles over is read by `read`, which
forgives everything and takes several times as long.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from agent.core.events import TYPE_PREFIX
from agent.core.moments import from_iso

UNREADABLE: Final = "unreadable"
_WORD: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")
_LATEST_UTC: Final = 253_402_200_000  # some time zones away from the end of the year 9999
_PASS_ID: Final = re.compile(r"[0-9a-f]{16}")

Columns: TypeAlias = tuple[float, str, str, str]
"""at_utc, kind, reason, pass id: as in Line."""


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
        kind = _kind(fields["type"])
        at_utc = from_iso(fields["time"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return Line()
    if not 0 <= at_utc < _LATEST_UTC:
        at_utc = 0.0
    found = fields.get("data")
    data = found if isinstance(found, dict) else {}
    pass_id = data.get("pass")
    is_pass = isinstance(pass_id, str) and _PASS_ID.fullmatch(pass_id)
    reason = data.get("reason")
    return Line(
        at_utc, kind, _word(reason) if isinstance(reason, str) else "", str(pass_id) if is_pass else "", data
    )


class _Data(msgspec.Struct, gc=False):
    reason: str = ""
    pass_id: str = msgspec.field(default="", name="pass")


class _Fields(msgspec.Struct, gc=False):
    type: str
    time: Annotated[datetime, msgspec.Meta(tz=True)]
    data: _Data


_decode: Final = msgspec.json.Decoder(_Fields).decode


def columns(body: bytes) -> Columns:
    """The columns of a line, as read() finds them, for those who read many."""
    try:
        fields = _decode(body)
        at_utc = fields.time.timestamp()
        data = fields.data
    except (ValueError, OverflowError, RecursionError):  # msgspec's faults are ValueErrors
        line = read(body)
        return line.at_utc, line.kind, line.reason, line.pass_id
    if not 0 <= at_utc < _LATEST_UTC:
        at_utc = 0.0
    pass_id = data.pass_id
    if pass_id and not _PASS_ID.fullmatch(pass_id):
        pass_id = ""
    return at_utc, _kind(fields.type), data.reason and _word(data.reason), pass_id


# Few kinds and reasons, many lines. A stranger's words are bounded by the cache's size.
@lru_cache(maxsize=256)
def _kind(text: str) -> str:
    return _word(text.removeprefix(TYPE_PREFIX)) or UNREADABLE


@lru_cache(maxsize=256)
def _word(text: str) -> str:
    return text if _WORD.fullmatch(text) else ""
