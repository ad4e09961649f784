"""The gate process: camera, lock and journal, and no network.

It shares two files with sync: the journal, which it writes, and the list,
which it believes only after verifying it by itself.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from agent import RELEASED_UTC
from agent.config import GateConfig, board_of, post_of, rules_of, timing_of
from agent.core.actions import Actions, Record
from agent.core.camera_watch import FROZEN_AFTER_S, CameraWatch
from agent.core.door import State
from agent.core.doorkeeper import Doorkeeper
from agent.core.events import Event, Fact, Kind
from agent.core.gatekeeper import Gatekeeper
from agent.core.memory import Memory
from agent.core.moments import iso
from agent.core.notices import ListSwitched, Notice
from agent.device_key import load_signer
from agent.kiosk import Kiosk
from agent.notify import watchdog_from
from agent.ports import Camera, Clock, DecoderLost
from agent.stores import vows as vows_file
from agent.stores.anchor import Anchor
from agent.stores.follower import ListFollower
from agent.stores.inspections import take as take_inspections
from agent.stores.running import Ended, Running
from agent.stores.uses import UseReader
from agent.stores.vitals import Pulse
from agent.vision.eye import DEADLINE_S, TICK_S, Eye
from agent.vision.nursed import Nursery
from agent.wiring.hands import hands_of, journal_of
from agent.wiring.patience import PatientCamera
from agent.wiring.rounds import health_file_of, hearing_of, housekeeping_of, order_desk_of
from agent.wiring.watching import MachineEyes, read_machine
from hw.cameras import open_camera
from hw.clocks import FlooredClock, SystemClock
from hw.machine import boot_id
from hw.voice import Voice, sound_device

_NO_PICTURE: Final = "no picture comes; the gate starts afresh"
_NO_EYE: Final = "the reading process does not start; the exit button is served, and it is tried again"


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate put together: serve it, and stop it by closing its camera."""

    kiosk: Kiosk
    camera: PatientCamera

    @property
    def gave_up(self) -> bool:
        """Whether serve() returned because no picture comes any more."""
        return self.camera.given_up

    def stop(self) -> None:
        """Make serve() return; safe from a signal handler."""
        self.camera.close()


