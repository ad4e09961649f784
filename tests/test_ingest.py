"""A day of the site office's ingester: real brokers, a gate that really signs, and things going wrong."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection, connections
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from agent.core.chain import GENESIS, Checkpoint, extend_all
from agent.core.events import Event, Kind, Place, body
from agent.core.feed import Ack, Header, ack_topic, log_topic, pack_message
from agent.core.keys import Alg, PublicKey
from agent.core.moments import Moment
from office import home as homes
from office.home import prepare

prepare()

from office import models, registry  # noqa: E402
from office.ingest.intake import GAP_PERSISTS_S, Intake  # noqa: E402
from office.keyring import Keyring  # noqa: E402
from tests import brokers  # noqa: E402

SITE = "harbour"
NOON = 1772366400.0
USERS = {"north": "n", "office": "o"}


@dataclass
class SigningGate:
    """A gate as the feed knows it: a key, an epoch, and a journal that can be sent from anywhere."""

    name: str = "north"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    epoch: str = "00000000000000a1"
    bodies: list[bytes] = field(default_factory=list)

    @property
    def public(self) -> PublicKey:
        return PublicKey(Alg.ED25519, self.key.public_key().public_bytes_raw())

    @property
    def topic(self) -> str:
        return log_topic(SITE, self.name)

    def journal(self, kind: Kind, **facts: Any) -> None:
        place = Place(SITE, self.name, self.epoch, len(self.bodies) + 1)
        self.bodies.append(body(Event(kind, Moment(NOON + place.seq, 0.0), facts), place))

    def opened(self, after: "SigningGate | None" = None) -> "SigningGate":
        link = {}
        if after is not None:
            link = {
                "prev_epoch": after.epoch,
                "prev_seq": len(after.bodies),
                "prev_head": after.head(len(after.bodies)).hex(),
            }
        self.journal(Kind.JOURNAL_OPENED, **link)
        return self

    def busy(self, events: int) -> "SigningGate":
        for number in range(events):
            self.journal(Kind.REFUSED, reason="expired", **{"pass": f"{number:016x}"})
        return self

    def restarted(self, epoch: str) -> "SigningGate":
        return SigningGate(self.name, self.key, epoch).opened(after=self)

    def head(self, upto: int) -> bytes:
        return extend_all(GENESIS, self.bodies[:upto])

    def message(self, first: int, last: int, packed: bytes | None = None) -> bytes:
        checkpoint = Checkpoint(Place(SITE, self.name, self.epoch, last), self.head(last))
        header = Header(
            Place(SITE, self.name, self.epoch, first),
            last,
            self.head(first - 1),
            checkpoint.head,
            self.key.sign(checkpoint.signed_by_gate()),
        )
        lines = b"\n".join(self.bodies[first - 1 : last])
        return pack_message(header, zstandard.compress(lines) if packed is None else packed)


@dataclass
class Desk:
    """An office with its home, used from the test's own thread."""

    home: Path
    keys: Keyring
    mono: float = 0.0

    def __post_init__(self) -> None:
        self.intake = Intake(SITE, self.keys.ack.sign, clock=lambda: self.mono)

    def knows(self, gate: SigningGate, *, replace: bool = False) -> None:
        record = {"site": SITE, "gate": gate.name, "device_id": "d", "journal_key": str(gate.public)}
        registry.add_gate(record, replace=replace, by="chen")

    def takes(self, gate: SigningGate, *messages: bytes) -> list[tuple[str, int]]:
        """Hand messages in as one batch; the (epoch, upto) acknowledged, each signature checked."""
        acks = []
        for topic, payload in self.intake.take([(gate.topic, message) for message in messages]):
            assert topic == ack_topic(SITE, gate.name)
            ack = Ack.from_bytes(payload)
            assert ack.holds([self.keys.ack.public])
            acks.append((ack.checkpoint.place.epoch, ack.checkpoint.place.seq))
        return acks

    def keeps(self) -> list[tuple[str, int]]:
        return list(models.Event.objects.order_by("pk").values_list("epoch", "seq"))

    def alerts(self) -> dict[str, int]:
        return dict(models.Alert.objects.values_list("kind", "count"))


