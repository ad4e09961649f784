"""Gaps for ever: events that a gate let go of and that this office does not have.

An office that was restored from its backup asks its gates for what it forgot.
What a gate has purged by then cannot come back. The gate says so under its
device key, so nobody on the way can make a gap of what they keep back.
Then a person says that the feed goes on from there, who they are and why; the
office signs that with its acknowledgement key, and the ingester steps over
exactly this gap and no other.

    seen       the ingester found a gate's signed word and put the gap on record
    accepted   somebody said to go on; signed
    closed     the ingester went on behind it
    over       nobody needs it any more: the feed went on in another way

A gap's row is never removed: the feed shows it in its place, and a day that it
touches never reconciles as complete.
"""

import json
from collections.abc import Callable, Iterable
from enum import StrEnum

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from agent.core.closing import local_day
from agent.core.feed import Purged
from agent.core.keys import Alg, sig_structure
from office import registry
from office.faults import OfficeFault
from office.models import Epoch, Gap, Gate

ACCEPTED = "gap accepted"
_MOST_WHY = 500


class State(StrEnum):
    """How a gap stands."""

    SEEN = "seen"
    ACCEPTED = "accepted"
    CLOSED = "closed"
    OVER = "over"


def see(gate: Gate, held: Epoch | None, purged: Purged, before_utc: float | None) -> Gap:
    """Put a gap on record, and that the gate spoke of it now.

    Args:
        held: how far the office has this gate's events; None if it has nothing.
        purged: checked before.
        before_utc: when the last event was that the office has of this gate; None if it has nothing.
    """
    to = purged.checkpoint
    gap, _ = Gap.objects.update_or_create(
        gate=gate,
        after_epoch=held.name if held else "",
        after_seq=held.upto if held else 0,
        to_epoch=to.place.epoch,
        to_seq=to.place.seq,
        defaults={"seen_at": timezone.now()},
        create_defaults={
            "after_head": held.head if held else b"",
            "to_head": to.head,
            "purged": purged.signature,
            "seen_at": timezone.now(),
            "before_utc": before_utc,
        },
    )
    return gap


def accept(site: str, gate: str, *, by: str, why: str, sign: Callable[[bytes], bytes]) -> Gap:
    """Say that a gate's feed goes on behind its gap; said again before it does, the last word counts.

    Args:
        sign: Ed25519 over bytes with the office's acknowledgement key.
    Raises:
        OfficeFault: there is no such gate or no such gap, or nobody says why.
    """
    by, why = by.strip(), why.strip()
    if not why or len(why) > _MOST_WHY:
        raise OfficeFault(f"found a reason of {len(why)} characters, wanted 1 to {_MOST_WHY}; say why")
    with transaction.atomic():
        found = Gate.objects.filter(site__name=site, name=gate).first()
        if found is None:
            raise OfficeFault(f"found no gate {gate!r}; `menshen-office gate list` shows which there are")
        waiting = Gap.objects.filter(gate=found, closed_at=None).order_by("-seen_at")
        gap = next((one for one in waiting if _is_open(one)), None)
        if gap is None:
            raise OfficeFault(
                f"gate {gate} has not said that it let go of events that this office lacks; a gap that it did not"
                " sign for closes by itself when the gate sends again, or somebody keeps its messages back"
            )
        gap.accepted_at, gap.by, gap.why = timezone.now().replace(microsecond=0), by, why
        gap.signature = sign(_signed(gap))
        gap.save(update_fields=["accepted_at", "by", "why", "signature"])
        registry.note(by, ACCEPTED, gate, f"{gap.after} to {gap.to}: {why}"[:_MOST_WHY])
    return gap


def accepted(gate: Gate, held: Epoch | None, purged: Purged, sign: Callable[[bytes], bytes]) -> Gap | None:
    """The gap between what the office has and what a gate still has, if somebody accepted just this one.

    Args:
        sign: as in accept(). Ed25519 signs the same bytes alike each time (RFC 8032, 5.1.6), so making the
            signature once more checks it.
    """
    place = purged.checkpoint.place
    gap = Gap.objects.filter(
        gate=gate,
        after_epoch=held.name if held else "",
        after_seq=held.upto if held else 0,
        to_epoch=place.epoch,
        to_seq=place.seq,
        accepted_at__isnull=False,
        closed_at=None,
    ).first()
    if (
        gap is None
        or bytes(gap.after_head) != (bytes(held.head) if held else b"")
        or bytes(gap.to_head) != purged.checkpoint.head
        or bytes(gap.signature) != sign(_signed(gap))
    ):
        return None
    return gap


def closed(gate: Gate) -> list[Gap]:
    """The gaps of a gate that will stay."""
    return list(Gap.objects.filter(gate=gate, closed_at__isnull=False).order_by("pk"))


def touching(since_utc: float | None, until_utc: float | None, gates: Iterable[str] = ()) -> QuerySet[Gap]:
    """The gaps that will stay and may have events of a span of time in them, with their gates.

    Args:
        since_utc, until_utc: seconds since 1970, the end exclusive; None is without bound.
        gates: their names; none is all.
    """
    found = Gap.objects.filter(closed_at__isnull=False).select_related("gate__site")
    if names := tuple(gates):
        found = found.filter(gate__name__in=names)
    if since_utc is not None:
        found = found.filter(behind_utc__gte=since_utc)
    if until_utc is not None:
        found = found.filter(Q(before_utc=None) | Q(before_utc__lt=until_utc))
    return found.order_by("pk")


def state(gap: Gap) -> State:
    """How a gap stands now."""
    if gap.closed_at:
        return State.CLOSED
    if not _is_open(gap):
        return State.OVER
    return State.ACCEPTED if gap.accepted_at else State.SEEN


def days(gap: Gap) -> tuple[str, str]:
    """The local dates of the last event before a closed gap, "" if there was none, and of the next one."""
    offset_min = gap.gate.site.utc_offset_min
    began = "" if gap.before_utc is None else local_day(gap.before_utc, offset_min)
    return began, local_day(gap.behind_utc or 0.0, offset_min)


def told(gap: Gap) -> str:
    """What there is to say of an accepted gap, for people."""
    return f"missing after {gap.after}, to {gap.to}; accepted by {gap.by}: {gap.why}"


def _is_open(gap: Gap) -> bool:
    """Whether the office still stands where the gap begins: in the epoch in which it ends, else in the newest."""
    of_gate = Epoch.objects.filter(gate=gap.gate_id)
    held = of_gate.filter(name=gap.to_epoch).first() or of_gate.order_by("-pk").first()
    return (gap.after_epoch, gap.after_seq) == ((held.name, held.upto) if held else ("", 0))


def _signed(gap: Gap) -> bytes:
    """What the acknowledgement key signs: this gap of this gate, who accepted it, why and when."""
    fields = {
        "after": gap.after,
        "after_head": bytes(gap.after_head).hex(),
        "to": gap.to,
        "to_head": bytes(gap.to_head).hex(),
        "by": gap.by,
        "why": gap.why,
        "at": gap.accepted_at.timestamp() if gap.accepted_at else None,
    }
    payload = json.dumps(fields, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    return sig_structure(Alg.ED25519, f"menshen/1/gap/{gap.gate.site.name}/{gap.gate.name}", payload)
