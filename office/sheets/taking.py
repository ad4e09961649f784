"""Taking a sheet: on record before its first byte, and how many rows it had after its last."""

from collections.abc import Iterator
from dataclasses import dataclass

from office import registry
from office.faults import OfficeFault
from office.sheets.masks import Mask
from office.sheets.sealing import Seal
from office.sheets.tables import TABLES, Asked, Row
from office.sheets.writing import FORMS

WHAT = "export"


@dataclass(frozen=True, slots=True)
class Taker:
    """Who takes it, and what for."""

    name: str
    why: str


def take(table: str, form: str, asked: Asked, taker: Taker, seal: Seal | None = None) -> Iterator[bytes]:
    """A sheet, piece by piece.

    Args:
        table: of TABLES.
        form: of FORMS.
        seal: how it is encrypted; None is not at all.
    Raises:
        OfficeFault: no reason is given, the mask is not for this table, or the seal keeps nothing.
    """
    if not taker.why.strip():
        raise OfficeFault("found no reason; who exports data says what for, and the history keeps it")
    if TABLES[table].of_people and asked.mask is Mask.NONE:
        raise OfficeFault(
            f"a sheet of {table} is about who people are, and is not for those who see no names"
        )
    if seal:
        seal.check()
    facts = [form, f"names {asked.mask}", seal.told() if seal else "not encrypted"]
    facts += [f"from {asked.clock(asked.since)}"] if asked.since else []
    facts += [f"until {asked.clock(asked.until)}"] if asked.until else []
    facts += [f"gate {asked.gate}"] if asked.gate else []
    registry.note(taker.name, WHAT, table, f"{', '.join(facts)}: {taker.why.strip()}")
    plain = _counted(table, form, asked, taker)
    return seal.over(plain) if seal else plain


def _counted(table: str, form: str, asked: Asked, taker: Taker) -> Iterator[bytes]:
    count = 0

    def rows() -> Iterator[Row]:
        nonlocal count
        for row in TABLES[table].rows(asked):
            count += 1
            yield row

    ended = "broken off"
    try:
        yield from FORMS[form]([str(one) for one in TABLES[table].columns], rows())
        ended = "whole"
    finally:
        registry.note(taker.name, f"{WHAT}.end", table, f"{count} rows, {ended}")
