"""Every camera keeps the same promises: the newest frame, None when there is none, an end only where there is one."""

import importlib.util
import itertools
import os
import subprocess
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from agent.frames import Frame
from agent.vision import Reader
from hw.cameras import CameraConfig, CameraFault, open_camera
from hw.cameras.exposure import HOLD_S, Exposures, burnt_out
from hw.cameras.newest import Newest
from hw.cameras.pi import _y_plane
from hw.cameras.sim import SimCamera
from hw.sim.film import still

WIDTH, HEIGHT = 320, 240


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "frames"
    made.mkdir()
    for number in range(6):
        cv2.imwrite(str(made / f"{number:03}.png"), still(f"FRAME {number}", size_px=(HEIGHT, WIDTH)))
    (made / "notes.md").write_text("not a picture")
    return made


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "gate.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (WIDTH, HEIGHT), isColor=False)
    for number in range(6):
        writer.write(still(f"FRAME {number}", size_px=(HEIGHT, WIDTH)))
    writer.release()
    return path


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.toml"
    path.write_text(
        """
        [[approach]]
        at_s = 0.2
        seconds = 1.0
        text = "ALICE"

        [[fault]]
        at_s = 1.5
        seconds = 0.5
        kind = "vanish"

        [[fault]]
        at_s = 2.5
        seconds = 0.5
        kind = "freeze"
        """
    )
    return path


@pytest.fixture(params=["folder", "video", "sim", "usb", "picamera2"])
def config(request, folder, video, script):
    """Each camera that this machine can run, as fast as it delivers."""
    kind = request.param
    if kind == "usb" and not list(Path("/dev").glob("video*")):
        pytest.skip("no /dev/video* on this machine: the USB camera is shown on a gate or in the rig")
    if kind == "picamera2" and importlib.util.find_spec("picamera2") is None:
        pytest.skip("picamera2 is not installed here: its driver is shown on a Raspberry Pi or in the rig")
    path = {"folder": folder, "video": video}.get(kind)
    return CameraConfig(
        kind=kind,
        width_px=WIDTH,
        height_px=HEIGHT,
        path=path,
        script=script,
        paced=kind in ("usb", "picamera2"),
    )


@pytest.fixture
def camera(config):
    opened = open_camera(config)
    yield opened
    opened.close()


def pictures(camera, count):
    return list(itertools.islice((frame for frame in camera.frames() if frame is not None), count))


# Promises that every camera keeps.


def test_frames_are_luma_of_the_promised_shape_in_time_order(camera):
    frames = pictures(camera, 5)
    assert len(frames) == 5
    for frame in frames:
        assert isinstance(frame, Frame)
        assert frame.luma.dtype == np.uint8
        assert frame.luma.shape == (HEIGHT, WIDTH)
        assert frame.half is None or frame.half.shape == (HEIGHT // 2, WIDTH // 2)
    taken = [frame.taken_mono for frame in frames]
    assert taken == sorted(taken)
    assert taken[-1] <= time.monotonic()


def test_closing_from_another_thread_ends_the_frames(camera):
    threading.Timer(0.2, camera.close).start()
    for _ in camera.frames():
        pass
    camera.close()


def test_a_closed_camera_yields_nothing(camera):
    camera.close()
    assert list(camera.frames()) == []


def test_a_camera_may_be_closed_unused_and_twice(camera):
    camera.close()
    camera.close()


# Replays.


@pytest.mark.parametrize("kind", ["folder", "video"])
def test_a_replay_shows_every_frame_once_in_order_and_ends(kind, folder, video):
    camera = open_camera(CameraConfig(kind=kind, path={"folder": folder, "video": video}[kind], paced=False))
    reader = Reader()
    read = [reader.read(frame)[0].text for frame in camera.frames()]
    assert read == [f"FRAME {number}" for number in range(6)]


@pytest.mark.parametrize("kind", ["folder", "video"])
def test_a_replay_in_real_time_ticks_between_slow_frames(kind, folder, video):
    camera = open_camera(
        CameraConfig(kind=kind, path={"folder": folder, "video": video}[kind], paced=True, fps=4)
    )
    seen = list(camera.frames())
    assert sum(frame is not None for frame in seen) == 6
    if kind == "folder":  # a video's own 30 frames a second count
        assert sum(frame is None for frame in seen) >= 5


def test_a_damaged_picture_in_a_replay_is_a_gap_and_named(folder):
    (folder / "002.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    camera = open_camera(CameraConfig(kind="folder", path=folder, paced=False))
    seen = list(camera.frames())
    assert [frame is None for frame in seen] == [False, False, True, False, False, False]
    assert "002.png" in camera.unreadable[0]


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        ("folder", "nowhere", "is no folder; wanted one with pictures"),
        ("folder", "empty", "holds no picture; wanted .bmp"),
        ("video", "nowhere", "is no file; wanted a video"),
        ("video", "words.avi", "can't be read as a video"),
        ("sim", "words.avi", "is no TOML"),
        ("sim", "nowhere", "No such file"),
    ],
)
def test_what_cannot_be_played_is_named_at_the_start(tmp_path, kind, name, says):
    (tmp_path / "empty").mkdir()
    (tmp_path / "words.avi").write_text("just words")
    with pytest.raises(CameraFault, match=says):
        open_camera(CameraConfig(kind=kind, path=tmp_path / name, script=tmp_path / name))


