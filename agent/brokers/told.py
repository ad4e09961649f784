"""The broker as a way between gates: each publishes what it tells on a topic of its own, which the others read."""

import time
from collections.abc import Sequence
from typing import Final

from agent.core.feed import told_topic
from agent.ports import Broker, Letter, Mailbox

_LOOK_S: Final = 0.02
_ANSWER_WAITS_S: Final = 0.2


class ToldByBroker:
    """Satisfies agent.ports.Carrier. At most once, and nothing kept while offline: see agent.fellows."""

    def __init__(self, broker: Broker, site: str, gate: str) -> None:
        self._broker, self._site, self._gate = broker, site, gate
        self._mailboxes: dict[str, Mailbox] = {}
        self._connection = 0

    def know(self, gates: Sequence[str]) -> None:
        wanted = [told_topic(self._site, gate) for gate in gates]
        fresh = [topic for topic in wanted if topic not in self._mailboxes]
        for topic in fresh:
            self._mailboxes[topic] = self._broker.mailbox(topic)
        if self._connection != self._broker.connection:
            self._connection, fresh = self._broker.connection, list(self._mailboxes)
        if fresh and not next(iter(self._mailboxes.values())).subscribe(fresh):
            self._connection = 0  # offline: again when it is back

    def send(self, message: bytes, to: object = None) -> None:
        """All hear an answer, too; a connection that is still writing the one before gets a moment."""
        until = time.monotonic() + (_ANSWER_WAITS_S if to is not None else 0.0)
        while not self._broker.tell(told_topic(self._site, self._gate), [message]):
            if time.monotonic() >= until or not self._broker.online:
                return
            time.sleep(_LOOK_S)

    def received(self, wait_s: float) -> Sequence[Letter]:
        until = time.monotonic() + wait_s
        while True:
            letters = [
                Letter(message, sender=self)
                for box in self._mailboxes.values()
                for _, message in box.received(0.0)
            ]
            if letters or time.monotonic() >= until:
                return letters
            time.sleep(_LOOK_S)

    def close(self) -> None:
        """Nothing to let go of: the connection is sync's."""
