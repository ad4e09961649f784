"""A broker through paho-mqtt 2: one connection at a time, tried again for ever.

Each connection is a new paho client, so that nothing queued, numbered or half
sent for an old one can reach a new one: what is unacknowledged is the
journal's business. Nothing is published while offline. One thread owns the
network; paho's callbacks, which run in it, only note and enqueue, and whatever
goes wrong there ends the connection, not the thread.

It knows MQTT and this gate's status topic. It refuses to know what the
messages mean.
"""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import structlog
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.brokers.backoff import Backoff
from agent.brokers.config import BrokerConfig
from agent.brokers.inbox import RETAINED, Inbox

ONLINE: Final = b"online"
OFFLINE: Final = b"offline"

_QOS: Final = 1
_LOOP_S: Final = 0.2
_FAREWELL_S: Final = 1.0
_TOPICS_A_PACKET: Final = 64  # brokers drop retained messages that a wide subscription asks for at once
_MAX_PASSWORD_BYTES: Final = 1024
_MAILBOX_MESSAGES: Final = 1024
_MAILBOX_BYTES: Final = 16 * 1024 * 1024
_PROTOCOLS: Final = {"3.1.1": mqtt.MQTTv311, "5": mqtt.MQTTv5}
_log = structlog.get_logger("agent.brokers.paho")


