"""Clients of MQTT brokers, by name; a new one is one class and one line here."""

from typing import Final

from agent.brokers.paho import PahoBroker

BROKERS: Final = {"paho": PahoBroker}

__all__ = ["BROKERS", "PahoBroker"]
