"""Puts together sync's part in what the gates of a site tell each other."""

from functools import partial

from agent.brokers.lan import Lan, load_keys
from agent.brokers.told import ToldByBroker
from agent.config import GateConfig
from agent.core.feed import MAX_MESSAGE_BYTES
from agent.fellows import Fellows
from agent.ports import Broker, Carrier
from agent.refresher import Refresher
from agent.stores.box import Box
from agent.stores.heard import upto_of
from agent.stores.journal_reader import JournalReader


def carriers_of(config: GateConfig, broker: Broker) -> list[Carrier]:
    """The ways that `[fellows]` names.

    Raises:
        LanFault: the local network, or its key, cannot be used.
    """
    fellows = config.fellows
    carriers: list[Carrier] = []
    if fellows.lan:
        others = [(host, int(port)) for host, _, port in (one.rpartition(":") for one in fellows.others)]
        carriers.append(
            Lan(
                load_keys(fellows.key_file),
                fellows.port,
                group=fellows.group,
                interface=fellows.interface,
                others=others,
            )
        )
    if fellows.broker:
        carriers.append(ToldByBroker(broker, config.site, config.gate))
    return carriers


def fellows_of(config: GateConfig, broker: Broker, refresher: Refresher) -> Fellows:
    """What speaks with the site's other gates, over the ways that are set.

    Raises:
        LanFault: the local network, or its key, cannot be used.
    """
    return Fellows(
        config.site,
        config.gate,
        carriers=carriers_of(config, broker),
        open_journal=partial(JournalReader, config.journal_file),
        open_box=partial(Box, config.told_folder, MAX_MESSAGE_BYTES),
        keys=refresher.gate_keys,
        upto=partial(upto_of, config.heard_file),
    )
