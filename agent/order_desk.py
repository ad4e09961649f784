"""Takes the office's orders at the gate: weighs each, records what becomes of it, and tells the gatekeeper.

Whatever is not obeyed makes an event and nothing else; of a flood, some make
one each and the rest are counted. An order is spent before it is obeyed: if
the card does not take its nonce, it could come again after a restart, so only
orders that open nothing are then obeyed.
"""

from collections.abc import Callable, Sequence
from typing import Final

from agent.core.curb import Curb
from agent.core.events import Event, Fact, Kind
from agent.core.keys import PublicKey
from agent.core.moments import Moment
from agent.core.notices import Notice
from agent.core.orders import FORGET_AFTER_S, NotObeyed, OrderRules, SignedOrder, What, Why
from agent.ports import Clock, Journal
from agent.stores.box import BoxReader

LOOK_EVERY_S: Final = 0.2
KEPT: Final = "kept"
"""Marks a message that the broker had retained."""
_HARMLESS: Final = frozenset({What.LOCKDOWN, What.IDENTIFY})


class OrderDesk:
    """One gate's desk. Belongs to the gate's thread.

    Args:
        keys: the order keys of the list in use.
        spent: nonces remembered from before, with the second at which each order expired.
    """

    def __init__(  # noqa: PLR0913  the parts that wiring puts together, each by its name
        self,
        site: str,
        gate: str,
        *,
        reader: BoxReader,
        keys: Callable[[], Sequence[PublicKey]],
        journal: Journal,
        clock: Clock,
        spent: dict[str, int],
    ) -> None:
        self._site, self._gate, self._reader, self._keys = site, gate, reader, keys
        self._journal, self._clock, self._spent = journal, clock, spent
        self._curb = Curb()
        self._look_at = float("-inf")

    def news(self) -> Sequence[Notice]:
        """The orders to be obeyed since the last call; cheap enough for every frame."""
        now = self._clock.now()
        if now.mono < self._look_at:
            return ()
        self._look_at = now.mono + LOOK_EVERY_S
        notices = [
            notice
            for message, mark in self._reader.new()
            for notice in self._taken(message, mark == KEPT, now)
        ]
        if unsaid := self._curb.settle(now.mono):
            self._journal.append(Event(Kind.ORDER_REFUSED, now, {"reason": Why.FLOOD, "count": unsaid}))
        return notices

    def _taken(self, message: bytes, retained: bool, now: Moment) -> Sequence[Notice]:
        rules = OrderRules(self._site, self._gate, self._keys(), self._spent)
        order = rules.weigh(message, now, retained=retained)
        if isinstance(order, SignedOrder) and not self._spend(order, now):
            order = NotObeyed(Why.UNRECORDED, order.by, order.what, order.nonce)
        if isinstance(order, NotObeyed):
            if self._curb.lets(now.mono):
                facts: dict[str, Fact] = {"reason": order.why}
                facts |= {"order": order.what, "by": order.by, "nonce": order.nonce} if order.what else {}
                self._journal.append(Event(Kind.ORDER_REFUSED, now, facts))
            return ()
        return (order.notice(),)

    def _spend(self, order: SignedOrder, now: Moment) -> bool:
        """Remember the nonce for good; whether the order may be obeyed."""
        self._spent[order.nonce] = order.expires_utc
        for nonce, expires_utc in list(self._spent.items()):
            if expires_utc < now.utc - FORGET_AFTER_S:
                del self._spent[nonce]
        facts: dict[str, Fact] = {
            "order": order.what,
            "by": order.by,
            "why": order.why,
            "nonce": order.nonce,
            "expires": order.expires_utc,
        }
        return self._journal.append(Event(Kind.ORDER_OBEYED, now, facts)) or order.what in _HARMLESS
