"""A restored registry beside the newest published list: what the list denies is denied, what is later is taken over.

The list was approved and signed in this office after the backup was made, so it is the later word: keys
of phones, zones and times are taken from it, also of passes that this office has never heard of. Where
the registry is the stricter one it stays so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.db.models import Max
from django.utils import timezone

from agent.core.allowlist import Grant, Head, PassKind, Status
from agent.core.keys import PublicKey
from agent.core.schedule import day_text
from office import publishing, registry, rules
from office.differences import BY_ITSELF, What
from office.models import (
    Difference,
    Gate,
    HolderKey,
    Pass,
    PassState,
    Person,
    Publication,
    Restoration,
    Schedule,
    Site,
)
from office.published import Published

_STATE: Final = {
    Status.LIVE: PassState.LIVE,
    Status.SUSPENDED: PassState.SUSPENDED,
    Status.REVOKED: PassState.REVOKED,
}
_WORD: Final = {Status.SUSPENDED: ("suspend", What.SUSPENDED), Status.REVOKED: ("revoke", What.REVOKED)}
_DENIED_FOR_S: Final = 366 * 86_400


@dataclass(frozen=True, slots=True)
class Found:
    """A difference.

    Args:
        subject: a pass id, a gate's or a rule's name.
        detail: `#7` is list 7; what stood here, and what stands here now. In no language.
    """

    what: What
    subject: str
    detail: str


def compare(restoration: Restoration, site: Site, published: Published) -> int:
    """Bring a restored registry to what the list says, and put every difference on record.

    Belongs into a transaction.

    Returns:
        How many differences there are.
    """
    head = published.head
    known = Publication.objects.aggregate(newest=Max("number"))["newest"] or 0
    found: list[Found] = []
    if head.number > known:
        found += [*_rules(site, head), *_gates(site, head), *_passes(site, published)]
        at = datetime.fromtimestamp(head.issued_utc, UTC)
        Publication.objects.create(number=head.number, at=at, passes=len(published.grants))
    found += _denied(site, published)
    restoration.floor = max(restoration.floor, head.number, known)
    restoration.save(update_fields=["floor"])
    return put_on_record(restoration, found)


def put_on_record(restoration: Restoration, found: list[Found]) -> int:
    """Keep the first difference of each subject; one that is on record already stays as it is."""
    now = timezone.now()
    there = set(Difference.objects.filter(restoration=restoration).values_list("subject", flat=True))
    new: dict[str, Found] = {}
    for one in found:
        if one.subject not in there:
            new.setdefault(one.subject, one)
    Difference.objects.bulk_create(
        Difference(
            restoration=restoration, what=one.what, subject=one.subject, detail=one.detail[:500], at=now
        )
        for one in new.values()
    )
    return len(new)


# --- passes --------------------------------------------------------------------


def _passes(site: Site, published: Published) -> Iterator[Found]:
    head, unknown = published.head, dict(published.grants)
    for one in Pass.objects.select_related("person__site").order_by("pk").iterator(2000):
        grant = unknown.pop(one.pass_id, None)
        found = _absent(one, head) if grant is None else _met(one, grant, head)
        if found:
            yield found
    for pass_id, grant in unknown.items():
        _adopt(site, pass_id, grant)
        yield Found(What.UNKNOWN, pass_id, f"#{head.number}: {_STATE[grant.status]}")


def _met(one: Pass, grant: Grant, head: Head) -> Found | None:
    """A pass that both know, brought to what the list says, except where that would open it."""
    was, record = PassState(one.state), grant.to_bytes()
    drafted = was is PassState.DRAFT
    if drafted:
        one.approved_by, one.state = BY_ITSELF, PassState.LIVE
    before = publishing.grant_of(one)
    if not drafted and before.to_bytes() == record:
        _mark(one, record)
        return None
    other_phone = _take_phone(one, grant)
    _take_terms(one, grant)
    one.published = record
    one.save()
    after = publishing.grant_of(one).status
    if grant.status > after:
        _stop(one, grant.status, f"list {head.number} says so")
        return Found(_WORD[grant.status][1], one.pass_id, f"#{head.number}: {was} → {one.state}")
    if drafted:
        registry.note(BY_ITSELF, "approve", one.pass_id, f"list {head.number} has it")
        return Found(What.APPROVED, one.pass_id, f"#{head.number}: {was} → {one.state}")
    if grant.status < after:
        return Found(What.RESUMED, one.pass_id, f"#{head.number}: {_STATE[grant.status]} ≠ {was}")
    if other_phone:
        what = What.PHONE if grant.holder else What.PHONE_OUT
        return Found(what, one.pass_id, f"#{head.number}")
    return Found(What.TERMS, one.pass_id, f"#{head.number}: {_differing(before, grant)}")


def _mark(one: Pass, record: bytes) -> None:
    if one.published is None or bytes(one.published) != record:
        one.published = record
        one.save(update_fields=["published"])


def _absent(one: Pass, head: Head) -> Found | None:
    """A pass that the list does not name: shut, unless it is none that a list would name."""
    _mark_absent(one)
    remembered = datetime.fromtimestamp(head.issued_utc, UTC) - publishing.REMEMBERED
    waits = one.on_phone and not one.holder_key
    if one.state != PassState.LIVE or one.not_after <= remembered or waits:
        return None
    _stop(one, Status.SUSPENDED, f"list {head.number} does not have it")
    return Found(What.ABSENT, one.pass_id, f"#{head.number}: {PassState.LIVE} → {one.state}")


def _mark_absent(one: Pass) -> None:
    if one.published is not None:
        one.published = None
        one.save(update_fields=["published"])


def _denied(site: Site, published: Published) -> Iterator[Found]:
    """What rv/hot denies beside the list: it may be later than any list."""
    for pass_id, status in published.denied.items():
        one = Pass.objects.filter(pass_id=pass_id).first()
        if one is None:
            now = int(timezone.now().timestamp())
            grant = Grant(
                bytes.fromhex(pass_id), PassKind.VISITOR, status, None, 1, 0, now, now + _DENIED_FOR_S
            )
            _adopt(site, pass_id, grant)
            yield Found(What.UNKNOWN, pass_id, f"rv/hot: {_STATE[status]}")
        elif one.state in {PassState.LIVE, PassState.SUSPENDED} and publishing.grant_of(one).status < status:
            was = one.state
            _stop(one, status, "the gates were told so")
            yield Found(_WORD[status][1], pass_id, f"rv/hot: {was} → {one.state}")


def _stop(one: Pass, status: Status, why: str) -> None:
    one.state = _STATE[status]
    one.save(update_fields=["state"])
    registry.note(BY_ITSELF, _WORD[status][0], one.pass_id, why)


def _take_terms(one: Pass, grant: Grant) -> None:
    one.kind, one.zones, one.schedule = str(grant.kind), grant.zones, grant.schedule
    one.uses, one.duress = grant.uses, grant.duress
    one.not_before = datetime.fromtimestamp(grant.not_before_utc, UTC)
    one.not_after = datetime.fromtimestamp(grant.not_after_utc, UTC)


def _take_phone(one: Pass, grant: Grant) -> bool:
    """Let the list's key sign for a pass, and no other; whether that is a change."""
    key = str(grant.holder) if grant.holder else ""
    if key == one.holder_key:
        return False
    now = timezone.now()
    HolderKey.objects.filter(held=one, until=None).update(until=now)
    if key:
        HolderKey.objects.create(held=one, key=key, since=now)
    one.on_phone, one.holder_key = True, key
    registry.note(BY_ITSELF, "key.in" if key else "key.out", one.pass_id, "as the list has it")
    return True


