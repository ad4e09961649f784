"""What the gate process does between people: the journal's housekeeping, orders, and its health."""

from collections.abc import Mapping

from agent.config import GateConfig
from agent.core.feed import MAX_MESSAGE_BYTES
from agent.core.gatekeeper import Gatekeeper
from agent.core.health import GateHealth
from agent.core.moments import iso
from agent.core.orders import MAX_BYTES, MAX_LIFE_S
from agent.hearing import Hearing
from agent.order_desk import OrderDesk
from agent.ports import Clock
from agent.stores.box import BoxReader
from agent.stores.heard import HeardStore
from agent.stores.housekeeping import Housekeeping
from agent.stores.vitals import HealthFile, Pulse
from agent.stores.writer import JournalWriter
from agent.wiring.version import installed_version


def housekeeping_of(config: GateConfig, gatekeeper: Gatekeeper, clock: Clock) -> Housekeeping:
    """Closes days, and purges by what the office has signed."""
    return Housekeeping(
        config.site,
        config.gate,
        clock=clock,
        head=lambda: gatekeeper.allowlist.head if gatekeeper.allowlist else None,
        ack_file=config.ack_file,
        keep_days=config.journal.keep_days,
    )


def order_desk_of(
    config: GateConfig, gatekeeper: Gatekeeper, journal: JournalWriter, clock: Clock, spent: Mapping[str, int]
) -> OrderDesk:
    """Takes the orders that sync leaves."""
    return OrderDesk(
        config.site,
        config.gate,
        reader=BoxReader(config.order_folder, MAX_BYTES, left_before_s=MAX_LIFE_S),
        keys=lambda: gatekeeper.allowlist.head.order_keys if gatekeeper.allowlist else (),
        journal=journal,
        clock=clock,
        spent=dict(spent),
    )


def hearing_of(config: GateConfig, gatekeeper: Gatekeeper, clock: Clock) -> Hearing:
    """Hears what sync has received from the site's other gates."""
    return Hearing(
        config.site,
        config.gate,
        reader=BoxReader(config.told_folder, MAX_MESSAGE_BYTES),
        store=HeardStore(config.heard_file),
        keys=lambda: gatekeeper.allowlist.head.gates if gatekeeper.allowlist else {},
        clock=clock,
    )


def health_file_of(
    config: GateConfig, gatekeeper: Gatekeeper, journal: JournalWriter, clock: Clock, pulse: Pulse
) -> HealthFile:
    """Leaves the gate's health for sync."""
    figures = (0.0, 0.0, 0.0)

    def ask(anew: bool) -> GateHealth:
        nonlocal figures
        if anew:
            figures = pulse.taken()
        now, allowlist = clock.now(), gatekeeper.allowlist
        return GateHealth(
            at=iso(now.utc),
            version=installed_version(),
            door=gatekeeper.door.state,
            lockdown=gatekeeper.doorkeeper.vows.lockdown,
            list=allowlist.head.number if allowlist else None,
            list_issued=allowlist.head.issued_utc if allowlist else 0,
            list_state=allowlist.freshness(now.utc) if allowlist else "none",
            clock=now.trust,
            camera_fps=figures[0],
            decode_ms=figures[1],
            decode_most_ms=figures[2],
            decoders_lost=pulse.lost,
            journal="late" if journal.troubled else "good",
        )

    return HealthFile(config.health_file, ask)
