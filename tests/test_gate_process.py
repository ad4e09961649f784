"""A gate as it is wired: real files, real verification, real decoding, simulated pins and camera."""

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from agent.stores.journal_reader import JournalReader
from agent.wiring.gate import gate_process
from tests.core.builders import public
from tests.house import SITE, House

if TYPE_CHECKING:
    from agent.core.feed import Header


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("willow-court"))
    house.grant("alice", phone=True)
    house.grant("wang")
    house.publish()
    return house


def events_of(gate) -> list[dict]:
    """The journal as JSON, verified on the way: chain and signed heads."""
    with contextlib.closing(JournalReader(gate.config.journal_file)) as journal:
        events, row = [], 0
        while run := journal.run_after(row):
            header: Header = run.header
            assert header.checked(run.bodies, public(gate.key)) is None
            events += map(json.loads, run.bodies)
            row = run.last_n
        return events


def told(events: list[dict]) -> list[str]:
    """What happened to passes, in order: `admitted` or the reason."""
    return [
        event["data"].get("reason", "admitted")
        for event in events
        if event["type"].startswith("menshen.pass.")
    ]


def serve(gate, seconds: float, *meanwhile: threading.Timer) -> None:
    """Let the gate run for so long, in this process; timers begin when it does."""
    with gate_process(gate.config) as parts:
        timers = [threading.Timer(seconds, parts.stop), *meanwhile]
        for timer in timers:
            timer.start()
        parts.kiosk.serve()
        for timer in timers:
            timer.join()


def test_a_phone_and_a_card_are_let_in_and_a_forged_one_is_not(house):
    gate = house.enrol("north")
    gate.bring_list()
    phone = {
        "id": house.grants["alice"].pass_id.hex(),
        "key_file": str(house.phone_key("alice")),
        "site": SITE,
    }
    forged = {**phone, "key_file": str(house.phone_key("mallory"))}
    gate.script(
        {"at_s": 0.5, "seconds": 2.0, "pass": phone, "seed": 1},
        {"at_s": 4.0, "seconds": 2.0, "text": house.card("wang"), "medium": "card", "seed": 2},
        {"at_s": 7.5, "seconds": 2.0, "pass": forged, "seed": 3},
    )
    serve(gate, 10.5)
    events = events_of(gate)
    assert told(events) == ["admitted", "admitted", "forged"]
    assert [event["type"] for event in events[:2]] == ["menshen.journal.opened", "menshen.list.switched"]


def test_a_code_used_before_a_restart_does_not_open_after_it(house):
    gate = house.enrol("restarted")
    gate.bring_list()
    phone = {
        "id": house.grants["alice"].pass_id.hex(),
        "key_file": str(house.phone_key("alice")),
        "site": SITE,
    }
    gate.script({"at_s": 0.2, "seconds": 2.0, "pass": phone})
    time.sleep(max(0.0, 9.0 - time.time() % 15) if time.time() % 15 > 5 else 0)
    while time.time() % 15 > 5:  # both starts within one step of 15 s
        time.sleep(0.1)
    serve(gate, 3.0)
    serve(gate, 3.0)
    assert told(events_of(gate)) == ["admitted", "replayed"]


def test_a_gate_without_a_list_refuses_and_takes_the_list_when_it_comes(house):
    gate = house.enrol("waiting")
    card = {"seconds": 1.5, "text": house.card("wang"), "medium": "card"}
    gate.script({**card, "at_s": 0.2}, {**card, "at_s": 5.0})
    serve(gate, 8.0, threading.Timer(2.5, gate.bring_list))
    assert told(events_of(gate)) == ["no_list", "admitted"]


