"""The judge: may this pass go through this gate, now?

One question after another, each with its own reason to refuse. First whether
the pass is real at all; one that is not learns nothing of what the site has
said about it, but for one thing: only the key on the list can check a
rotating code, so unknown and forged are told apart there. Pass ids are 64
random bits, and nobody finds one by asking. Then all that the site has said.
On the way out a real pass is let through whatever else is wrong with it, and
the event says what was: nobody is kept in by software.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agent.core.allowlist import Allowlist, Freshness, Grant, Head, ListFault, PassKind, Status
from agent.core.decision import Admit, Decision, Reason, Refuse
from agent.core.memory import Use
from agent.core.moments import Moment, Trust
from agent.core.passes import LONGEST_S, STEP_S, Malformed, Pass, RotatingPass, StaticPass, step_at

STEPS_OFF: Final = 1
"""A phone's clock may be this many steps away from ours."""


@dataclass(frozen=True, slots=True)
class Post:
    """Where a gate stands.

    Args:
        direction: `in`, `out` or `both`.
    """

    site: str
    gate: str
    zone: str
    direction: str = "in"


def judge(
    seen: Pass | Malformed, allowlist: Allowlist | None, post: Post, uses: Mapping[bytes, Use], now: Moment
) -> Decision:
    """Decide about one pass; never raises.

    Args:
        uses: what each pass has used at this gate before.
    """
    if isinstance(seen, Malformed):
        return Refuse(Reason.MALFORMED, detail=seen.detail)
    if allowlist is None:
        return Refuse(Reason.NO_LIST, seen.pass_id)
    try:
        grant = allowlist.find(seen.pass_id)
    except ListFault as fault:
        return Refuse(Reason.NO_LIST, seen.pass_id, str(fault))
    if isinstance(seen, StaticPass):
        refusal = _static_is_real(seen, allowlist.head, post)
        if refusal is None and grant is None and allowlist.head.unlisted_static:
            grant = allowlist.restrained(_as_granted(seen))
    else:
        refusal = _rotating_is_real(seen, grant, post)
    if refusal is not None:
        return refusal
    if grant is None:
        return Refuse(Reason.UNKNOWN_PASS, seen.pass_id)
    return _judge_real(seen, grant, allowlist, post, uses.get(seen.pass_id, Use()), now)


def _judge_real(  # noqa: PLR0913, PLR0917  a pass, what is said of it, and where it is shown
    seen: Pass, grant: Grant, allowlist: Allowlist, post: Post, use: Use, now: Moment
) -> Decision:
    step = seen.step if isinstance(seen, RotatingPass) else None
    refusal = (
        _in_force(seen, grant)
        or _list_serves(grant, allowlist, now)
        or _fresh_code(seen, use, now)
        or _in_time(seen, grant, allowlist.head, now)
        or _in_place(seen, grant, allowlist.head, post)
        or _uses_left(seen, grant, use)
    )
    if refusal is None:
        freshness = allowlist.freshness(now.utc)
        note = "" if freshness is Freshness.FRESH else f"list_{freshness}"
        return Admit(seen.pass_id, grant.kind, step, note)
    if post.direction == "out":
        return Admit(seen.pass_id, grant.kind, step, note=refusal[0])
    return Refuse(refusal[0], seen.pass_id, refusal[1])


Doubt = tuple[Reason, str] | None


def _static_is_real(seen: StaticPass, head: Head, post: Post) -> Refuse | None:
    issuer = head.issuers.get(seen.key_id)
    if issuer is not None and seen.holds(issuer, post.site):
        return None
    for site, issuers in head.neighbours.items():
        if any(seen.holds(key, site) for key in issuers):
            return Refuse(Reason.WRONG_SITE, detail=f"a pass of {site}")
    return Refuse(Reason.FORGED, detail="" if issuer else f"no issuer key {seen.key_id} here")


def _rotating_is_real(seen: RotatingPass, grant: Grant | None, post: Post) -> Refuse | None:
    if grant is None:
        return Refuse(Reason.UNKNOWN_PASS, seen.pass_id)
    if grant.holder is None:
        return Refuse(Reason.FORGED, detail="no rotating code was ever granted to this pass")
    return None if seen.holds(grant.holder, post.site) else Refuse(Reason.FORGED)


