"""The office's ingester alone: from compressed messages at hand to committed rows and signed answers.

    python -m benchmarks.ingest sqlite|postgresql EVENTS

Everything that `menshen-office ingest` does in Python is done, by its own parts; only
the broker's place is taken by a list. Prints events a second, microseconds of this
process's processor time an event, and of the database's.
"""

import os
import sys
import tempfile
import threading
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.core.chain import GENESIS, Checkpoint, extend_all
from agent.core.events import Place, body
from agent.core.feed import MAX_EVENTS, Ack, Header, answer, log_topic, pack_message
from benchmarks.mqtt_peers import event
from benchmarks.processes import cpu_s
from office.database import SETTING
from tests import postgres

if TYPE_CHECKING:
    from office.ingest.subscriber import Subscriber

SITE, GATE, EPOCH = "harbour", "north", "00000000000000a1"


def messages(key: Ed25519PrivateKey, events: int) -> list[tuple[str, bytes]]:
    """A gate's journal as it travels, 200 events a message."""
    pack = zstandard.ZstdCompressor(level=3, write_content_size=True).compress
    opening = (
        b'{"specversion":"1.0","type":"menshen.journal.opened","time":"2026-03-01T12:00:00.000Z","data":{}}'
    )
    head, made = GENESIS, []
    for first in range(1, events + 1, MAX_EVENTS):
        last = min(first + MAX_EVENTS - 1, events)
        lines = [
            body(event(n), Place(SITE, GATE, EPOCH, n)) if n > 1 else opening for n in range(first, last + 1)
        ]
        before, head = head, extend_all(head, lines)
        signature = key.sign(Checkpoint(Place(SITE, GATE, EPOCH, last), head).signed_by_gate())
        header = Header(Place(SITE, GATE, EPOCH, first), last, before, head, signature)
        made.append((log_topic(SITE, GATE), pack_message(header, pack(b"\n".join(lines)))))
    return made


class Arrival:
    """A message that needs no PUBACK."""

    def __init__(self, topic: str, payload: bytes) -> None:
        self.topic, self.payload = topic, payload

    def settle(self) -> None:
        pass


class Tray:
    """The subscription's place: gives what there is, and stops the work once all of it is acknowledged."""

    name: Final = "bench"
    listening: Final = True

    def __init__(self, there: list[tuple[str, bytes]], events: int) -> None:
        self.stop: Final = threading.Event()
        self._there = deque(Arrival(*one) for one in there)
        self._events = events

    def take(self, wait_s: float) -> list[Arrival]:
        if not self._there:
            self.stop.wait(wait_s)
        return [self._there.popleft() for _ in range(min(8, len(self._there)))]

    def publish(self, _topic: str, payload: bytes, _retain: bool) -> None:
        said = answer(payload)
        if isinstance(said, Ack) and said.checkpoint.place.seq == self._events:
            self.stop.set()


def main(into: str, events: int) -> None:
    with tempfile.TemporaryDirectory(prefix="menshen-bench-") as folder, ExitStack() as stack:
        server = stack.enter_context(postgres.server(durable=True)) if into == "postgresql" else None
        if server:
            os.environ[SETTING] = server.address
        from office import home as homes  # noqa: PLC0415  the setting is read by the first import

        homes.prepare()
        from office import registry  # noqa: PLC0415
        from office.ingest.intake import Intake  # noqa: PLC0415
        from office.ingest.worker import work  # noqa: PLC0415

        homes.use(Path(folder) / "home", create=True)
        registry.make_site(SITE, ["main"], 480)
        key = Ed25519PrivateKey.generate()
        public = f"ed25519:{key.public_key().public_bytes_raw().hex()}"
        record = {"site": SITE, "gate": GATE, "device_id": "d", "journal_key": public}
        registry.add_gate(record, replace=False, by="bench")
        tray = Tray(messages(key, events), events)
        intake = Intake(SITE, Ed25519PrivateKey.generate().sign)
        servers = [server.process.pid] if server and server.process else []
        began, began_cpu, began_server = time.perf_counter(), time.process_time(), cpu_s(servers)
        work(cast("Subscriber", tray), intake, tray.stop)  # a tray is all that it needs of one
        wall, cpu = time.perf_counter() - began, time.process_time() - began_cpu
        print(events / wall, 1e6 * cpu / events, 1e6 * (cpu_s(servers) - began_server) / events)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