@pytest.fixture(scope="module")
def empty_office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home to copy: making the tables takes longer than most of these tests."""
    home = homes.use(tmp_path_factory.mktemp("empty") / "office", create=True)
    registry.make_site(SITE, ["main"], 480)
    Keyring.make(home.keys)
    connections.close_all()
    return home.path


@pytest.fixture
def desk(tmp_path: Path, empty_office: Path) -> Iterator[Desk]:
    shutil.copytree(empty_office, tmp_path / "office")
    home = homes.use(tmp_path / "office")
    yield Desk(home.path, Keyring.load(home.keys))
    connections.close_all()


@pytest.fixture
def gate(desk: Desk) -> SigningGate:
    north = SigningGate().opened()
    desk.knows(north)
    return north


# --- the rules ---------------------------------------------------------------


def test_events_are_kept_in_order_and_acknowledged(desk: Desk, gate: SigningGate) -> None:
    gate.busy(299)
    assert desk.takes(gate, gate.message(1, 200), gate.message(201, 300)) == [(gate.epoch, 300)]
    assert desk.keeps() == [(gate.epoch, seq) for seq in range(1, 301)]
    last = models.Event.objects.get(seq=300)
    assert (last.kind, last.reason, last.pass_id) == ("pass.refused", "expired", f"{298:016x}")
    assert (bytes(last.body), last.at_utc) == (gate.bodies[299], NOON + 300)
    assert not desk.alerts()


def test_a_message_sent_twice_is_kept_once_and_acknowledged_again(desk: Desk, gate: SigningGate) -> None:
    gate.busy(4)
    for _ in range(2):
        assert desk.takes(gate, gate.message(1, 3)) == [(gate.epoch, 3)]
    assert desk.takes(gate, gate.message(2, 5)) == [(gate.epoch, 5)]  # it overlaps
    assert desk.takes(gate, gate.message(1, 2)) == [(gate.epoch, 5)]
    assert desk.keeps() == [(gate.epoch, seq) for seq in range(1, 6)]
    assert not desk.alerts()


def test_a_message_beyond_a_gap_waits_for_the_gate_to_send_again(desk: Desk, gate: SigningGate) -> None:
    gate.busy(5)
    assert desk.takes(gate, gate.message(3, 4)) == []
    assert desk.takes(gate, gate.message(1, 2)) == [(gate.epoch, 2)]
    assert desk.takes(gate, gate.message(5, 6)) == [(gate.epoch, 2)]
    assert desk.takes(gate, gate.message(3, 4), gate.message(5, 6)) == [(gate.epoch, 6)]
    assert desk.keeps() == [(gate.epoch, seq) for seq in range(1, 7)]
    assert not desk.alerts()


def test_a_gap_that_stays_is_an_alert(desk: Desk, gate: SigningGate) -> None:
    gate.busy(5)
    desk.takes(gate, gate.message(1, 2))
    for desk.mono in (0.0, GAP_PERSISTS_S - 1):
        desk.takes(gate, gate.message(4, 5))
        assert not desk.alerts()
    desk.mono += 3600  # the link was down; the first message after it is lost again
    desk.takes(gate, gate.message(4, 5))
    assert not desk.alerts()
    desk.mono += GAP_PERSISTS_S
    desk.takes(gate, gate.message(4, 5))
    assert desk.alerts() == {"gap": 1}


def test_a_forged_message_changes_nothing_and_is_not_acknowledged(desk: Desk, gate: SigningGate) -> None:
    stranger = SigningGate(key=Ed25519PrivateKey.generate(), bodies=list(gate.bodies))
    assert desk.takes(gate, stranger.message(1, 1)) == []
    gate.busy(2)
    altered = zstandard.compress(gate.bodies[0].replace(b"opened", b"closed"))
    assert desk.takes(gate, gate.message(1, 1, altered)) == []
    assert not desk.keeps()
    assert desk.alerts() == {"wrong_signature": 2}


def test_a_gate_that_is_not_on_record_is_one_alert_however_often(desk: Desk, gate: SigningGate) -> None:
    for name in ("south", "east", "x" * 300, "south"):
        stranger = SigningGate(name).opened()
        assert desk.takes(stranger, stranger.message(1, 1)) == []
    assert desk.alerts() == {"unknown_gate": 4}
    assert models.Alert.objects.count() == 1


def test_a_gate_can_not_speak_for_another(desk: Desk, gate: SigningGate) -> None:
    south = SigningGate("south").opened()
    desk.knows(south)
    assert desk.takes(south, gate.message(1, 1)) == []
    assert desk.alerts() == {"misdirected": 1}


def test_one_history_rewritten_is_a_fork(desk: Desk, gate: SigningGate) -> None:
    gate.busy(4)
    desk.takes(gate, gate.message(1, 3))
    other = SigningGate(gate.name, gate.key, gate.epoch).opened()
    other.busy(4)
    other.bodies[1] = other.bodies[1].replace(b"expired", b"revoked")
    for message in (other.message(4, 5), other.message(1, 3), other.message(1, 2), other.message(2, 5)):
        assert desk.takes(gate, message) == [(gate.epoch, 3)]
    assert desk.keeps() == [(gate.epoch, 1), (gate.epoch, 2), (gate.epoch, 3)]
    assert desk.alerts() == {"fork": 4}


def test_an_epoch_waits_until_the_one_before_it_is_complete(desk: Desk, gate: SigningGate) -> None:
    gate.busy(2)
    after = gate.restarted("00000000000000b2").busy(1)
    assert desk.takes(gate, after.message(1, 2)) == []
    assert desk.takes(gate, gate.message(1, 2), after.message(1, 2)) == [(gate.epoch, 2)]
    assert desk.takes(gate, gate.message(3, 3), after.message(1, 2)) == [(gate.epoch, 3), (after.epoch, 2)]
    assert not desk.alerts()


def test_a_card_put_back_in_time_is_noticed_and_loses_nothing_new(desk: Desk, gate: SigningGate) -> None:
    gate.busy(5)
    desk.takes(gate, gate.message(1, 6))
    old = SigningGate(gate.name, gate.key, gate.epoch, gate.bodies[:3])
    after = old.restarted("00000000000000b2").busy(1)
    assert desk.takes(gate, after.message(1, 2)) == [(after.epoch, 2)]
    assert desk.alerts() == {"rolled_back": 1}


def test_a_cloned_card_is_noticed_and_loses_nothing_new(desk: Desk, gate: SigningGate) -> None:
    desk.takes(gate, gate.message(1, 1))
    one, other = gate.restarted("00000000000000b2").busy(1), gate.restarted("00000000000000c3").busy(2)
    assert desk.takes(gate, one.message(1, 2)) == [(one.epoch, 2)]
    assert desk.takes(gate, other.message(1, 3)) == [(other.epoch, 3)]
    assert desk.alerts() == {"fork": 1}
    assert len(desk.keeps()) == 6


def test_a_journal_begun_anew_is_noticed_and_taken(desk: Desk, gate: SigningGate) -> None:
    desk.takes(gate, gate.message(1, 1))
    new = SigningGate(gate.name, epoch="00000000000000b2").opened()
    desk.knows(new, replace=True)
    assert desk.takes(new, new.message(1, 1)) == [(new.epoch, 1)]
    assert desk.alerts() == {"journal_lost": 1}


def test_an_epoch_that_does_not_open_is_refused(desk: Desk, gate: SigningGate) -> None:
    mute = SigningGate(gate.name, gate.key).busy(1)
    assert desk.takes(gate, mute.message(1, 1)) == []
    crooked = SigningGate(gate.name, gate.key)
    crooked.journal(Kind.JOURNAL_OPENED, prev_epoch="x", prev_seq="y")
    assert desk.takes(gate, crooked.message(1, 1)) == []
    assert desk.alerts() == {"malformed": 2}


def _bomb() -> bytes:
    return zstandard.compress(bytes(64 * 1024 * 1024))


def _unsized() -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False).compress(bytes(10_000_000))


@pytest.mark.parametrize(
    "packed",
    [
        _bomb,
        _unsized,
        lambda: b"",
        lambda: b"not zstd at all",
        lambda: zstandard.compress(b"x")[:-1],
        lambda: zstandard.compress(b"x") + b"more",
        lambda: bytes.fromhex("28b52ffd80880a000000") + bytes(20),  # a window of 128 MiB
        lambda: b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd",  # a skippable frame
    ],
)
def test_lines_that_do_not_unfold_are_an_alert(
    desk: Desk, gate: SigningGate, packed: Callable[[], bytes]
) -> None:
    assert desk.takes(gate, gate.message(1, 1, packed())) == []
    assert sum(desk.alerts().values()) == 1


@pytest.mark.parametrize(
    "message", [b"", b"\n", b"{}\n", b"[" * 900 + b"\n", b'{"v":1}\n', bytes(300_000), b"\xff" * 500 + b"\n"]
)
def test_rubbish_is_an_alert(desk: Desk, gate: SigningGate, message: bytes) -> None:
    assert desk.takes(gate, message) == []
    assert desk.alerts() == {"malformed": 1}


def test_an_alert_never_carries_a_terminals_commands(desk: Desk, gate: SigningGate) -> None:
    header = json.loads(gate.message(1, 1).partition(b"\n")[0])
    desk.takes(gate, json.dumps({**header, "from": "\x1b[2J\n\x00\ud800"}).encode() + b"\n")
    desk.takes(gate, json.dumps({**header, "to": "\x1b[2J" * 90}).encode() + b"\n")
    assert models.Alert.objects.get().detail.isprintable()


def test_a_signed_line_that_is_no_event_is_kept_as_it_came(desk: Desk, gate: SigningGate) -> None:
    gate.bodies += [
        b"\xff\x00",
        b'{"type":5}',
        b"[" * 5000,
        b'{"type":"menshen.x","time":"9999-12-31T23:59:59Z"}',
    ]
    assert desk.takes(gate, gate.message(1, 5)) == [(gate.epoch, 5)]
    assert [event.kind for event in models.Event.objects.order_by("seq")][1:] == ["unreadable"] * 3 + ["x"]


# --- over real brokers, with the real command --------------------------------


class Wire:
    """The gate's end of MQTT: sends, and remembers the newest acknowledgement."""

    def __init__(self, port: int, gate: SigningGate, username: str | None) -> None:
        self.acked: tuple[str, int] = ("", 0)
        self._heard = threading.Condition()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=gate.name, protocol=mqtt.MQTTv311, clean_session=True
        )
        if username:
            self._client.username_pw_set(username, USERS[username])
        self._client.on_message = self._on_message
        self._client.on_connect = lambda client, *_: client.subscribe(ack_topic(SITE, gate.name), 1)
        self._client.connect(brokers.LOOPBACK, port)
        self._client.loop_start()
        self._topic = gate.topic

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        place = Ack.from_bytes(bytes(message.payload)).checkpoint.place
        with self._heard:
            self.acked = (place.epoch, place.seq)
            self._heard.notify_all()

    def send(self, message: bytes) -> None:
        self._client.publish(self._topic, message, 1).wait_for_publish(10)

    def sends_until_acked(self, messages: list[bytes], wanted: tuple[str, int], within_s: float = 25) -> None:
        """Go back to the beginning and send all again, as a gate does, until the office has it."""
        give_up = time.monotonic() + within_s
        while self.acked != wanted:
            assert time.monotonic() < give_up, f"acknowledged {self.acked}, wanted {wanted}"
            for message in messages:
                self._client.publish(self._topic, message, 1)
            with self._heard:
                self._heard.wait_for(lambda: self.acked == wanted, 0.5)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def wire(port: int, gate: SigningGate, username: str | None = None) -> Iterator[Wire]:
    one = Wire(port, gate, username)
    try:
        yield one
    finally:
        one.close()


