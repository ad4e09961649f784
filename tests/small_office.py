"""An office in one thread: it takes a gate's messages and signs for them, and no more.

Everything it is sent is checked as an office would check it; `events` are the
bodies it keeps, each once, in the order of the journal.
"""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.brokers.config import BrokerConfig
from agent.brokers.paho import PahoBroker
from agent.core.chain import GENESIS, Checkpoint
from agent.core.events import Place
from agent.core.feed import MAX_LINES_BYTES, Ack, ack_topic, log_topic, unpack_message
from agent.core.keys import Alg, PublicKey

SITE, GATE = "harbour", "north"


def eventually(true: Callable[[], object], within_s: float = 20.0) -> None:
    """Wait until something is so, looking often."""
    give_up = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < give_up, "it never became so"
        time.sleep(0.01)


def public(key: Ed25519PrivateKey) -> PublicKey:
    return PublicKey(Alg.ED25519, key.public_key().public_bytes_raw())


def signed_ack(key: Ed25519PrivateKey, epoch: str, upto: int, head: bytes, gate: str = GATE) -> bytes:
    checkpoint = Checkpoint(Place(SITE, gate, epoch, upto), head)
    return Ack(checkpoint, key.sign(checkpoint.signed_by_office())).to_bytes()


class Office:
    """Listens for one gate; offline, it misses what is sent, as some brokers do."""

    def __init__(self, port: int, device: PublicKey, password_file: Path | None = None) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.events: list[bytes] = []
        self.messages: list[tuple[int, int]] = []
        self.faults: list[str] = []
        self.answers = True
        self._device = device
        self._kept: dict[str, tuple[int, bytes]] = {}
        self._stop = threading.Event()
        config = BrokerConfig(
            host="127.0.0.1",
            port=port,
            username="office" if password_file else None,
            password_file=password_file,
            retry_first_s=0.05,
            retry_most_s=0.2,
        )
        self.broker = PahoBroker(
            config,
            client_id="office",
            status_topic=f"site/{SITE}/office/status",
            topics=(log_topic(SITE, GATE),),
        )
        self._thread = threading.Thread(target=self._run, name="office")
        self._thread.start()

    def say(self, ack: bytes) -> None:
        eventually(lambda: self.broker.publish(ack_topic(SITE, GATE), ack, retain=True))

    def forget(self) -> None:
        """Be an office that never heard of the gate."""
        self.events.clear()
        self._kept.clear()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.broker.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            for _topic, message in self.broker.received(0.1):
                self._take(message)

    def _take(self, message: bytes) -> None:
        header, packed = unpack_message(message)
        assert zstandard.frame_content_size(packed) > 0
        lines = zstandard.ZstdDecompressor().decompress(packed, max_output_size=MAX_LINES_BYTES).split(b"\n")
        if trouble := header.checked(lines, self._device):
            self.faults.append(trouble)
            return
        epoch, first = header.first.epoch, header.first.seq
        self.messages.append((first, header.last_seq))
        upto, head = self._kept.get(epoch, (0, GENESIS))
        if first > upto + 1 or (upto == 0 and not self._follows(lines[0])):
            return  # a gap: what is missing will come again
        self.events += lines[upto + 1 - first :]
        if header.last_seq > upto:
            upto, head = header.last_seq, header.head
            self._kept[epoch] = (upto, head)
        if self.answers:
            self.broker.publish(ack_topic(SITE, GATE), signed_ack(self.key, epoch, upto, head), retain=True)

    def _follows(self, opened: bytes) -> bool:
        """Whether an epoch's first event links to the last one kept of the epoch before."""
        data = json.loads(opened)["data"]
        if "prev_epoch" not in data:
            return not self._kept
        return self._kept.get(data["prev_epoch"]) == (data["prev_seq"], bytes.fromhex(data["prev_head"]))
