"""The ingester's MQTT session: one connection at a time, tried again for ever.

Each connection is a new paho client under the same client id, so that a late
PUBACK can't hit a new message that bears an old one's number. One thread owns
the network; paho's callbacks, which run in it, only enqueue. MQTT 3.1.1 with a
session that the broker may keep; nothing depends on its keeping it.

It refuses to know what a message means.
"""

import contextlib
import queue
import random
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from agent.core.feed import MAX_MESSAGE_BYTES
from office.faults import OfficeFault
from office.home import Home
from office.logs import log

_QOS: Final = 1
_KEEPALIVE_S: Final = 30
_LOOP_S: Final = 0.2
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 15.0
_QUEUE: Final = 512  # messages, of 3 to 15 kB as a rule; 128 MiB at the very most
_BATCH: Final = 32
_CHUNK_BYTES: Final = 16 * 1024  # paho reads up to 100 of them before it comes up for air
_FRAME_SLACK_BYTES: Final = 64 * 1024 + 8  # the longest topic and the rest of a PUBLISH header


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is and how to sign in; the password is read from its file at each attempt."""

    host: str
    port: int
    username: str | None = None
    password_file: Path | None = None

    @classmethod
    def parse(cls, text: str, username: str | None = None, password_file: Path | None = None) -> "Address":
        """Read `HOST:PORT` or `HOST`.

        Raises:
            OfficeFault: neither.
        """
        host, colon, port = text.rpartition(":")
        if not colon:
            host, port = text, "1883"
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 1 << 16:
            raise OfficeFault(f"found broker {text!r}, wanted HOST:PORT such as 127.0.0.1:1883")
        return cls(host.strip("[]"), int(port), username, password_file)


def broker_of(home: Home) -> Address | None:
    """The broker of a site in a group, as the group's file says; None if it says none.

    Raises:
        OfficeFault: it says something else.
    """
    own = home.settings
    file = Path(own.password_file) if own.password_file else None
    return Address.parse(own.broker, own.username or None, file) if own.broker else None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message and the connection it came on."""

    client: mqtt.Client
    mid: int
    topic: str
    payload: bytes

    def settle(self) -> None:
        """PUBACK it; without effect if that connection is gone."""
        self.client.ack(self.mid, _QOS)