@contextmanager
def ingester(
    desk: Desk, port: int, *, signed_in: bool, ends_with: int = 0, name: str = ""
) -> Iterator[subprocess.Popen[str]]:
    """`menshen-office ingest` as a process, ended by SIGTERM, which it must obey."""
    command = [sys.executable, "-m", "office.cli", "ingest", "--home", str(desk.home)]
    command += ["--broker", f"{brokers.LOOPBACK}:{port}"]
    if name:
        command += ["--client-id", name]
    if signed_in:
        secret = desk.home / "broker.password"
        secret.write_text(f"{USERS['office']}\n")
        secret.chmod(0o600)
        command += ["--username", "office", "--password-file", str(secret)]
    with (desk.home / "ingest.log").open("a+") as log:
        process = subprocess.Popen(command, stderr=log, text=True)
        try:
            yield process
            process.terminate()
            assert process.wait(10) == ends_with, log_of(desk)
        finally:
            process.kill()
            process.wait()


def log_of(desk: Desk) -> str:
    return (desk.home / "ingest.log").read_text()


def until(condition: Callable[[], bool], within_s: float = 15) -> None:
    give_up = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_a_day_over_mosquitto_with_passwords_and_rights(
    desk: Desk, gate: SigningGate, tmp_path: Path
) -> None:
    gate.busy(399)
    messages = [gate.message(1, 200), gate.message(201, 400)]
    with (
        brokers.mosquitto(tmp_path / "broker", users=USERS, acl=brokers.acl(SITE)) as broker,
        ingester(desk, broker.port, signed_in=True),
        wire(broker.port, gate, "north") as north,
    ):
        north.sends_until_acked(messages, (gate.epoch, 400))
        # The gate begins again; in the middle the broker dies and forgets everything.
        after = gate.restarted("00000000000000b2").busy(399)
        north.send(after.message(1, 200))
        broker.kill()
        broker.start()
        north.sends_until_acked([after.message(1, 200), after.message(201, 400)], (after.epoch, 400))
        # What is oversized, forged or rubbish does not stop it.
        for bad in (bytes(20_000_000), b"rubbish", SigningGate(bodies=gate.bodies).message(1, 2)):
            north.send(bad)
        after.busy(1)
        north.sends_until_acked([after.message(401, 401)], (after.epoch, 401))
        until(lambda: "wrong_signature" in desk.alerts())
    assert desk.keeps() == [(one.epoch, seq + 1) for one in (gate, after) for seq in range(len(one.bodies))]
    assert desk.alerts() == {"malformed": 2, "wrong_signature": 1}
    assert "of 20000000" not in log_of(desk)  # the oversized one was never held whole
    assert "Traceback" not in log_of(desk)


