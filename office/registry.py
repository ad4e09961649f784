"""The registry: the site, its gates, and each pass from draft to end.

Every change is one transaction with its row of history (who, what, when,
why). Keys and files are somebody else's: a static pass is signed by a
function that is handed in.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from agent.core.allowlist import NAME, PassKind
from agent.core.keys import Alg, PublicKey
from agent.core.passes import LONGEST_S, PASS_ID_BYTES, static_body
from office import holder_keys
from office.audit import keeper
from office.faults import FieldFault, OfficeFault
from office.models import Gate, HolderKey, Pass, PassState, Person, Site

MAX_ZONES: Final = 8  # one byte of bits in a pass
MAX_USES: Final = 15  # half a byte
_PASS_ID: Final = re.compile(rf"[0-9a-f]{{{2 * PASS_ID_BYTES}}}")
_OPEN: Final = (PassState.DRAFT, PassState.LIVE, PassState.SUSPENDED)

"""Gives the text that the issuer signs for a pass; empty if it has none."""


def the_site() -> Site:
    """The site of this home.

    Raises:
        OfficeFault: none has been made.
    """
    site = Site.objects.first()
    if site is None:
        raise OfficeFault("this home has no site yet; make it with `menshen-office site NAME`")
    return site


def check_site(name: str, zones: list[str]) -> None:
    """Look at a site's names before anything is made.

    Raises:
        OfficeFault: a name or zones that no pass can carry.
    """
    for each in (name, *zones):
        if not NAME.fullmatch(each):
            raise OfficeFault(
                f"found name {each!r}, wanted 1 to 32 of a-z, 0-9 and -, beginning with a letter or digit"
            )
    if not 1 <= len(zones) <= MAX_ZONES or len(set(zones)) != len(zones):
        raise OfficeFault(f"found zones {', '.join(zones)}; wanted 1 to {MAX_ZONES} different ones")


def check_unused(name: str) -> None:
    """Look whether this home is free for a site.

    Raises:
        OfficeFault: it serves one.
    """
    found = Site.objects.first()
    if found is not None:
        raise OfficeFault(f"this home already serves site {found}; give another --home for {name}")


def make_site(name: str, zones: list[str], utc_offset_min: int) -> Site:
    """Begin an office for one site, whose names have been checked.

    Raises:
        OfficeFault: there is a site already.
    """
    with transaction.atomic():
        check_unused(name)
        return Site.objects.create(name=name, zones=zones, utc_offset_min=utc_offset_min)


def add_gate(record: Mapping[str, Any], *, replace: bool, by: str) -> Gate:
    """Put a gate on record from what its enrolment wrote.

    Args:
        record: with site, gate, device_id, journal_key, direction and zone.
        replace: let another device take this gate's name.
    Raises:
        OfficeFault: a record of a wrong shape or site, or a different device without replace.
    """
    site = the_site()
    wanted = ("site", "gate", "device_id", "journal_key")
    missing = [name for name in wanted if not isinstance(record.get(name), str)]
    if missing:
        raise OfficeFault(
            f"the enrolment record has no {', '.join(missing)}; wanted the file that "
            "`menshen-provision enrol` writes"
        )
    if record["site"] != site.name:
        raise OfficeFault(f"found a gate of site {record['site']!r}, wanted one of {site}; enrol it again")
    name, zone = str(record["gate"]), str(record.get("zone", ""))
    if not NAME.fullmatch(name):
        raise OfficeFault(f"found gate name {name!r}, wanted 1 to 32 of a-z, 0-9 and -")
    if zone and zone not in site.zones:
        raise OfficeFault(f"found zone {zone!r}, wanted one of {', '.join(site.zones)}; enrol it again")
    key = _journal_key(str(record["journal_key"]))
    fields = {
        "device_id": str(record["device_id"])[:128],
        "journal_key": str(key),
        "direction": str(record.get("direction", ""))[:16],
        "zone": zone,
        "record": dict(record),
    }
    with transaction.atomic():
        known = Gate.objects.filter(site=site, name=name).first()
        if known and known.journal_key != str(key) and not replace:
            raise OfficeFault(
                f"gate {name} is on record with the key of device {known.device_id}, found another key "
                f"of device {fields['device_id']}; if the device was replaced, repeat with --replace"
            )
        gate, _ = Gate.objects.update_or_create(site=site, name=name, defaults=fields)
        what = "gate.replaced" if known and known.journal_key != str(key) else "gate.added"
        note(by, what, name, f"device {fields['device_id']}")
    return gate


def _journal_key(text: str) -> PublicKey:
    try:
        key = PublicKey.parse(text)
    except ValueError as fault:
        raise OfficeFault(f"the enrolment record's journal_key is unusable: {fault}; enrol again") from fault
    if key.alg is not Alg.ED25519:
        raise OfficeFault(f"found a journal key of kind {key.alg}, wanted ed25519; enrol the gate again")
    if flaw := holder_keys.ed25519_flaw(key.raw):
        raise OfficeFault(f"the enrolment record's journal_key is unusable: {flaw}; enrol the gate again")
    return key


@dataclass(frozen=True, slots=True)
class Application:
    """What a pass is asked for.

    Args:
        zones: names.
        uses: how often it opens; 0 is without limit.
        on_phone: its holder's phone makes the codes; it is invited once the pass is approved.
        holder_key: text form, if the phone's key is known already.
        pass_id: 16 hex digits, if it has one already from elsewhere; else the office makes one.
        duress: the person's second pass, for when they are threatened: it opens, and alarms the office.
    """

    kind: PassKind
    person: str
    zones: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    uses: int = 0
    holder_key: str = ""
    pass_id: str = ""
    on_phone: bool = False
    duress: bool = False


def draft(application: Application, *, by: str, why: str = "") -> Pass:
    """Draft a pass; it opens nothing until another has approved it.

    Raises:
        FieldFault: an unknown zone, a time, an id or a key that no pass can have, or the person has
            a pass of this kind already (C01, C04).
    """
    site = the_site()
    zones = _zone_bits(site, application.zones)
    key = _holder_key(application.holder_key)
    not_before, not_after = _on_the_grid(application.not_before, application.not_after)
    pass_id = _pass_id(application.pass_id)
    if not 0 <= application.uses <= MAX_USES:
        raise FieldFault("uses", f"found {application.uses} uses, wanted 0 (without limit) to {MAX_USES}")
    try:  # the wire form is the judge of what a pass can carry, also for passes with a key
        static_body(
            pass_id=pass_id,
            uses=application.uses,
            key_id=0,
            zones=zones,
            not_before_utc=int(not_before.timestamp()),
            not_after_utc=int(not_after.timestamp()),
        )
    except (ValueError, OverflowError) as fault:
        raise FieldFault("from", f"no such pass can be made: {fault}") from fault
    name = " ".join(application.person.split())
    if not name or len(name) > 200 or not name.isprintable():
        raise FieldFault("person", "found no usable name, wanted 1 to 200 printable characters")
    now = timezone.now()
    with transaction.atomic():
        person = Person.of_name(site, name)
        for over in person.passes.filter(kind=application.kind, state__in=_OPEN, not_after__lte=now):
            over.state = PassState.ENDED
            over.save(update_fields=["state"])
            note("office", "end", over.pass_id, "its time was over when the next one was drafted")
        held = person.passes.filter(kind=application.kind, state__in=_OPEN, duress=application.duress).first()
        if held:
            raise FieldFault(
                "person",
                f"this person has {application.kind} pass {held.pass_id} ({held.state}), and one live pass "
                f"of a kind is allowed; revoke it first with `menshen-office revoke {held.pass_id}`",
            )
        made = Pass.objects.create(
            pass_id=pass_id.hex(),
            person=person,
            kind=application.kind,
            zones=zones,
            not_before=not_before,
            not_after=not_after,
            uses=application.uses,
            on_phone=application.on_phone or bool(key),
            holder_key=key,
            duress=application.duress,
            drafted_by=_named(by),
        )
        if key:
            HolderKey.objects.create(held=made, key=key, since=now)
        note(by, "draft", made.pass_id, why)
    return made


def _zone_bits(site: Site, names: tuple[str, ...]) -> int:
    bits = 0
    for name in names:
        if name not in site.zones:
            raise FieldFault("zone", f"found zone {name!r}, wanted some of {', '.join(site.zones)}")
        bits |= 1 << site.zones.index(name)
    if not bits:
        raise FieldFault("zone", f"found no zone, wanted some of {', '.join(site.zones)}")
    return bits


def _holder_key(text: str) -> str:
    if not text:
        return ""
    try:
        return str(holder_keys.read(text))
    except OfficeFault as fault:
        raise FieldFault("holder key", str(fault)) from fault


def _pass_id(text: str) -> bytes:
    if not text:
        return secrets.token_bytes(PASS_ID_BYTES)
    if not _PASS_ID.fullmatch(text):
        raise FieldFault("pass id", f"found {text[:40]!r}, wanted 16 hex digits, or nothing for a new one")
    if Pass.objects.filter(pass_id=text).exists():
        raise FieldFault("pass id", f"found {text}, which is another pass already; each has its own (C01)")
    return bytes.fromhex(text)


def _on_the_grid(not_before: datetime, not_after: datetime) -> tuple[datetime, datetime]:
    """Widen to whole minutes and tens of minutes, as a pass carries them.

    Raises:
        FieldFault: the end does not follow the beginning, or only after more than 366 days (C04).
    """
    lasts_s = (not_after - not_before).total_seconds()
    if lasts_s <= 0:
        raise FieldFault(
            "until", "found an end that is not after the beginning; wanted --until later than --from"
        )
    if lasts_s > LONGEST_S:
        raise FieldFault(
            "until",
            f"found a validity of {lasts_s / 86400:.1f} days, wanted at most 366 (one year); "
            "give an earlier --until and renew the pass when it ends",
        )
    begins = not_before.replace(second=0, microsecond=0)
    tens = -((begins - not_after) // timedelta(minutes=10))
    return begins, begins + min(tens, LONGEST_S // 600) * timedelta(minutes=10)


def approve(pass_id: str, *, by: str, why: str = "") -> Pass:
    """Let a draft go to the next list; from now on it has the code of its kind of pass, if any.

    Raises:
        OfficeFault: no such draft, or drafted by the same person (C03).
    """
    with transaction.atomic():
        one = find(pass_id, to_change=True)
        if one.state != PassState.DRAFT:
            raise OfficeFault(f"pass {pass_id} is {one.state}, wanted a draft; see `menshen-office passes`")
        if _named(by).casefold() == one.drafted_by.casefold():
            raise OfficeFault(
                f"{by} drafted pass {pass_id}, and a pass is approved by another person than its drafter; "
                "ask a colleague to approve it"
            )
        one.state, one.approved_by = PassState.LIVE, _named(by)
        one.save(update_fields=["state", "approved_by"])
        note(by, "approve", pass_id, why)
    return one


_MOVES: Final[Mapping[str, tuple[tuple[PassState, ...], PassState]]] = {
    "suspend": ((PassState.LIVE,), PassState.SUSPENDED),
    "resume": ((PassState.SUSPENDED,), PassState.LIVE),
    "revoke": (_OPEN, PassState.REVOKED),
}


def move(what: str, pass_id: str, *, by: str, why: str = "") -> Pass:
    """Suspend, resume or revoke a pass; the next list says so.

    Raises:
        OfficeFault: no such pass, or it is not in a state to be moved from.
    """
    before, after = _MOVES[what]
    with transaction.atomic():
        one = find(pass_id, to_change=True)
        if one.state not in before:
            raise OfficeFault(
                f"pass {pass_id} is {one.state}; only a pass that is {' or '.join(before)} can be "
                f"{after}; see `menshen-office passes`"
            )
        one.state = after
        one.save(update_fields=["state"])
        note(by, what, pass_id, why)
    return one


def find(pass_id: str, *, to_change: bool = False) -> Pass:
    """One pass; to change it, in a transaction.

    Raises:
        OfficeFault: there is none of this id.
    """
    found = Pass.objects.select_for_update() if to_change else Pass.objects.all()
    one = found.filter(pass_id=pass_id.lower()).first()
    if one is None:
        raise OfficeFault(f"found no pass {pass_id!r}; see `menshen-office passes` for those there are")
    return one


def _named(who: str) -> str:
    name = " ".join(who.split())
    if not name or len(name) > 100:
        raise OfficeFault("found nobody's name in --by, wanted that of the person who does this (C02)")
    return name


def note(who: str, what: str, subject: str, why: str) -> None:
    """Add to the history; belongs into the transaction of what was done, near its end."""
    keeper.append(_named(who), what, subject, why)