def test_a_camera_that_vanishes_is_told_and_served_again_when_it_returns(house):
    gate = house.enrol("blinking")
    gate.bring_list()
    gate.script({"at_s": 6.5, "seconds": 2.0, "text": house.card("wang"), "medium": "card"})
    script = gate.folder / "film.toml"
    script.write_text(script.read_text() + '[[fault]]\nkind = "vanish"\nat_s = 0.5\nseconds = 4.5\n')
    serve(gate, 9.5)
    kinds = [event["type"].removeprefix("menshen.") for event in events_of(gate)]
    assert kinds[2:] == ["camera.lost", "camera.back", "pass.admitted"]


def test_a_frozen_picture_is_told(house):
    gate = house.enrol("frozen")
    gate.bring_list()
    gate.script({"at_s": 99.0, "text": "unused"})
    script = gate.folder / "film.toml"
    script.write_text(script.read_text() + '[[fault]]\nkind = "freeze"\nat_s = 0.5\nseconds = 5.0\n')
    serve(gate, 7.5)
    kinds = [event["type"].removeprefix("menshen.") for event in events_of(gate)]
    assert kinds[2:] == ["camera.frozen", "camera.back"]


def test_the_gate_process_imports_no_network_client():
    probe = "import agent.wiring.gate, sys; print([m for m in ('paho', 'urllib3', 'requests') if m in sys.modules])"
    asked = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "[]"


# --- kill -9 -------------------------------------------------------------------

NURSERY = """
import os, sys, signal, time, cv2
from pathlib import Path
from agent.config import load
from agent.wiring.gate import gate_process
import agent.stores.trust
from agent.logs import configure
cv2.setNumThreads(1)
configure()

class Counted:
    "The gate's outputs; each unlock is told on the pipe before it is done."
    def __init__(self, outputs, pipe): self._outputs, self._pipe = outputs, pipe
    def unlock(self, for_s):
        os.write(self._pipe, b"u")
        self._outputs.unlock(for_s)
    def __getattr__(self, name): return getattr(self._outputs, name)

config = load(Path(sys.argv[1]))
for line in sys.stdin:
    inside, outside = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(inside)
        with gate_process(config) as gate:
            gate.kiosk.outputs = Counted(gate.kiosk.outputs, outside)
            os.write(outside, b"s")
            gate.kiosk.serve()
        os._exit(0)
    os.close(outside)
    os.read(inside, 1)
    time.sleep(float(line))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    told = b""
    while some := os.read(inside, 4096): told += some
    os.close(inside)
    print(told.count(b"u"), flush=True)
"""


@pytest.mark.timeout(900)  # 200 starts of four processes each
def test_killed_at_any_moment_two_hundred_times_no_pulse_lacks_its_event(house, tmp_path):
    import cv2  # noqa: PLC0415  only this test draws pictures

    from hw.sim.codes import flat  # noqa: PLC0415

    for n in range(60):
        house.grant(f"guest-{n}")
    house.publish()
    gate = house.enrol("killed", camera={"kind": "folder", "path": str(tmp_path / "frames"), "paced": False})
    gate.bring_list()
    (tmp_path / "frames").mkdir()
    for n in range(60):
        cv2.imwrite(str(tmp_path / "frames" / f"{n:03}.png"), flat(house.card(f"guest-{n}")))
    chance = random.Random(4)
    unlocks = 0
    with subprocess.Popen(
        [sys.executable, "-c", NURSERY, str(gate.toml)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as nursery:
        try:
            for _ in range(200):
                nursery.stdin.write(f"{chance.uniform(0.0, 0.12)}\n")
                nursery.stdin.flush()
                unlocks += int(nursery.stdout.readline())
                with contextlib.closing(sqlite3.connect(gate.config.journal_file)) as journal:
                    (recorded,) = journal.execute(
                        "SELECT count(*) FROM event WHERE tail LIKE 'pass.admitted%'"
                    ).fetchone()
                assert unlocks <= recorded
        finally:
            nursery.stdin.close()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(nursery.pid, signal.SIGKILL)
    assert unlocks > 200  # the kills did fall among pulses
    events_of(gate)  # and the chain over all 200 epochs holds