class PahoBroker:
    """An agent.ports.Broker over MQTT 3.1.1 or 5."""

    def __init__(
        self,
        config: BrokerConfig,
        *,
        client_id: str,
        status_topic: str,
        topics: Sequence[str] = (),
        flagged: Sequence[str] = (),
    ) -> None:
        """Begin to connect, in a thread of its own; the broker need not be there yet.

        Args:
            client_id: unique at the broker; a second client with it throws the first one out.
            status_topic: holds `online`, retained, while connected, and `offline` otherwise.
            topics: subscribed to at each connection.
            flagged: those of them whose messages come with RETAINED at their topic's end if the
                broker had kept them.
        """
        self._config = config
        self._client_id, self._status_topic, self._topics = client_id, status_topic, tuple(topics)
        self._flagged = frozenset(flagged)
        self._inbox = Inbox()
        self._mailboxes: dict[str, Inbox] = {}
        self._greeted: mqtt.Client | None = None  # the client whose connection stands
        self._connection = 0
        self._answered_mono = 0.0
        self._why = ""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)
        self._thread.start()

    @property
    def online(self) -> bool:
        return self._greeted is not None

    @property
    def connection(self) -> int:
        return self._connection

    @property
    def trouble(self) -> str:
        return self._why

    @property
    def greeted(self) -> mqtt.Client | None:
        """The client whose connection stands, for a mailbox."""
        return self._greeted

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Hand over one message, QoS 1; False (nothing kept) when offline or too many are unanswered.

        A broker that has answered none for a long time is left, for another try.
        """
        client = self._greeted
        if client is None:
            return False
        try:
            code = client.publish(topic, payload, _QOS, retain).rc
        except (ValueError, OSError) as fault:
            _log.warning("broker.publish_failed", topic=topic, found=str(fault))
            return False
        silent_s = time.monotonic() - self._answered_mono
        if code == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE and silent_s > self._config.answer_within_s:
            _log.warning("broker.deaf", unanswered=self._config.max_unanswered, next="connects again")
            _hang_up(client)
        return code == MQTTErrorCode.MQTT_ERR_SUCCESS

    def tell(self, topic: str, lines: Sequence[bytes]) -> bool:
        """Hand over some messages, QoS 0; False, and none, when offline or still writing earlier ones."""
        client = self._greeted
        if client is None or client.want_write():
            return False
        try:
            return all(client.publish(topic, line, 0).rc == MQTTErrorCode.MQTT_ERR_SUCCESS for line in lines)
        except (ValueError, OSError) as fault:
            _log.warning("broker.publish_failed", topic=topic, found=str(fault))
            return False

    def received(self, wait_s: float) -> Sequence[tuple[str, bytes]]:
        return self._inbox.take(wait_s)

    def mailbox(self, prefix: str) -> "PahoMailbox":
        """Topics that begin so come to their own mailbox from now on."""
        inbox = Inbox(_MAILBOX_MESSAGES, _MAILBOX_BYTES)
        self._mailboxes = {**self._mailboxes, prefix: inbox}  # the broker's thread may be reading the other
        return PahoMailbox(self, inbox)

    def close(self) -> None:
        """Say `offline`, if there is somebody to say it to, and disconnect; safe to call twice."""
        self._closing.set()
        self._thread.join(self._config.connect_timeout_s + _FAREWELL_S + 1)

    # Below this line everything runs in the broker's thread.

    def _run(self) -> None:
        backoff = Backoff(self._config.retry_first_s, self._config.retry_most_s)
        while not self._closing.is_set():
            began, before = time.monotonic(), self._connection
            try:
                self._connect_and_stay()
            except Exception as fault:  # noqa: BLE001  whatever a broker or a library does, we try again
                self._tell("broker.unreachable", f"{type(fault).__name__}: {fault}")
            if self._connection > before and time.monotonic() - began > self._config.retry_most_s:
                backoff.calm()
            self._closing.wait(backoff.wait_s())

    def _connect_and_stay(self) -> None:
        """One connection from dialling to its end."""
        client = self._new_client()
        try:
            client.connect(self._config.host, self._config.port, self._config.keepalive_s, **self._wishes())
            answer_by = time.monotonic() + self._config.connect_timeout_s
            while client.loop(_LOOP_S) == MQTTErrorCode.MQTT_ERR_SUCCESS:
                if self._closing.is_set():
                    self._say_farewell(client)
                    return
                if not self.online and time.monotonic() > answer_by:
                    raise TimeoutError(f"no greeting within {self._config.connect_timeout_s} s")
        finally:
            self._greeted = None
            _hang_up(client)

    def _new_client(self) -> mqtt.Client:
        """A client that has never been connected, with the secrets as they are on disk now.

        Raises:
            OSError, ValueError: a password, certificate or key file is missing or wrong.
        """
        config = self._config
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if config.version == "5" else True,
            protocol=_PROTOCOLS[config.version],
            reconnect_on_failure=False,
        )
        client.max_frame_bytes = config.max_frame_bytes
        client.connect_timeout = config.connect_timeout_s
        client.max_inflight_messages_set(config.max_unanswered)
        client.max_queued_messages_set(config.max_unanswered)
        client.will_set(self._status_topic, OFFLINE, _QOS, retain=True)
        if config.username:
            password = _password(config.password_file) if config.password_file else None
            client.username_pw_set(config.username, password)
        if config.tls_ca:
            context = ssl.create_default_context(cafile=str(config.tls_ca))
            if config.tls_cert and config.tls_key:
                context.load_cert_chain(config.tls_cert, config.tls_key)
            client.tls_set_context(context)
        client.on_socket_open = _without_delay
        # Its presence keeps paho from writing in the thread of whoever publishes; ours does, woken by paho.
        client.on_socket_register_write = _nothing
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        return client

    def _wishes(self) -> dict[str, Any]:
        if self._config.version != "5":
            return {}
        wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho left it untyped
        wishes.MaximumPacketSize = self._config.max_frame_bytes
        return {"properties": wishes}

    def _say_farewell(self, client: mqtt.Client) -> None:
        """A last word, since an orderly goodbye withdraws the last will."""
        if self.online:
            self._greeted = None
            said = client.publish(self._status_topic, OFFLINE, _QOS, retain=True)
            give_up = time.monotonic() + _FAREWELL_S
            if said.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return  # too much is unanswered to say it; the last will says it for us
            while not said.is_published() and time.monotonic() < give_up:
                if client.loop(_LOOP_S) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    return
        client.disconnect()
        client.loop(_LOOP_S)

    def _on_connect(
        self, client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._tell("broker.refused", str(reason))
            return
        for some in _in_packets(self._topics):
            client.subscribe([(topic, _QOS) for topic in some])
        client.publish(self._status_topic, ONLINE, _QOS, retain=True)
        self._why = ""
        self._answered_mono = time.monotonic()
        self._connection += 1
        self._greeted = client
        _log.info(
            "broker.online", host=self._config.host, port=self._config.port, connection=self._connection
        )

    def _on_disconnect(
        self, _client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        was_online, self._greeted = self.online, None
        if was_online:
            _log.info("broker.lost", found=str(reason))

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            _log.warning("broker.message_refused", found="a topic that is not UTF-8")
            return
        if message.retain and topic in self._flagged:
            topic += RETAINED
        inbox = next(
            (its for prefix, its in self._mailboxes.items() if topic.startswith(prefix)), self._inbox
        )
        if lost := inbox.put(topic, bytes(message.payload)):
            _log.warning("broker.inbox_full", lost=lost)

    def _on_publish(
        self, _client: mqtt.Client, _data: Any, _mid: int, reason: ReasonCode, _properties: Any
    ) -> None:
        self._answered_mono = time.monotonic()
        # With MQTT 5 a refusal is an answer like any other, and paho counts it as published.
        if reason.is_failure:
            self._tell("broker.publish_refused", str(reason))

    def _on_subscribe(
        self, _client: mqtt.Client, _data: Any, _mid: int, reasons: Sequence[ReasonCode], _properties: Any
    ) -> None:
        for reason in reasons:
            if reason.is_failure:
                self._tell("broker.subscribe_refused", str(reason))

    def _tell(self, event: str, found: str) -> None:
        """Log a fault when it begins or changes, not at each of a month's attempts."""
        why, self._why = self._why, f"{event} {found}"
        if self._why != why:
            _log.warning(event, host=self._config.host, port=self._config.port, found=found)


