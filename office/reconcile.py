"""Reconciling a day: each gate's closing statement against the events that the office keeps (C20).

A statement accounts for every event from one place in the journal to another.
The office goes through its own, event for event: it counts them again, hashes
every line from each epoch's beginning, and says what is missing by its place.
What agrees is countersigned, once, in the history.

    complete   every event is there, counted alike, and hashes to the signed head
    waiting    no statement of that day yet: the gate is away, or it was off
    missing    so many events are not kept
    let go     the office has deleted some of its events on schedule; nothing can be said any more
    fork       nothing is missing, and yet it is another history; or the signature is not the gate's
"""

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from django.db import transaction

from agent.core.closing import Statement, counted_as
from agent.core.events import TYPE_PREFIX, Kind
from agent.core.feed import FeedFault
from agent.core.keys import PublicKey
from office import gaps
from office.audit import keeper
from office.models import Act, Epoch, Event, Gap, Gate
from office.torn import Chain, holes

KEPT: Final = "day kept"
_CHUNK: Final = 2000
_MOST_NAMED: Final = 10


class Verdict(StrEnum):
    """How a gate's day stands."""

    COMPLETE = "complete"
    WAITING = "waiting"
    MISSING = "missing"
    LET_GO = "let go"
    FORK = "fork"


@dataclass(frozen=True, slots=True)
class Finding:
    """One gate's statement, or its absence.

    Args:
        events: how many the statement accounts for.
        missing: how many of them the office does not have.
        detail: for people.
        gaps: what was accepted as missing of the day.
    """

    gate: str
    verdict: Verdict
    events: int = 0
    missing: int = 0
    detail: str = ""
    gaps: tuple[Gap, ...] = ()

    @property
    def said(self) -> str:
        """All that there is to say, on one line."""
        return "; ".join(filter(None, (self.detail, *map(gaps.told, self.gaps))))


def reconcile(site: str, day: str, sign: Callable[[bytes], bytes] | None = None) -> Iterator[Finding]:
    """Go through a day.

    Args:
        day: the local date, `2026-03-02`.
        sign: Ed25519 over bytes with the office's acknowledgement key; None only looks.
    Returns:
        Findings, gate by gate; several for a gate that closed the day several times.
    """
    for gate in Gate.objects.filter(site__name=site).order_by("name"):
        yield from of_gate(gate, site, day, sign)


def of_gate(
    gate: Gate, site: str, day: str, sign: Callable[[bytes], bytes] | None = None
) -> Iterator[Finding]:
    """The same for one gate; at least one finding."""
    statements = [one for one in _statements(gate, site) if one.day == day]
    accepted = tuple(gap for gap in gaps.closed(gate) if gaps.days(gap)[0] <= day <= gaps.days(gap)[1])
    if not statements:
        yield replace(_unclosed(gate, day, accepted), gaps=accepted)
    for statement in statements:
        finding = _compared(gate, statement)
        if finding.verdict is Verdict.COMPLETE and sign is not None:
            _countersign(gate, statement, sign)
        yield replace(finding, gaps=accepted)


def was_off(gate: Gate, site: str, day: str) -> bool:
    """Whether a gate journaled nothing on a day: its accounts join each other over it.

    An account begins with the statement before it, so where one is of an earlier day and the next of a
    later one, nothing lies between them.
    """
    before = None
    for one in _statements(gate, site):
        if one.day > day:
            joins = before is not None and (one.first.epoch, one.first.seq) == (
                before.last.epoch,
                before.last.seq + 1,
            )
            return joins and one.holds(PublicKey.parse(gate.journal_key))
        before = one
    return False


def _unclosed(gate: Gate, day: str, accepted: Iterable[Gap]) -> Finding:
    """A day without a statement; is it in an accepted gap, or still to come?

    A day is closed after its end, so the one in which the gap ends is still to be closed.
    """
    if any(day < gaps.days(gap)[1] for gap in accepted):
        return Finding(gate.name, Verdict.MISSING, detail="the day's statement is missing, too")
    newest = Epoch.objects.filter(gate=gate).order_by("-pk").first()
    heard = f"the newest event is {newest.name}/{newest.upto}" if newest else "nothing was ever heard"
    return Finding(gate.name, Verdict.WAITING, detail=heard)


def _statements(gate: Gate, site: str) -> Iterator[Statement]:
    """A gate's statements, in the order in which they came."""
    closed = Event.objects.filter(gate=gate, kind=Kind.DAY_CLOSED).order_by("pk")
    for body in closed.values_list("body", flat=True).iterator(_CHUNK):
        with contextlib.suppress(FeedFault, ValueError, RecursionError):
            yield Statement.read(json.loads(bytes(body)), site, gate.name)


