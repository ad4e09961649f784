"""`menshen-office ingest` over real brokers that come and go, with a gate that really signs."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from agent.core.feed import Ack, ack_topic, log_topic
from tests import brokers
from tests.signing_gate import SITE, Desk, SigningGate

USERS = {"north": "n", "office": "o"}


pytest_plugins = "tests.desk_plugin"


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
    desk: Desk, port: int, *, signed_in: bool, ends_with: int = 0, name: str = "", share: bool = False
) -> Iterator[subprocess.Popen[str]]:
    """`menshen-office ingest` as a process, ended by SIGTERM, which it must obey."""
    command = [sys.executable, "-m", "office.cli", "ingest", "--home", str(desk.home)]
    command += ["--broker", f"{brokers.LOOPBACK}:{port}"]
    if name:
        command += ["--client-id", name]
    if share:
        command += ["--share"]
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
        for round_ in range(2):
            with ingester(desk, broker.port, signed_in=False, ends_with=-signal.SIGKILL) as process:
                until(lambda: log_of(desk).count("ingest.listening") > round_)  # noqa: B023  called at once
                for message in messages[: 9 * (round_ + 1)]:
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


def test_two_ingesters_share_one_subscription(desk: Desk, gate: SigningGate, tmp_path: Path) -> None:
    gate.busy(1999)
    messages = [gate.message(first, first + 49) for first in range(1, 2001, 50)]
    with (
        brokers.mosquitto(tmp_path / "broker", users=USERS, acl=brokers.acl(SITE)) as broker,
        ingester(desk, broker.port, signed_in=True, share=True),
        ingester(desk, broker.port, signed_in=True, share=True),
        wire(broker.port, gate, "north") as north,
    ):
        until(lambda: log_of(desk).count("ingest.listening") == 2)
        for message in messages:  # each once: what one holds, the other waits for
            north.send(message)
        until(lambda: north.acked == (gate.epoch, 2000))
    assert desk.keeps() == [(gate.epoch, seq) for seq in range(1, 2001)]
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
