"""The eye: whatever a picture does to the process that reads it, the gate goes on, and reads again."""

import contextlib
import json
import mmap
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from agent.core.sighting import Sighting
from agent.frames import Frame
from agent.ports import DecoderLost
from agent.vision import DecoderFault, Reader, ReaderConfig, confined, handing, nursed
from agent.vision.crash_note import CrashNote
from agent.vision.eye import Eye
from agent.vision.handing import LONGEST_TEXT, ROOM_BYTES, Born, Malformed, Room, answer, done, seen, taken
from hw.sim.codes import flat
from hw.sim.film import still

ROOT = Path(__file__).parents[1]
PASS = "M1" + "ABC123XYZ:" * 11 + "ABCDEF"
PATIENT = ReaderConfig(budget_ms=10_000)
WITHIN_S = 20.0


@contextlib.contextmanager
def opened(folder, config=PATIENT, **how):
    eye = Eye(config, folder / "looking", **how)
    try:
        assert eye.ready()
        yield eye
    finally:
        eye.close()


@pytest.fixture
def eye(tmp_path):
    with opened(tmp_path, wait_s=WITHIN_S) as eye:
        yield eye


@pytest.fixture
def poisoned(monkeypatch):
    """Nurseries from now on have stages that each picture of a code kills, in this way."""

    def poison(stages, death):
        monkeypatch.setenv("POISONED", stages)
        monkeypatch.setenv("DEATH", death)
        nursed.MODULE[:] = ["tests.poisoned_gate", "nursery"]

    before = [*nursed.MODULE]
    yield poison
    nursed.MODULE[:] = before


def texts(sightings):
    return [sighting.text for sighting in sightings]


def read_until(eye, frame, text=PASS, within_s=WITHIN_S):
    """Hold a frame up until its text is read; what was told meanwhile."""
    told, end = [], time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            if text in texts(eye.read(frame)):
                return told
        except DecoderLost as lost:
            told.append(str(lost))
    raise AssertionError(f"not read; told {told}")


