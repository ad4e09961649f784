"""The judge: may this pass go through this gate, now?

One question after another, each with its own reason to refuse. First whether
the pass is real at all; one that is not learns nothing of what the site has
said about it, but for one thing: only the key on the list can check a
rotating code, so unknown and forged are told apart there. Pass ids are 64
random bits, and nobody finds one by asking. Then all that the site has said.
On the way out a real pass is let through whatever else is wrong with it, and
the event says what was: nobody is kept in by software.

A gate for both ways can't see which way a person goes. It takes the next
showing after one that let somebody in, within a day, for the way out. Such a
person is let out although the pass is over or used up by now, once.
"""

from dataclasses import dataclass, replace
from typing import Final

from agent.core.allowlist import Allowlist, Freshness, Grant, Head, ListFault, PassKind, Status
from agent.core.decision import Admit, Decision, Reason, Refuse
from agent.core.memory import Use, Way
from agent.core.moments import Moment, Trust
from agent.core.passback import Mode
from agent.core.passes import (
    LONGEST_S,
    STEP_S,
    HolderCertificate,
    Malformed,
    Pass,
    RotatingPass,
    StaticPass,
    step_at,
)
from agent.core.schedule import AS_KIND

STEPS_OFF: Final = 1
"""A phone's clock may be this many steps away from ours."""

LEAVES_WITHIN_S: Final = 24 * 3600
"""At a gate for both ways: so long after coming in, a pass is taken to go out."""

BY_CERTIFICATE: Final = "by_certificate"
"""The note on an admission of somebody whom the list did not know yet."""

_STAYED_TOO_LONG: Final = frozenset({Reason.EXPIRED, Reason.OUTSIDE_SCHEDULE})


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


def judge(  # noqa: PLR0913, PLR0917  a code, what is known of it, and where and when it is shown
    seen: Pass | Malformed,
    allowlist: Allowlist | None,
    post: Post,
    use: Use,
    now: Moment,
    introduced: HolderCertificate | None = None,
) -> Decision:
    """Decide about one pass; never raises.

    Args:
        use: what this pass has used at this gate before.
        introduced: a certificate of this pass that vouched, see below, for its holder a moment ago;
            the list's word, if there is one, comes before it.
    """
    if isinstance(seen, Malformed):
        return Refuse(Reason.MALFORMED, detail=seen.detail)
    if allowlist is None:
        return Refuse(Reason.NO_LIST, seen.pass_id)
    try:
        listed = allowlist.find(seen.pass_id)
    except ListFault as fault:
        return Refuse(Reason.NO_LIST, seen.pass_id, str(fault))
    found = _real(seen, listed, allowlist, post, introduced)
    if isinstance(found, Refuse):
        return found
    decision = _judge_real(seen, found, allowlist, post, use, now)
    if listed is None and isinstance(seen, RotatingPass) and isinstance(decision, Admit):
        return replace(decision, note=f"{BY_CERTIFICATE} {decision.note}".strip())
    return decision


def _real(
    seen: Pass,
    listed: Grant | None,
    allowlist: Allowlist,
    post: Post,
    introduced: HolderCertificate | None,
) -> Grant | Refuse:
    """What a pass that proves to be real is granted, by the list or, before its grant has come, by itself."""
    head = allowlist.head
    grant = listed
    if isinstance(seen, StaticPass):
        refusal = _issued(seen, head, post)
        if listed is None and head.unlisted_static:
            grant = _as_granted(seen)
    else:
        if listed is None and head.unlisted_holders and introduced is not None:
            grant = _as_granted(introduced)
        refusal = _rotating_is_real(seen, grant, post)
    if refusal is not None:
        return refusal
    if grant is None:
        return Refuse(Reason.UNKNOWN_PASS, seen.pass_id)
    return grant if listed else allowlist.restrained(grant)


