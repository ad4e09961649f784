"""Rows as a file, piece by piece: CSV for anything, XLSX for spreadsheets. No cell can be taken for a formula."""

import csv
import io
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from office.feed_forms import harmless

Rows = Iterable[Sequence[str]]
_ROWS_A_CHUNK: Final = 500
_ROWS_A_SHEET: Final = 1_000_000
_CHUNK: Final = 1 << 16
_BOM: Final = "\ufeff"  # without it spreadsheets take Chinese for the code page of the machine
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_MOST_CELL: Final = 32_000  # of a spreadsheet: 32,767


def csv_chunks(heads: Sequence[str], rows: Rows) -> Iterator[bytes]:
    """UTF-8 with a mark, lines ended as RFC 4180 has it."""
    text = io.StringIO()
    writer = csv.writer(text)
    text.write(_BOM)
    writer.writerow(map(_cell, heads))
    for number, row in enumerate(rows, 1):
        writer.writerow(map(_cell, row))
        if number % _ROWS_A_CHUNK == 0:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    if rest := text.getvalue():
        yield rest.encode()


def xlsx_chunks(heads: Sequence[str], rows: Rows, rows_a_sheet: int = _ROWS_A_SHEET) -> Iterator[bytes]:
    """A workbook; it is whole before the first piece comes, since its index stands at its end.

    A sheet takes a million rows; the next begins after that.
    """
    with tempfile.TemporaryDirectory(prefix="menshen-sheet-") as directory:
        path = Path(directory) / "sheet.xlsx"
        with Workbook(path, {"constant_memory": True, "tmpdir": directory}) as book:
            sheet = _sheet(book, heads)
            for number, row in enumerate(rows):
                if number and number % rows_a_sheet == 0:
                    sheet = _sheet(book, heads)
                _put(sheet, number % rows_a_sheet + 1, row)
        with path.open("rb") as file:
            while piece := file.read(_CHUNK):
                yield piece


def _sheet(book: Workbook, heads: Sequence[str]) -> Worksheet:
    sheet: Worksheet = book.add_worksheet()
    _put(sheet, 0, heads)
    return sheet


def _put(sheet: Worksheet, row: int, cells: Sequence[str]) -> None:
    """Every cell as a string: it is never looked at for what it might be."""
    for column, text in enumerate(cells):
        sheet.write_string(row, column, _cell(text))


def _cell(text: str) -> str:
    return harmless(_UNPRINTABLE.sub("�", text))[:_MOST_CELL]


FORMS: Final[Mapping[str, Callable[[Sequence[str], Rows], Iterator[bytes]]]] = {
    "csv": csv_chunks,
    "xlsx": xlsx_chunks,
}
TYPES: Final[Mapping[str, str]] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
