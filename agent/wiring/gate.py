"""The gate process: camera, lock and journal, and no network.

It shares two files with sync: the journal, which it writes, and the list,
which it believes only after verifying it by itself.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from agent import RELEASED_UTC
from agent.config import GateConfig, board_of, relay_line, rules_of, timing_of
from agent.core.actions import Record
from agent.core.camera_watch import FROZEN_AFTER_S, CameraWatch
from agent.core.doorkeeper import Doorkeeper
from agent.core.events import Event, Kind
from agent.core.gatekeeper import Gatekeeper
from agent.core.judge import Post
from agent.core.memory import Memory
from agent.core.notices import ListSwitched, Notice
from agent.device_key import load_signer
from agent.kiosk import Kiosk
from agent.notify import watchdog_from
from agent.ports import Camera, Clock
from agent.stores import vows as vows_file
from agent.stores.anchor import Anchor
from agent.stores.follower import ListFollower
from agent.stores.inspections import take as take_inspections
from agent.stores.uses import UseReader
from agent.stores.vitals import Pulse
from agent.stores.writer import JournalWriter, open_journal
from agent.vision import Reader
from agent.vision.crash_note import CrashNote
from agent.wiring.rounds import health_file_of, housekeeping_of, order_desk_of
from hw.cameras import open_camera
from hw.clocks import FlooredClock, SystemClock
from hw.inputs import GpioInputs
from hw.outputs import GpioOutputs
from hw.pins import pin_factory
from hw.supervised import SupervisedRelay
from hw.voice import Voice, sound_device

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate put together: serve it, and stop it by closing its camera."""

    kiosk: Kiosk
    camera: Camera

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
) -> Iterator[Gate]:
    """Put the gate together and take it apart again, the lock at rest before and after.

    Args:
        config_faults: what is wrong with the newer configuration that is not used; journaled.
        clock, camera: in place of the configured ones, to replay a recording.
    Raises:
        KeyFault, PinsFault, CameraFault, OSError: this machine cannot be a gate; says why.
    """
    sign = load_signer(config.journal_key)
    board = board_of(config)
    with contextlib.ExitStack() as stack:
        factory = pin_factory(config.board.pins)
        stack.callback(factory.close)
        config.journal_file.parent.mkdir(parents=True, exist_ok=True)
        # The outputs first, so that the lock is at rest while everything else gets ready.
        line = relay_line(config)
        voice = Voice(config.voice.prompts, config.voice.languages) if sound_device() else None
        outputs = GpioOutputs(
            board, factory, _tell, lambda part, teller: SupervisedRelay(part, line, teller), voice
        )
        stack.callback(outputs.close)
        inputs = GpioInputs(board, factory)
        stack.callback(inputs.close)

        floored = FlooredClock(clock or SystemClock(config.clock.trust), RELEASED_UTC)
        journal = JournalWriter(
            lambda: open_journal(config.journal_file, config.site, config.gate, sign),
            floored,
            config.journal.patience_s,
        )
        stack.callback(journal.close)
        before = journal.recall()
        floored.raise_floor(before.newest_utc)
        older = UseReader(config.journal_file)
        stack.callback(older.close)
        memory = Memory(before.uses, older.use_of, whole=before.whole)

        anchor = Anchor(config.root.read_bytes(), config.site, config.gate_trust)
        follower = ListFollower(config.list_file, anchor, floored)
        stack.callback(follower.close)
        allowlist = follower.first()
        vows, vows_fault = vows_file.recall(config.vows_file)
        doorkeeper = Doorkeeper.at_start(timing_of(config), rules_of(config, board), vows, floored.now().mono)
        post = Post(config.site, config.gate, config.zone, config.direction)
        gatekeeper = Gatekeeper.at(post, memory=memory, doorkeeper=doorkeeper)

        camera = camera or open_camera(config.camera)
        stack.callback(camera.close)
        watchdog = watchdog_from()
        stack.callback(watchdog.close)
        pulse = Pulse()
        desk = order_desk_of(config, gatekeeper, journal, floored, before.spent)
        kiosk = Kiosk(
            camera=pulse.camera(camera),
            reader=pulse.reader(Reader(config.reader, CrashNote(config.state / "gate" / "looking"))),
            gatekeeper=gatekeeper,
            outputs=outputs,
            inputs=inputs,
            journal=journal,
            clock=floored,
            watchdog=watchdog,
            camera_watch=CameraWatch(floored.now().mono, FROZEN_AFTER_S),
            list_news=_together(_raising_floor(follower.news, floored), outputs.notices, desk.news),
            remember=partial(vows_file.keep, config.vows_file),
        )
        faults = [("configuration", sentence) for sentence in config_faults]
        for what, sentence in [*faults, *([("vows", vows_fault)] if vows_fault else [])]:
            fact = {"fault": what, "why": sentence[:200]}
            kiosk.perform((Record(Event(Kind.FAULT, floored.now(), fact)),))
        take_inspections(
            config.journal_file.parent / "inspections",
            config.site,
            config.gate,
            sign,
            lambda facts: kiosk.perform((Record(Event(Kind.INSPECTED, floored.now(), facts)),)),
        )
        if allowlist:
            floored.raise_floor(allowlist.head.issued_utc)
            now = floored.now()
            kiosk.perform(gatekeeper.hear(ListSwitched(allowlist), now))
        journal.keep_house(housekeeping_of(config, gatekeeper, floored))
        stack.callback(health_file_of(config, gatekeeper, journal, floored, pulse).close)
        outputs.ready()
        watchdog.ready()
        yield Gate(kiosk, camera)
        watchdog.stopping()


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


def _tell(name: str, value: bool | int) -> None:
    log.info("output.changed", output=name, value=value)
