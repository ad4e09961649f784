"""Waking in the past, losing the time server, and never running backwards."""

import os
import socket
import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.moments import Moment, Trust
from agent.notify import NoWatchdog, SystemdWatchdog, watchdog_from
from hw.clocks import FlooredClock, SystemClock, kernel_says_synced

SPRING = 1_767_225_600.0


@dataclass
class Hands:
    """A clock whose hands are moved by hand."""

    utc: float = SPRING
    trust: Trust = Trust.SYNCED
    mono: float = 0.0

    def now(self) -> Moment:
        return Moment(self.utc, self.mono, self.trust)


def test_the_machines_own_clock_is_read():
    before = time.time(), time.monotonic()
    moment = SystemClock().now()
    after = time.time(), time.monotonic()
    assert before[0] <= moment.utc <= after[0]
    assert before[1] <= moment.mono <= after[1]


def test_the_trust_agrees_with_what_the_kernel_says():
    clock = SystemClock()
    assert (clock.now().trust is Trust.SYNCED) == bool(kernel_says_synced())


@pytest.mark.parametrize("trust", list(Trust))
def test_a_site_may_say_itself_how_far_its_clock_is_believed(trust):
    assert SystemClock(trust.value).now().trust is trust


def test_asking_at_every_frame_is_cheap():
    clock = SystemClock()
    clock.now()
    start = time.process_time()
    for _ in range(3_000):
        clock.now()
    assert time.process_time() - start < 1.0  # a hundred seconds of frames


def test_a_gate_that_wakes_in_the_past_stands_at_its_floor_and_knows_that_it_is_unsure():
    hands = Hands(utc=0.0, trust=Trust.HOLDOVER)
    clock = FlooredClock(hands, SPRING)
    assert clock.now() == Moment(SPRING, 0.0, Trust.UNKNOWN)
    hands.utc, hands.trust = SPRING + 60, Trust.SYNCED
    assert clock.now() == Moment(SPRING + 60, 0.0, Trust.SYNCED)


def test_a_list_signed_later_raises_the_floor_and_an_older_one_does_not_lower_it():
    clock = FlooredClock(Hands(), SPRING)
    clock.raise_floor(SPRING + 3600)
    clock.raise_floor(SPRING)
    assert clock.floor_utc == SPRING + 3600
    assert clock.now() == Moment(SPRING + 3600, 0.0, Trust.UNKNOWN)


def test_a_small_step_back_holds_the_time_and_keeps_the_trust():
    hands = Hands()
    clock = FlooredClock(hands, 0.0)
    clock.now()
    hands.utc -= 1.0
    assert clock.now() == Moment(SPRING, 0.0, Trust.SYNCED)


def test_a_large_step_back_holds_the_time_and_loses_the_trust_until_it_is_made_up():
    hands = Hands()
    clock = FlooredClock(hands, 0.0)
    clock.now()
    hands.utc -= 600
    assert clock.now() == Moment(SPRING, 0.0, Trust.UNKNOWN)
    hands.utc += 601
    assert clock.now() == Moment(SPRING + 1, 0.0, Trust.SYNCED)


@given(st.lists(st.tuples(st.floats(0, 4e9), st.floats(0, 4e9), st.sampled_from(Trust)), max_size=40))
def test_whatever_the_hands_do_the_time_never_runs_backwards(turns):
    hands = Hands()
    clock = FlooredClock(hands, SPRING)
    last = SPRING
    for utc, floor, trust in turns:
        hands.utc, hands.trust = utc, trust
        clock.raise_floor(floor)
        moment = clock.now()
        assert moment.utc >= max(last, floor)
        last = moment.utc


@pytest.fixture
def systemd(tmp_path):
    """A socket such as systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(5)
        yield ear


def said(ear: socket.socket) -> list[str]:
    """Everything that has come in so far."""
    ear.setblocking(False)
    lines = []
    while True:
        try:
            lines.append(ear.recv(4096).decode())
        except BlockingIOError:
            return lines


def test_systemd_hears_a_life_from_start_to_end(systemd, tmp_path):
    dog = watchdog_from({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000000"})
    dog.ready()
    for _ in range(100):
        dog.pat()
    dog.status("camera good\nREADY=0")
    dog.stopping()
    dog.close()
    assert said(systemd) == ["READY=1", "WATCHDOG=1", "STATUS=camera good READY=0", "STOPPING=1"]


def test_the_loop_is_patted_twice_in_a_period(systemd, tmp_path):
    dog = SystemdWatchdog(str(tmp_path / "notify"), every_s=0.02)
    for _ in range(3):
        dog.pat()
        time.sleep(0.03)
    dog.close()
    assert said(systemd) == ["WATCHDOG=1"] * 3


def test_an_abstract_address_works_too():
    name = f"@menshen-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind("\0" + name[1:])
        dog = watchdog_from({"NOTIFY_SOCKET": name})
        dog.ready()
        dog.pat()  # no watchdog was asked for
        dog.close()
        assert said(ear) == ["READY=1"]


@pytest.mark.parametrize(
    "environ",
    [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}],
)
def test_on_a_bench_nobody_listens(environ):
    dog = watchdog_from(environ)
    assert isinstance(dog, NoWatchdog)
    for call in (dog.ready, dog.pat, dog.stopping, dog.close):
        call()
    dog.status("fine")


@pytest.mark.parametrize("usec", ["", "0", "-5", "soon"])
def test_a_watchdog_of_another_process_or_none_is_not_ours(systemd, tmp_path, usec):
    address = str(tmp_path / "notify")
    for environ in ({"WATCHDOG_USEC": usec}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}):
        dog = watchdog_from({"NOTIFY_SOCKET": address} | environ)
        dog.pat()
        dog.close()
    assert said(systemd) == []


def test_a_systemd_that_went_away_stops_nobody(tmp_path):
    dog = SystemdWatchdog(str(tmp_path / "nobody"), every_s=0.0)
    dog.ready()
    dog.pat()
    dog.close()
