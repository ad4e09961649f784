"""How soon a passage at one gate is known at the others, with no broker: twelve gates on the loopback network.

Timed from the call that writes the event to one journal until each other gate has told its gatekeeper;
beside it, in the same run, the bare floor: one datagram of the same size to the same eleven.
"""

import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.brokers.lan import Lan
from agent.core.events import Event, Fact, Kind
from agent.core.feed import MAX_MESSAGE_BYTES
from agent.core.keys import Alg, PublicKey
from agent.core.moments import Moment, Trust
from agent.core.notices import Told
from agent.fellows import Fellows
from agent.hearing import LOOK_EVERY_S, Hearing
from agent.stores.box import Box, BoxReader
from agent.stores.heard import HeardStore, upto_of
from agent.stores.journal import JournalStore
from agent.stores.journal_reader import JournalReader

SITE: Final = "bench"
LOOPBACK: Final = "127.0.0.1"
GATES: Final = 12
PASSAGES: Final = int(os.environ.get("PASSAGES", "100"))
WANTED_S: Final = 2.0
IDLE_S: Final = 10.0


class _Clock:
    def now(self) -> Moment:
        return Moment(time.time(), time.monotonic(), Trust.SYNCED)


@dataclass
class Gate:
    """One gate's part: its journal, sync's thread, and the ear that its main loop lends."""

    name: str
    journal: JournalStore
    fellows: Fellows
    ear: Hearing
    heard: dict[bytes, float] = field(default_factory=dict)

    def listen(self, stop: threading.Event) -> None:
        while not stop.wait(0.03):  # about as often as a camera's frame comes
            for notice in self.ear.news():
                if isinstance(notice, Told):
                    self.heard |= {one.pass_id: time.monotonic() for one in notice.passages}


def _gates(folder: Path, stack: ExitStack) -> list[Gate]:
    keys = {f"gate-{n:02}": Ed25519PrivateKey.generate() for n in range(GATES)}
    public = {name: PublicKey(Alg.ED25519, key.public_key().public_bytes_raw()) for name, key in keys.items()}
    shared = MultiFernet([Fernet(Fernet.generate_key())])
    ports = {name: _free_port() for name in keys}
    gates = []
    for name, key in keys.items():
        own = folder / name
        own.mkdir()
        lan = Lan(
            shared,
            ports[name],
            interface=LOOPBACK,
            others=[(LOOPBACK, port) for other, port in ports.items() if other != name],
        )
        stack.callback(lan.close)
        # Closed by the thread that made it, which is this one.
        journal = JournalStore(own / "journal.db", SITE, name, key.sign)
        stack.callback(journal.close)
        journal.begin_epoch(_Clock().now())
        store = HeardStore(own / "heard.db")
        stack.callback(store.close)
        box = own / "told"
        gates.append(
            Gate(
                name,
                journal,
                Fellows(
                    SITE,
                    name,
                    carriers=[lan],
                    open_journal=partial(JournalReader, own / "journal.db"),
                    open_box=partial(Box, box, MAX_MESSAGE_BYTES),
                    keys=lambda: public,
                    upto=partial(upto_of, own / "heard.db"),
                ),
                Hearing(
                    SITE,
                    name,
                    reader=BoxReader(box, MAX_MESSAGE_BYTES),
                    store=store,
                    keys=lambda: public,
                    clock=_Clock(),
                ),
            )
        )
    return gates


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _bare() -> float:
    """Milliseconds, median, for one datagram of 700 bytes to eleven sockets that wait for it."""
    with ExitStack() as stack:
        ears = [
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(GATES - 1)
        ]
        for ear in ears:
            ear.bind((LOOPBACK, 0))
        mouth = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        took = []
        for _ in range(200):
            began = time.perf_counter()
            for ear in ears:
                mouth.sendto(bytes(700), ear.getsockname())
            for ear in ears:
                ear.recv(1000)
            took.append(1000 * (time.perf_counter() - began))
    return median(took)


def _until(true: Callable[[], bool], within_s: float) -> None:
    end = time.monotonic() + within_s
    while not true() and time.monotonic() < end:
        time.sleep(0.02)


def main() -> int:
    """Run, print, and say by the exit code whether every passage was known everywhere in time."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        gates = _gates(Path(folder), stack)
        stop = threading.Event()
        threads = [
            threading.Thread(target=work, args=(stop,))
            for gate in gates
            for work in (gate.fellows.serve, gate.listen)
        ]
        for thread in threads:
            thread.start()
        time.sleep(3.0)
        before = time.process_time()
        time.sleep(IDLE_S)
        idle = (time.process_time() - before) / IDLE_S / GATES
        told: dict[bytes, tuple[str, float]] = {}
        before = time.process_time()
        for n in range(PASSAGES):
            gate, pass_id = gates[n % GATES], n.to_bytes(8)
            facts: dict[str, Fact] = {"pass": pass_id.hex(), "direction": "in", "zone": "main", "step": n}
            told[pass_id] = gate.name, time.monotonic()
            gate.journal.append([Event(Kind.ADMITTED, _Clock().now(), facts)])
            time.sleep(0.05)
        _until(lambda: all(told.keys() - _own(told, gate) <= gate.heard.keys() for gate in gates), 30.0)
        busy = (time.process_time() - before) / PASSAGES
        stop.set()
        for thread in threads:
            thread.join()
        late = [
            gate.heard[pass_id] - at
            for gate in gates
            for pass_id, (where, at) in told.items()
            if where != gate.name and pass_id in gate.heard
        ]
        wanted = PASSAGES * (GATES - 1)
        bare_ms = _bare()
    print(f"{GATES} gates, {PASSAGES} passages, each known at {GATES - 1} others; no broker")
    print(f"  known             {len(late)} of {wanted}")
    print(
        f"  after, s          median {median(late):.3f}, p95 {quantiles(late, n=20)[-1]:.3f}, most {max(late):.3f}"
        f"   (wanted: at most {WANTED_S}; two looks of {LOOK_EVERY_S} s are in it)"
    )
    print(f"  bare datagrams    {bare_ms:.2f} ms to all")
    print(
        f"  processor         {1000 * idle:.1f} ms a second for an idle gate, {1000 * busy:.1f} ms a passage for all twelve"
    )
    return 0 if len(late) == wanted and max(late) <= WANTED_S else 1


def _own(told: dict[bytes, tuple[str, float]], gate: Gate) -> set[bytes]:
    return {pass_id for pass_id, (where, _) in told.items() if where == gate.name}


if __name__ == "__main__":
    sys.exit(main())
