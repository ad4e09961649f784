"""What the reader makes of codes, crowds, and pictures made to hurt it."""

import json
import re
import signal
import struct
import subprocess
import sys
import time
import zlib

import cv2
import numpy as np
import pytest
import zxingcpp
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import ValidationError

from agent.cli import main
from agent.frames import Frame
from agent.pictures import LARGEST_PX, load
from agent.vision import DecoderFault, Reader, ReaderConfig
from agent.vision.crash_note import CrashNote
from agent.vision.focus import SHARP_EDGE_PX, sharpness
from agent.vision.pictures import decode_files, legible
from agent.vision.stages import STAGES, Found, StageAbsent, zbar
from agent.vision.views import Box, Views
from hw.sim.codes import flat
from hw.sim.film import still

PASS = "M1" + "ABC123XYZ:" * 11 + "ABCDEF"
WALL = np.full((480, 640), 128, np.uint8)
needs_zbar = pytest.mark.skipif(zbar.why_refused() is not None, reason=str(zbar.why_refused()))


def texts(sightings):
    return [sighting.text for sighting in sightings]


def passers_by(count):
    """A wall before which something small moves."""
    for number in range(count):
        frame = WALL.copy()
        frame[100 : 100 + 80, 10 * number % 500 : 10 * number % 500 + 60] = 20
        yield frame


