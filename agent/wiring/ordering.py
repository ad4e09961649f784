"""Carries orders from the broker to the gate's door; believes nothing, decides nothing."""

import threading
from typing import Final

import structlog

from agent.brokers.inbox import RETAINED
from agent.config import GateConfig
from agent.core.feed import order_topic
from agent.core.orders import MAX_BYTES
from agent.order_desk import KEPT
from agent.ports import Broker
from agent.stores.box import Box

_LOOK_S: Final = 0.5
_log = structlog.get_logger("agent.wiring.ordering")


class OrderCarrier:
    """Sync's thread for orders."""

    def __init__(self, config: GateConfig, broker: Broker) -> None:
        """Take the broker's mailbox; the directory is made when the thread begins."""
        self._folder = config.order_folder
        self._mailbox = broker.mailbox(order_topic(config.site, config.gate))

    def serve(self, stop: threading.Event) -> None:
        """Carry until stop is set; a card that refuses costs the order, which its sender sees no answer to."""
        while not stop.is_set():
            try:
                box = Box(self._folder, MAX_BYTES)
                while not stop.is_set():
                    for topic, message in self._mailbox.received(_LOOK_S):
                        box.put(message, KEPT if topic.endswith(RETAINED) else "")
            except OSError as fault:
                _log.warning("order.not_carried", found=str(fault))
                stop.wait(_LOOK_S)