# The simulated camera.


def test_the_simulated_camera_shows_its_film_and_then_an_empty_forecourt(script):
    camera = open_camera(CameraConfig(kind="sim", script=script, width_px=640, height_px=480, paced=False))
    reader = Reader()
    frames = pictures(camera, 150)
    read = [number for number, frame in enumerate(frames) if reader.read(frame)]
    assert 6 < min(read) < max(read) < 36
    assert len({frame.luma.tobytes() for frame in frames[-30:]}) == 30


def test_a_simulated_camera_vanishes_and_comes_back(script):
    camera = open_camera(
        CameraConfig(kind="sim", script=script, width_px=WIDTH, height_px=HEIGHT, paced=False)
    )
    seen = [frame is not None for frame in itertools.islice(camera.frames(), 65)]
    gone = [number for number, there in enumerate(seen) if not there]
    assert gone == list(range(45, 50))  # half a second in ticks of 100 ms
    assert all(seen[50:])


def test_a_simulated_camera_that_freezes_shows_one_picture_again_and_again(script):
    camera = open_camera(
        CameraConfig(kind="sim", script=script, width_px=WIDTH, height_px=HEIGHT, paced=False)
    )
    frames = pictures(camera, 90)
    looks = [frame.luma.tobytes() for frame in frames]
    repeated = [number for number in range(1, 90) if looks[number] == looks[number - 1]]
    assert len(repeated) == 15
    assert repeated == list(range(repeated[0], repeated[0] + 15))
    assert len({frame.taken_mono for frame in frames}) == 90


def test_a_simulated_camera_in_real_time_skips_what_a_slow_reader_missed():
    camera = open_camera(CameraConfig(kind="sim", width_px=WIDTH, height_px=HEIGHT, fps=100))
    seen = []
    for frame in camera.frames():
        seen.append(frame.taken_mono)
        time.sleep(0.05)
        if len(seen) == 6:
            camera.close()
    assert len(seen) == 6  # a queue would have handed over thirty


def test_phones_in_the_film_go_by_the_clock_they_are_given(script):
    asked = []
    camera = SimCamera(
        CameraConfig(kind="sim", script=script, width_px=WIDTH, height_px=HEIGHT, paced=False),
        utc=lambda: asked.append(1) or 1_800_000_000.0,
    )
    assert len(pictures(camera, 3)) == len(asked) == 3


# Two exposures.


def night_frames(tmp_path, medium, *, alternate):
    script = tmp_path / "night.toml"
    script.write_text(
        f'[[approach]]\nat_s = 0\nseconds = 3\ntext = "ALICE"\nmedium = "{medium}"\ncondition = "hard-night"\n'
    )
    size = {"width_px": 960, "height_px": 540}
    camera = open_camera(
        CameraConfig(kind="sim", script=script, paced=False, fps=15, alternate=alternate, **size)
    )
    return pictures(camera, 130)


def test_a_screen_that_burns_out_gets_every_other_frame_darker_and_only_while_it_is_there(tmp_path):
    frames = night_frames(tmp_path, "phone", alternate=True)
    gains = [frame.gain for frame in frames]
    first = gains.index(0.25)
    assert gains[first : first + 20] == [0.25, 1.0] * 10
    assert set(gains[-10:]) == {1.0}
    reader = Reader()
    assert {sighting.text for frame in frames[:45] for sighting in reader.read(frame)} == {"ALICE"}