def on_a_wall(*codes, gap=40):
    """Codes side by side, five a row, on a grey wall."""
    side = max(code.shape[0] for code in codes) + gap
    rows, columns = -(-len(codes) // 5), min(5, len(codes))
    wall = np.full((rows * side + gap, columns * side + gap), 128, np.uint8)
    for place, code in enumerate(codes):
        top, left = gap + place // 5 * side, gap + place % 5 * side
        wall[top : top + code.shape[0], left : left + code.shape[1]] = code
    return wall


# A code is read.


@pytest.mark.parametrize("medium", ["phone", "card", "dark-phone"])
@pytest.mark.parametrize("condition", ["day", "night", "glare", "oblique", "rolled", "small", "cut", "dim"])
def test_a_code_held_still_is_read_in_this_light(medium, condition):
    reader = Reader(ReaderConfig(budget_ms=1000))
    frames = [still(PASS, medium, condition, seed=seed) for seed in range(3)]
    assert PASS in {text for frame in frames for text in texts(reader.read(frame))}


def test_the_first_look_is_at_the_scalers_half_picture_when_there_is_one():
    elsewhere = cv2.resize(still("IN THE HALF PICTURE"), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    (sighting,) = Reader().read(Frame(luma=still(PASS), half=elsewhere, taken_mono=0.0))
    assert (sighting.text, sighting.stage) == ("IN THE HALF PICTURE", "a")


@pytest.mark.parametrize("stage", ["A", "B", "b", "third", pytest.param("pyzbar", marks=needs_zbar)])
@pytest.mark.parametrize("quarters", range(4))
def test_corners_are_clockwise_from_the_codes_own_top_left(stage, quarters):
    code = flat(PASS)
    wall = np.full((900, 1200), 128, np.uint8)
    wall[100 : 100 + code.shape[0], 200 : 200 + code.shape[1]] = code
    quiet, far = 4 * 8, code.shape[0] - 4 * 8
    corners = [(200 + x, 100 + y) for x, y in ((quiet, quiet), (far, quiet), (far, far), (quiet, far))]
    for _ in range(quarters):  # the wall, and the corners with it, a quarter turn clockwise
        corners = [(wall.shape[0] - y, x) for x, y in corners]
        wall = np.rot90(wall, -1)
    (sighting,) = Reader(ReaderConfig(stages=(stage,), extras=())).read(wall)
    assert np.abs(np.array(sighting.corners) - np.array(corners)).max() <= 8


CUT_SIDES = ["left", "top", "right", "bottom"]


def cut_by(side, deep_px):
    """A code that stands on its corner, on a grey wall that ends so far within its dark square."""
    code = flat(PASS)
    side_px, turned = code.shape[0], 1200
    to_wall = cv2.getRotationMatrix2D((side_px / 2, side_px / 2), 45 + 90 * CUT_SIDES.index(side), 1.0)
    to_wall[:, 2] += turned / 2 - side_px / 2
    wall = cv2.warpAffine(code, to_wall, (turned, turned), borderValue=128, flags=cv2.INTER_AREA)
    dark_px = round((side_px / 2 - 4 * 8) * 2**0.5)  # from the middle to the corner, without the quiet zone
    end = turned // 2 + dark_px - deep_px
    return {
        "left": wall[:, turned - end :],
        "top": wall[turned - end :],
        "right": wall[:, :end],
        "bottom": wall[:end],
    }[side]


@pytest.mark.parametrize("side", CUT_SIDES)
@pytest.mark.parametrize("shown", ["first", "moving"])
def test_a_code_whose_corner_the_frames_edge_cuts_off_is_read(side, shown):
    frame = cut_by(side, deep_px=5 * 8)
    reader = Reader(ReaderConfig(stages=("a", "B"), extras=(), budget_ms=1000))
    if shown == "moving":
        assert reader.read(np.full_like(frame, 128)) == ()
    (sighting,) = reader.read(frame)
    assert sighting.text == PASS
    beyond = [x < 0 or y < 0 or x > frame.shape[1] or y > frame.shape[0] for x, y in sighting.corners]
    assert sum(beyond) == 1  # the corner that is not in the picture is told all the same


def test_mirrors_stand_only_where_the_cameras_frame_ends():
    views = Views(np.arange(60 * 90, dtype=np.uint8).reshape(60, 90))
    middle, right = views.cut(Box(10, 10, 40, 40)), views.cut(Box(60, 10, 90, 40))
    assert middle.mirrored is middle
    assert right.mirrored.full.shape == (30, 40)
    assert right.mirrored.half.shape == (15, 20)
    assert (right.mirrored.full[:, 30:] == right.full[:, :19:-1]).all()
    assert right.mirrored.at == right.at
    assert views.mirrored.at == (-20, -20)
    assert views.mirrored.full.shape == (100, 130)
    assert views.mirrored.mirrored is views.mirrored


def test_a_harder_look_scores_a_higher_effort():
    (sharp,) = Reader().read(still(PASS))
    (far,) = Reader().read(still(PASS, "dark-phone", "small", seed=1))
    assert 0 <= sharp.effort < far.effort <= 1
    assert sharp.took_ms > 0


@pytest.mark.parametrize("count", [2, 10])
def test_all_codes_in_one_frame_come_back(count):
    codes = {f"NUMBER {number}" for number in range(count)}
    seen = Reader().read(on_a_wall(*(flat(code, module_px=5) for code in sorted(codes))))
    assert set(texts(seen)) == codes
    assert len(seen) == count


def test_a_poster_always_in_sight_does_not_hide_the_person_beside_it():
    # The poster is large enough for the first look, the person's code only for a later one.
    poster, far = flat("POSTER", module_px=10), flat(PASS, module_px=2)
    wall = np.full((400, 800), 128, np.uint8)
    wall[40 : 40 + poster.shape[0], 40 : 40 + poster.shape[1]] = poster
    reader = Reader()
    assert texts(reader.read(wall)) == ["POSTER"]
    wall[200 : 200 + far.shape[0], 500 : 500 + far.shape[1]] = far
    assert texts(reader.read(wall)) == ["POSTER", PASS]


def test_a_crowd_of_codes_is_bounded():
    codes = [flat(f"NUMBER {number}", module_px=4) for number in range(30)]
    assert len(Reader(ReaderConfig(max_codes=16)).read(on_a_wall(*codes))) == 16


def test_twice_the_same_code_is_one_sighting():
    assert texts(Reader().read(on_a_wall(flat(PASS), flat(PASS)))) == [PASS]


@pytest.mark.parametrize(
    "payload",
    [bytes(range(256)), b"\xff\xfe\x80 no UTF-8", b"\x00\x01\x02\r\n", "门神".encode(), b"M1" + b"\x9f" * 60],
    ids=["every byte", "invalid UTF-8", "control bytes", "UTF-8", "a pass gone wrong"],
)
def test_binary_comes_through_byte_for_byte(payload):
    assert texts(Reader().read(flat(payload))) == [payload.decode("latin-1")]


def test_the_largest_code_there_is_comes_through_whole():
    payload = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"[:36] * 119 + "MENSHENMENSH"
    assert len(payload) == 4296
    assert texts(Reader().read(flat(payload, module_px=5))) == [payload]


def test_only_qr_codes_are_read():
    others = ("Code128", "DataMatrix", "Aztec", "PDF417", "MicroQRCode")
    for name in others:
        code = zxingcpp.create_barcode("12345", getattr(zxingcpp.BarcodeFormat, name))
        picture = np.asarray(code.to_image(scale=5))
        assert Reader(ReaderConfig.still()).read(picture) == (), name


def test_a_curled_card_is_read_from_a_still():
    # A sheet that sags between its edges by a fourteenth of its height.
    sheet = np.pad(flat("CURLED BUT WHOLE " * 4, module_px=6), 80, constant_values=128)
    rows, columns = np.mgrid[0 : sheet.shape[0], 0 : sheet.shape[1]].astype(np.float32)
    across = columns / sheet.shape[1]
    sagged = cv2.remap(
        sheet, columns, rows - sheet.shape[0] * 0.07 * 4 * across * (1 - across), cv2.INTER_LINEAR
    )
    flat_only = ReaderConfig(stages=("B", "A", "b"), extras=())
    assert texts(Reader(flat_only).read(sagged)) == []
    assert texts(Reader(ReaderConfig.still()).read(sagged)) == ["CURLED BUT WHOLE " * 4]


# Pictures made to hurt it.


@given(
    luma=st.one_of(
        arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=64)),
        st.builds(
            lambda shape, seed: np.random.default_rng(seed).integers(0, 256, shape, np.uint8),
            arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=300),
            st.integers(0, 1000),
        ),
    )
)
@settings(max_examples=60, deadline=None)
def test_no_picture_of_noise_is_read_or_raises(luma):
    for config in (ReaderConfig(extra_every=1), ReaderConfig.still()):
        reader = Reader(config)
        assert reader.read(luma) == ()
        assert not reader.faults


