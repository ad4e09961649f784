"""Which of a gate's events a person must look at at once (C19, C34).

They become alerts in the transaction that stores them, so an alarm is at the
desk as soon as it is in the feed. An alarm that another gate tells on
(`fellow.alarm`) is the same matter as the alarmed gate's own.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from agent.core.events import Kind
from agent.core.moments import iso
from office.ingest.line import Columns, read

ALARMS: Final = frozenset(
    {
        Kind.ALERT,
        Kind.CAMERA_FROZEN,
        Kind.CAMERA_LOST,
        Kind.CARD_FAILING,
        Kind.DOOR_FORCED,
        Kind.DOOR_HELD,
        Kind.DURESS,
        Kind.FIRE_ON,
        Kind.LIST_DEAD,
        Kind.LOCK_STUCK,
        Kind.LOCK_WELDED,
        Kind.RELAY_LOST,
        Kind.SAFE,
        Kind.TAMPER_ON,
    }
)
SUSPICIONS: Final = frozenset({"false_word", "guessing", "odd_hour", "refused_again", "two_gates"})
"""What a `gate.alert` says; each is a matter of its own."""
_ALARMING: Final = frozenset(map(str, ALARMS | {Kind.FELLOW_ALARM}))
_UNSAID: Final = frozenset({"clock", "what", "gate", "epoch", "seq"})


class Alarm(NamedTuple):
    """An event that is an alert: its kind, the gate that it is about, what of several, and the latest facts."""

    kind: str
    gate: str
    about: str
    detail: str


def alarms_in(gate: str, columns: Columns, bodies: Sequence[bytes]) -> Iterator[Alarm]:
    """The alarms among some of a gate's events.

    Args:
        columns: of the bodies, as office.ingest.line has them.
    """
    if _ALARMING.isdisjoint(columns.kind):
        return
    for at_utc, kind, pass_id, body in zip(
        columns.at_utc, columns.kind, columns.pass_id, bodies, strict=True
    ):
        if kind in _ALARMING:
            alarm = _alarm(gate, kind, iso(at_utc), pass_id, dict(read(body).data))
            if alarm is not None:
                yield alarm


def _alarm(gate: str, kind: str, when: str, pass_id: str, data: dict[str, Any]) -> Alarm | None:
    facts = ", ".join(f"{name} {value}" for name, value in data.items() if name not in _UNSAID)
    what = str(data.get("what", ""))[:32]
    if kind == Kind.FELLOW_ALARM:
        where = str(data.get("gate", ""))[:32]
        return Alarm(what, where, "", f"{when}: told by gate {gate}") if what in ALARMS else None
    detail = f"{when}: {facts}" if facts else when
    if kind == Kind.ALERT:
        other = data.get("gate")
        detail += f", gate {other}" if other else ""
        return Alarm(what if what in SUSPICIONS else kind, gate, pass_id, detail)
    return Alarm(kind, gate, pass_id, detail)