class PahoMailbox:
    """An agent.ports.Mailbox."""

    def __init__(self, broker: PahoBroker, inbox: Inbox) -> None:
        self._broker, self._inbox = broker, inbox

    @property
    def online(self) -> bool:
        return self._broker.online

    @property
    def connection(self) -> int:
        return self._broker.connection

    def received(self, wait_s: float) -> Sequence[tuple[str, bytes]]:
        return self._inbox.take(wait_s)

    def subscribe(self, topics: Sequence[str]) -> bool:
        """See agent.ports.Mailbox; at most once: whoever misses one asks again."""
        return self._ask(lambda client, some: client.subscribe([(topic, 0) for topic in some])[0], topics)

    def unsubscribe(self, topics: Sequence[str]) -> bool:
        return self._ask(lambda client, some: client.unsubscribe(list(some))[0], topics)

    def _ask(self, ask: Callable[[mqtt.Client, Sequence[str]], MQTTErrorCode], topics: Sequence[str]) -> bool:
        client = self._broker.greeted
        if client is None:
            return False
        try:
            return all(ask(client, some) == MQTTErrorCode.MQTT_ERR_SUCCESS for some in _in_packets(topics))
        except (ValueError, OSError) as fault:
            _log.warning("broker.subscribe_failed", found=str(fault))
            return False


def _in_packets(topics: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(topics), _TOPICS_A_PACKET):
        yield topics[first : first + _TOPICS_A_PACKET]


class _Client(mqtt.Client):
    """paho's client with a ceiling for incoming packets, each acknowledged to TCP at once, that binds no port.

    paho asks the socket for all that a packet's header announces, up to 256 MiB, and
    ignores the maximum that it told the broker. It also binds each connection to "any port"
    before it connects, which says nothing and is a bind all the same: menshen-sync.service
    forbids those. What is overridden is private to paho: tests in tests/test_paho_broker.py fail if a
    release stops calling it.
    """

    max_frame_bytes = 0

    def _create_socket_connection(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=self.connect_timeout)

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > self.max_frame_bytes:
            _log.warning("broker.frame_refused", bytes=bufsize, most=self.max_frame_bytes)
            raise ConnectionError("the announced packet is too large")  # paho closes the connection
        received = super()._sock_recv(bufsize)
        if self._sock is not None:
            _acknowledge_at_once(self._sock)
        return received


def _pair() -> tuple[socket.socket, socket.socket]:
    """What paho wakes its thread by.

    paho's own, for Windows' sake, is a TCP connection with itself over a port that it binds, which
    menshen-sync.service forbids: no gate could connect. The kernel's needs no port. `_socketpair_compat`
    is private to paho: a test fails if a release stops calling it.
    """
    pair = socket.socketpair()
    for end in pair:
        end.setblocking(False)
    return pair


mqtt._socketpair_compat = _pair  # noqa: SLF001


def _password(path: Path) -> str:
    """The one line of a password file.

    Raises:
        OSError: it can't be read.
        ValueError: it is empty, too long or not text; the message never quotes it.
    """
    with path.open("rb") as file:
        line = file.read(_MAX_PASSWORD_BYTES + 1).rstrip(b"\r\n")
    if not 0 < len(line) <= _MAX_PASSWORD_BYTES:
        raise ValueError(
            f"{path} holds no password of 1 to {_MAX_PASSWORD_BYTES} bytes; write it on one line"
        )
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text; write the password again") from None


def _without_delay(_client: mqtt.Client, _data: Any, sock: Any) -> None:
    # Nagle's algorithm and delayed acknowledgements together cost 40 ms or more a message.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _acknowledge_at_once(sock: Any) -> None:
    """Not 40 ms later: until then Mosquitto, which leaves Nagle's algorithm on, would hold the office's answer.

    The kernel forgets it again, so it is asked for each time. Source: tcp(7), TCP_QUICKACK.
    """
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _nothing(_client: mqtt.Client, _data: Any, _sock: Any) -> None:
    pass


def _hang_up(client: mqtt.Client) -> None:
    """End a connection from any thread: the loop wakes and reads its end."""
    sock = client.socket()
    if isinstance(sock, socket.socket):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