@pytest.mark.parametrize("shape", [(1, 1), (0, 0), (1, 5000), (5000, 1), (21, 21), (22, 3001), (3000, 4000)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_even_picture_of_any_size_holds_no_code(shape, level):
    reader = Reader(ReaderConfig(extra_every=1))
    assert reader.read(np.full(shape, level, np.uint8)) == ()
    assert not reader.faults


@pytest.mark.parametrize(
    "seen_as",
    [
        lambda wall: wall[::-1, ::-1],
        lambda wall: wall.T,
        np.asfortranarray,
        lambda wall: np.pad(wall, ((0, 0), (0, 37)))[:, : wall.shape[1]],
        lambda wall: np.dstack([wall, wall, wall])[:, :, 1],
        lambda wall: np.broadcast_to(wall, (2, *wall.shape))[1],
    ],
    ids=["mirrored twice", "transposed", "columns first", "padded rows", "one plane of three", "read-only"],
)
def test_any_memory_layout_will_do(seen_as):
    wall = seen_as(still(PASS))
    before = wall.copy()
    for stage in STAGES:
        if stage == "pyzbar" and zbar.why_refused():
            continue
        Reader(ReaderConfig(stages=(stage,), extras=())).read(wall)
    assert texts(Reader().read(wall)) == [PASS]
    assert (wall == before).all()


@pytest.mark.parametrize(
    "mistake",
    [
        WALL.astype(np.float32),
        WALL[0],
        np.dstack([WALL, WALL, WALL]),
        WALL > 7,
        None,
        "picture",
        WALL.tolist(),
    ],
)
def test_what_is_no_frame_is_the_programmers_fault_and_says_so(mistake):
    with pytest.raises(DecoderFault, match=r"wanted \(H, W\) uint8 luma"):
        Reader().read(mistake)


def test_a_wall_of_finder_patterns_is_survived():
    ring = np.pad(np.pad(np.zeros((3, 3), np.uint8), 1, constant_values=255), 1)
    cell = np.kron(np.pad(ring, 1, constant_values=255), np.ones((2, 2), np.uint8))
    wall = np.tile(cell, (30, 50))
    reader = Reader(ReaderConfig(extra_every=1))
    assert reader.read(wall) == ()
    assert texts(reader.read(still(PASS))) == [PASS]


# A decoder that breaks costs one look.


class Breaks:
    name, library = "breaks", "tests"
    effort = 0.0

    def look(self, views):
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "as some bindings do")


class Gone:
    def __init__(self):
        raise StageAbsent("no such library; the stage is off: apt install it")


@pytest.fixture
def odd_stages():
    STAGES.update(breaks=Breaks, gone=Gone)
    yield
    del STAGES["breaks"], STAGES["gone"]


@pytest.mark.usefixtures("odd_stages")
def test_a_decoder_that_breaks_costs_its_own_look_and_is_counted():
    reader = Reader(ReaderConfig(stages=("breaks", "B")))
    assert texts(reader.read(still(PASS))) == [PASS]
    assert set(reader.faults) == {"breaks"}


POISONED = """
import os, signal, sys
from pathlib import Path
from agent.vision import Reader, ReaderConfig
from agent.vision.crash_note import CrashNote
from agent.vision.stages import STAGES
from hw.sim.film import still

class Crashes:
    name, library, effort = "crashes", "tests", 0.0
    def look(self, views):
        os.kill(os.getpid(), signal.SIGSEGV)

STAGES["crashes"] = Crashes
note = CrashNote(Path(sys.argv[1]))
print(note.blamed, note.crashes, flush=True)
print(*(one.text for one in Reader(ReaderConfig(stages=("crashes", "B")), note).read(still("STILL OPEN"))))
"""


def test_a_picture_that_kills_a_native_decoder_kills_it_once(tmp_path):
    said = []
    for _ in range(3):
        child = subprocess.run(
            [sys.executable, "-c", POISONED, str(tmp_path / "gate" / "looking")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        said.append((child.returncode, child.stdout.split("\n")[:-1]))
    assert said[0] == (-signal.SIGSEGV, [" 0"])
    assert said[1] == (0, ["tests/crashes 1", "STILL OPEN"])
    assert said[2][0] == -signal.SIGSEGV  # it ended well in between, so it had its second chance


class Hands:
    """A clock that is moved by hand."""

    now = 0.0

    def __call__(self):
        return self.now


def test_a_stage_that_goes_on_crashing_sits_out_longer_and_longer(tmp_path):
    clock, dead = Hands(), []
    for sat_out_s in (10, 40, 160, 640, 2560, 3600, 3600):
        dead.append(CrashNote(tmp_path / "looking", clock).looking("B"))
        dead[-1].__enter__()  # and the process dies
        note = CrashNote(tmp_path / "looking", clock)
        assert note.blamed == "B"
        clock.now += sat_out_s - 1
        assert note.off("B")
        assert not note.off("A")
        clock.now += 2
        assert not note.off("B")
    clock.now += 2000  # half an hour of peace
    with note.looking("A"):
        pass
    assert CrashNote(tmp_path / "looking", clock).crashes == 0


@pytest.fixture
def dies(tmp_path):
    """Lets a process not come back from a look; returns the next one's note."""
    path, the_dead = tmp_path / "looking", []

    def die(note, clock, look):
        the_dead.append((note or CrashNote(path, clock)).looking(look))
        the_dead[-1].__enter__()
        return CrashNote(path, clock)

    yield die
    the_dead.clear()


def test_a_second_stage_that_crashes_takes_its_library_with_it(dies):
    clock = Hands()
    note = dies(None, clock, "zxing-cpp/a")
    assert (note.blamed, note.off("zxing-cpp/a"), note.off("zxing-cpp/B")) == ("zxing-cpp/a", True, False)
    clock.now += 3
    note = dies(note, clock, "zxing-cpp/B")
    assert (note.blamed, note.crashes) == ("zxing-cpp/", 2)
    assert note.off("zxing-cpp/a")
    assert note.off("zxing-cpp/joined")
    assert not note.off("zbar/pyzbar")
    clock.now += 3
    note = dies(note, clock, "zbar/pyzbar")
    assert note.off("zbar/pyzbar")
    assert note.off("zxing-cpp/a")
    clock.now += 38  # the library's 40 seconds are over, the third's 160 are not
    assert not note.off("zxing-cpp/a")
    assert note.off("zbar/pyzbar")


def test_a_second_stage_that_crashes_much_later_does_not(dies):
    clock = Hands()
    note = dies(None, clock, "zxing-cpp/a")
    clock.now += 1900
    assert dies(note, clock, "zxing-cpp/B").blamed == "zxing-cpp/B"


def test_after_a_reboot_nobody_sits_out_for_what_was_before(dies):
    clock = Hands()
    clock.now = 900_000.0
    note = dies(None, clock, "zxing-cpp/a")
    clock.now = 20.0
    note = dies(note, clock, "zbar/pyzbar")
    assert note.off("zbar/pyzbar")
    assert not note.off("zxing-cpp/a")


@pytest.mark.parametrize("spoilt", [b"", b"\xff" * 4096, b"no such stage" * 400, "folder"])
def test_a_spoilt_note_keeps_nobody_from_reading(tmp_path, spoilt):
    path = tmp_path / "looking"
    path.mkdir() if spoilt == "folder" else path.write_bytes(spoilt)
    assert texts(Reader(note=CrashNote(path)).read(still(PASS))) == [PASS]


@pytest.mark.usefixtures("odd_stages")
def test_a_stage_that_cannot_run_here_is_named_and_the_others_read():
    reader = Reader(ReaderConfig(stages=("A",), extras=("gone",)))
    assert reader.absent == ("no such library; the stage is off: apt install it",)
    assert texts(reader.read(still(PASS))) == [PASS]


def test_a_stage_that_nobody_knows_is_a_fault_of_the_configuration():
    with pytest.raises(ValidationError, match="no stage 'C'; known are a, s, B"):
        ReaderConfig(stages=("A", "C"))


@pytest.mark.parametrize(
    ("version", "fixed"),
    [
        ("0.23.92-7", False),
        ("0.23.92-7+deb12u1", True),
        ("0.23.92-9", True),
        ("0.23.93-4", False),
        ("0.23.93-8", True),
        ("0.23.93-8+b1", True),
        ("0.24-1", True),
        ("0.10+doc-10.1", False),
    ],
)
@pytest.mark.skipif(zbar.installed_version() is None, reason="no dpkg here, so no version is believed")
def test_an_unfixed_zbar_is_known_by_its_version(version, fixed):
    assert zbar.is_fixed(version) is fixed


@needs_zbar
def test_zbars_guesses_at_charsets_are_not_believed():
    japanese = "デザインQR".encode("cp932")
    assert Reader(ReaderConfig(stages=("pyzbar",), extras=())).read(flat(japanese)) == ()
    assert texts(Reader(ReaderConfig(stages=("pyzbar",), extras=())).read(flat(PASS))) == [PASS]


# Time is a budget.


class Slow:
    library, effort = "tests", 0.0

    def __init__(self, name, seconds):
        self.name, self.seconds, self.looks = name, seconds, 0

    def look(self, views):
        self.looks += 1
        until = time.perf_counter() + self.seconds
        while time.perf_counter() < until:
            pass
        return ()


def test_on_a_slow_machine_every_stage_still_gets_its_turn():
    stages = {
        name: Slow(name, seconds)
        for name, seconds in (("first", 0.001), ("second", 0.02), ("third one", 0.02))
    }
    STAGES.update({name: (lambda stage=stage: stage) for name, stage in stages.items()})
    try:
        reader = Reader(ReaderConfig(stages=tuple(stages), extras=(), budget_ms=5))
        for frame in passers_by(60):
            reader.read(frame)
    finally:
        for name in stages:
            del STAGES[name]
    looks = [stage.looks for stage in stages.values()]
    assert looks[0] == 61  # at the first frame also with a mirror at its edges
    assert 0 < looks[1] < 60
    assert 0 < looks[2] < 60


def test_the_costly_extra_looks_at_one_miss_in_eight():
    extra = Slow("extra", 0.0)
    STAGES["extra"] = lambda: extra
    try:
        reader = Reader(ReaderConfig(extras=("extra",), extra_every=8))
        for frame in passers_by(32):
            reader.read(frame)
    finally:
        del STAGES["extra"]
    assert extra.looks == 4


# Nobody there.


@pytest.fixture
def counted():
    """A stage that only counts, under the name that it is given."""
    stage = Slow("counted", 0.0)
    STAGES["counted"] = lambda: stage
    yield stage
    del STAGES["counted"]


GRAIN = np.random.default_rng(0).normal(0, 6.0, (1000, 1600)).astype(np.float32)


def noisy(luma, seed):
    """With a sensor's grain, another piece of it for each seed."""
    row, column = np.random.default_rng(seed).integers(0, 256, 2)
    grain = GRAIN[row : row + luma.shape[0], column : column + luma.shape[1]]
    return cv2.add(np.asarray(luma, np.float32), grain, dtype=cv2.CV_8U)


def test_an_empty_gate_is_looked_at_now_and_then(counted):
    reader = Reader(ReaderConfig(stages=("counted",), extras=(), rest_every=8))
    for seed in range(81):
        assert reader.read(noisy(WALL, seed)) == ()
    assert counted.looks == 2 + 10  # the first frame, without and with mirrors, and then one in eight


def test_whoever_comes_is_looked_at_in_the_same_frame_and_until_he_has_gone(counted):
    reader = Reader(ReaderConfig(stages=("counted",), extras=(), rest_every=1000))
    frames = [WALL] * 20
    for _ in range(10):  # a faint card of 60 x 60 pixels that is held quite still
        frames.append(WALL.copy())
        frames[-1][200:260, 300:360] -= 6
    seen = []
    for seed, frame in enumerate([*frames, *[WALL] * 20]):
        before = counted.looks
        reader.read(noisy(frame, seed))
        seen.append(counted.looks > before)
    assert all(seen[20:30])
    assert sum(seen) <= 10 + 1 + 1 + 3  # the first, one at rest, some afterthoughts


def test_what_is_left_before_the_gate_becomes_part_of_it(counted):
    reader = Reader(ReaderConfig(stages=("counted",), extras=(), rest_every=1000))
    parked = WALL.copy()
    parked[100:300, 100:300] = 30
    for seed in range(20):
        reader.read(noisy(WALL, seed))
    for seed in range(250):
        reader.read(noisy(parked, seed))
    before = counted.looks
    for seed in range(50):
        reader.read(noisy(parked, seed))
    assert counted.looks == before


def test_a_lamp_that_brightens_all_alike_wakes_nobody_for_long(counted):
    reader = Reader(ReaderConfig(stages=("counted",), extras=(), rest_every=1000))
    for seed in range(60):
        reader.read(noisy(WALL + np.uint8(seed // 2), seed))
    assert counted.looks <= 3


@pytest.mark.parametrize("gains", [(1.0,), (1.0, 0.25)])
def test_alternating_exposures_are_not_taken_for_motion(counted, gains):
    reader = Reader(ReaderConfig(stages=("counted",), extras=(), rest_every=1000))
    for seed in range(60):
        gain = gains[seed % len(gains)]
        reader.read(Frame(noisy(WALL * gain, seed), None, float(seed), gain))
    assert counted.looks <= 1 + 2 * len(gains)


class Hesitant(Slow):
    """Reads at its fourth look."""

    def look(self, views):
        super().look(views)
        return (Found(b"AT LAST"),) if self.looks == 4 else ()


def test_a_code_that_stirs_as_little_as_the_wall_is_read_all_the_same():
    STAGES["hesitant"] = lambda: Hesitant("hesitant", 0.0)
    try:
        reader = Reader(ReaderConfig(stages=("A", "hesitant"), extras=(), rest_every=4))
        assert any(reader.read(noisy(WALL, seed)) for seed in range(40))
    finally:
        del STAGES["hesitant"]


def test_a_code_is_followed_across_the_picture_with_its_corners_in_the_frames_pixels():
    reader = Reader()
    code = flat(PASS, module_px=5)
    for number in range(30):
        wall = np.full((720, 1280), 128, np.uint8)
        left, top = 40 + 30 * number, 100 + 7 * number
        wall[top : top + code.shape[0], left : left + code.shape[1]] = code
        (sighting,) = reader.read(noisy(wall, number))
        assert np.abs(np.array(sighting.corners[0]) - (left + 20, top + 20)).max() <= 5


def test_what_was_seen_and_not_read_is_no_sighting():
    torn = flat(PASS, module_px=6)
    torn[120:220, 60:260] = 255
    reader = Reader()
    for seed in range(20):
        assert reader.read(noisy(on_a_wall(torn), seed)) == ()


# The lens.


def test_the_score_and_the_edges_tell_a_sharp_lens_from_a_blurred_one():
    picture = still(PASS)
    (sighting,) = Reader().read(picture)
    blurred = [picture, *(cv2.GaussianBlur(picture, (0, 0), sigma) for sigma in (1.0, 2.0, 3.0))]
    measured = [sharpness(one, sighting.corners) for one in blurred]
    scores, edges = [one.score for one in measured], [one.edge_px for one in measured]
    assert scores == sorted(scores, reverse=True)
    assert edges == sorted(edges)
    assert edges[0] < SHARP_EDGE_PX < edges[-1]
    for odd in (np.zeros((1, 1), np.uint8), np.zeros((2, 900), np.uint8), WALL):
        assert sharpness(odd, ((0, 0), (9, 0), (9, 9), (0, 9))).score == 0


def test_a_technician_is_shown_how_sharp_the_picture_is(tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    for number, sigma in enumerate((3.0, 0.5)):
        cv2.imwrite(str(frames / f"{number}.png"), cv2.GaussianBlur(still(PASS), (0, 0), sigma))
    (tmp_path / "root.json").write_text("{}")
    (tmp_path / "gate.toml").write_text(
        f'site = "garden"\ngate = "north"\ncamera = {{kind = "folder", path = "{frames}", fps = 2}}\n'
    )
    said = CliRunner().invoke(main, ["focus", "--config", str(tmp_path / "gate.toml")])
    first, second = said.output.splitlines()
    assert said.exit_code == 0
    assert first.startswith("score")
    assert re.search(r"code read, edges \d\.\d px", second)
    assert float(second.split()[1]) > float(first.split()[1])


# Files.


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp", "tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_file_of_each_kind_is_decoded(tmp_path, ending, channels):
    path = tmp_path / f"code.{ending}"
    picture = still(PASS)
    cv2.imwrite(str(path), picture if channels == 1 else cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    (line,) = decode_files([path])
    assert line["texts"] == [PASS]
    assert line["file"] == str(path)
    json.dumps(line)


def test_transparent_paper_is_white(tmp_path):
    code = flat(PASS)
    see_through = np.dstack([np.zeros_like(code)] * 3 + [255 - code])
    cv2.imwrite(str(tmp_path / "code.png"), see_through)
    (line,) = decode_files([tmp_path / "code.png"])
    assert line["texts"] == [PASS]


def test_sixteen_bits_are_as_good_as_eight(tmp_path):
    cv2.imwrite(str(tmp_path / "deep.png"), flat(PASS).astype(np.uint16) * 257)
    assert texts(Reader().read(load(tmp_path / "deep.png"))) == [PASS]


def bomb(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def test_files_that_are_no_pictures_are_named_and_the_others_still_read(tmp_path):
    cv2.imwrite(str(tmp_path / "good.png"), flat(PASS))
    whole = (tmp_path / "good.png").read_bytes()
    bad = {
        "missing.png": None,
        "folder.png": "folder",
        "empty.png": b"",
        "text.png": b"just words",
        "bomb.png": bomb(60_000, 60_000),
        "nothing.png": bomb(0, 10),
        "torn.png": whole[:60],
        "short.jpg": b"\xff\xd8\xff",
        "short.bmp": b"BM",
        "short.webp": b"RIFF\0\0\0\0WEBPVP8X",
        "short.tif": b"II*\0\xff\xff\xff\xff",
    }
    for name, content in bad.items():
        if content == "folder":
            (tmp_path / name).mkdir()
        elif content is not None:
            (tmp_path / name).write_bytes(content)
    lines = list(decode_files([tmp_path / name for name in (*bad, "good.png")]))
    assert [line["file"].rsplit("/", 1)[1] for line in lines if "error" in line] == list(bad)
    assert lines[-1]["texts"] == [PASS]
    said = {line["file"].rsplit("/", 1)[1]: line.get("error", "") for line in lines}
    assert "60000 x 60000" in said["bomb.png"]
    assert str(LARGEST_PX // 1_000_000) in said["bomb.png"]
    assert "wanted PNG, JPEG, WebP, BMP or TIFF" in said["text.png"]


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"RIFF....WEBP", b"BM", b"II*\0"]),
)
@settings(max_examples=80, deadline=None)
def test_no_bytes_in_a_file_escape_as_anything_but_a_sentence(tmp_path_factory, data, magic):
    path = tmp_path_factory.getbasetemp() / "bytes.png"
    path.write_bytes(magic + data)
    (line,) = decode_files([path])
    assert path.name in line.get("error", path.name)
    json.dumps(line)


@pytest.mark.parametrize(
    ("payload", "read_as"),
    [
        ("門神".encode(), "門神"),
        ("デザインQR".encode("cp932"), "デザインQR"),
        ("ﾃﾞｻﾞｲﾝ".encode("cp932"), "ﾃﾞｻﾞｲﾝ"),
        ("café".encode("latin-1"), "café"),
        (b"\xff\xfe", "\xff\xfe"),
    ],
)
def test_a_text_is_shown_in_the_charset_it_was_most_likely_written_in(payload, read_as):
    assert legible(payload.decode("latin-1")) == read_as
