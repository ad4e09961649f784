"""The wrong thing at the other end of the cable, by mistake or on purpose."""

import contextlib
import json
import os
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning import wire
from provisioning.bench import Bench, NoAnswer
from provisioning.enrol import enrol
from provisioning.link import Link, LinkLost
from provisioning.wire import Code

from .workbench import NORTH, Room, Told, ask, greeted


def hello(bench):
    return bench.call(
        wire.HELLO, wire.HelloParams(protocol=wire.PROTOCOL, bench="test", who="ana"), gives_up_s=0.2
    )


def test_a_silent_port_a_port_that_echoes_and_one_that_babbles_each_get_their_own_sentence(room):
    far, near = os.openpty()
    name = os.ttyname(near)
    stop = threading.Event()
    manner = bytes

    def other_end():
        while not stop.is_set():
            with contextlib.suppress(BlockingIOError):
                os.write(far, manner(os.read(far, 4096)))
            time.sleep(0.01)

    os.set_blocking(far, False)
    thread = threading.Thread(target=other_end)
    try:
        with Bench(Link(name), "ana") as bench, pytest.raises(NoAnswer, match="nothing answers on"):
            hello(bench)
        thread.start()
        with Bench(Link(name), "ana") as bench, pytest.raises(NoAnswer, match="sends back what it is sent"):
            hello(bench)
        manner = lambda data: data[::-1]  # noqa: E731
        with Bench(Link(name), "ana") as bench, pytest.raises(NoAnswer, match="broken frames"):
            hello(bench)
        manner = lambda data: b"login: "  # noqa: E731
        with Bench(Link(name), "ana") as bench, pytest.raises(NoAnswer, match="is this the kiosk's port"):
            hello(bench)
    finally:
        stop.set()
        thread.join()
        os.close(far)
        os.close(near)


def test_a_person_at_a_plain_terminal_reads_what_the_port_is_for(room, cable):
    with room.serving(room.kiosk()) as kiosk, Link(str(room.near)) as terminal:
        for turn in range(60):
            if turn % 10 == 0:  # what is typed before the kiosk has opened its end is lost, as on any line
                terminal.write(b"ls\r")
            terminal.receive(0.3)
            if b"menshen-provision" in terminal.pending:
                break
        assert b"menshen-provision" in terminal.pending
        assert kiosk.device_id.encode() in terminal.pending


def test_two_technicians_do_not_talk_over_each_other(room, cable):
    with Link(str(room.near)), pytest.raises(LinkLost, match="in use by another program"):
        Link(str(room.near))


def test_a_newer_bench_and_a_kiosk_tell_which_to_update(room):
    answer = ask(room.kiosk(), "hello", 1, protocol=2, bench="menshen 9", who="ana", future="field")
    assert answer.error.code == Code.PROTOCOL
    assert answer.error.message.endswith("update the kiosk")


def test_a_port_that_is_not_there_is_said_at_once(room, site):
    with pytest.raises(LinkLost, match="there is no port"):
        enrol(room.bench, site, NORTH, Told())


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    return greeted(Room(tmp_path_factory.mktemp("attacked")).kiosk()), tmp_path_factory.getbasetemp()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
known = st.sampled_from(["transfer", "file", "offset", "data", "site", "gate", "at", "files", "protocol"])


@settings(deadline=None)
@given(
    method=st.sampled_from([*wire.METHODS, "shell", ""]),
    params=st.dictionaries(known | st.text(max_size=8), anything, max_size=5),
    number=st.uuids(),
)
def test_no_request_however_strange_raises_or_changes_anything(attacked, method, params, number):
    kiosk, _ = attacked
    request = {"jsonrpc": "2.0", "id": number.hex, "method": method, "params": params}
    payload = json.dumps(request).encode("utf-8", "surrogatepass")[:4096]
    wire.unpack(kiosk.answer(payload) or b"")
    assert not list(kiosk._enrolments._etc.iterdir())


@given(st.binary(max_size=400))
def test_no_bytes_raise(attacked, payload):
    kiosk, _ = attacked
    kiosk.answer(payload)


@pytest.mark.parametrize(
    ("name", "size"),
    [("root.json", 4 * 2**30), ("root.json", 0), ("../../etc/passwd", 10), ("gate.toml", -1)],
)
def test_files_of_absurd_sizes_and_names_are_refused_before_a_byte_is_written(room, name, size):
    files = {name: {"size": size, "sha256": "0" * 64}}
    kiosk = greeted(room.kiosk())
    answer = ask(
        kiosk, "enrol.begin", 1, site="garden", gate="north", at="2026-03-01T08:00:00.000Z", files=files
    )
    assert answer.error.code == Code.BAD_PARAMS
    assert list(room.etc.iterdir()) == []


def test_requests_before_hello_and_requests_under_a_used_id_are_refused(room):
    kiosk = room.kiosk()
    assert ask(kiosk, "identify", 1).error.code == Code.HELLO_FIRST
    greeted(kiosk)
    first = ask(kiosk, "identify", 2)
    assert ask(kiosk, "identify", 2) == first
    assert ask(kiosk, "status", 2).error.code == Code.NOT_A_REQUEST
