"""When somebody leaves the office: one action ends all that they could do, and says who goes on with it (C27).

Their role here ends, and with it all rights, at once; alerts that the person had taken on go to the colleague
who takes over; orders that still wait for a second person are withdrawn; and if the person's own file is
named, their passes are revoked. An account without a role anywhere is closed: its sessions end, its second
factor is gone. One act in the history is the handover record.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from office import registry
from office.faults import OfficeFault
from office.models import Pass, PassState, Person
from office.web.accounts import find
from office.web.duties import here, sites_of, with_accounts
from office.web.models import Account, Handling, OrderState, RemoteOrder

_OPEN = (PassState.DRAFT, PassState.LIVE, PassState.SUSPENDED)


@dataclass(frozen=True, slots=True)
class Left:
    """What was ended and handed over.

    Args:
        revoked: pass ids; the gates have to be told.
    """

    sessions: int
    alerts: int
    orders: int
    revoked: tuple[str, ...]

    def record(self, handover: str) -> str:
        """As the history keeps it."""
        words = [f"handed over to {handover}"] if handover else []
        counts = {"sessions": self.sessions, "alerts": self.alerts, "orders withdrawn": self.orders}
        words += [f"{name} {count}" for name, count in counts.items() if count]
        words += [f"revoked {', '.join(self.revoked)}"] if self.revoked else []
        return "; ".join(words)


def leave(name: str, *, by: str, handover: str = "", person: int | None = None) -> Left:
    """End an account's role here, with all that belongs to it; close it, if that was its last.

    Args:
        handover: the account of who takes the work over; wanted if alerts are open in this name.
        person: the number of the leaver's own file, if their passes are to end as well.
    Raises:
        OfficeFault: there is no such open account, or nobody takes over what is open; nothing is changed.
    """
    with with_accounts():
        account = find(name)
        if account.username == by:
            raise OfficeFault("nobody closes their own account; ask another administrator")
        if handover == name:
            raise OfficeFault(f"{name} leaves, so the work goes to somebody else")
        successor = find(handover).username if handover else ""
        left = Left(end(account), _hand_over(name, successor), _withdraw(name), _revoke(person, by))
        registry.note(by, "account.close", name[:64], left.record(successor))
    return left


def end(account: Account) -> int:
    """End an account's role here; without a role anywhere it is closed. Belongs into a transaction.

    Returns:
        How many sessions ended.
    """
    account.duties.filter(site=here()).update(role="")
    if sites_of(account.username):
        return 0
    account.is_active = False
    account.set_unusable_password()
    account.save()
    TOTPDevice.objects.filter(user=account).delete()
    return _end_sessions(account)


def _end_sessions(account: Account) -> int:
    def its() -> Iterator[str]:
        for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
            if session.get_decoded().get(SESSION_KEY) == str(account.pk):
                yield session.session_key

    return Session.objects.filter(session_key__in=list(its())).delete()[0]


def _hand_over(name: str, successor: str) -> int:
    taken_on = Handling.objects.filter(owner=name, closed_at=None)
    count = taken_on.count()
    if count and not successor:
        raise OfficeFault(f"{count} alerts are open in the name of {name}; say who takes the work over")
    taken_on.update(owner=successor)
    return count


def _withdraw(name: str) -> int:
    waiting = RemoteOrder.objects.filter(asked_by=name, state=OrderState.WAITING)
    return waiting.update(
        state=OrderState.WITHDRAWN, outcome="who asked for it has left", done_at=timezone.now()
    )


def _revoke(person: int | None, by: str) -> tuple[str, ...]:
    if person is None:
        return ()
    if not Person.objects.filter(pk=person).exists():
        raise OfficeFault(f"found no person {person}; the number stands in the address of the file's page")
    held = (
        Pass.objects.filter(person=person, state__in=_OPEN).order_by("pk").values_list("pass_id", flat=True)
    )
    return tuple(
        registry.move("revoke", one, by=by, why="left; the account is closed").pass_id for one in list(held)
    )
