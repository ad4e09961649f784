"""Who is inside when the office has not heard all: the gates' own accounts, laid over what it knows (C24).

A gate signs which passes it and its fellows saw last (agent.core.muster). What the office has from that
gate's feed already it has weighed already; of the rest each pass's newest passage counts, whoever tells it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from agent.core.events import Kind
from agent.core.feed import FeedFault
from agent.core.keys import PublicKey
from agent.core.memory import Way
from agent.core.muster import MAX_BYTES, Muster, Seen, newest
from office.faults import OfficeFault
from office.ingest.line import read
from office.models import Event, Gate, Site
from office.web.follower import went_in
from office.web.models import GateNow, Inside

_CHUNK: Final = 2000
_CLOCKS_APART_S: Final = 600


@dataclass(frozen=True, slots=True)
class Within:
    """One who is inside.

    Args:
        told_by_gates: the office's own events do not say so.
    """

    pass_id: str
    gate: str
    zone: str
    since_utc: float
    told_by_gates: bool = False


def read_file(name: str, data: bytes, site: Site) -> Muster:
    """A gate's account, checked against the key on record.

    Args:
        name: of the file, for people.
    Raises:
        OfficeFault: it is none, of another site, or not signed by the gate that it names.
    """
    if len(data) > MAX_BYTES:
        raise OfficeFault(
            f"{name} is longer than any account of a gate; give what `menshen-agent inside` wrote"
        )
    try:
        found = Muster.from_bytes(data)
    except FeedFault as fault:
        raise OfficeFault(
            f"{name} is no account of a gate: {fault}; give what `menshen-agent inside` wrote"
        ) from fault
    if found.site != site.name:
        raise OfficeFault(f"{name} is of site {found.site}, wanted one of {site.name}")
    gate = Gate.objects.filter(site=site, name=found.gate).first()
    if gate is None or not found.holds(PublicKey.parse(gate.journal_key)):
        raise OfficeFault(
            f"{name} is not signed by gate {found.gate} as it is on record here; fetch it again from the gate itself"
        )
    return found


def within(accounts: Iterable[Muster] = ()) -> list[Within]:
    """Everybody who is inside, by the office's events and these accounts."""
    rows = Inside.objects.values_list("pass_id", "gate__name", "gate__zone", "since_utc")
    known = {row[0]: Within(*row) for row in rows}
    for one in _news(accounts, known).values():
        if one.way is Way.IN:
            known[one.pass_id] = Within(one.pass_id, one.gate, one.zone, one.at_utc, told_by_gates=True)
        else:
            known.pop(one.pass_id, None)
    return list(known.values())


def _news(accounts: Iterable[Muster], known: dict[str, Within]) -> dict[str, Seen]:
    """The newest passages of which the office has not heard, where it knows no newer one of the same pass."""
    heard = dict(GateNow.objects.values_list("gate__name", "at_utc"))
    told = [one for account in accounts for one in account.seen if one.at_utc > int(heard.get(one.gate, 0))]
    last = newest(told)
    if not last:
        return {}
    for one in _passages(last, min(one.at_utc for one in last.values())):
        mine = last.get(one.pass_id)
        if mine and (one.at_utc, one.way is Way.IN) > (mine.at_utc, mine.way is Way.IN):
            del last[one.pass_id]
    return {
        pass_id: one
        for pass_id, one in last.items()
        if pass_id not in known or one.at_utc > int(known[pass_id].since_utc)
    }


def _passages(of: dict[str, Seen], since_utc: float) -> Iterable[Seen]:
    """The office's own passages of some passes since a moment; events came in about the order of their times."""
    before = (
        Event.objects.filter(at_utc__gt=0, at_utc__lt=since_utc - _CLOCKS_APART_S)
        .order_by("-pk")
        .values_list("pk", flat=True)
        .first()
    )
    rows = Event.objects.filter(pk__gt=before or 0, kind=Kind.ADMITTED).values_list(
        "pass_id", "gate__name", "at_utc", "body"
    )
    for pass_id, gate, at_utc, body in rows.iterator(_CHUNK):
        if pass_id in of:
            way = Way.IN if went_in(read(bytes(body)).data) else Way.OUT
            yield Seen(pass_id, gate, "", way, int(at_utc))