def test_whoever_wants_one_exposure_gets_one(tmp_path):
    frames = night_frames(tmp_path, "phone", alternate=False)
    assert {frame.gain for frame in frames} == {1.0}
    reader = Reader()
    assert not any(reader.read(frame) for frame in frames[:45])


def test_day_and_lamps_and_white_walls_are_left_to_the_cameras_own_exposure():
    day, white = still("ALICE"), np.full((540, 960), 255, np.uint8)
    lamp = np.full((540, 960), 20, np.uint8)
    lamp[100:110, 200:210] = 255
    assert [burnt_out(luma) for luma in (day, white, lamp, lamp[:0])] == [False] * 4


def test_a_cameras_frames_are_told_apart_by_the_light_that_they_had():
    phone = np.full((540, 960), 20, np.uint8)
    phone[200:400, 400:600] = 255
    exposures = Exposures()
    assert exposures.saw(phone, 8000 * 2.0, 0.0) == 1.0
    assert [exposures.next() for _ in range(3)] == [4000.0, 16000.0, 4000.0]
    # A camera answers some frames later, and rounds.
    assert [exposures.saw(phone, light, 1.0) for light in (16000, 3980, 15900, 4020)] == [
        1.0,
        0.25,
        1.0,
        0.25,
    ]
    quiet = np.full((540, 960), 20, np.uint8)
    assert exposures.saw(quiet, 16000, 1.0 + HOLD_S + 1) == 1.0
    assert exposures.next() is None


# USB.


def test_a_usb_camera_that_is_not_plugged_in_ticks_and_keeps_trying():
    camera = open_camera(CameraConfig(kind="usb", device="/dev/v4l/by-id/usb-not-plugged-in"))
    try:
        assert list(itertools.islice(camera.frames(), 5)) == [None] * 5
    finally:
        camera.close()


def test_a_letter_box_keeps_the_newest_only():
    box = Newest()
    older, newer = (Frame(luma=np.zeros((2, 2), np.uint8), half=None, taken_mono=at) for at in (1.0, 2.0))
    box.put(older)
    box.put(newer)
    assert box.take(0.01) is newer
    assert box.take(0.01) is None


# Configuration.


@pytest.mark.skipif(importlib.util.find_spec("picamera2") is not None, reason="picamera2 is installed here")
def test_without_picamera2_the_fault_says_how_to_get_it():
    with pytest.raises(CameraFault, match="apt install python3-picamera2"):
        open_camera(CameraConfig(kind="picamera2"))


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"kind": "pinhole"}, "kind"),
        ({"kind": "folder"}, "path"),
        ({"kind": "video"}, "path"),
        ({"width_px": 10}, "width_px"),
        ({"height_px": 100_000}, "height_px"),
        ({"fps": 0}, "fps"),
        ({"device": "; reboot"}, "device"),
        ({"focus_dioptres": 99}, "focus_dioptres"),
        ({"zoom": 2}, "zoom"),
    ],
)
def test_each_fault_of_a_camera_configuration_is_named_by_its_key(given, key):
    with pytest.raises(ValidationError) as wrong:
        CameraConfig(**given)
    assert [fault["loc"] for fault in wrong.value.errors()] == [(key,)]


# Camera modules.


def test_a_modules_luma_is_lent_from_its_padded_buffer():
    buffer = np.arange(64 * (30 + 15), dtype=np.uint64).astype(np.uint8)  # 50 x 30 YUV 4:2:0 in rows of 64
    luma = _y_plane(buffer, {"size": (50, 30), "stride": 64})
    assert luma.shape == (30, 50)
    assert luma[1, 0] == buffer[64]
    assert np.shares_memory(luma, buffer)


RIG = Path("/var/tmp/menshen-rig")


@pytest.mark.skipif(
    not (RIG / "ready").is_file() or os.geteuid() != 0,
    reason="no camera rig here: `make rig-camera` makes one, as root",
)
def test_the_real_picamera2_lends_its_frames_and_gives_the_camera_back():
    rig = Path(__file__).parent / "rig" / "camera.sh"
    ran = subprocess.run([rig, RIG], capture_output=True, text=True, timeout=110, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 x 20 frames lent" in ran.stdout