def gone(pid):
    """Whether a process has ended; a zombie that nobody has reaped yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def soon(true, within_s=WITHIN_S):
    end = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


# --- what it reads ----------------------------------------------------------------------


@pytest.mark.parametrize("condition", ["day", "night", "glare", "oblique", "rolled", "small", "cut", "dim"])
def test_it_reads_what_the_reader_reads_frame_for_frame(eye, condition):
    reader = Reader(PATIENT)
    for medium in ("phone", "card", "dark-phone"):
        for seed in range(2):
            frame = still(PASS, medium, condition, seed=seed)
            told, own = eye.read(frame), reader.read(frame)
            assert [(one.text, one.corners, one.stage, one.effort) for one in told] == [
                (one.text, one.corners, one.stage, one.effort) for one in own
            ]


@pytest.mark.parametrize(
    "seen_as",
    [
        lambda wall: wall[::-1, ::-1],
        lambda wall: wall.T,
        np.asfortranarray,
        lambda wall: np.pad(wall, ((0, 0), (0, 37)))[:, : wall.shape[1]],
        lambda wall: np.dstack([wall, wall, wall])[:, :, 1],
        lambda wall: np.broadcast_to(wall, (2, *wall.shape))[1],
        lambda wall: wall[:, :-1],
        lambda wall: np.pad(wall, ((0, 4000), (0, 4000)), constant_values=128),
    ],
    ids=[
        "turned",
        "transposed",
        "columns first",
        "padded rows",
        "a plane",
        "read-only",
        "odd",
        "20 million pixels",
    ],
)
def test_any_memory_layout_and_size_will_do(eye, seen_as):
    wall = seen_as(still(PASS))
    before = wall.copy()
    assert texts(eye.read(wall)) == [PASS]
    assert (wall == before).all()
    assert texts(eye.read(still(PASS))) == [PASS]
    assert eye.lost == 0


def test_the_scalers_half_picture_and_the_exposure_come_along(eye):
    elsewhere = still("IN THE HALF PICTURE")[::2, ::2]
    (sighting,) = eye.read(Frame(still(PASS), elsewhere, 0.0, gain=0.25))
    assert (sighting.text, sighting.stage) == ("IN THE HALF PICTURE", "a")


def test_binary_an_empty_code_and_a_crowd_come_through(eye):
    for payload in (bytes(range(256)), b"\x00\x01\r\n"):
        assert texts(eye.read(flat(payload))) == [payload.decode("latin-1")]
    digits = "0123456789" * 708 + "012345678"
    assert len(digits) == LONGEST_TEXT
    assert texts(eye.read(flat(digits, module_px=5))) == [digits]
    row = np.hstack([flat(f"NUMBER {number}", module_px=5) for number in range(10)])
    assert set(texts(eye.read(row))) == {f"NUMBER {number}" for number in range(10)}


@pytest.mark.parametrize("mistake", [np.zeros((4, 4), np.float32), np.zeros(9, np.uint8), None, "picture"])
def test_what_is_no_frame_is_the_programmers_fault_and_says_so(eye, mistake):
    with pytest.raises(DecoderFault, match=r"wanted \(H, W\) uint8 luma"):
        eye.read(mistake)
    with pytest.raises(DecoderFault):
        eye.read(Frame(mistake, None, 0.0))


@given(
    luma=arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=40)),
    half=st.none()
    | arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=20)),
    step=st.sampled_from([(1, 1), (-1, 1), (2, 3), (-3, -2)]),
    number=st.integers(0, 2**32 - 1),
)
@settings(max_examples=200, deadline=None)
def test_a_frame_lies_in_the_room_as_it_was_given(luma, half, step, number):
    luma = luma[:: step[0], :: step[1]]
    room = Room()
    try:
        told = room.put(number, Frame(luma, half, 1.5, 0.25))
        memory = np.frombuffer(os.pread(room.file, 4096, 0), np.uint8)
        there_number, there = taken(told, memory)
        assert there_number == number
        assert (there.luma == luma).all()
        assert there.luma.shape == luma.shape
        assert (there.gain, there.taken_mono) == (0.25, 1.5)
        if half is None or not half.size:
            assert there.half is None
        else:
            assert (there.half == half).all()
    finally:
        room.close()


# --- what becomes of it -------------------------------------------------------------------


def test_an_eye_that_a_picture_kills_is_told_and_the_next_one_reads_the_picture(tmp_path, poisoned):
    poisoned("a", "abort")
    with opened(tmp_path) as eye:
        nursery = eye.nursery_pid
        told = read_until(eye, still(PASS))
        assert told == [
            "the reading process died of SIGABRT in zxing-cpp/a, which sits out; another one reads on"
        ]
        assert (eye.lost, eye.nursery_pid) == (1, nursery)
        assert texts(eye.read(still(PASS))) == [PASS], "the stage sits out"
    assert CrashNote(tmp_path / "looking").crashes == 1


def test_an_eye_that_hangs_is_replaced_and_nobody_waited_for_it(tmp_path, poisoned):
    poisoned("a", "hang")
    with opened(tmp_path, deadline_s=3.0) as eye:
        first, minded, told = eye.pid, 0, []
        end = time.monotonic() + WITHIN_S
        while not told and time.monotonic() < end:
            try:
                assert eye.read(still(PASS)) == ()
            except DecoderLost as lost:
                told.append(str(lost))
            minded += 1
        assert told[0].startswith("the reading process was not done after ")
        assert told[0].endswith("in zxing-cpp/a, which sits out; another one reads on")
        assert minded > 4, "the door is minded meanwhile"
        assert gone(first)
        assert read_until(eye, still(PASS)) == []


def test_an_eye_that_talks_rubbish_is_replaced(tmp_path, poisoned):
    poisoned("a", "rubbish")
    with opened(tmp_path, wait_s=WITHIN_S) as eye:
        first = eye.pid
        with pytest.raises(
            DecoderLost,
            match="answered with a packet on another frame than it was given; another one reads on",
        ):
            eye.read(still(PASS))
        assert eye.pid != first
        assert gone(first)
        assert eye.read(np.full((480, 640), 128, np.uint8)) == ()


def test_an_eye_that_is_stopped_is_replaced(tmp_path):
    with opened(tmp_path, deadline_s=0.5) as eye:
        first = eye.pid
        os.kill(first, signal.SIGSTOP)
        (told,) = read_until(eye, still(PASS))
        assert "was not done after" in told
        assert gone(first)


def test_a_slow_answer_comes_with_a_later_frame(tmp_path):
    with opened(tmp_path, wait_s=0.0, deadline_s=WITHIN_S) as eye:
        os.kill(eye.pid, signal.SIGSTOP)
        for _ in range(3):
            assert eye.read(still(PASS)) == ()
        os.kill(eye.pid, signal.SIGCONT)
        assert read_until(eye, np.full((480, 640), 128, np.uint8)) == []
        assert eye.lost == 0


def kill(eye):
    """Kill an eye and wait for its end."""
    pid = eye.pid
    assert pid > 0
    os.kill(pid, signal.SIGKILL)
    assert soon(lambda: gone(pid))


def _open_files(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _rss_kb(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() // 1024


def test_a_hundred_deaths_in_a_row_leave_nothing_behind(tmp_path):
    frame = still(PASS)
    with opened(tmp_path, rest_s=0.0, wait_s=WITHIN_S) as eye:
        read_until(eye, frame)
        nursery = eye.nursery_pid
        theirs = Path(f"/proc/{nursery}")
        before = [_open_files(pid) for pid in (os.getpid(), nursery)]
        eyes, rss_kb = set(), 0
        for n in range(100):
            eyes.add(eye.pid)
            kill(eye)
            told = read_until(eye, frame)
            assert told == ["the reading process died of SIGKILL; another one reads on"]
            rss_kb = rss_kb or (_rss_kb(nursery) if n == 9 else 0)
        assert (eye.lost, len(eyes), eye.nursery_pid) == (100, 100, nursery)
        assert [_open_files(pid) for pid in (os.getpid(), nursery)] == before
        assert (theirs / "task" / str(nursery) / "children").read_text().split() == [str(eye.pid)]
        assert _rss_kb(nursery) < rss_kb + 1024


def test_an_eye_that_was_closed_leaves_nothing_open(tmp_path):
    before = _open_files(os.getpid())
    for _ in range(3):
        with opened(tmp_path) as eye:
            pids = eye.nursery_pid, eye.pid
        eye.close()
        assert all(map(gone, pids))
    assert _open_files(os.getpid()) == before


def test_eyes_that_die_as_they_come_are_borne_more_slowly(tmp_path):
    with opened(tmp_path, rest_s=30.0, wait_s=WITHIN_S) as eye:
        for _ in range(3):
            kill(eye)
            with pytest.raises(DecoderLost, match="another one reads on"):
                eye.read(still(PASS))
        kill(eye)
        for _ in range(3):
            assert eye.read(still(PASS)) == ()
        assert eye.pid == 0


def test_a_nursery_that_is_killed_takes_its_eye_with_it_and_another_one_is_started(tmp_path):
    with opened(tmp_path) as eye:
        nursery, first = eye.nursery_pid, eye.pid
        os.kill(nursery, signal.SIGKILL)
        assert soon(lambda: gone(first))
        (told, *more) = read_until(eye, still(PASS))
        assert told.startswith("the reading process died")
        assert len(more) <= 1  # that there was none for two seconds, on a machine that slow
        assert eye.nursery_pid not in {0, nursery}


def test_while_there_is_none_it_is_told_once_and_the_caller_goes_on(tmp_path):
    before = [*nursed.MODULE]
    nursed.MODULE[:] = ["tests.no_such_nursery"]
    eye = Eye(PATIENT, tmp_path / "looking")
    try:
        assert not eye.ready(within_s=0.5)
        told, end = [], time.monotonic() + WITHIN_S
        while time.monotonic() < end:
            try:
                assert eye.read(still(PASS)) == ()
            except DecoderLost as lost:
                told.append(str(lost))
                end = time.monotonic() + 1.0
        assert told == ["the reading process was not born, and the next one is not there yet"]
        nursed.MODULE[:] = before
        assert read_until(eye, still(PASS)) == ["the reading process was not born; another one reads on"]
    finally:
        nursed.MODULE[:] = before
        eye.close()


def test_an_eye_lives_no_longer_than_it_may(tmp_path):
    with opened(tmp_path, renewed_after_s=0.0) as eye:
        first = eye.pid
        assert read_until(eye, still(PASS)) == []
        assert soon(lambda: gone(first))
        assert eye.lost == 0
    assert CrashNote(tmp_path / "looking").crashes == 0


def test_signals_meant_for_the_gate_move_neither(eye):
    for pid in (eye.nursery_pid, eye.pid):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(pid, number)
    assert texts(eye.read(still(PASS))) == [PASS]
    assert eye.lost == 0


GATE = """
import sys, time
from pathlib import Path
from agent.vision import ReaderConfig, nursed
from agent.vision.eye import Eye
from hw.sim.film import still
if len(sys.argv) > 2:
    nursed.MODULE[:] = ["tests.poisoned_gate", "nursery"]
