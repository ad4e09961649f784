"""Events: the facts a gate journals, and their one line of JSON.

A body is a CloudEvents 1.0 JSON object (cloudevents/spec v1.0.2, JSON format)
on one line. It never holds a name or a whole code: pass ids only.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final, TypeAlias

from agent.core.moments import Moment, iso

Fact: TypeAlias = str | int | float | bool | None
TYPE_PREFIX: Final = "menshen."


class Kind(StrEnum):
    """Every kind of event a gate can write; on the wire as `menshen.` + value."""

    JOURNAL_OPENED = "journal.opened"
    JOURNAL_LATE = "journal.late"  # the disk was away; the events marked `late` waited for it
    JOURNAL_PURGED = "journal.purged"  # old events that the office keeps were let go of at the gate
    DAY_CLOSED = "day.closed"  # the day's signed account, see agent.core.closing
    ADMITTED = "pass.admitted"
    REFUSED = "pass.refused"
    PASSED_BACK = "pass.passback"  # let in although it had come in before and was not seen going out
    REFUSALS_CURBED = "pass.curbed"  # more worthless codes than the gate records singly
    EXIT = "exit.pressed"
    DOOR_OPENED = "door.opened"
    DOOR_CLOSED = "door.closed"
    DOOR_HELD = "door.held"
    DOOR_FORCED = "door.forced"
    FIRE_ON = "fire.on"
    FIRE_OFF = "fire.off"
    TAMPER_ON = "tamper.on"
    TAMPER_OFF = "tamper.off"
    LOCKDOWN_ON = "lockdown.on"
    LOCKDOWN_OFF = "lockdown.off"
    ORDER_OBEYED = "order.obeyed"
    ORDER_REFUSED = "order.refused"
    CAMERA_LOST = "camera.lost"
    CAMERA_FROZEN = "camera.frozen"
    CAMERA_BACK = "camera.back"
    LIST_SWITCHED = "list.switched"
    LIST_REFUSED = "list.refused"
    LIST_STALE = "list.stale"
    LIST_DEAD = "list.dead"
    FREE_ON = "free.on"  # free passage begins: the lock stays released
    FREE_OFF = "free.off"
    MAINTENANCE_ON = "maintenance.on"
    MAINTENANCE_OFF = "maintenance.off"
    ORDER_OPENED = "order.opened"  # a guard let one through from afar
    IDENTIFIED = "gate.identified"
    INSPECTED = "gate.inspected"  # a technician tried its parts; the gate's own record of it
    DURESS = "pass.duress"  # the holder opens under a threat; nothing at the gate shows it
    SECOND_OPENED = "second.opened"  # the other door of an interlock
    SECOND_CLOSED = "second.closed"
    LOCK_WELDED = "lock.welded"  # at rest, and yet released
    LOCK_STUCK = "lock.stuck"  # released, and yet shut
    LOCK_TRUE = "lock.true"  # lock and relay agree again
    RELAY_LOST = "relay.lost"  # the process that holds the relay is gone
    RELAY_BACK = "relay.back"
    ALERT = "gate.alert"  # somebody behaves unlike a holder; `what` says how
    SAFE = "gate.safe"  # it kept failing, so only the way out and the fire input are served
    POWER_LOW = "power.low"  # the supply sags, or did for a moment
    POWER_GOOD = "power.good"
    POWER_CUT = "power.cut"  # the machine went off without being told to; found at the next start
    MACHINE_HOT = "machine.hot"  # the processor is hot, or slows itself down
    MACHINE_COOL = "machine.cool"
    CARD_FAILING = "card.failing"  # the card is full, slow, or does not give back what it was given
    CARD_GOOD = "card.good"
    FELLOW_ALARM = "fellow.alarm"  # another gate of the site raised an alarm, and told this one
    FAULT = "gate.fault"  # something broke that no rule foresaw; the gate goes on


@dataclass(frozen=True, slots=True)
class Event:
    """A fact, before the journal has given it its place.

    Args:
        kind: what happened.
        at: when, and how far that may be believed.
        facts: the details, JSON scalars only.
    """

    kind: Kind
    at: Moment
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event stands for ever: the key (gate, epoch, sequence).

    Args:
        site, gate: names, `[a-z0-9-]{1,32}`.
        epoch: 16 hex digits, random at each start of the gate process.
        seq: 1 for the epoch's `journal.opened`, then without gaps.
    """

    site: str
    gate: str
    epoch: str
    seq: int


def body(event: Event, place: Place) -> bytes:
    """The event's line, without its newline, UTF-8: what is hashed, sent and kept.

    Source: CloudEvents 1.0 JSON Event Format, section 2.
    """
    return lead(place) + tail(event)


def lead(place: Place) -> bytes:
    """The line's beginning, which follows from its place alone, up to the type's prefix."""
    before, after = around_seq(place)
    return b"%s%d%s" % (before, place.seq, after)


def around_seq(place: Place) -> tuple[bytes, bytes]:
    """The lead before and after its sequence number: the same for all events of an epoch."""
    return _around(place.site, place.gate, place.epoch)


@lru_cache(maxsize=64)
def _around(site: str, gate: str, epoch: str) -> tuple[bytes, bytes]:
    return (
        f'{{"specversion":"1.0","id":"{epoch}/'.encode(),
        f'","source":"/site/{site}/gate/{gate}","type":"{TYPE_PREFIX}'.encode(),
    )


# json.dumps would make an encoder for each event.
_json: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def tail(event: Event) -> bytes:
    """The rest of the line, which follows from the event alone, from its kind on.

    A fact may quote a stranger's bytes; half a surrogate pair becomes `?`.
    """
    rest = _json({"time": iso(event.at.utc), "data": {"clock": str(event.at.trust), **event.facts}})
    return f'{event.kind}",{rest[1:]}'.encode(errors="replace")
