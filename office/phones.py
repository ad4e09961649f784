"""Passes on phones: how a phone is invited, proves its key, and gives way to the next phone.

The key is made in the phone and never leaves it. What the office keeps is its
public half, from when to when it signed for the pass, and of an invitation
only the hash of what its link carries.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from agent.core.keys import Alg, PublicKey, sig_structure, verify
from office import holder_keys, registry
from office.faults import OfficeFault
from office.models import HolderKey, Invitation, Pass, PassState

INVITATION_LIFE: Final = timedelta(days=7)
_CHALLENGE_LIFE: Final = timedelta(minutes=10)
_USABLE: Final = (PassState.LIVE, PassState.SUSPENDED)

_KEYLESS: Final = Q(on_phone=True, holder_key="")
_HAD_A_KEY: Final = Exists(HolderKey.objects.filter(held=OuterRef("pk")))
NEVER_HAD_A_KEY: Final = _KEYLESS & ~Q(_HAD_A_KEY)
"""Passes that no gate needs to know yet."""
LOST_ITS_KEY: Final = _KEYLESS & Q(_HAD_A_KEY)
"""Passes that every gate must refuse until their next phone is there."""


class PhoneFault(OfficeFault):
    """A phone that can't be invited, enrolled or taken out; `why` is a word for programs and pages."""

    def __init__(self, why: str, sentence: str) -> None:
        super().__init__(sentence)
        self.why = why


def invite(pass_id: str, *, by: str, now: datetime) -> tuple[str, datetime]:
    """Invite one phone to put its key into a pass; earlier invitations end.

    Returns:
        What the link carries, known to nobody else from here on, and when it ends.
    Raises:
        OfficeFault: no such pass, not one for a phone, not approved, over, or on a phone already.
    """
    with transaction.atomic():
        one = registry.find(pass_id, to_change=True)
        if not one.on_phone:
            raise PhoneFault("card", f"pass {pass_id} is a printed card; draft one for a phone instead")
        if one.state not in _USABLE or one.not_after <= now:
            raise PhoneFault("not_live", f"pass {pass_id} is {one.state} or over; wanted an approved one")
        if one.holder_key:
            raise PhoneFault(
                "on_phone", f"pass {pass_id} is on a phone already; if that was lost, take its key out first"
            )
        token = secrets.token_urlsafe(24)
        ends = min(now + INVITATION_LIFE, one.not_after)
        Invitation.objects.filter(held=one, used_at=None).update(ends=now)
        Invitation.objects.create(held=one, token_hash=_hash(token), by=by, at=now, ends=ends)
        registry.note(by, "invite", pass_id, "")
    return token, ends


def challenge(token: str, now: datetime) -> tuple[Pass, str]:
    """What a phone must sign to prove that it has its key; a new challenge makes the last one void.

    Raises:
        PhoneFault: forged, expired, withdrawn or used.
    """
    _check_known(token)
    with transaction.atomic():
        invitation = _invitation(token)
        _check_open(invitation, now)
        invitation.challenge, invitation.challenged_at = secrets.token_hex(16), now
        invitation.save(update_fields=["challenge", "challenged_at"])
    return invitation.held, invitation.challenge


def put_in(token: str, key: str, signature: bytes, *, now: datetime) -> Pass:
    """Let a phone's key sign for the pass that it was invited to.

    The same phone may ask again: an answer can get lost on its way.

    Args:
        key: text form.
        signature: over the challenge and the key, see `proof`; 64 bytes.
    Raises:
        PhoneFault: as for challenge, or the key is unfit, was used before, or is not proved.
    """
    public = _fit(key)
    _check_known(token)
    with transaction.atomic():
        invitation = _invitation(token)
        one = registry.find(invitation.held.pass_id, to_change=True)
        proved = bool(invitation.challenge) and verify(
            public, signature, proof(public.alg, one.person.site.name, invitation.challenge, key)
        )
        if proved and invitation.used_at is not None and one.holder_key == key:
            return one
        _check_open(invitation, now)
        if invitation.challenged_at is None or now - invitation.challenged_at > _CHALLENGE_LIFE:
            raise PhoneFault("stale", "the invitation was opened too long ago; open it again")
        if not proved:
            raise PhoneFault("unproved", "the phone did not prove that it has its key; open the link again")
        if HolderKey.objects.filter(key=key).exists():
            raise PhoneFault("known_key", "this key was used before; open the link again for a new one")
        one.holder_key = key
        one.save(update_fields=["holder_key"])
        HolderKey.objects.create(held=one, key=key, since=now)
        invitation.used_at = now
        invitation.save(update_fields=["used_at"])
        registry.note("holder", "key.in", one.pass_id, f"{public.alg}, invited by {invitation.by}")
    return one


def take_out(pass_id: str, *, by: str, why: str, now: datetime) -> None:
    """Take a lost phone's key out of its pass; the gates must be told, at once and with the next list.

    Raises:
        OfficeFault: no such pass, it is on no phone, or there is no reason.
    """
    if not why.strip():
        raise PhoneFault("no_reason", "found no reason; write what became of the phone")
    with transaction.atomic():
        one = registry.find(pass_id, to_change=True)
        if not one.holder_key or one.state not in _USABLE:
            raise PhoneFault("on_none", f"pass {pass_id} is on no phone now")
        HolderKey.objects.filter(held=one, until=None).update(until=now)
        one.holder_key = ""
        one.save(update_fields=["holder_key"])
        registry.note(by, "key.out", pass_id, why.strip())


def proof(alg: Alg, site: str, challenged: str, key: str) -> bytes:
    """What a phone signs to be enrolled: the challenge and its own public key, each on a line."""
    return sig_structure(alg, f"menshen/1/enrol/{site}", f"{challenged}\n{key}".encode())


def _fit(key: str) -> PublicKey:
    try:
        return holder_keys.read(key)
    except OfficeFault as fault:
        raise PhoneFault("bad_key", str(fault)) from fault


def _check_known(token: str) -> None:
    """Before a transaction begins: strangers must not be able to keep writers waiting."""
    if not Invitation.objects.filter(token_hash=_hash(token)).exists():
        raise PhoneFault("forged", "this is no invitation of ours; ask the desk for a new link")


def _invitation(token: str) -> Invitation:
    """Locked until the transaction ends."""
    return (
        Invitation.objects.select_for_update(of=("self",))
        .select_related("held__person__site", "held__person__key")
        .get(token_hash=_hash(token))
    )


def _check_open(invitation: Invitation, now: datetime) -> None:
    if invitation.used_at is not None:
        raise PhoneFault("used", "this invitation was used already; ask the desk for a new one")
    held = invitation.held
    if now >= invitation.ends or held.state not in _USABLE or held.not_after <= now:
        raise PhoneFault("expired", "this invitation is over; ask the desk for a new one")
    if held.holder_key:
        raise PhoneFault("used", "this pass is on a phone already; ask the desk")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