def _adopt(site: Site, pass_id: str, grant: Grant) -> None:
    """A pass that this office does not know, as the list has it; whose it is, somebody has to find out."""
    one = Pass(
        pass_id=pass_id,
        person=Person.of_name(site, f"? {pass_id}"),
        state=_STATE[grant.status],
        drafted_by=BY_ITSELF,
        approved_by=BY_ITSELF,
        published=grant.to_bytes(),
    )
    _take_terms(one, grant)
    if grant.holder:
        one.on_phone, one.holder_key = True, str(grant.holder)
    one.save()
    if grant.holder:
        HolderKey.objects.create(held=one, key=one.holder_key, since=timezone.now())
    registry.note(BY_ITSELF, "adopt", pass_id, "the gates know it")


def _differing(before: Grant, after: Grant) -> str:
    names = ("kind", "zones", "schedule", "not_before_utc", "not_after_utc", "uses", "duress")
    return ", ".join(
        name.removesuffix("_utc") for name in names if getattr(before, name) != getattr(after, name)
    )


# --- what holds for all passes ---------------------------------------------------


def _rules(site: Site, head: Head) -> Iterator[Found]:
    """The list's rules, taken over; where the registry's own admit less, they stay."""
    schedules, _kinds, holidays, _passback = rules.for_head(site)
    dead, unsure = site.admit_when_dead, site.admit_when_clock_unknown
    later = {
        "zones": (site.zones, list(head.zones)),
        "soft_ttl_s": (site.soft_ttl_s, head.soft_ttl_s),
        "kind_schedules": (site.kind_schedules, {str(kind): n for kind, n in head.kind_schedules.items()}),
        "holidays": (sorted(map(day_text, holidays)), sorted(map(day_text, head.holidays))),
        "passback": (
            {kind: list(rule) for kind, rule in site.passback.items()},
            {str(kind): [str(rule.mode), rule.minutes] for kind, rule in head.passback.items()},
        ),
        "admit_when_dead": (sorted(dead), sorted(set(dead) & set(map(str, head.admit_when_dead)))),
        "admit_when_clock_unknown": (
            sorted(unsure),
            sorted(set(unsure) & set(map(str, head.admit_when_clock_unknown))),
        ),
        "unlisted_static": (site.unlisted_static, site.unlisted_static and head.unlisted_static),
        "unlisted_holders": (site.unlisted_holders, site.unlisted_holders and head.unlisted_holders),
    }
    for name, (here, there) in later.items():
        if here != there:
            setattr(site, name, there)
            yield Found(What.RULE, name, f"#{head.number}: {here} → {there}")
    site.save()
    for number, windows in head.schedules.items():
        if schedules.get(number) != windows:
            told = [[sorted(one.days), one.from_min, one.to_min] for one in windows]
            Schedule.objects.update_or_create(
                site=site,
                number=number,
                defaults={"windows": told},
                create_defaults={"windows": told, "name": f"list-{number}"},
            )
            yield Found(What.RULE, f"schedule {number}", f"#{head.number}")


def _gates(site: Site, head: Head) -> Iterator[Found]:
    """A gate whose device was replaced since must not be believed with its old key."""
    here = {gate.name: gate for gate in Gate.objects.filter(site=site)}
    for name, key in head.gates.items():
        gate = here.pop(name, None)
        if gate is None:
            yield Found(What.GATE_UNKNOWN, name, f"#{head.number}")
        elif PublicKey.parse(gate.journal_key) != key:
            gate.journal_key = str(key)
            gate.save(update_fields=["journal_key"])
            registry.note(BY_ITSELF, "gate.replaced", name, f"list {head.number} has its key")
            yield Found(What.GATE, name, f"#{head.number}")
    for name in here:
        yield Found(What.GATE_ABSENT, name, f"#{head.number}")