def test_a_gate_may_not_write_for_another_at_mosquitto(desk: Desk, gate: SigningGate, tmp_path: Path) -> None:
    with (
        brokers.mosquitto(tmp_path / "broker", users=USERS, acl=brokers.acl(SITE)) as broker,
        ingester(desk, broker.port, signed_in=True),
        wire(broker.port, gate, "north") as north,
    ):
        north._topic = log_topic(SITE, "south")
        north.send(gate.message(1, 1))
        north._topic = gate.topic
        north.sends_until_acked([gate.message(1, 1)], (gate.epoch, 1))
    assert not desk.alerts()


def test_the_ingester_starts_before_its_broker_and_outlives_it(
    desk: Desk, gate: SigningGate, tmp_path: Path
) -> None:
    port = brokers.free_port()
    with ingester(desk, port, signed_in=False):
        until(lambda: "broker.unreachable" in log_of(desk))
        with brokers.amqtt(tmp_path / "broker", port=port) as broker:
            with wire(port, gate) as north:
                north.sends_until_acked([gate.message(1, 1)], (gate.epoch, 1))
            broker.kill()
            broker.start()
            gate.busy(1)
            with wire(port, gate) as north:
                north.sends_until_acked([gate.message(2, 2)], (gate.epoch, 2))
            assert broker.stop() == 0
    assert desk.keeps() == [(gate.epoch, 1), (gate.epoch, 2)]