def vouch(certificate: HolderCertificate, allowlist: Allowlist | None, post: Post) -> Refuse | None:
    """Why a certificate introduces nobody, or None if its issuer's signature holds; never raises."""
    if allowlist is None:
        return Refuse(Reason.NO_LIST, certificate.pass_id)
    return _issued(certificate, allowlist.head, post)


def _judge_real(  # noqa: PLR0913, PLR0917  a pass, what is said of it, and where it is shown
    seen: Pass, grant: Grant, allowlist: Allowlist, post: Post, use: Use, now: Moment
) -> Decision:
    way = _way(post, use, now)
    refusal = (
        _in_force(seen, grant)
        or _list_serves(grant, allowlist, now)
        or _fresh_code(seen, use, now)
        or _in_time(seen, grant, allowlist.head, now)
        or _in_place(seen, grant, allowlist.head, post)
        or (_uses_left(seen, grant, use) if way is Way.IN else None)
    )
    notes = []
    if refusal is None and allowlist.freshness(now.utc) is not Freshness.FRESH:
        notes.append(f"list_{allowlist.freshness(now.utc)}")
    rule = allowlist.head.passback_of(grant.kind)
    if refusal is None and post.direction == "in" and rule.broken_by(use, now.utc):
        if rule.mode is Mode.SOFT:
            notes.append(Reason.PASSED_BACK)
        else:
            refusal = Reason.PASSED_BACK, f"came in {now.utc - use.at_utc:.0f} s ago"
    if refusal is not None:
        let_out = post.direction == "out" or (way is Way.OUT and refusal[0] in _STAYED_TOO_LONG)
        if not let_out:
            return Refuse(refusal[0], seen.pass_id, refusal[1])
        notes.append(refusal[0])
    step = seen.step if isinstance(seen, RotatingPass) else None
    counted = any(_limits(seen, grant))
    return Admit(seen.pass_id, grant.kind, step, " ".join(notes), way, grant.duress, counted)


def _way(post: Post, use: Use, now: Moment) -> Way:
    if post.direction != "both":
        return Way(post.direction)
    return Way.OUT if use.way is Way.IN and now.utc - use.at_utc < LEAVES_WITHIN_S else Way.IN


Doubt = tuple[Reason, str] | None


def _issued(seen: StaticPass | HolderCertificate, head: Head, post: Post) -> Refuse | None:
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


def _as_granted(seen: StaticPass | HolderCertificate) -> Grant:
    """What a pass that no list names yet says of itself."""
    return Grant(
        pass_id=seen.pass_id,
        kind=seen.kind if isinstance(seen, HolderCertificate) else PassKind.VISITOR,
        status=Status.LIVE,
        holder=seen.holder if isinstance(seen, HolderCertificate) else None,
        zones=seen.zones,
        schedule=AS_KIND,
        not_before_utc=seen.not_before_utc,
        not_after_utc=seen.not_after_utc,
        uses=seen.uses if isinstance(seen, StaticPass) else 0,
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
    if sure and not head.in_schedule(grant.schedule, grant.kind, now.utc):
        return Reason.OUTSIDE_SCHEDULE, f"schedule {grant.schedule or f'of {grant.kind}'}"
    return None


def _in_place(seen: Pass, grant: Grant, head: Head, post: Post) -> Doubt:
    if post.zone not in head.zones:
        return Reason.WRONG_ZONE, f"the list knows no zone {post.zone}"
    zones = grant.zones & seen.zones if isinstance(seen, StaticPass) else grant.zones
    if not zones >> head.zones.index(post.zone) & 1:
        return Reason.WRONG_ZONE, ""
    return None


def _uses_left(seen: Pass, grant: Grant, use: Use) -> Doubt:
    limits = _limits(seen, grant)
    if any(limit and use.count >= limit for limit in limits):
        return Reason.USED_UP, f"{use.count} of {min(limit for limit in limits if limit)}"
    return None


def _limits(seen: Pass, grant: Grant) -> list[int]:
    """How often the pass may come in, by the list and by itself; 0 is without limit."""
    return [grant.uses] + ([seen.uses] if isinstance(seen, StaticPass) else [])
