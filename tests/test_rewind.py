"""An office restored from its backup asks for what it forgot; nobody else can ask."""

from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.testing import capture_logs

from agent.core.chain import Checkpoint
from agent.core.events import Place
from agent.core.feed import Rewind
from agent.stores import acknowledged
from agent.uplink import Uplink
from tests.small_office import GATE, SITE, public, signed_ack
from tests.test_uplink import Gate

OFFICE = Ed25519PrivateKey.generate()
ACKS = f"site/{SITE}/gate/{GATE}/ack"


class Wire:
    """A broker's client that is always online, and what was handed to it."""

    online, connection = True, 1

    def __init__(self):
        self.sent = 0

    def publish(self, topic, payload, *, retain=False):
        self.sent += 1
        return True

    def received(self, wait_s):
        return ()


class NoPointer:
    def load(self):
        return None

    def save(self, pointer):
        pass

    def close(self):
        pass


@pytest.fixture
def gate(tmp_path):
    one = Gate(tmp_path)
    one.start()
    one.happens(999)
    yield one
    one.stop()


@pytest.fixture
def ack_file(tmp_path):
    """Where the gate looks up what it may purge."""
    return tmp_path / "ack.json"


@pytest.fixture
def uplink(gate, ack_file):
    one = Uplink(
        SITE,
        GATE,
        broker=Wire(),
        open_journal=gate.reader,
        open_pointer=NoPointer,
        ack_keys=lambda: (public(OFFICE),),
        keep_ack=partial(acknowledged.keep, ack_file),
    )
    one.step(0.0)
    hear(one, 1.0, acked(gate, 1000))
    assert one.acked == 1000
    yield one
    one.close()


def point(gate, seq):
    if not seq:
        return Rewind.beginning(SITE, GATE)
    reader = gate.reader()
    try:
        place, head = reader.run_after(0).header.first, None
        _, head = reader.find(place.epoch, seq)
        return Checkpoint(Place(SITE, GATE, place.epoch, seq), head)
    finally:
        reader.close()


def acked(gate, seq):
    at = point(gate, seq)
    return signed_ack(OFFICE, at.place.epoch, seq, at.head)


def asked(checkpoint, at_ms, key=OFFICE):
    return Rewind(checkpoint, at_ms, key.sign(Rewind.signed(checkpoint, at_ms))).to_bytes()


def hear(uplink, mono, *payloads):
    with capture_logs() as logs:
        uplink.step(mono, [(ACKS, payload) for payload in payloads])
    return [log["event"] for log in logs]


def test_a_restored_office_gets_again_what_it_forgot(gate, uplink):
    assert "uplink.rewound" in hear(uplink, 2.0, asked(point(gate, 400), 5))
    assert uplink.acked == 400
    hear(uplink, 3.0, acked(gate, 1000))
    assert uplink.acked == 1000


def kept(ack_file):
    ack = acknowledged.recall(ack_file)
    return ack and ack.checkpoint.place.seq


def test_the_gate_purges_no_more_by_what_the_office_forgot(gate, uplink, ack_file):
    assert kept(ack_file) == 1000
    hear(uplink, 2.0, asked(point(gate, 400), 5))
    assert kept(ack_file) is None
    hear(uplink, 100.0, acked(gate, 1000))  # what was sent again, and is there again
    hear(uplink, 200.0)
    assert kept(ack_file) == 1000


def test_a_card_that_refuses_holds_no_rewind_up(gate, uplink, ack_file):
    ack_file.unlink()
    ack_file.mkdir()
    hear(uplink, 2.0, asked(point(gate, 400), 5))
    assert uplink.acked == 400


def test_an_office_that_has_nothing_gets_everything(gate, uplink):
    hear(uplink, 2.0, asked(point(gate, 0), 5))
    assert uplink.acked == 0


def test_what_the_office_said_before_it_forgot_does_not_count_again(gate, uplink):
    hear(uplink, 2.0, asked(point(gate, 0), 5), acked(gate, 1000))
    assert uplink.acked == 0  # nothing was sent since
    assert "uplink.ack_beyond" not in hear(uplink, 3.0, acked(gate, 400))
    assert uplink.acked == 400


def test_a_request_is_heeded_once(gate, uplink):
    request = asked(point(gate, 400), 5)
    hear(uplink, 2.0, request)
    hear(uplink, 3.0, acked(gate, 1000))
    assert "uplink.rewind_old" in hear(uplink, 4.0, request)
    assert uplink.acked == 1000


def test_a_request_to_go_forward_does_nothing(gate, uplink):
    hear(uplink, 2.0, asked(point(gate, 400), 5))
    hear(uplink, 3.0, asked(point(gate, 900), 6))
    assert uplink.acked == 400


def test_nobody_else_can_ask(gate, uplink):
    assert "uplink.ack_forged" in hear(uplink, 2.0, asked(point(gate, 400), 5, Ed25519PrivateKey.generate()))
    other = Checkpoint(Place(SITE, "south", "0" * 16, 0), bytes(32))
    assert "uplink.ack_foreign" in hear(uplink, 3.0, asked(other, 5))
    forked = Checkpoint(point(gate, 400).place, bytes(32))
    assert "uplink.ack_forked" in hear(uplink, 4.0, asked(forked, 5))
    assert uplink.acked == 1000


def test_an_office_that_names_an_event_we_no_longer_have_gets_what_there_is(gate, uplink):
    hear(uplink, 2.0, asked(Checkpoint(Place(SITE, GATE, "f" * 16, 7), bytes(32)), 5))
    assert uplink.acked == 0
