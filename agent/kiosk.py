"""The kiosk: one gate's main loop, from a frame to the lock.

It has no rules of its own. Frames go through the reader to the gatekeeper,
notices go to the gatekeeper, and what the gatekeeper answers is performed in
order. Nothing that goes wrong in one round ends the loop.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from agent.core.actions import Action, Actions, HoldUnlocked, Lock, Record, Remember, Show, Unlock
from agent.core.camera_watch import CameraWatch
from agent.core.events import Event, Fact, Kind
from agent.core.gatekeeper import Gatekeeper
from agent.core.moments import Moment
from agent.core.notices import Notice
from agent.core.rules import Vows
from agent.core.sighting import Sighting
from agent.frames import Frame, Grey
from agent.ports import Camera, Clock, Decoder, DecoderLost, Inputs, Journal, Outputs, Watchdog

log: Final = structlog.get_logger()

_FAULT_EVERY_S: Final = 10.0


@dataclass(slots=True)
class Kiosk:
    """One gate at work.

    Args:
        list_news: gives the notices of a list switched or refused, if any; never blocks.
        remember: keeps what is vowed through a restart.
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
    remember: Callable[[Vows], None] = lambda _vows: None
    _fault_at: float = field(default=float("-inf"), init=False)
    _faults: int = field(default=0, init=False)

    def serve(self) -> None:
        """Serve until the camera is closed, or its recording ends."""
        for frame in self.camera.frames():
            now = self.clock.now()
            self.hear(self._notices(frame, now))  # before pictures: for people already inside
            for sighting in self._sightings(frame):
                with self._surviving():
                    self.perform(self.gatekeeper.see(sighting, now))
            with self._surviving():
                self.perform(self.gatekeeper.tick(self.clock.now()))
            self.watchdog.pat()

    def hear(self, notices: Sequence[Notice]) -> None:
        """Answer notices, oldest first."""
        for notice in notices:
            with self._surviving():
                self.perform(self.gatekeeper.hear(notice, self.clock.now()))

    def perform(self, actions: Actions) -> None:
        """Do what the gatekeeper said, in its order; a dead lamp does not keep the lock from opening."""
        for action in actions:
            with self._surviving():
                self._do(action)

    def _notices(self, frame: Frame | None, now: Moment) -> Sequence[Notice]:
        notices: list[Notice] = []
        with self._surviving():
            notices += self.inputs.notices()
        with self._surviving():
            notices += self.list_news()
        with self._surviving():
            seen = None if frame is None else fingerprint(frame.luma)
            if changed := self.camera_watch.look(seen, now.mono):
                notices.append(changed)
        return notices

    def _sightings(self, frame: Frame | None) -> Sequence[Sighting]:
        if frame is not None:
            with self._surviving():
                return self.reader.read(frame)
        return ()

    def _do(self, action: Action) -> None:
        match action:
            case Record(event):
                self.journal.append(event)
                log.info(str(event.kind), **event.facts)
            case Unlock(for_s):
                self.outputs.unlock(for_s)
            case HoldUnlocked(fire):
                self.outputs.hold_unlocked(fire=fire)
            case Lock():
                self.outputs.lock()
            case Show(pattern):
                self.outputs.show(pattern)
            case Remember(vows):
                self.remember(vows)

    @contextmanager
    def _surviving(self) -> Iterator[None]:
        """Let whatever breaks inside cost only itself: a gate that stops is worse than any fault."""
        try:
            yield
        except Exception as fault:  # noqa: BLE001
            self._tell_fault(fault)

    def _tell_fault(self, fault: Exception) -> None:
        """Say what broke, at most every ten seconds: a fault in each frame would fill the card."""
        self._faults += 1
        now = self.clock.now()
        if now.mono - self._fault_at < _FAULT_EVERY_S:
            return
        self._fault_at = now.mono
        foreseen = isinstance(fault, DecoderLost)  # and where it was raised says nothing
        why = {"why": str(fault)[:200]} if foreseen else {}
        facts: dict[str, Fact] = {"fault": type(fault).__name__, "times": self._faults, **why}
        log.error("gate.fault", fault=repr(fault), times=self._faults, exc_info=None if foreseen else fault)
        self.journal.append(Event(Kind.FAULT, now, facts))
        self._faults = 0


def fingerprint(luma: Grey) -> int:
    """A number that changes whenever a living sensor's picture does; about 20 µs at 1280x720."""
    return zlib.crc32(luma[::16, ::16].tobytes())
