"""What of an event's line becomes a column; the line itself is kept as it came.

A gate is believed to have signed a line, not to have written a good one: a
field of a wrong shape is left empty, and nothing here raises.

Lines are read in two ways. On the way in, `columns` decodes four fields of many
well-formed lines and skips the rest, which is most of what the ingester does with
its time; lines that it stumbles over are read by `read`, which forgives everything
and takes several times as long.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from agent.core.events import TYPE_PREFIX
from agent.core.moments import from_iso

UNREADABLE: Final = "unreadable"
_WORD: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")
_LATEST_UTC: Final = 253_402_200_000  # some time zones away from the end of the year 9999
_PASS_ID_DIGITS: Final = 16
_HEX: Final = "0123456789abcdef"


class Columns(NamedTuple):
    """What goes beside some lines into the table, a list for each column; as in Line.

    Column by column, since that is how many lines are handled without a step of Python for each.
    """

    at_utc: Sequence[float]
    kind: Sequence[str]
    reason: Sequence[str]
    pass_id: Sequence[str]

    def part(self, first: int, last: int | None = None) -> "Columns":
        """Those of some of the lines, as a slice says."""
        some = slice(first, last)
        return Columns(self.at_utc[some], self.kind[some], self.reason[some], self.pass_id[some])


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
    reason = data.get("reason")
    return Line(
        at_utc,
        kind,
        _word(reason) if isinstance(reason, str) else "",
        _pass_id(pass_id) if isinstance(pass_id, str) else "",
        data,
    )


class _Data(msgspec.Struct, gc=False):
    reason: str = ""
    pass_id: str = msgspec.field(default="", name="pass")


class _Fields(msgspec.Struct, gc=False):
    type: str
    time: Annotated[datetime, msgspec.Meta(tz=True)]
    data: _Data


_decode: Final = msgspec.json.Decoder(_Fields).decode


def columns(bodies: Sequence[bytes]) -> Columns:
    """The columns of some lines, as read() finds them, for those who read many."""
    try:
        fields = [_decode(body) for body in bodies]
        times = [each.time.timestamp() for each in fields]
    except (ValueError, OverflowError, RecursionError):  # msgspec's faults are ValueErrors
        lines = [read(body) for body in bodies]
        return Columns(
            [line.at_utc for line in lines],
            [line.kind for line in lines],
            [line.reason for line in lines],
            [line.pass_id for line in lines],
        )
    return Columns(
        [at_utc if 0 <= at_utc < _LATEST_UTC else 0.0 for at_utc in times],
        [_kind(each.type) for each in fields],
        [_word(each.data.reason) for each in fields],
        [_pass_id(each.data.pass_id) for each in fields],
    )


def _pass_id(text: str) -> str:
    # A regular expression takes three times as long.
    return text if len(text) == _PASS_ID_DIGITS and not text.strip(_HEX) else ""


# Few kinds and reasons, many lines. A stranger's words are bounded by the cache's size.
@lru_cache(maxsize=256)
def _kind(text: str) -> str:
    return _word(text.removeprefix(TYPE_PREFIX)) or UNREADABLE


@lru_cache(maxsize=256)
def _word(text: str) -> str:
    return text if _WORD.fullmatch(text) else ""
