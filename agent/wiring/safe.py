"""Safe mode: what is left of a gate that kept failing. The way out and the fire input, and nothing else.

No camera, no reader, no list, no network: whatever brought the gate down again
and again is not loaded here. It wants a board, and takes one from a
configuration that has other faults. The journal is kept if it can be; the lock
does not wait for it.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from agent import RELEASED_UTC
from agent.config import ConfigFault, GateConfig, board_of, examine, post_of, timing_of
from agent.core.actions import Record
from agent.core.camera_watch import CameraWatch
from agent.core.doorkeeper import Doorkeeper
from agent.core.events import Event, Kind
from agent.core.gatekeeper import Gatekeeper
from agent.core.health import GateHealth
from agent.core.moments import iso
from agent.core.rules import Rules, Vows
from agent.core.sighting import Sighting
from agent.device_key import KeyFault, load_signer
from agent.frames import Frame, Grey
from agent.kiosk import Kiosk
from agent.last_good import kept_good
from agent.notify import watchdog_from
from agent.ports import Clock, Journal
from agent.stores.vitals import HealthFile
from agent.wiring.hands import hands_of, journal_of
from agent.wiring.version import installed_version
from hw.board import BoardFault
from hw.clocks import FlooredClock, SystemClock

LOOK_EVERY_S: Final = 0.05
"""How long a press of the exit button waits to be seen, beyond its debouncing."""
_log = structlog.get_logger("agent.wiring.safe")


@dataclass(slots=True)
class Shut:
    """A camera that sees nothing: it only keeps the kiosk's time, until it is closed."""

    _closed: bool = field(default=False, init=False)

    def frames(self) -> Iterator[Frame | None]:
        while not self._closed:
            yield None
            time.sleep(LOOK_EVERY_S)

    def close(self) -> None:
        self._closed = True


class _Blind:
    def read(self, _frame: Frame | Grey) -> tuple[Sighting, ...]:
        return ()


class _Unkept:
    """A journal of a gate that has no key or no card to write one: what happened is in the log alone."""

    troubled: Final = True

    def append(self, _event: Event) -> bool:
        return False


def safe_config(path: Path) -> GateConfig:
    """A configuration that names a usable board: this one, faults or not, or the last good one.

    Raises:
        ConfigFault: neither does.
    """
    config, faults = examine(path, with_broker=False)
    for one in (config, kept_good()):
        if one is not None:
            with contextlib.suppress(BoardFault):
                board_of(one)
                return one
    raise ConfigFault(path, faults)


@contextlib.contextmanager
def safe_process(config: GateConfig, why: str) -> Iterator[tuple[Kiosk, Shut]]:
    """Put what is left of the gate together; serve the kiosk, and end it by closing the camera.

    Args:
        why: for the journal.
    Raises:
        PinsFault, OSError: not even this is possible here.
    """
    clock = FlooredClock(SystemClock(config.clock.trust), RELEASED_UTC)
    with contextlib.ExitStack() as stack:
        outputs, inputs = stack.enter_context(hands_of(config))
        journal = _journal(config, clock, stack)
        rules = Rules(lock_monitored=board_of(config).inputs.lock is not None)
        doorkeeper = Doorkeeper.at_start(timing_of(config), rules, Vows(), clock.now().mono)
        gatekeeper = Gatekeeper.at(post_of(config), doorkeeper=doorkeeper)
        watchdog = watchdog_from()
        stack.callback(watchdog.close)
        camera = Shut()
        kiosk = Kiosk(
            camera=camera,
            reader=_Blind(),
            gatekeeper=gatekeeper,
            outputs=outputs,
            inputs=inputs,
            journal=journal,
            clock=clock,
            watchdog=watchdog,
            camera_watch=CameraWatch(since=float("inf")),  # no camera is missed that is not looked for
            list_news=outputs.notices,
        )
        stack.callback(HealthFile(config.health_file, lambda _anew: _health(gatekeeper, clock)).close)
        outputs.ready()
        watchdog.ready()
        watchdog.status("safe mode: exit button and fire input only")
        kiosk.perform((Record(Event(Kind.SAFE, clock.now(), {"why": why[:200]})),))
        yield kiosk, camera
        watchdog.stopping()


def _journal(config: GateConfig, clock: Clock, stack: contextlib.ExitStack) -> Journal:
    try:
        writer = journal_of(config, load_signer(config.journal_key), clock)
    except (KeyFault, OSError) as fault:
        _log.error("safe.no_journal", why=str(fault))
        return _Unkept()
    stack.callback(writer.close)
    return writer


def _health(gatekeeper: Gatekeeper, clock: Clock) -> GateHealth:
    now = clock.now()
    return GateHealth(
        at=iso(now.utc), version=installed_version(), mode="safe", door=gatekeeper.door.state, clock=now.trust
    )
