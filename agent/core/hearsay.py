"""Hearsay: what a gate makes of what the other gates of its site tell it.

They tell it their journals (agent.core.fellows). Of that it keeps who passed
where, and alarms.

Words are joined to what is known by taking the newest and the most, never by
adding up: told twice, late or in another order, they come to the same.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from agent.core.events import TYPE_PREFIX, Kind, Place
from agent.core.feed import Header
from agent.core.keys import PublicKey
from agent.core.memory import Use, Way
from agent.core.moments import Moment, Trust, from_iso
from agent.core.notices import Alarm, Passage, Told
from agent.core.passes import PASS_ID_BYTES, step_at

ALARMS: Final = frozenset(
    {
        Kind.DOOR_FORCED,
        Kind.DURESS,
        Kind.FIRE_ON,
        Kind.LOCK_WELDED,
        Kind.LOCKDOWN_ON,
        Kind.RELAY_LOST,
        Kind.TAMPER_ON,
    }
)
"""What a gate tells of a fellow, lest whoever cuts the fellow's cable cuts its alarm short."""
ALARM_LIVES_S: Final = 600.0
"""An alarm heard later than this is history, which the fellow's own journal tells."""
MOST_ALARMS: Final = 256
_STEPS_AHEAD: Final = 2


def believe(header: Header, bodies: Sequence[bytes], keys: Mapping[str, PublicKey], site: str) -> Told | str:
    """What a run of a fellow's events says.

    Args:
        bodies: the lines that follow the header.
        keys: the journal keys of the site's gates, by their names.
    Returns:
        A sentence instead if it proves not to be a fellow's.
    """
    place = header.first
    key = keys.get(place.gate) if place.site == site else None
    if key is None:
        return f"{place.site}/{place.gate} is no gate that the list of {site} names"
    if why := header.checked(bodies, key):
        return why
    passages: list[Passage] = []
    alarms: list[Alarm] = []
    for seq, line in enumerate(bodies, place.seq):
        at = Place(place.site, place.gate, place.epoch, seq)
        # Signed by a gate of ours, but perhaps of a later version: what is not understood is passed over.
        try:
            said = _read(json.loads(line), at)
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
            continue
        if isinstance(said, Passage):
            passages.append(said)
        elif said is not None:
            alarms.append(said)
    return Told(_before(place, bodies[0]), header.checkpoint.place, tuple(passages), tuple(alarms))


def _before(first: Place, line: bytes) -> Place | None:
    """The event before a run's first, over the start of an epoch as well."""
    if first.seq > 1:
        return Place(first.site, first.gate, first.epoch, first.seq - 1)
    try:
        opened = json.loads(line)["data"]
        return Place(first.site, first.gate, opened["prev_epoch"], opened["prev_seq"])
    except (LookupError, TypeError, ValueError):
        return None


def _read(event: Mapping[str, Any], place: Place) -> Passage | Alarm | None:
    kind, at_utc, data = event["type"].removeprefix(TYPE_PREFIX), from_iso(event["time"]), event["data"]
    if kind in ALARMS:
        return Alarm(place, Kind(kind), at_utc)
    if kind != Kind.ADMITTED:
        return None
    pass_id, step, count = bytes.fromhex(data["pass"]), data.get("step"), data.get("uses", 0)
    if len(pass_id) != PASS_ID_BYTES or not isinstance(count, int) or not isinstance(step, int | None):
        raise ValueError("no passage of this version")
    way = Way(data.get("way", data["direction"]))
    use = Use(count, step, way, at_utc)
    return Passage(place.gate, pass_id, str(data["zone"]), use, data["clock"] != Trust.UNKNOWN)


def counts_here(passage: Passage, zone: str, now: Moment, *, used_codes: bool) -> Use:
    """What a passage elsewhere means at a gate.

    A code that has opened one gate opens no other. Ways in and out, and how often, belong to a zone:
    whoever came in by the site's outer gate has not yet come into the house.

    Args:
        zone: where the gate leads.
        used_codes: whether a code that was used elsewhere is refused here.
    """
    use, sure = passage.use, now.trust is not Trust.UNKNOWN
    step = use.step if used_codes else None
    if step is not None and sure and step > step_at(now.utc) + _STEPS_AHEAD:
        step = None  # a clock there is ahead; believed, it would shut the pass out until then
    if passage.zone != zone:
        return Use(step=step)
    at_utc = use.at_utc
    if not passage.sure and use.way is Way.OUT:
        at_utc = now.utc  # that gate's clock is behind; a way out must not be mistaken for an old one
    return Use(use.count, step, use.way, min(at_utc, now.utc) if sure else at_utc)


@dataclass(slots=True)
class AlarmsHeard:
    """The alarms of fellows that were told on; bounded."""

    _told: dict[Place, None] = field(default_factory=dict)

    def news(self, alarms: Sequence[Alarm], utc: float) -> list[Alarm]:
        """Those that are neither old nor heard before."""
        news = [
            alarm
            for alarm in alarms
            if alarm.place not in self._told and abs(utc - alarm.at_utc) < ALARM_LIVES_S
        ]
        for alarm in news:
            self._told[alarm.place] = None
        for place in list(self._told)[:-MOST_ALARMS]:
            del self._told[place]
        return news
