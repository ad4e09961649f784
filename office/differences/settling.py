"""A person looks at what differs, and says what is to become of it."""

from collections.abc import Iterator

from django.db import IntegrityError, transaction
from django.utils import timezone

from office import registry
from office.differences import ABOUT_ALL, OF_ACCOUNTS, Outcome, What, hearing, staff
from office.faults import OfficeFault
from office.models import Difference, Pass, PassState, Person
from office.web import leaving


def waiting() -> Iterator[Difference]:
    """What nobody has settled yet, oldest restore first."""
    return Difference.objects.filter(settled_at=None).order_by("pk").iterator(2000)


def settle(difference: Difference, outcome: Outcome, *, by: str, why: str, name: str = "") -> None:
    """Settle one difference; the next list and rv/hot say so.

    Args:
        name: whose pass it is, if that was found out of one that nobody knew.
    Raises:
        OfficeFault: it is settled already, there is no reason, or the outcome does not go with it.
    """
    why = " ".join(why.split())
    if not why or len(why) > 200:
        raise OfficeFault(f"found a reason of {len(why)} characters, wanted 1 to 200; say what you found")
    with transaction.atomic():
        row = Difference.objects.select_for_update().get(pk=difference.pk)
        if row.settled_at is not None:
            raise OfficeFault(f"{row.subject} is settled already, by {row.by}: {row.why}")
        if row.what in OF_ACCOUNTS:
            _end(row, outcome, by)
        elif outcome is not Outcome.SEEN:
            _move(row, outcome, by, why)
        if name:
            _name(row, name, by)
        row.settled_at, row.by, row.outcome, row.why = timezone.now(), by, outcome, why
        row.save()
        registry.note(by, "settle", row.subject, f"{row.what}, {outcome}: {why}")
        hearing.quiet(row.restoration)


def _end(row: Difference, outcome: Outcome, by: str) -> None:
    """Close an account, if that is the outcome."""
    if outcome is Outcome.OPEN:
        raise OfficeFault(f"{row.subject} is an account: it can be settled as seen or as shut only")
    account = staff.account_of(row.subject)
    if outcome is Outcome.SHUT and account is not None and account.is_active:
        leaving.leave(account.username, by=by)


def _move(row: Difference, outcome: Outcome, by: str, why: str) -> None:
    one = None if row.what in ABOUT_ALL else Pass.objects.filter(pass_id=row.subject).first()
    if one is None:
        raise OfficeFault(f"{row.subject} is no pass of this office: it can be settled as seen only")
    if outcome is Outcome.SHUT:
        if one.state != PassState.REVOKED:
            registry.move("revoke", one.pass_id, by=by, why=why)
    elif one.state == PassState.SUSPENDED:
        registry.move("resume", one.pass_id, by=by, why=why)
    elif one.state != PassState.LIVE:
        raise OfficeFault(f"pass {one.pass_id} is {one.state} for good; issue a new one to its holder")


def _name(row: Difference, name: str, by: str) -> None:
    one = Pass.objects.filter(pass_id=row.subject).select_related("person__site").first()
    if one is None or row.what != What.UNKNOWN:
        raise OfficeFault(
            f"{row.subject} has a name already, or is no pass of this office; leave the name out"
        )
    clean = " ".join(name.split())
    if not clean or len(clean) > 200 or not clean.isprintable():
        raise OfficeFault("found no usable name, wanted 1 to 200 printable characters")
    nobody = one.person
    one.person = Person.of_name(nobody.site, clean)
    try:
        with transaction.atomic():
            one.save(update_fields=["person"])
    except IntegrityError as fault:
        raise OfficeFault(
            f"this person has another live {one.kind} pass, and one of a kind is allowed; revoke one of the two first"
        ) from fault
    if not nobody.passes.exists():
        key = nobody.key
        nobody.delete()
        if key:
            key.delete()
    registry.note(by, "named", one.pass_id, "")