@contextlib.contextmanager
def gate_process(
    config: GateConfig,
    *,
    config_faults: Sequence[str] = (),
    clock: Clock | None = None,
    camera: Camera | None = None,
    nursery: Nursery | None = None,
) -> Iterator[Gate]:
    """Put the gate together and take it apart again, the lock at rest before and after.

    Args:
        config_faults: what is wrong with the newer configuration that is not used; journaled.
        clock, camera: in place of the configured ones, to replay a recording.
        nursery: one that is being started already; else one is.
    Raises:
        KeyFault, PinsFault, CameraFault, OSError: this machine cannot be a gate; says why.
    """
    with contextlib.ExitStack() as stack:
        # Before there is a key in this process, a pin or a thread; it loads the decoders meanwhile.
        eye = stack.enter_context(contextlib.closing(_eye_of(config, nursery, replayed=camera is not None)))
        sign = load_signer(config.journal_key)
        # The outputs first, so that the lock is at rest while everything else gets ready.
        voice = Voice(config.voice.prompts, config.voice.languages) if sound_device() else None
        outputs, inputs = stack.enter_context(hands_of(config, voice))
        floored = FlooredClock(clock or SystemClock(config.clock.trust), RELEASED_UTC)
        journal = journal_of(config, sign, floored)
        stack.callback(journal.close)
        before = journal.recall()
        floored.raise_floor(before.newest_utc)
        older = stack.enter_context(contextlib.closing(UseReader(config.journal_file)))
        memory = Memory(before.uses, older.use_of, whole=before.whole)

        root = config.root.read_bytes()
        follower = ListFollower(config.list_file, Anchor(root, config.site, config.gate_trust), floored)
        stack.callback(follower.close)
        allowlist = follower.first()
        vows, vows_fault = vows_file.recall(config.vows_file)
        rules = rules_of(config, board_of(config))
        doorkeeper = Doorkeeper.at_start(timing_of(config), rules, vows, floored.now().mono)
        gatekeeper = Gatekeeper.at(post_of(config), memory=memory, doorkeeper=doorkeeper)

        watch = CameraWatch(floored.now().mono, FROZEN_AFTER_S)
        patient = PatientCamera(
            camera or open_camera(config.camera), watch, lambda: gatekeeper.door.state is State.LOCKED
        )
        stack.callback(patient.close)
        watchdog = stack.enter_context(contextlib.closing(watchdog_from()))
        pulse = Pulse()
        eyes = MachineEyes(lambda tried: read_machine(config.journal_file.parent, with_card=tried))
        stack.callback(eyes.close)
        hearing = hearing_of(config, gatekeeper, floored)
        stack.callback(hearing.close)
        desk = order_desk_of(config, gatekeeper, journal, floored, before.spent)
        kiosk = Kiosk(
            camera=pulse.camera(patient),
            reader=pulse.reader(eye),
            gatekeeper=gatekeeper,
            outputs=outputs,
            inputs=inputs,
            journal=journal,
            clock=floored,
            watchdog=watchdog,
            camera_watch=watch,
            list_news=_together(
                _raising_floor(follower.news, floored), outputs.notices, desk.news, eyes.news, hearing.news
            ),
            remember=partial(vows_file.keep, config.vows_file),
        )
        running = Running(config.running_file, boot_id())
        _tell_start(kiosk, running, before.newest_utc, config_faults, vows_fault)
        take_inspections(
            config.journal_file.parent / "inspections",
            config.site,
            config.gate,
            sign,
            lambda facts: kiosk.perform(_said(Kind.INSPECTED, floored, **facts)),
        )
        if allowlist:
            floored.raise_floor(allowlist.head.issued_utc)
            kiosk.hear([ListSwitched(allowlist)])
        kiosk.hear(hearing.recalled())
        journal.keep_house(housekeeping_of(config, gatekeeper, floored))
        stack.callback(health_file_of(config, gatekeeper, journal, floored, pulse).close)
        outputs.ready()
        _await(eye, kiosk)
        watchdog.ready()
        yield Gate(kiosk, patient)
        watchdog.stopping()
        if patient.given_up:
            kiosk.perform(_said(Kind.FAULT, floored, fault="camera", why=_NO_PICTURE))
        running.end()


def _eye_of(config: GateConfig, nursery: Nursery | None, *, replayed: bool) -> Eye:
    recorded = replayed or config.camera.kind in {"folder", "video"}  # of which no frame is skipped
    return Eye(
        config.reader, config.state / "gate" / "looking", nursery, wait_s=DEADLINE_S if recorded else TICK_S
    )


def _await(eye: Eye, kiosk: Kiosk) -> None:
    if not eye.ready():
        kiosk.perform(_said(Kind.FAULT, kiosk.clock, fault=DecoderLost.__name__, why=_NO_EYE))


def _said(kind: Kind, clock: Clock, **facts: Fact) -> Actions:
    return (Record(Event(kind, clock.now(), facts)),)


def _tell_start(
    kiosk: Kiosk, running: Running, newest_utc: float, config_faults: Sequence[str], vows_fault: str
) -> None:
    """Journal how the last run ended, and what was wrong with the files that this one began with."""
    if running.begin() is Ended.POWER_CUT:
        kiosk.perform(_said(Kind.POWER_CUT, kiosk.clock, last_event=iso(newest_utc)))
    for sentence in config_faults:
        kiosk.perform(_said(Kind.FAULT, kiosk.clock, fault="configuration", why=sentence[:200]))
    if vows_fault:
        kiosk.perform(_said(Kind.FAULT, kiosk.clock, fault="vows", why=vows_fault[:200]))


def _together(*sources: Callable[[], Sequence[Notice]]) -> Callable[[], Sequence[Notice]]:
    """The notices of several sources."""
    return lambda: [notice for source in sources for notice in source()]


def _raising_floor(
    news: Callable[[], Sequence[Notice]], clock: FlooredClock
) -> Callable[[], Sequence[Notice]]:
    """The list's news; a verified list also proves that its hour has come."""

    def told() -> Sequence[Notice]:
        notices = news()
        for notice in notices:
            if isinstance(notice, ListSwitched):
                clock.raise_floor(notice.allowlist.head.issued_utc)
        return notices

    return told
