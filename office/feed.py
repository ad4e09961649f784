"""The feed: events in the order they came in, for people and for programs.

Names are added here, from the registry, and so exist only in the office.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from rich.cells import set_cell_size

from agent.core.events import Kind
from agent.core.moments import iso
from office.identity.register import holders
from office.ingest.line import read
from office.models import Event
from office.times import show_seconds

_CHUNK: Final = 1000
_RESULTS: Final = {"admitted": Kind.ADMITTED, "refused": Kind.REFUSED}


@dataclass(frozen=True, slots=True)
class Wish:
    """Which events; empty is all. Several gates or kinds mean any of them.

    Args:
        result: `admitted`, `refused`, or the reason of a refusal.
        since_utc, until_utc: seconds since 1970 by the gate's clock; the end is exclusive.
    """

    gates: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    result: str = ""
    pass_id: str = ""
    since_utc: float | None = None
    until_utc: float | None = None

    def conditions(self) -> dict[str, Any]:
        """The same as Django's filter wants it."""
        by_kind = {"kind": _RESULTS[self.result]} if self.result in _RESULTS else {"reason": self.result}
        wanted: dict[str, Any] = {
            "gate__name__in": self.gates,
            "kind__in": tuple(kind.removeprefix("menshen.") for kind in self.kinds),
            "pass_id": self.pass_id.lower(),
            **by_kind,
        }
        times = {"at_utc__gte": self.since_utc, "at_utc__lt": self.until_utc}
        return {name: value for name, value in wanted.items() if value} | {
            name: value for name, value in times.items() if value is not None
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """One event, with the name of the person whose pass it was."""

    number: int
    gate: str
    epoch: str
    seq: int
    at_utc: float
    kind: str
    reason: str
    pass_id: str
    person: str
    data: Mapping[str, Any]


def entries(wish: Wish, after: int = 0) -> Iterator[Entry]:
    """Events in the order of ingestion, in chunks, however many there are.

    Args:
        after: the number of the last one seen.
    """
    found = Event.objects.filter(**wish.conditions()).select_related("gate").order_by("pk")
    while chunk := list(found.filter(pk__gt=after)[:_CHUNK]):
        after = chunk[-1].pk
        names = holders(event.pass_id for event in chunk)
        for event in chunk:
            yield Entry(
                event.pk,
                event.gate.name,
                event.epoch,
                event.seq,
                event.at_utc,
                event.kind,
                event.reason,
                event.pass_id,
                names.get(event.pass_id, ("", 0))[0],
                read(bytes(event.body)).data,
            )


class Form(Protocol):
    """How entries are written: text with its newlines."""

    def head(self) -> str: ...
    def line(self, entry: Entry) -> str: ...


class Table:
    """Columns for people, in the site's time of day; Chinese characters count double."""

    _WIDTHS: Final = (23, 12, 16, 18, 16)

    def __init__(self, utc_offset_min: int) -> None:
        self._offset_min = utc_offset_min

    def head(self) -> str:
        return self._row("time", "gate", "kind", "reason", "pass", "person")

    def line(self, entry: Entry) -> str:
        when = show_seconds(datetime.fromtimestamp(entry.at_utc, UTC), self._offset_min)
        return self._row(when, entry.gate, entry.kind, entry.reason, entry.pass_id, entry.person)

    def _row(self, *cells: str) -> str:
        columns = [
            set_cell_size(cell, max(width, len(cell)))
            for cell, width in zip(cells, self._WIDTHS, strict=False)
        ]
        return "  ".join((*columns, cells[-1])).rstrip() + "\n"


# A terminal may obey 8-bit control characters, and some readers end a line at U+2028.
_ESCAPED: Final = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)}


class JsonLines:
    """One JSON object a line, for programs."""

    def head(self) -> str:
        return ""

    def line(self, entry: Entry) -> str:
        fields = {
            "number": entry.number,
            "time": iso(entry.at_utc),
            "gate": entry.gate,
            "kind": entry.kind,
            "reason": entry.reason or None,
            "pass": entry.pass_id or None,
            "person": entry.person or None,
            "epoch": entry.epoch,
            "seq": entry.seq,
            "data": entry.data,
        }
        return json.dumps(fields, ensure_ascii=False).translate(_ESCAPED) + "\n"


class Csv:
    """For spreadsheets; no cell can be taken for a formula."""

    def head(self) -> str:
        return _csv("time", "gate", "kind", "reason", "pass", "person", "epoch", "seq")

    def line(self, entry: Entry) -> str:
        return _csv(
            iso(entry.at_utc),
            entry.gate,
            entry.kind,
            entry.reason,
            entry.pass_id,
            entry.person,
            entry.epoch,
            str(entry.seq),
        )


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula.

    Source: OWASP, CSV Injection: cells that begin with = + - @, tab or carriage return
    (also full-width, as an input method types them) get a leading apostrophe.
    """
    return f"'{cell}" if cell.startswith(tuple("=+-@\t\r\n＝＋－＠")) else cell


def _csv(*cells: str) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(map(harmless, cells))
    return line.getvalue()
