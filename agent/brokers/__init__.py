"""Clients of MQTT brokers, by name; a new one is one class and one line here.

The clients are imported when one is opened, and not before: the gate process
reads broker settings with the rest of its configuration, and holds no
network client.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Final, cast

from agent.brokers.config import BrokerConfig
from agent.ports import Broker

BROKERS: Final = {"paho": "agent.brokers.paho:PahoBroker"}


def open_broker(
    config: BrokerConfig,
    *,
    client_id: str,
    status_topic: str,
    topics: Sequence[str] = (),
    flagged: Sequence[str] = (),
) -> Broker:
    """Begin to connect, with the client that the configuration names; see agent.brokers.paho."""
    module, _, name = BROKERS[config.driver].partition(":")
    made = getattr(import_module(module), name)
    return cast(
        "Broker", made(config, client_id=client_id, status_topic=status_topic, topics=topics, flagged=flagged)
    )