eye = Eye(ReaderConfig(), Path(sys.argv[1]))
eye.ready()
eye.read(still("ANY CODE"))
print(eye.nursery_pid, eye.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
@pytest.mark.parametrize("doing", ["waits", "hangs"])
def test_when_the_gate_is_gone_both_are(tmp_path, how, doing):
    poison = {"POISONED": "a", "DEATH": "hang"} if doing == "hangs" else {}
    with subprocess.Popen(
        [sys.executable, "-c", GATE, str(tmp_path / "looking"), *poison],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **poison},
    ) as gate:
        while not (line := gate.stdout.readline()).strip().replace(" ", "").isdigit():
            assert line, "it ended"
        pids = [int(pid) for pid in line.split()]
        assert not any(map(gone, pids))
        gate.send_signal(how)
        assert soon(lambda: all(map(gone, pids)))


# --- what it may do -----------------------------------------------------------------------


def test_it_has_one_socket_no_other_descriptor_and_no_right_to_regain(eye):
    process = Path(f"/proc/{eye.pid}")
    limits = {
        line[:26].strip(): line[26:].split()[:2] for line in (process / "limits").read_text().splitlines()
    }
    for what in ("Max open files", "Max processes", "Max file size", "Max core file size"):
        assert limits[what] == ["0", "0"], what
    held = {link.name: str(link.readlink()) for link in (process / "fd").iterdir()}
    assert {held.pop(own) for own in "012"} == {"/dev/null"}
    assert [name.partition(":")[0] for name in held.values()] == ["socket"]
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
    assert status["NoNewPrivs"] == "1"
    assert status["Threads"] == "1"
    assert (process / "oom_score_adj").read_text().strip() == str(confined.OOM_SCORE)
    if confined.platform.machine() in confined._ARCHES:
        assert status["Seccomp"] == "2"