def _as_granted(seen: StaticPass) -> Grant:
    return Grant(
        pass_id=seen.pass_id,
        kind=PassKind.VISITOR,
        status=Status.LIVE,
        holder=None,
        zones=seen.zones,
        schedule=0,
        not_before_utc=seen.not_before_utc,
        not_after_utc=seen.not_after_utc,
        uses=seen.uses,
    )


def _in_force(seen: Pass, grant: Grant) -> Doubt:
    if grant.status is Status.REVOKED:
        return Reason.REVOKED, ""
    if grant.status is Status.SUSPENDED:
        return Reason.SUSPENDED, ""
    for terms in (grant, seen) if isinstance(seen, StaticPass) else (grant,):
        if terms.not_after_utc - terms.not_before_utc > LONGEST_S:
            return Reason.TOO_LONG, f"{(terms.not_after_utc - terms.not_before_utc) / 86400:.1f} days"
    return None


def _list_serves(grant: Grant, allowlist: Allowlist, now: Moment) -> Doubt:
    head = allowlist.head
    if now.trust is Trust.UNKNOWN and grant.kind not in head.admit_when_clock_unknown:
        return Reason.CLOCK_UNSURE, ""
    if allowlist.freshness(now.utc) is Freshness.DEAD and grant.kind not in head.admit_when_dead:
        return Reason.LIST_DEAD, f"list {head.number}"
    return None


def _fresh_code(seen: Pass, use: Use, now: Moment) -> Doubt:
    if not isinstance(seen, RotatingPass):
        return None
    off = seen.step - step_at(now.utc)
    # An unsure clock is never ahead of the truth, so only codes from its future pass it.
    if off < -STEPS_OFF or (off > STEPS_OFF and now.trust is not Trust.UNKNOWN):
        return Reason.REPLAYED, f"made {abs(off) * STEP_S} s {'from now' if off > 0 else 'ago'}"
    if use.step is not None and seen.step <= use.step:
        return Reason.REPLAYED, "this code or a later one has opened already"
    return None


def _in_time(seen: Pass, grant: Grant, head: Head, now: Moment) -> Doubt:
    sure = now.trust is not Trust.UNKNOWN
    for terms in (grant, seen) if isinstance(seen, StaticPass) else (grant,):
        if now.utc >= terms.not_after_utc:
            return Reason.EXPIRED, ""
        if sure and now.utc < terms.not_before_utc:
            return Reason.NOT_YET_VALID, ""
    if sure and not _in_schedule(grant.schedule, head, now.utc):
        return Reason.OUTSIDE_SCHEDULE, f"schedule {grant.schedule}"
    return None


def _in_schedule(number: int, head: Head, utc: float) -> bool:
    """Whether a moment lies in a schedule; one that the head does not define admits never."""
    if number == 0:
        return True
    minutes = int(utc // 60) + head.utc_offset_min
    day = (minutes // 1440 + 3) % 7 + 1  # 1970-01-01 was a Thursday, day 4
    minute = minutes % 1440
    return any(
        day in window.days and window.from_min <= minute < window.to_min
        for window in head.schedules.get(number, ())
    )


def _in_place(seen: Pass, grant: Grant, head: Head, post: Post) -> Doubt:
    if post.zone not in head.zones:
        return Reason.WRONG_ZONE, f"the list knows no zone {post.zone}"
    zones = grant.zones & seen.zones if isinstance(seen, StaticPass) else grant.zones
    if not zones >> head.zones.index(post.zone) & 1:
        return Reason.WRONG_ZONE, ""
    return None


def _uses_left(seen: Pass, grant: Grant, use: Use) -> Doubt:
    limits = [grant.uses] + ([seen.uses] if isinstance(seen, StaticPass) else [])
    if any(limit and use.count >= limit for limit in limits):
        return Reason.USED_UP, f"{use.count} of {min(limit for limit in limits if limit)}"
    return None
