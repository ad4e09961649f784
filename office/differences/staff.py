"""The accounts of a restored office, beside a copy of its audit log that is newer than the backup (C27, C30).

Whoever left after the backup was made would be back with the old password, and so would a password that was
changed because somebody else knew it. No list tells of that. The office's own audit log does, and a copy of it
lies with an auditor: it is believed because it goes on from the log in the backup, sealed by the same key. What it
says is done. Where no copy is at hand nobody knows, and each account waits for an administrator's word.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent.core.keys import PublicKey
from office import registry
from office.audit import book
from office.audit.book import Seal
from office.differences import BY_ITSELF, What
from office.differences.comparing import Found
from office.faults import OfficeFault
from office.web import leaving
from office.web.duties import here
from office.web.models import Account, Duty
from office.web.roles import Role

_MARK: Final = b'"what":"account.'
_NAME: Final = 64
"""Characters of a name that the log keeps."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a copy says of accounts after the backup.

    Args:
        until: when it was made; it knows nothing of what came later.
        acts: oldest first: what, whose account, the act's last word, and when and by whom, for people.
    """

    until: datetime
    acts: tuple[tuple[str, str, str, str], ...]


def read(path: Path, key: PublicKey, last: Seal) -> Told:
    """Read a copy of the audit log.

    Args:
        last: the end of the log in the backup, from which the copy has to go on.
    Raises:
        OfficeFault: it can't be read, is of another office or not sound, or older than the backup.
    """
    kept: list[bytes] = []
    try:
        with path.open("rb") as file:
            lines = book.lines_of(iter(lambda: file.read(1 << 16), b""))
            found = book.check(_kept(lines, kept), key, (last.n, last.head))
    except OSError as fault:
        raise OfficeFault(f"the copy {path} can't be read: {fault.strerror}") from fault
    if found.flaw or found.last is None:
        raise OfficeFault(
            f"the copy {path} of the audit log can't be believed beside this backup: {found.flaw}; "
            "give one that was made after the backup, or leave --audit out"
        )
    acts = [act for act in map(json.loads, kept) if act["n"] > last.n and act["what"].startswith("account.")]
    told = ((act["what"], act["subject"], act["why"], f"{act['at'][:16]}Z {act['who']}") for act in acts)
    return Told(datetime.fromtimestamp(found.last.at_ms / 1000, UTC), tuple(told))


def _kept(lines: Iterable[bytes], kept: list[bytes]) -> Iterator[bytes]:
    """The same lines; those about accounts are kept aside."""
    for line in lines:
        if _MARK in line:
            kept.append(line)
        yield line


def compare(told: Told | None) -> list[Found] | None:
    """Bring accounts to what the copy says; without one, name all that are open. Belongs into a transaction.

    Returns:
        None where accounts have no roles at this site: it is a group's, whose sites keep the history of them.
    """
    open_here = list(
        Duty.objects.filter(site=here(), account__is_active=True).exclude(role="").select_related("account")
    )
    if not open_here and Account.objects.filter(is_active=True).exists():
        return None
    if told is None:
        return [Found(What.ACCOUNT, subject(duty.account.username), duty.role) for duty in open_here]
    by_name = {duty.account.username[:_NAME]: duty for duty in open_here}
    names = dict.fromkeys(name for _what, name, _why, _when in told.acts)
    return [
        found
        for name in names
        if (found := _brought(name, by_name.get(name), [act for act in told.acts if act[1] == name]))
    ]


def subject(name: str) -> str:
    """An account as a difference names it: no gate, pass or rule begins so."""
    return f"@{name}"[:_NAME]


def account_of(subject_: str) -> Account | None:
    """The account that a difference is about, if it is here."""
    name = subject_.removeprefix("@")
    cut = len(subject_) == _NAME
    return Account.objects.filter(**{"username__startswith" if cut else "username": name}).first()


def _brought(name: str, duty: Duty | None, acts: Sequence[tuple[str, str, str, str]]) -> Found | None:
    """One account after all that the copy says of it."""
    role = duty.role if duty else ""
    was, changed, when = role, False, acts[-1][3]
    for what, _name, why, _when in acts:
        if what == "account.close":
            role, changed = "", False
        elif what in {"account.add", "account.appoint"}:
            role = why
        else:
            changed = True  # a password, or a second factor
    if duty is None:
        return Found(What.ACCOUNT_NEW, subject(name), f"{role}, {when}") if role else None
    if not role:
        leaving.end(duty.account)
        registry.note(BY_ITSELF, "account.close", name, "the copy of the audit log says so")
        return Found(What.ACCOUNT_CLOSED, subject(name), f"{was}, {when}")
    if changed:
        duty.account.set_unusable_password()
        duty.account.save(update_fields=["password"])
        registry.note(BY_ITSELF, "account.password", name, "the copy of the audit log has a later one")
    if role != was and role in Role.values:
        duty.role = role
        duty.save(update_fields=["role"])
        registry.note(BY_ITSELF, "account.appoint", name, role)
        return Found(What.ACCOUNT_ROLE, subject(name), f"{was} → {role}, {when}")
    return Found(What.ACCOUNT_PASSWORD, subject(name), f"{was}, {when}") if changed else None