PRISONER = """
import ctypes, json, os, resource, signal, socket, sys, threading
from agent.vision import confined
victim, key, gate = sys.argv[2:4] + [int(sys.argv[4])]
libc = ctypes.CDLL(None, use_errno=True)
tried = {}
def attempt(name, what):
    try:
        result = what()
        tried[name] = "done" if result in (None, 0) or not isinstance(result, int) else "refused"
    except BaseException as fault:
        tried[name] = "refused"
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
confined.confine(filtered=sys.argv[1] == "filtered")
attempt("read a key", lambda: open(key).read())
attempt("read the gate's memory", lambda: open(f"/proc/{gate}/mem", "rb"))
attempt("look into the gate's memory", lambda: min(0, libc.process_vm_readv(gate, None, 0, None, 0, 0)))
attempt("be connected", socket.socket)
attempt("have more descriptors", lambda: os.dup(1))
attempt("lift a limit", lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
attempt("start a program", lambda: os.posix_spawn("/bin/true", ["true"], {}))
attempt("fork", lambda: os._exit(0) if os.fork() == 0 else None)
attempt("start a thread", lambda: threading.Thread(target=int).start())
attempt("rename a file", lambda: os.rename(victim, victim + ".x") or os.rename(victim + ".x", victim))
attempt("empty a file", lambda: os.truncate(victim, 0))
attempt("open a file to others", lambda: os.chmod(victim, 0o644))
attempt("delete a file", lambda: os.unlink(victim))
attempt("signal the gate", lambda: os.kill(gate, 0))
attempt("limit the gate", lambda: resource.prlimit(gate, resource.RLIMIT_CORE, (0, 0)))
os.write(1, json.dumps(tried).encode())
os.abort()
"""
BY_LIMITS = {
    "read a key",
    "read the gate's memory",
    "be connected",
    "have more descriptors",
    "lift a limit",
    "start a program",
    "fork",
    "start a thread",
}
BY_FILTER_ONLY = {
    "rename a file",
    "empty a file",
    "open a file to others",
    "delete a file",
    "signal the gate",
    "limit the gate",
    "look into the gate's memory",
}


@pytest.mark.parametrize("wall", ["limits alone", "filtered"])
def test_what_a_picture_that_took_an_eye_over_could_do(tmp_path_factory, wall):
    """With the limits alone it can do harm to what it can't read; behind the filter it can do nothing."""
    if wall == "filtered" and confined.platform.machine() not in confined._ARCHES:
        pytest.skip(f"no filter for {confined.platform.machine()}")
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="menshen-prisoner-") as name:
        folder = Path(name)
        victim, key = folder / "journal.db", folder / "key"
        for file in (victim, key):
            file.write_text("what is in it")
        if os.getuid() == 0:
            for path in (folder, victim, key):
                os.chown(path, 65534, 65534)
        gate = subprocess.Popen(
            ["sleep", "60"], **({"user": 65534, "group": 65534} if os.getuid() == 0 else {})
        )
        try:
            prisoner = subprocess.run(
                [sys.executable, "-c", PRISONER, wall, str(victim), str(key), str(gate.pid)],
                capture_output=True,
                check=False,
                cwd=ROOT,
            )
        finally:
            gate.kill()
            gate.wait()
        tried = json.loads(prisoner.stdout)
        refused = {what for what, how in tried.items() if how == "refused"}
        assert refused >= BY_LIMITS
        assert prisoner.returncode == -signal.SIGABRT, "it may still die of what it died of"
        if wall == "filtered":
            assert refused == {*BY_LIMITS, *BY_FILTER_ONLY}
            assert victim.read_text() == "what is in it"
        else:
            assert not victim.exists()


