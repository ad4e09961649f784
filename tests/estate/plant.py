"""Deviations, planted in a day that was kept: each must be found, and named."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Final

from tests.estate.plan import ADMITTED, Plan
from tests.estate.site import Estate, Size


def dropped(size: Size, plan: Plan) -> str:
    """An event is gone from an office's database."""
    with closing(_office(size, plan)) as office:
        pk, epoch, seq = office.execute(
            "SELECT id, epoch, seq FROM office_event WHERE kind = 'pass.admitted' ORDER BY id LIMIT 1 OFFSET 5"
        ).fetchone()
        office.execute("DELETE FROM office_event WHERE id = ?", (pk,))
        office.commit()
    return f"event {epoch}/{seq} is dropped"


def doubled(size: Size, plan: Plan) -> str:
    """An event stands in an office's database twice."""
    with closing(_office(size, plan)) as office:
        columns = [row[1] for row in office.execute("PRAGMA table_info(office_event)") if row[1] != "id"]
        copied = ", ".join(column if column != "seq" else "seq + 1000000" for column in columns)
        office.execute(
            f"INSERT INTO office_event ({', '.join(columns)}) SELECT {copied} FROM office_event "
            "WHERE kind = 'pass.admitted' ORDER BY id LIMIT 1 OFFSET 6"
        )
        office.commit()
    return "an event is doubled"


def miscounted(size: Size, plan: Plan) -> str:
    """Somebody who went home is counted inside."""
    with closing(_office(size, plan)) as office:
        gone = next(
            one.who
            for one in plan.showings
            if one.who.site == plan.sites[0]
            and one.way == "out"
            and one.who.pass_id not in plan.inside(one.who.site)
        )
        office.execute(
            "INSERT INTO web_inside (pass_id, gate_id, since_utc) SELECT ?, min(id), 0 FROM office_gate",
            (gone.pass_id,),
        )
        office.commit()
    return f"{gone.name} is counted inside"


def admitted(size: Size, plan: Plan) -> str:
    """Somebody was admitted who ought to have been refused: here the truth is what is changed."""
    place, one = next(
        (n, each) for n, each in enumerate(plan.showings) if each.answer == ADMITTED and not each.story
    )
    plan.showings[place] = replace(one, answer="revoked", way="")
    return f"{one.who.name} ought to have been refused at {size.clock(one.at_s)}"


def _office(size: Size, plan: Plan) -> sqlite3.Connection:
    return sqlite3.connect(Estate(size, plan.sites[0]).home / "office.db")


PLANTS: Final[dict[str, Callable[[Size, Plan], str]]] = {
    "admitted": admitted,
    "doubled": doubled,
    "dropped": dropped,
    "miscounted": miscounted,
}
