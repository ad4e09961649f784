"""How the feed is written: a table for people, JSON lines for programs, CSV for spreadsheets."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Final, Protocol

from rich.cells import set_cell_size

from agent.core.moments import iso
from office.feed import Entry
from office.times import show_seconds


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
        last = entry.note or entry.person
        return self._row(when, entry.gate, entry.kind, entry.reason, entry.pass_id, last)

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
        return _csv("time", "gate", "kind", "reason", "pass", "person", "epoch", "seq", "note")

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
            entry.note,
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
