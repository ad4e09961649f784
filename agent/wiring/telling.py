"""Puts the teller together: what sync says besides the log."""

from agent import RELEASED_UTC
from agent.config import GateConfig
from agent.core.health import Machine
from agent.ports import Broker
from agent.stores.journal_reader import JournalReader
from agent.stores.release_news import release_news
from agent.teller import Teller
from agent.uplink import Uplink
from agent.wiring.version import installed_version
from hw import machine
from hw.clocks import FlooredClock, SystemClock


def teller_of(config: GateConfig, broker: Broker, uplink: Uplink) -> Teller:
    """The teller of one gate, over the connection that the uplink takes, too."""
    return Teller(
        config.site,
        config.gate,
        broker=broker,
        open_journal=lambda: JournalReader(config.journal_file),
        health_file=config.health_file,
        machine=lambda: Machine(
            machine.disk_free_mb(config.state),
            machine.temperature_c(),
            machine.throttled(),
            release_news(config.state),
        ),
        queue=lambda newest: max(0, newest - uplink.acked),
        clock=FlooredClock(SystemClock(config.clock.trust), RELEASED_UTC),
        version=installed_version(),
        discovery_prefix=config.health.home_assistant,
    )
