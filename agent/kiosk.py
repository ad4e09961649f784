"""The kiosk: one gate's main loop, from a frame to the lock.

It has no rules of its own. Frames go through the reader to the gatekeeper,
notices go to the gatekeeper, and what the gatekeeper answers is performed in
order. Nothing that goes wrong in one round ends the loop.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from agent.core.actions import Action, Actions, HoldUnlocked, Lock, Record, Show, Unlock
from agent.core.camera_watch import CameraWatch
from agent.core.events import Event, Kind
from agent.core.gatekeeper import Gatekeeper
from agent.core.moments import Moment
from agent.core.notices import Notice
from agent.frames import Frame, Grey
from agent.ports import Camera, Clock, Decoder, Inputs, Journal, Outputs, Watchdog

log: Final = structlog.get_logger()

_FAULT_EVERY_S: Final = 10.0


@dataclass(slots=True)
class Kiosk:
    """One gate at work.

    Args:
        list_news: gives the notices of a list switched or refused, if any; never blocks.
    """

    camera: Camera
    reader: Decoder
    gatekeeper: Gatekeeper
    outputs: Outputs
    inputs: Inputs
    journal: Journal
    clock: Clock
    watchdog: Watchdog
    camera_watch: CameraWatch
    list_news: Callable[[], Sequence[Notice]] = tuple
    _fault_at: float = field(default=float("-inf"), init=False)

    def serve(self) -> None:
        """Serve until the camera is closed, or its recording ends."""
        for frame in self.camera.frames():
            now = self.clock.now()
            try:
                self._round(frame, now)
            except Exception as fault:  # noqa: BLE001  a gate that stops is worse than any fault it stops for
                self._tell_fault(fault, now)
            self.watchdog.pat()

    def _round(self, frame: Frame | None, now: Moment) -> None:
        """One frame, or none, and everything else that happened meanwhile."""
        # Buttons and fire before pictures: they are for people already inside.
        for notice in self._notices(frame, now):
            self.perform(self.gatekeeper.hear(notice, now))
        if frame is not None:
            for sighting in self.reader.read(frame):
                self.perform(self.gatekeeper.see(sighting, now))
        self.perform(self.gatekeeper.tick(self.clock.now()))

    def _notices(self, frame: Frame | None, now: Moment) -> Iterable[Notice]:
        yield from self.inputs.notices()
        yield from self.list_news()
        seen = None if frame is None else fingerprint(frame.luma)
        if changed := self.camera_watch.look(seen, now.mono):
            yield changed

    def perform(self, actions: Actions) -> None:
        """Do what the gatekeeper said, in its order."""
        for action in actions:
            try:
                self._do(action)
            except Exception as fault:  # noqa: BLE001  a dead lamp must not keep the lock from opening
                self._tell_fault(fault, self.clock.now())

    def _do(self, action: Action) -> None:
        match action:
            case Record(event):
                self.journal.append(event)
                log.info(str(event.kind), **event.facts)
            case Unlock(for_s):
                self.outputs.unlock(for_s)
            case HoldUnlocked():
                self.outputs.hold_unlocked()
            case Lock():
                self.outputs.lock()
            case Show(pattern):
                self.outputs.show(pattern)

    def _tell_fault(self, fault: Exception, now: Moment) -> None:
        """Say what broke: always in the log, in the journal not more than every ten seconds."""
        log.error("gate.fault", fault=repr(fault), exc_info=fault)
        if now.mono - self._fault_at >= _FAULT_EVERY_S:
            self._fault_at = now.mono
            self.journal.append(Event(Kind.FAULT, now, {"fault": type(fault).__name__}))


def fingerprint(luma: Grey) -> int:
    """A number that changes whenever a living sensor's picture does; about 20 µs at 1280x720."""
    return zlib.crc32(luma[::16, ::16].tobytes())
