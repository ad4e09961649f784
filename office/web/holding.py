"""What a holder's own page may know and do, proved by the phone's key (C13).

A phone signs what it asks, with the time; nobody else can ask for it, and
who reads along can't use it two minutes later.
"""

import time
from dataclasses import dataclass
from typing import Any, Final

from django.utils import timezone
from django.utils.translation import gettext as _

from agent.core.keys import PublicKey, sig_structure, verify
from office import publishing
from office.faults import OfficeFault
from office.issuing import Codes
from office.models import Gate, HolderKey, Pass, PassState, Publication
from office.web import lookup, visits
from office.web.models import GateNow, PersonFile, Visit

CLOCK_S: Final = 120
_SEEN: Final = 10


class Unproved(OfficeFault):
    """Nobody of ours may ask this, or not now; `why` is a word for programs."""

    def __init__(self, why: str, sentence: str) -> None:
        super().__init__(sentence)
        self.why = why


@dataclass(frozen=True, slots=True)
class Asked:
    """What a phone signed.

    Args:
        pass_id: 16 hex digits.
        utc: seconds since 1970 by the office's clock, as the phone knows it.
        words: what it wants; see the views.
        key: text form.
        signature: 64 bytes.
    """

    pass_id: str
    utc: int
    words: tuple[str, ...]
    key: str
    signature: bytes

    def signed(self, public: PublicKey, site: str) -> bytes:
        """The signed bytes: pass id, time and words, each on a line."""
        lines = "\n".join((self.pass_id, str(self.utc), *self.words))
        return sig_structure(public.alg, f"menshen/1/holder/{site}", lines.encode())


def holder(asked: Asked) -> Pass:
    """The pass whose phone asks.

    Raises:
        Unproved: an unknown key, one that was taken out, a wrong signature, or a clock that is off.
    """
    known = HolderKey.objects.filter(held__pass_id=asked.pass_id, key=asked.key).last()
    if known is None:
        raise Unproved("unknown", "this phone's key is not known here; ask the desk")
    one = Pass.objects.select_related("person__site", "person__key").get(pk=known.held_id)
    public = PublicKey.parse(asked.key)
    if not verify(public, asked.signature, asked.signed(public, one.person.site.name)):
        raise Unproved("unknown", "this phone's key is not known here; ask the desk")
    if known.until is not None or one.holder_key != asked.key:
        raise Unproved("taken_out", "this phone's key was taken out; another phone may have the pass now")
    if abs(time.time() - asked.utc) > CLOCK_S:
        raise Unproved("clock", "the question comes from another time; ask again")
    return one


def terms(one: Pass) -> dict[str, Any]:
    """What anybody may know who was invited; times in seconds since 1970."""
    return {
        "pass": one.pass_id,
        "site": one.person.site.name,
        "kind": one.kind,
        "from": int(one.not_before.timestamp()),
        "until": int(one.not_after.timestamp()),
    }


def standing(one: Pass) -> dict[str, Any]:
    """What the page of a proved phone shows."""
    file = PersonFile.objects.select_related("key").filter(person=one.person).first()
    seen = lookup.newest_of([one.pass_id], _SEEN)
    return {
        **terms(one),
        "state": one.state,
        "zones": [name for bit, name in enumerate(one.person.site.zones) if one.zones >> bit & 1],
        "certificate": "" if every_gate_knows(one) else Codes.here().of(one),
        "name": one.person.name,
        "unit": file.unit if file else "",
        "phone": file.phone if file else "",
        "visitors": [
            {"visit": visit.pk, "name": visit.name, "purpose": visit.purpose, "gate": visit.gate.name}
            for visit in _visitors(one)
        ],
        "seen": [
            {"at": int(row.at_utc), "gate": row.gate, "kind": row.kind, "reason": row.reason} for row in seen
        ],
    }


def _visitors(one: Pass) -> list[Visit]:
    """Who waits for this holder's word; a holder whose own pass does not stand has none."""
    usable = one.state == PassState.LIVE and one.not_before <= timezone.now() < one.not_after
    return visits.at_the_door_of(one.person) if usable else []


def decide(one: Pass, visit: int, *, approve: bool) -> None:
    """Let a visitor in, or not, as the host whom they named; the history keeps the host's pass.

    Raises:
        OfficeFault: they did not name this host, or somebody was quicker.
    """
    if visit not in [waiting.pk for waiting in _visitors(one)]:
        raise Unproved("decided", "this visitor does not wait for you; somebody may have been quicker")
    by = f"host {one.pass_id}"
    if approve:
        visits.approve(visit, by=by)
    else:
        visits.refuse(visit, by=by, why=_("The host can't receive you now."))


def every_gate_knows(one: Pass) -> bool:
    """Whether all gates have switched to a list with this phone's key, so that no certificate is needed."""
    key = HolderKey.objects.filter(held=one, key=one.holder_key, until=None).last()
    if key is None:
        return False
    if key.listed_in is None:
        listed = one.published is not None and bytes(one.published) == publishing.grant_of(one).to_bytes()
        newest = Publication.objects.order_by("-number").first() if listed else None
        if newest is None:
            return False
        key.listed_in = newest.number
        key.save(update_fields=["listed_in"])
    knowing = GateNow.objects.filter(list_number__gte=key.listed_in).count()
    return 0 < Gate.objects.count() == knowing
