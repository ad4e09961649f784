"""People from a spreadsheet: every faulty row is named, or all rows become drafts (C12).

A sheet is a stranger's file: its size, its rows and what it unpacks to are
bounded before it is read.
"""

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, BinaryIO, Final

import openpyxl
from django.db import transaction

from agent.core.allowlist import PassKind
from office import registry, times
from office.faults import FieldFault, OfficeFault
from office.models import Person, Site
from office.registry import Application
from office.web import files

MAX_BYTES: Final = 5 * 1024 * 1024
MAX_UNPACKED_BYTES: Final = 64 * 1024 * 1024
MAX_ROWS: Final = 5000
_MAX_COLUMNS: Final = 40
_MAX_CELL: Final = 500

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "name": ("name", "person", "姓名", "名字"),
    "kind": ("kind", "type", "类别", "类型"),
    "zones": ("zones", "zone", "区域"),
    "from": ("from", "begins", "开始", "开始日期"),
    "until": ("until", "ends", "结束", "截止日期", "有效期至"),
    "uses": ("uses", "次数"),
    "form": ("form", "形式"),
    "unit": ("unit", "flat", "company", "房号", "单位"),
    "phone": ("phone", "telephone", "电话", "手机"),
    "note": ("note", "备注"),
    "holder_key": ("holder_key", "holder key", "公钥"),
    "pass_id": ("pass_id", "pass id", "编号"),
}
"""Headings by which a column is known; the first five must be there."""
REQUIRED: Final = tuple(COLUMNS)[:5]
_FORMS: Final = {"": False, "card": False, "phone": True, "卡": False, "手机": True}
_KINDS: Final = {
    "住户": "resident",
    "访客": "visitor",
    "员工": "staff",
    "快递": "courier",
    "承包商": "contractor",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that can't be taken, numbered as the spreadsheet shows it."""

    row: int
    name: str
    why: str


def draft_all(upload: BinaryIO, file_name: str, by: str) -> tuple[list[str], list[Fault]]:
    """Draft a pass for each row, or for none.

    Args:
        upload: at its beginning.
        file_name: kept in the history; its suffix tells the format.
    Returns:
        The ids of the drafts, and the faulty rows; one of the two is empty.
    Raises:
        OfficeFault: no spreadsheet, or not one of people.
    """
    rows = list(_rows(upload, file_name))
    site = registry.the_site()
    made: list[str] = []
    faults: list[Fault] = []
    with transaction.atomic():
        for number, row in rows:
            try:
                made.append(_draft(row, site, by, f"{file_name[:100]}, row {number}"))
            except OfficeFault as fault:
                faults.append(Fault(number, row.get("name", ""), str(fault)))
        if faults:
            transaction.set_rollback(True)
    return ([] if faults else made), faults


def _draft(row: Mapping[str, str], site: Site, by: str, why: str) -> str:
    missing = [name for name in REQUIRED if not row.get(name)]
    if missing:
        raise OfficeFault(f"found nothing under {', '.join(missing)}")
    kind = _KINDS.get(row["kind"], row["kind"].lower())
    if kind not in [str(one) for one in PassKind]:
        raise FieldFault("kind", f"found {row['kind']!r}, wanted one of {', '.join(map(str, PassKind))}")
    uses = row.get("uses") or "0"
    if not (uses.isascii() and uses.isdigit() and len(uses) < 4):
        raise FieldFault("uses", f"found {uses!r}, wanted a number; 0 is without limit")
    form = row.get("form", "").lower()
    if form not in _FORMS:
        raise FieldFault("form", f"found {form[:40]!r}, wanted card or phone")
    application = Application(
        kind=PassKind(kind),
        person=row["name"],
        zones=tuple(zone.strip() for zone in row["zones"].replace("，", ",").replace(";", ",").split(",")),
        not_before=_time(row, "from", site),
        not_after=_time(row, "until", site),
        uses=int(uses),
        holder_key=row.get("holder_key", "").lower(),
        pass_id=row.get("pass_id", "").lower(),
        on_phone=_FORMS[form],
    )
    made = registry.draft(application, by=by, why=why)
    files.change(
        Person.objects.get(pk=made.person_id), {name: row[name] for name in files.FIELDS if name in row}, by
    )
    return made.pass_id


def _time(row: Mapping[str, str], field: str, site: Site) -> datetime:
    try:
        return times.parse(row[field], site.utc_offset_min, end=field == "until")
    except OfficeFault as fault:
        raise FieldFault(field, str(fault)) from fault


def _rows(upload: BinaryIO, file_name: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows that say anything, by the names of COLUMNS, with their number in the sheet."""
    data = upload.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OfficeFault(f"found more than {MAX_BYTES >> 20} MiB, wanted a smaller file; divide it")
    lines = _xlsx(data) if file_name.lower().endswith(".xlsx") else _csv(data)
    table = enumerate(lines, 1)
    heading = next(table, (1, []))[1]
    names = _names(heading)
    for number, cells in table:
        if number > MAX_ROWS + 1:
            raise OfficeFault(f"found more than {MAX_ROWS} rows; divide the file")
        row = {name: cells[place] for place, name in names.items() if place < len(cells)}
        if any(row.values()):
            yield number, row


def _names(heading: list[str]) -> dict[int, str]:
    known = {word: name for name, words in COLUMNS.items() for word in words}
    names = {place: known[cell.lower()] for place, cell in enumerate(heading) if cell.lower() in known}
    missing = [name for name in REQUIRED if name not in names.values()]
    if missing:
        raise OfficeFault(
            f"found no column {', '.join(missing)} in the first row, wanted {', '.join(REQUIRED)}, "
            "and if you like uses, unit, phone, note"
        )
    if len(set(names.values())) != len(names):
        raise OfficeFault("found two columns of the same meaning in the first row; remove one")
    return names


def _csv(data: bytes) -> Iterator[list[str]]:
    for encoding in ("utf-8-sig", "gb18030"):  # spreadsheets in China still save the latter
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise OfficeFault("found neither UTF-8 nor GB18030 text; save the sheet as XLSX or as CSV in UTF-8")
    try:
        for cells in csv.reader(io.StringIO(text, newline=""), strict=True):
            yield _cells(cells)
    except csv.Error as fault:
        raise OfficeFault(f"not a CSV file: {fault}; save the sheet again") from fault


def _xlsx(data: bytes) -> Iterator[list[str]]:
    if (unpacked := _unpacked_bytes(data)) > MAX_UNPACKED_BYTES:
        raise OfficeFault(f"the sheet unpacks to {unpacked >> 20} MiB; wanted a smaller one; divide it")
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        try:
            for cells in book.worksheets[0].iter_rows(max_col=_MAX_COLUMNS, values_only=True):
                yield _cells(cells)
        finally:
            book.close()
    except Exception as fault:  # a broken workbook raises whatever its parts do
        raise OfficeFault(
            f"the XLSX file can't be read ({type(fault).__name__}); save it again, or as CSV"
        ) from fault


def _unpacked_bytes(data: bytes) -> int:
    """What the parts of a workbook say they unpack to; more is never read of them."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            return sum(one.file_size for one in packed.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as fault:
        raise OfficeFault("found no XLSX file; save the sheet again, or as CSV") from fault


def _cells(cells: Iterable[Any]) -> list[str]:
    return [_text(cell)[:_MAX_CELL] for cell, _ in zip(cells, range(_MAX_COLUMNS), strict=False)]


def _text(cell: Any) -> str:
    if isinstance(cell, datetime):
        return (
            cell.date().isoformat() if not (cell.hour or cell.minute) else cell.isoformat(timespec="minutes")
        )
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else " ".join(str(cell).split())
