"""The sync process: network, and neither camera nor lock.

Three threads: one sends the journal to the office, one tells what happens, one brings the list. What
it stores, the gate verifies again, so this process needs no trust.
"""

import contextlib
import threading
from pathlib import Path

from agent import RELEASED_UTC
from agent.brokers import open_broker
from agent.config import GateConfig
from agent.core.feed import ack_topic, status_topic
from agent.notify import watchdog_from
from agent.refresher import Refresher
from agent.stores.anchor import Anchor
from agent.stores.http_source import HttpSource
from agent.stores.journal import JournalReader
from agent.stores.lists import open_store
from agent.stores.pointer import PointerStore
from agent.stores.sources import DirectorySource, Source
from agent.stores.updates import Outcome
from agent.uplink import Uplink
from agent.wiring.telling import teller_of
from hw.clocks import FlooredClock, SystemClock


class SyncFault(Exception):
    """The configuration gives sync nothing to do; says what to set."""


def source_of(config: GateConfig) -> Source:
    """The source that `list.source` names.

    Raises:
        SyncFault: none is set.
    """
    kind, _, place = config.list.source.partition(":")
    if kind == "dir":
        return DirectorySource(Path(place))
    if kind in ("http", "https"):
        return HttpSource(config.list.source)
    raise SyncFault(
        "list.source is not set; wanted dir:/path of the published list, or http://… of it; see the office"
    )


def refresher_of(config: GateConfig) -> Refresher:
    """What brings the list."""
    config.list_file.parent.mkdir(parents=True, exist_ok=True)
    return Refresher(
        lambda: open_store(config.list_file),
        source_of(config),
        Anchor(config.root.read_bytes(), config.site, config.sync_trust),
        FlooredClock(SystemClock(config.clock.trust), RELEASED_UTC),
    )


def refresh_once(config: GateConfig) -> Outcome:
    """Bring the list once, as after enrolment."""
    return refresher_of(config).once()


def sync_process(config: GateConfig, stop: threading.Event) -> None:
    """Send and bring until stop is set.

    Raises:
        SyncFault, OSError: the configuration or the disk makes it impossible from the start.
    """
    if config.broker is None:
        raise SyncFault("the configuration has no [broker]; sync needs host, port and a password file")
    refresher = refresher_of(config)
    watchdog = watchdog_from()
    with contextlib.closing(
        open_broker(
            config.broker,
            client_id=config.gate,
            status_topic=status_topic(config.site, config.gate),
            topics=(ack_topic(config.site, config.gate),),
        )
    ) as broker:
        uplink = Uplink(
            config.site,
            config.gate,
            broker=broker,
            open_journal=lambda: JournalReader(config.journal_file),
            open_pointer=lambda: PointerStore(config.pointer_file),
            ack_keys=refresher.ack_keys,
        )
        sender = threading.Thread(target=uplink.serve, args=(stop,), name="uplink", daemon=True)
        bringer = threading.Thread(
            target=refresher.serve, args=(stop, config.list.refresh_s), name="list", daemon=True
        )
        teller = threading.Thread(
            target=teller_of(config, broker, uplink).serve, args=(stop,), name="teller", daemon=True
        )
        threads = (sender, bringer, teller)
        for thread in threads:
            thread.start()
        watchdog.ready()
        while not stop.wait(1.0):
            if all(thread.is_alive() for thread in threads):
                watchdog.pat()  # a dead thread stops the patting, and systemd starts us anew
        watchdog.stopping()
        for thread in threads:
            thread.join(5.0)