def test_a_killed_ingester_acknowledges_only_what_it_kept(
    desk: Desk, gate: SigningGate, tmp_path: Path
) -> None:
    gate.busy(1999)
    messages = [gate.message(first, first + 99) for first in range(1, 2001, 100)]
    with brokers.mosquitto(tmp_path / "broker") as broker, wire(broker.port, gate) as north:
        for round_ in range(3):
            with ingester(desk, broker.port, signed_in=False, ends_with=-signal.SIGKILL) as process:
                until(lambda: log_of(desk).count("ingest.listening") > round_)  # noqa: B023  called at once
                for message in messages[: 7 * (round_ + 1)]:
                    north.send(message)
                process.kill()
            kept = desk.keeps()
            assert kept == [(gate.epoch, seq) for seq in range(1, len(kept) + 1)]
            assert north.acked[1] <= len(kept)
        with ingester(desk, broker.port, signed_in=False):
            north.sends_until_acked(messages, (gate.epoch, 2000))
    assert len(desk.keeps()) == 2000


def test_two_ingesters_keep_each_event_once(desk: Desk, gate: SigningGate, tmp_path: Path) -> None:
    gate.busy(999)
    messages = [gate.message(first, first + 49) for first in range(1, 1001, 50)]
    with (
        brokers.mosquitto(tmp_path / "broker") as broker,
        ingester(desk, broker.port, signed_in=False),
        ingester(desk, broker.port, signed_in=False, name="second"),
        wire(broker.port, gate) as north,
    ):
        until(lambda: log_of(desk).count("ingest.listening") == 2)
        north.sends_until_acked(messages, (gate.epoch, 1000))
    assert desk.keeps() == [(gate.epoch, seq) for seq in range(1, 1001)]
    assert not desk.alerts()


