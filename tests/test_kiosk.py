"""The kiosk's loop: what breaks in one round costs that round and no more."""

from dataclasses import dataclass, field

import numpy as np

from agent.core.camera_watch import CameraWatch
from agent.core.events import Kind
from agent.core.gatekeeper import Gatekeeper
from agent.core.notices import Order, Wire, WireChanged
from agent.core.rules import Vows
from agent.core.sighting import Sighting
from agent.frames import Frame
from agent.kiosk import Kiosk, fingerprint
from agent.ports import DecoderLost
from tests.core.builders import NORTH, at, grant, listed, static

FRAME = Frame(np.zeros((48, 64), np.uint8), None, 0.0)


@dataclass
class Story:
    """Fakes of every port, and one diary of what was done, in order."""

    frames_seen: list = field(default_factory=lambda: [FRAME])
    texts: list = field(default_factory=list)
    wires: list = field(default_factory=list)
    broken: set = field(default_factory=set)
    diary: list = field(default_factory=list)
    mono: float = 0.0

    def kiosk(self) -> Kiosk:
        keeper = Gatekeeper.at(NORTH, listed(grant("wang")))
        return Kiosk(self, self, keeper, self, self, self, self, self, CameraWatch(0.0))

    def _may_break(self, part: str) -> None:
        if part in self.broken:
            raise RuntimeError(f"the {part} is broken")

    def frames(self):
        for frame in self.frames_seen:
            self.mono += 0.1
            yield frame

    def read(self, _frame):
        self._may_break("reader")
        return tuple(Sighting(text) for text in self.texts)

    def notices(self):
        self._may_break("inputs")
        taken, self.wires = self.wires, []
        return taken

    def append(self, event):
        self.diary.append(str(event.kind))
        return True

    def unlock(self, _for_s):
        self._may_break("lock")
        self.diary.append("unlock")

    def hold_unlocked(self, *, fire):
        self.diary.append("hold")

    def lock(self):
        self.diary.append("lock")

    def show(self, pattern):
        self._may_break("lamp")
        self.diary.append(pattern.name)

    def now(self):
        return at(self.mono)

    def pat(self):
        self.diary.append("pat")

    def close(self):
        pass


def told(story: Story) -> list[str]:
    story.kiosk().serve()
    return [entry for entry in story.diary if entry != "pat"]


def test_a_pass_is_recorded_before_the_lock_moves_and_the_lights_come_last():
    assert told(Story(texts=[static("wang")])) == ["pass.admitted", "unlock", "admitted"]


def test_a_code_held_for_thirty_frames_is_answered_once():
    assert told(Story(texts=[static("wang")], frames_seen=[FRAME] * 30)) == [
        "pass.admitted",
        "unlock",
        "admitted",
    ]


def test_a_broken_lamp_does_not_keep_the_door_shut():
    story = Story(texts=[static("wang")], broken={"lamp"})
    assert told(story) == ["pass.admitted", "unlock", str(Kind.FAULT)]


def test_a_broken_lock_is_told_and_the_lights_still_answer():
    story = Story(texts=[static("wang")], broken={"lock"})
    assert told(story) == ["pass.admitted", str(Kind.FAULT), "admitted"]


def test_a_reader_that_always_fails_leaves_the_exit_button_working_and_is_told_once_in_ten_seconds():
    story = Story(frames_seen=[FRAME] * 50, broken={"reader"}, wires=[WireChanged(Wire.EXIT, active=True)])
    entries = told(story)
    assert entries[:3] == ["exit.pressed", "unlock", "admitted"]
    assert entries.count(str(Kind.FAULT)) == 1
    assert story.diary.count("pat") == 50


def test_a_frame_that_was_lost_with_its_eye_is_journaled_with_the_reason():
    story, journaled = Story(), []
    kiosk = story.kiosk()

    class Lost:
        def read(self, _frame):
            raise DecoderLost("the reading process died " + 300 * ".")

    class Kept:
        def append(self, event):
            journaled.append(event)
            return True

    kiosk.reader, kiosk.journal = Lost(), Kept()
    kiosk.serve()
    (event,) = journaled
    assert event.facts == {
        "fault": "DecoderLost",
        "why": ("the reading process died " + 300 * ".")[:200],
        "times": 1,
    }


def test_time_goes_on_without_a_camera():
    story = Story(frames_seen=[None] * 60, wires=[WireChanged(Wire.EXIT, active=True)])
    entries = told(story)
    assert entries == ["exit.pressed", "unlock", "admitted", "camera.lost", "lock"]


def test_fire_releases_before_anything_is_written():
    story = Story(wires=[WireChanged(Wire.FIRE, active=True)])
    assert told(story)[:2] == ["hold", "fire.on"]


def test_noise_tells_a_living_picture_from_a_frozen_one():
    chance = np.random.default_rng(0)
    still = chance.integers(0, 256, (720, 1280), np.uint8)
    noisy = still ^ chance.integers(0, 2, still.shape, np.uint8)
    assert fingerprint(still) == fingerprint(still.copy())
    assert fingerprint(still) != fingerprint(noisy)


def test_what_is_ordered_until_further_notice_is_kept_after_it_is_recorded():
    kept, story = [], Story(wires=[Order(lockdown=True, by="wang")])
    kiosk = story.kiosk()
    kiosk.remember = lambda vows: kept.append((vows, list(story.diary)))
    kiosk.serve()
    ((vows, before),) = kept
    assert (vows, [entry for entry in before if entry != "pat"]) == (Vows(lockdown=True), ["lockdown.on"])


def test_a_card_that_does_not_keep_a_lockdown_is_told_and_the_lockdown_holds():
    story = Story(wires=[Order(lockdown=True)], texts=[static("wang")])
    kiosk = story.kiosk()

    def full(_vows):
        raise OSError("no space left on device")

    kiosk.remember = full
    kiosk.serve()
    assert [entry for entry in story.diary if entry != "pat"] == [
        "lockdown.on",
        str(Kind.FAULT),
        "pass.refused",
        "refused.locked_down",
    ]


def test_in_a_fire_the_lock_is_held_for_the_fire():
    assert told(Story(wires=[WireChanged(Wire.FIRE, active=True)])) == ["hold", "fire.on", "free"]
