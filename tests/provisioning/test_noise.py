"""The worst of lines: what still gets through, and whole."""

import contextlib
import random
import time

from provisioning.cable import Cable, noise
from provisioning.check import Checker
from provisioning.device import Kiosk
from provisioning.enrol import enrol
from provisioning.enrolment import Enrolments
from provisioning.machine import Machine

from .workbench import NORTH, Told


def test_at_one_wrong_byte_in_a_hundred_small_frames_get_through(room, site):
    with (
        contextlib.closing(Cable(room.near, room.far, noise(0.01, 7))),
        room.serving(room.kiosk()),
    ):
        enrol(room.bench, site, NORTH, Told())
    assert room.in_force() == room.expected(site)


def test_a_log_comes_whole_over_a_noisy_line(room):
    data = random.Random(3).randbytes(100_000)
    (room.folder / "log").write_bytes(data)
    kiosk = Kiosk(
        room.state,
        Enrolments(room.etc, Checker(("true",))),
        time.time,
        Machine(log=("cat", str(room.folder / "log"))),
    )
    shares = []
    with (
        contextlib.closing(Cable(room.near, room.far, noise(0.00003, 5))),
        room.serving(kiosk),
        room.bench() as bench,
    ):
        bench.hello()
        assert bench.read("log", lambda done, whole: shares.append(done / whole)) == data
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