def test_a_gate_lets_nobody_of_its_own_user_look_into_its_memory():
    probe = "import ctypes; from agent.vision.confined import unreadable; unreadable(); print(ctypes.CDLL(None).prctl(3))"
    asked = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert asked.stdout.strip() == "0"


def test_who_has_the_room_can_neither_write_to_it_nor_change_its_size():
    room = Room()
    try:
        for blow in (
            lambda: os.pwrite(room.file, b"x", 0),
            lambda: os.ftruncate(room.file, 0),
            lambda: os.ftruncate(room.file, 2 * ROOM_BYTES),
            lambda: mmap.mmap(room.file, ROOM_BYTES),
        ):
            with pytest.raises(PermissionError):
                blow()
    finally:
        room.close()


# --- what it may say ----------------------------------------------------------------------


sightings = st.builds(
    Sighting,
    text=st.text(st.characters(max_codepoint=255), max_size=300),
    corners=st.just(()) | st.tuples(*[st.tuples(*[st.floats(-1e5, 1e5)] * 2)] * 4),
    stage=st.sampled_from(["a", "S", "joined", "pyzbar", "third"]),
    effort=st.floats(0, 1),
    took_ms=st.floats(0, 1e4),
)


@given(sighting=sightings, number=st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_a_sighting_arrives_as_it_was_seen(sighting, number):
    assert answer(seen(number, sighting), number) == sighting
    assert answer(done(number), number) is None


@given(
    packet=st.binary(max_size=200)
    | st.builds(
        lambda whole, at, junk: whole[:at] + junk + whole[at + len(junk) :],
        st.builds(seen, st.just(7), sightings),
        st.integers(0, 130),
        st.binary(max_size=16),
    )
)
@settings(max_examples=400, deadline=None)
def test_whatever_it_says_is_a_sighting_in_bounds_or_is_refused(packet):
    try:
        told = answer(packet, 7)
    except Malformed:
        return
    if told is not None:
        assert 0 <= told.effort <= 1
        assert told.took_ms >= 0
        assert len(told.corners) in {0, 4}
        assert all(abs(one) < handing.FARTHEST_PX for corner in told.corners for one in corner)
        assert told.stage.isascii()
        assert len(told.text) <= LONGEST_TEXT


GOOD = seen(7, Sighting("TEXT", ((0, 0), (9, 0), (9, 9), (0, 9)), "a", 0.5, 1.0))


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (b"", "a packet of 0 bytes"),
        (b"open the door", "a packet of 13 bytes"),
        (GOOD + b"x" * LONGEST_TEXT, "a packet of"),
        (b"x" + GOOD[1:], "a packet on another frame"),
        (seen(8, Sighting("TEXT")), "a packet on another frame"),
        (done(8), "a packet of"),
        (seen(7, Sighting("TEXT", effort=float("nan"))), "such as there is none"),
        (seen(7, Sighting("TEXT", took_ms=-1.0)), "such as there is none"),
        (seen(7, Sighting("TEXT", ((0, 0), (9, 0), (9, 9), (0, float("inf"))))), "corners are nowhere"),
        (seen(7, Sighting("TEXT", ((0, 0),))), "such as there is none"),
        (seen(7, Sighting("TEXT", stage="open\nit")), "whose name no look has"),
    ],
)
def test_a_packet_that_is_not_of_the_form_is_refused_with_a_reason(packet, why):
    assert answer(GOOD, 7).text == "TEXT"
    with pytest.raises(Malformed, match=why):
        answer(packet, 7)


@pytest.mark.parametrize("packet", [b"", b"b", b"x" * 58, Born(1, None, True, "").packed() + b"x"])
def test_a_first_word_that_is_none_is_refused(packet):
    for born in (Born(12, None, True, ""), Born(12, -6, False, "zxing-cpp/a")):
        assert Born.of(born.packed()) == born
    with pytest.raises(Malformed):
        Born.of(packet)
    assert Born.of(Born(1, -6, True, "a look\n; and more").packed()).blamed == "alookandmore"
    with pytest.raises(Malformed, match="whose name no look has"):
        Born.of(Born(1, -6, True, "look").packed().replace(b"look", b"l\nok"))