def _compared(gate: Gate, statement: Statement) -> Finding:
    events = sum(statement.counts.values())
    if not statement.holds(PublicKey.parse(gate.journal_key)):
        return Finding(
            gate.name, Verdict.FORK, events, detail="the statement is not signed by this gate's key"
        )
    walk = _Walk(gate, statement)
    if walk.let_go:
        return Finding(gate.name, Verdict.LET_GO, events, detail=f"deleted on schedule: {walk.let_go}")
    found = sum(walk.counts.values())
    if found < events or walk.holes:
        named = ", ".join(walk.holes[:_MOST_NAMED]) or "whole epochs"
        more = f" and {len(walk.holes) - _MOST_NAMED} more places" if len(walk.holes) > _MOST_NAMED else ""
        return Finding(
            gate.name,
            Verdict.MISSING,
            events,
            max(events - found, len(walk.holes)),
            f"{named}{more}",
        )
    if walk.counts != Counter(statement.counts):
        odd = sorted((Counter(statement.counts) - walk.counts) | (walk.counts - Counter(statement.counts)))
        return Finding(gate.name, Verdict.FORK, events, detail=f"counted otherwise: {', '.join(odd)[:300]}")
    if walk.head != statement.head:
        last = f"{statement.last.epoch}/{statement.last.seq}"
        return Finding(
            gate.name, Verdict.FORK, events, detail=f"what is kept up to {last} hashes to another head"
        )
    return Finding(gate.name, Verdict.COMPLETE, events)


class _Walk:
    """What the office keeps of what a statement accounts for.

    Epochs came in the order of the journal, so the ones between the first and the last are
    those that the office began between them.
    """

    def __init__(self, gate: Gate, statement: Statement) -> None:
        self.counts: Counter[str] = Counter()
        self.holes: list[str] = []
        self.head = b""
        self.let_go = ""
        self._gaps = gaps.closed(gate)
        first, last = statement.first, statement.last
        names = {first.epoch, last.epoch}
        known = {epoch.name: epoch.pk for epoch in Epoch.objects.filter(gate=gate, name__in=names)}
        self.holes += [f"all of {name}" for name in sorted(names - known.keys())]
        if self.holes:
            return
        between = Epoch.objects.filter(gate=gate, pk__range=(known[first.epoch], known[last.epoch]))
        for epoch in between.order_by("pk"):
            begin = first.seq if epoch.name == first.epoch else 1
            end = last.seq if epoch.name == last.epoch else epoch.upto
            if begin <= epoch.let_go:
                self.let_go = f"{epoch.name}/{begin} to {min(end, epoch.let_go)}"
                return
            self._through(gate, epoch, begin, end)

    def _through(self, gate: Gate, kept: Epoch, begin: int, end: int) -> None:
        """Hash an epoch from where it is kept, count from one sequence number to another, note holes."""
        epoch, expected = kept.name, kept.let_go + 1
        chain = Chain(kept.let_go, bytes(kept.let_go_head), holes(self._gaps, epoch))
        rows = Event.objects.filter(gate=gate, epoch=epoch, seq__lte=end).order_by("seq")
        for seq, body in rows.values_list("seq", "body").iterator(_CHUNK):
            self._hole(epoch, max(expected, begin), seq - 1)
            line = bytes(body)
            chain.take(seq, line)
            expected = seq + 1
            if seq >= begin:
                self.counts[_name(line)] += 1
        self._hole(epoch, max(expected, begin), end)
        self.head = chain.head

    def _hole(self, epoch: str, begin: int, end: int) -> None:
        if begin < end:
            self.holes.append(f"{epoch}/{begin} to {end}")
        elif begin == end:
            self.holes.append(f"{epoch}/{begin}")


def _name(line: bytes) -> str:
    """As the gate counted it; whatever is no event is counted as none, and shows in the comparison."""
    try:
        event = json.loads(line)
        return counted_as(event["type"].removeprefix(TYPE_PREFIX), event["data"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""


def _countersign(gate: Gate, statement: Statement, sign: Callable[[bytes], bytes]) -> None:
    """Put the office's own signature over the same account into the history, unless it is there."""
    subject = f"{gate.name}/{statement.day}"
    last = f"{statement.last.epoch}/{statement.last.seq}"
    why = f"to {last}, {sum(statement.counts.values())} events, {sign(statement.signed_by_office()).hex()}"
    with transaction.atomic():
        if not Act.objects.filter(what=KEPT, subject=subject, why=why).exists():
            keeper.append("office", KEPT, subject, why)