class Subscriber:
    """A subscription to one topic filter."""

    def __init__(self, address: Address, client_id: str, topic: str, *, share: str = "") -> None:
        """Begin to connect, in a thread of its own; the broker need not be there yet.

        Args:
            share: the name of a group that shares the subscription, each message going to one of
                its members; the broker must know shared subscriptions.
        Source: MQTT 5.0, 4.8.2; brokers that have it take it from 3.1.1 clients too.
        """
        self._address, self._client_id, self.name = address, client_id, client_id
        self._filter = topic
        self._topic = f"$share/{share}/{topic}" if share else topic
        # A member that is gone must not go on getting its share into a session that waits for it.
        self._forgotten_when_gone = bool(share)
        self._arrivals: queue.Queue[Arrival] = queue.Queue(_QUEUE)
        self._standing: mqtt.Client | None = None
        self._dropped = 0
        self._why = ""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="subscriber", daemon=True)
        self._thread.start()

    @property
    def listening(self) -> bool:
        """Whether the broker serves us just now."""
        return self._standing is not None

    def take(self, wait_s: float) -> list[Arrival]:
        """Up to 32 messages, oldest first, after waiting up to wait_s for the first."""
        arrivals = []
        with contextlib.suppress(queue.Empty):
            arrivals.append(self._arrivals.get(timeout=wait_s))
            while len(arrivals) < _BATCH:
                arrivals.append(self._arrivals.get_nowait())
        return arrivals

    def publish(self, topic: str, payload: bytes, retain: bool) -> None:
        """Publish if there is a connection; nothing is kept for later."""
        client = self._standing
        if client is not None:
            with contextlib.suppress(ValueError, OSError):
                client.publish(topic, payload, _QOS, retain=retain)

    def close(self) -> None:
        """Disconnect; safe to call twice."""
        self._closing.set()
        self._thread.join(10)

    # Below this line everything runs in the subscriber's thread.

    def _run(self) -> None:
        wait_s = _FIRST_WAIT_S
        while not self._closing.is_set():
            try:
                if self._connect_and_stay():
                    wait_s = _FIRST_WAIT_S
            except Exception as fault:  # noqa: BLE001  whatever a broker or a library does, we try again
                self._tell("broker.unreachable", f"{type(fault).__name__}: {fault}")
            # Jittered, so that a site's clients don't all come back in the same instant.
            self._closing.wait(wait_s * random.uniform(0.5, 1.0))  # noqa: S311
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    def _connect_and_stay(self) -> bool:
        """One connection from dialling to its end; whether the broker ever welcomed us."""
        client = self._new_client()
        welcomed = False
        try:
            client.connect(self._address.host, self._address.port, _KEEPALIVE_S)
            while client.loop(_LOOP_S) == MQTTErrorCode.MQTT_ERR_SUCCESS:
                welcomed = welcomed or self._standing is client
                if self._closing.is_set():
                    client.disconnect()
                    client.loop(_LOOP_S)
                    break
        finally:
            self._standing = None
            sock = client.socket()
            if isinstance(sock, socket.socket):
                with contextlib.suppress(OSError):
                    sock.close()
        return welcomed

    def _new_client(self) -> mqtt.Client:
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=self._forgotten_when_gone,
            protocol=mqtt.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        if self._address.username is not None:
            client.username_pw_set(self._address.username, self._password())
        client.on_socket_open = _without_delay
        # Its presence keeps paho from writing in the worker's thread; ours does, woken by paho.
        client.on_socket_register_write = _nothing
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _password(self) -> str | None:
        file = self._address.password_file
        if file is None:
            return None
        with file.open(encoding="utf-8") as lines:
            return lines.readline(1024).rstrip("\r\n")

    def _on_connect(
        self, client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._tell("broker.refused", str(reason))
            return
        client.subscribe(self._topic, _QOS)

    def _on_subscribe(
        self, client: mqtt.Client, _data: Any, _mid: int, reasons: Any, _properties: Any
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._tell("broker.subscribe_refused", f"no right to read {self._topic}")
            return
        self._why = ""
        self._standing = client
        log.info("ingest.listening", host=self._address.host, port=self._address.port, topic=self._topic)

    def _on_disconnect(
        self, _client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        if self._standing is not None:
            self._standing = None
            log.info("broker.lost", found=str(reason))

    def _on_message(self, client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        arrival = Arrival(client, message.mid, topic, bytes(message.payload))
        if not mqtt.topic_matches_sub(self._filter, topic):
            arrival.settle()  # amqtt gives a new session retained messages that nobody asked for
            return
        try:
            self._arrivals.put_nowait(arrival)
        except queue.Full:
            # The gate has it still and sends it again; the broker must not keep it and stop for it.
            arrival.settle()
            self._dropped += 1
            if self._dropped & (self._dropped - 1) == 0:  # the 1st, 2nd, 4th, 8th …
                log.warning("ingest.behind", dropped=self._dropped)

    def _tell(self, event: str, found: str) -> None:
        """Log a fault when it begins or changes, not at each attempt."""
        why, self._why = self._why, f"{event} {found}"
        if self._why != why:
            log.warning(event, host=self._address.host, port=self._address.port, found=found)


class _Client(mqtt.Client):
    """paho's client, holding no more of a packet than the largest message, each acknowledged to TCP at once.

    paho buffers whatever a packet's header announces, up to 256 MiB. Hanging up would not
    help: the broker keeps the message for this session and sends it again. So the rest of
    an oversized one is read and forgotten, and what is left is refused for its size, settled
    and gone. Both methods are private to paho: tests/test_ingest.py fails if a release stops
    calling them.
    """

    def _sock_recv(self, bufsize: int) -> bytes:
        received = super()._sock_recv(min(bufsize, _CHUNK_BYTES))
        if self._sock is not None:
            _acknowledge_at_once(self._sock)
        return received

    def _packet_read(self) -> MQTTErrorCode:
        code = super()._packet_read()
        del self._in_packet["packet"][MAX_MESSAGE_BYTES + _FRAME_SLACK_BYTES :]
        return code


def _without_delay(_client: mqtt.Client, _data: Any, sock: Any) -> None:
    # Nagle's algorithm and delayed acknowledgements together cost 40 ms or more a message.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _acknowledge_at_once(sock: Any) -> None:
    """Not 40 ms later: until then Mosquitto, which leaves Nagle's algorithm on, would hold the next message.

    The kernel forgets it again, so it is asked for each time. Source: tcp(7), TCP_QUICKACK.
    """
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _nothing(_client: mqtt.Client, _data: Any, _sock: Any) -> None:
    pass
