"""Orders from the pages: asked with a reason, confirmed by a second person where the site says so, and followed.

An order is signed when it is sent, not when it is asked: it lives a minute.
What came of it is what the gate says in its own journal, found by the order's
nonce; where nothing comes, the page says that.
"""

import secrets
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from agent.core.events import Kind
from agent.core.orders import What
from office import home, orders, registry
from office.faults import OfficeFault
from office.ingest.line import read
from office.ingest.subscriber import Address
from office.keyring import Keyring
from office.models import Event, Gate
from office.places import Place
from office.web.models import OrderRules, OrderState, RemoteOrder

OFFERED: Final = (
    What.OPEN,
    What.LOCKDOWN,
    What.RELEASE,
    What.IDENTIFY,
    What.MAINTENANCE_ON,
    What.MAINTENANCE_OFF,
)
MOST_WHY: Final = 64
"""What an order carries."""
WAITS_FOR: Final = timedelta(minutes=10)
"""A second person confirms within this, or nobody does: an order is for now."""
_ONE_CLICK: Final = timedelta(seconds=5)
"""The same from the same person within this is one order, clicked twice."""
_SILENT_AFTER: Final = timedelta(seconds=orders.USUAL_LIFE_S + 30)
_OUTCOMES: Final = {Kind.ORDER_OBEYED: OrderState.OBEYED, Kind.ORDER_REFUSED: OrderState.REFUSED}


def needs_two(what: What) -> bool:
    """Whether the site wants a second person for such an order."""
    rules = OrderRules.objects.first()
    return rules is not None and str(what) in rules.second_person


def ask(gate: Gate, what: What, *, by: str, why: str) -> RemoteOrder:
    """Order a gate to do something; it goes at once, or waits for a second person.

    Raises:
        OfficeFault: no reason, or it can't be sent; the order says so too.
    """
    why = " ".join(why.split())
    if not why or len(why) > MOST_WHY:
        raise OfficeFault(_("Write a reason of at most 64 characters; the gate's journal keeps it too."))
    _broker()  # before anybody is asked to confirm what can't be sent
    now = timezone.now()
    with transaction.atomic():
        Gate.objects.select_for_update().get(pk=gate.pk)  # the second click waits here for the first
        same = RemoteOrder.objects.filter(gate=gate, what=what, why=why, asked_by=by)
        again = same.filter(asked_at__gt=now - _ONE_CLICK).exclude(state=OrderState.FAILED).first()
        if again is not None:
            return again
        one = RemoteOrder.objects.create(
            gate=gate, what=what, why=why, asked_by=by, asked_at=now, ends=now + WAITS_FOR
        )
        if needs_two(what):
            registry.note(by, f"order.ask {what}", gate.name, why)
            return one
    return _send(one.pk, by)


def confirm(pk: int, *, by: str) -> RemoteOrder:
    """Be the second person of an order.

    Raises:
        OfficeFault: the same person asked for it, somebody was quicker, it is too late, or it can't be sent.
    """
    look_after()
    if RemoteOrder.objects.filter(pk=pk, asked_by__iexact=by).exists():
        raise OfficeFault(_("You asked for this order; another person confirms it."))
    return _send(pk, by, confirmed_by=by)


def withdraw(pk: int, *, by: str) -> None:
    """Take back an order that waits, one's own or another's.

    Raises:
        OfficeFault: it does not wait any more.
    """
    with transaction.atomic():
        one = _waiting(pk)
        one.state, one.done_at = OrderState.WITHDRAWN, timezone.now()
        one.save()
        registry.note(by, f"order.withdraw {one.what}"[:32], one.gate.name, one.why)


def _send(pk: int, by: str, confirmed_by: str = "") -> RemoteOrder:
    with transaction.atomic():
        one = _waiting(pk)
        address = _broker()
        one.state, one.sent_at, one.confirmed_by = OrderState.SENT, timezone.now(), confirmed_by
        one.nonce = secrets.token_hex(16)
        one.save()
        # First: an order without a record must not be.
        registry.note(by, f"order {one.what}", one.gate.name, one.why)
    try:
        site = registry.the_site().name
        message = orders.order(
            site,
            one.gate.name,
            What(one.what),
            by=_signatories(one),
            why=one.why,
            key=Keyring.load(home.current().keys).order,
            utc=one.sent_at.timestamp(),
            nonce=one.nonce,
        )
        orders.send(address, site, one.gate.name, message)
    except OfficeFault as fault:
        one.state, one.outcome, one.done_at = OrderState.FAILED, str(fault)[:200], timezone.now()
        one.save(update_fields=["state", "outcome", "done_at"])
        raise
    return one


def _signatories(one: RemoteOrder) -> str:
    """Both names, where an order has room for them; the office's log has them in any case."""
    both = f"{one.asked_by}, {one.confirmed_by}" if one.confirmed_by else one.asked_by
    return both if len(both) <= MOST_WHY else one.asked_by[:MOST_WHY]


def _waiting(pk: int) -> RemoteOrder:
    one = RemoteOrder.objects.select_for_update(of=("self",)).select_related("gate").filter(pk=pk).first()
    if one is None or one.state != OrderState.WAITING or one.ends <= timezone.now():
        raise OfficeFault(_("This order does not wait any more; somebody was quicker, or its time is over."))
    return one


def _broker() -> Address:
    """The broker that `serve` was given, else the one that lists went to."""
    given: Address | None = settings.ORDER_BROKER
    if given is not None:
        return given
    place = Place.last(home.current())
    if place is None or not place.broker:
        raise OfficeFault(
            _(
                "The pages know no broker to send orders by. Start `menshen-office serve` with --broker HOST:PORT."
            )
        )
    file = Path(place.password_file) if place.password_file else None
    return Address.parse(place.broker, place.username or None, file)


def heard(events: Iterable[Event]) -> None:
    """What gates say of orders; belongs into the transaction of who counts the events."""
    for event in events:
        if event.kind not in _OUTCOMES:
            continue
        nonce = read(bytes(event.body)).data.get("nonce")
        if not isinstance(nonce, str) or not nonce:
            continue
        found = RemoteOrder.objects.filter(gate=event.gate, nonce=nonce).exclude(state=OrderState.OBEYED)
        found.update(
            state=_OUTCOMES[Kind(event.kind)],
            outcome=event.reason,
            done_at=timezone.now(),
        )


def look_after() -> None:
    """End what nobody confirmed, and say of what nothing was heard."""
    now = timezone.now()
    RemoteOrder.objects.filter(state=OrderState.WAITING, ends__lte=now).update(
        state=OrderState.LAPSED, done_at=F("ends")
    )
    RemoteOrder.objects.filter(state=OrderState.SENT, sent_at__lte=now - _SILENT_AFTER).update(
        state=OrderState.SILENT
    )


def waiting() -> QuerySet[RemoteOrder]:
    """Those that a second person may confirm; oldest first."""
    found = RemoteOrder.objects.filter(state=OrderState.WAITING, ends__gt=timezone.now())
    return found.select_related("gate").order_by("pk")


def latest(limit: int, within: timedelta | None = None) -> list[RemoteOrder]:
    """The newest ones, and what came of them."""
    found = RemoteOrder.objects.select_related("gate").order_by("-pk")
    if within is not None:
        found = found.filter(asked_at__gt=timezone.now() - within)
    return list(found[:limit])