def test_a_database_that_is_away_is_waited_for(desk: Desk, gate: SigningGate, tmp_path: Path) -> None:
    with (
        brokers.mosquitto(tmp_path / "broker") as broker,
        wire(broker.port, gate) as north,
        ingester(desk, broker.port, signed_in=False),
    ):
        until(lambda: "ingest.listening" in log_of(desk))
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE office_event RENAME TO office_event_away")
        north.send(gate.message(1, 1))
        until(lambda: "ingest.database" in log_of(desk))
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE office_event_away RENAME TO office_event")
        north.sends_until_acked([gate.message(1, 1)], (gate.epoch, 1))
    assert desk.keeps() == [(gate.epoch, 1)]


def test_the_embedded_broker_lets_in_who_has_a_password(tmp_path: Path, gate: SigningGate) -> None:
    with brokers.amqtt(tmp_path / "broker", users=USERS) as broker:
        answers: list[bool] = []
        for asked, word in enumerate(("n", "wrong"), 1):
            client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
            client.on_connect = lambda _c, _d, _f, reason, _p: answers.append(reason.is_failure)
            client.username_pw_set("north", word)
            client.connect(brokers.LOOPBACK, broker.port)
            while len(answers) < asked:
                client.loop(0.1)
            client.disconnect()
            client.loop(0.1)
        assert answers == [False, True]
        assert broker.stop() == 0
    assert not (tmp_path / "broker" / "amqtt.log").read_text().count("Traceback")
