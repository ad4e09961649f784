"""From the registry to a list that gates can check.

The registry decides what is granted; laying it out is the core's, signing
and storing it the repository's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Max

from agent.core.allowlist import MAX_SHARD_BITS, Grant, Head, PassKind, Status, pack
from agent.core.keys import PublicKey
from office import phones, rules
from office.models import Pass, PassState, Publication, Site

_GRANTS_A_SHARD: Final = 256
# Known a while longer, so that the gate can say `expired` or `revoked` instead of `unknown_pass`.
REMEMBERED: Final = timedelta(days=30)
_STATUS: Final = {
    PassState.LIVE: Status.LIVE,
    PassState.ENDED: Status.LIVE,  # its own end refuses it
    PassState.SUSPENDED: Status.SUSPENDED,
    PassState.REVOKED: Status.REVOKED,
}

Deliver = Callable[[Head, Mapping[bytes, bytes]], None]
"""Signs a head, and stores it with the sub-indexes and shards under it."""


@dataclass(frozen=True, slots=True)
class Published:
    """What a publication was: pass ids added, changed and dropped since the one before."""

    number: int
    passes: int
    added: tuple[str, ...]
    changed: tuple[str, ...]
    dropped: tuple[str, ...]


def publish(  # noqa: PLR0913, PLR0917  each its own thing
    site: Site,
    now: datetime,
    after: int,
    issuers: Mapping[int, PublicKey],
    ack_keys: tuple[PublicKey, ...],
    deliver: Deliver,
    order_keys: tuple[PublicKey, ...] = (),
) -> Published:
    """Publish what the registry says at this moment, all of it or nothing.

    Args:
        after: the repository's newest number; it may be ahead of a restored database.
        issuers, ack_keys, order_keys: the office's public keys, for the head.
    Raises:
        OfficeFault: from deliver; nothing has changed here.
    """
    with transaction.atomic():
        # Taking the next number first also makes a second publisher wait for this one.
        newest = Publication.objects.aggregate(Max("number"))["number__max"] or 0
        number = max(newest, after) + 1
        publication = Publication.objects.create(number=number, at=now, passes=0)
        approved = Pass.objects.exclude(approved_by="").exclude(state=PassState.DRAFT)
        chosen = list(approved.exclude(phones.NEVER_HAD_A_KEY).order_by("pass_id"))
        listed = [one for one in chosen if one.not_after > now - REMEMBERED]
        grants = {one.pass_id: grant_of(one) for one in listed}
        shard_bits = _shard_bits(len(grants), site.shard_bits)
        indexes, parts = pack(grants.values(), shard_bits)
        schedules, kind_schedules, holidays, passback = rules.for_head(site)
        head = Head(
            site=site.name,
            number=number,
            issued_utc=int(now.timestamp()),
            soft_ttl_s=site.soft_ttl_s,
            zones=tuple(site.zones),
            shard_bits=shard_bits,
            indexes=indexes,
            utc_offset_min=site.utc_offset_min,
            issuers=issuers,
            ack_keys=ack_keys,
            order_keys=order_keys,
            gates={gate.name: PublicKey.parse(gate.journal_key) for gate in site.gate_set.order_by("name")},
            admit_when_dead=frozenset(map(PassKind, site.admit_when_dead)),
            admit_when_clock_unknown=frozenset(map(PassKind, site.admit_when_clock_unknown)),
            unlisted_static=site.unlisted_static,
            unlisted_holders=site.unlisted_holders,
            schedules=schedules,
            kind_schedules=kind_schedules,
            holidays=holidays,
            passback=passback,
        )
        published = _remember(number, chosen, grants)
        publication.passes = len(grants)
        publication.save(update_fields=["passes"])
        # Last, so that a list which could not be delivered leaves no trace here.
        deliver(head, parts)
    return published


def grant_of(one: Pass) -> Grant:
    """What a list says of a pass now.

    One whose phone was lost stays on the list, barred and without a key: were it dropped, a gate that
    admits unlisted holders would believe the lost phone's certificate.
    """
    status = _STATUS[PassState(one.state)]
    if one.on_phone and not one.holder_key:
        status = max(status, Status.SUSPENDED)
    return Grant(
        pass_id=bytes.fromhex(one.pass_id),
        kind=PassKind(one.kind),
        status=status,
        holder=PublicKey.parse(one.holder_key) if one.holder_key else None,
        zones=one.zones,
        schedule=one.schedule,
        not_before_utc=int(one.not_before.timestamp()),
        not_after_utc=int(one.not_after.timestamp()),
        uses=one.uses,
        duress=one.duress,
    )


def _shard_bits(grants: int, least: int) -> int:
    """Enough shards for about 256 grants each; never fewer than the site is set to."""
    bits = least
    while bits < MAX_SHARD_BITS and grants > _GRANTS_A_SHARD << bits:
        bits += 1
    return bits


def _remember(number: int, chosen: list[Pass], grants: Mapping[str, Grant]) -> Published:
    added: list[str] = []
    changed: list[str] = []
    dropped: list[str] = []
    touched: list[Pass] = []
    for one in chosen:
        record = grants[one.pass_id].to_bytes() if one.pass_id in grants else None
        before = None if one.published is None else bytes(one.published)
        if record == before:
            continue
        (dropped if record is None else added if before is None else changed).append(one.pass_id)
        one.published = record
        touched.append(one)
    Pass.objects.bulk_update(touched, ["published"], batch_size=500)
    return Published(number, len(grants), tuple(added), tuple(changed), tuple(dropped))
