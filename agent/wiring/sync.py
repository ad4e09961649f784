"""The sync process: network, and neither camera nor lock.

Five threads: one sends the journal to the office, one tells what happens, one brings the list, one
carries the office's orders to the gate, and one speaks with the site's other gates. What it stores,
the gate verifies again, so this process needs no trust.
"""

import contextlib
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from agent import RELEASED_UTC
from agent.brokers import open_broker
from agent.config import GateConfig
from agent.core.feed import ack_topic, client_name, order_topic, status_topic
from agent.notify import watchdog_from
from agent.ports import Broker
from agent.refresher import Refresher
from agent.stores import acknowledged
from agent.stores.anchor import Anchor
from agent.stores.http_source import HttpSource
from agent.stores.journal_reader import JournalReader
from agent.stores.link import Link
from agent.stores.lists import open_store
from agent.stores.mqtt_source import MqttSource, list_prefix
from agent.stores.pointer import PointerStore
from agent.stores.sources import DirectorySource, Source
from agent.stores.updates import Outcome
from agent.uplink import Uplink
from agent.wiring.fellows import fellows_of
from agent.wiring.ordering import OrderCarrier
from agent.wiring.telling import teller_of
from agent.wiring.version import installed_version
from hw.clocks import FlooredClock, SystemClock


class SyncFault(Exception):
    """The configuration gives sync nothing to do; says what to set."""


def source_of(config: GateConfig, broker: Broker | None) -> Source:
    """The source that `list.source` names.

    Args:
        broker: the connection that events take, too; lists may come over it.
    Raises:
        SyncFault: none is set, or it is the broker's and there is no broker.
    """
    kind, _, place = config.list.source.partition(":")
    if kind == "dir":
        return DirectorySource(Path(place))
    if kind in ("http", "https"):
        return HttpSource(config.list.source)
    if kind == "mqtt":
        if broker is None:
            raise SyncFault(
                'list.source is "mqtt", and the configuration has no [broker]; set its host and port'
            )
        return MqttSource(broker.mailbox(list_prefix(config.site)), config.site)
    raise SyncFault(
        "list.source is not set; wanted mqtt, dir:/path of the published list, or http://… of it; see the office"
    )


def refresher_of(config: GateConfig, broker: Broker | None) -> Refresher:
    """What brings the list."""
    config.list_file.parent.mkdir(parents=True, exist_ok=True)
    return Refresher(
        lambda: open_store(config.list_file),
        source_of(config, broker),
        Anchor(config.root.read_bytes(), config.site, config.sync_trust),
        FlooredClock(SystemClock(config.clock.trust), RELEASED_UTC),
    )


def refresh_once(config: GateConfig) -> Outcome:
    """Bring the list once, as after enrolment."""
    if config.list.source == "mqtt" and config.broker is not None:
        with connected(config) as broker:
            return refresher_of(config, broker).once()
    return refresher_of(config, None).once()


@contextlib.contextmanager
def connected(config: GateConfig) -> Iterator[Broker]:
    """The gate's own connection to its broker, closed afterwards.

    Raises:
        SyncFault: the configuration names no broker.
    """
    if config.broker is None:
        raise SyncFault("the configuration has no [broker]; sync needs host, port and a password file")
    orders = order_topic(config.site, config.gate)
    with contextlib.closing(
        open_broker(
            config.broker,
            client_id=client_name(config.site, config.gate),
            status_topic=status_topic(config.site, config.gate),
            topics=(ack_topic(config.site, config.gate), orders),
            flagged=(orders,),
        )
    ) as broker:
        yield broker


def sync_process(config: GateConfig, stop: threading.Event) -> None:
    """Send and bring until stop is set.

    Raises:
        SyncFault, LanFault, OSError: the configuration or the disk makes it impossible from the start.
    """
    with connected(config) as broker:
        refresher = refresher_of(config, broker)
        watchdog = watchdog_from()
        uplink = Uplink(
            config.site,
            config.gate,
            broker=broker,
            open_journal=lambda: JournalReader(config.journal_file),
            open_pointer=lambda: PointerStore(config.pointer_file),
            ack_keys=refresher.ack_keys,
            keep_ack=partial(acknowledged.keep, config.ack_file),
        )
        sender = threading.Thread(target=uplink.serve, args=(stop,), name="uplink", daemon=True)
        bringer = threading.Thread(
            target=refresher.serve, args=(stop, config.list.refresh_s), name="list", daemon=True
        )
        teller = threading.Thread(
            target=teller_of(config, broker, uplink).serve, args=(stop,), name="teller", daemon=True
        )
        carrier = threading.Thread(
            target=OrderCarrier(config, broker).serve, args=(stop,), name="orders", daemon=True
        )
        fellows = fellows_of(config, broker, refresher)
        speaker = threading.Thread(target=fellows.serve, args=(stop,), name="fellows", daemon=True)
        threads = (sender, bringer, teller, carrier, speaker)
        for thread in threads:
            thread.start()
        link = Link(config.link_file, installed_version())
        watchdog.ready()
        while not stop.wait(1.0):
            link.say(online=broker.online)
            if all(thread.is_alive() for thread in threads):
                watchdog.pat()  # a dead thread stops the patting, and systemd starts us anew
        watchdog.stopping()
        for thread in threads:
            thread.join(5.0)
