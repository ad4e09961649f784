"""A publisher's connection to a broker: put retained topics, read them back. One thread, one connection."""

import contextlib
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from office.ingest.subscriber import Address

_QOS: Final = 1
_KEEPALIVE_S: Final = 30
_LOOP_S: Final = 0.1
_ANSWER_S: Final = 10.0
_SILENCE_S: Final = 1.0
_IN_FLIGHT: Final = 100
_TOPICS_A_PACKET: Final = 64
_MAX_BYTES: Final = 64 * 1024 * 1024
_MAX_FRAME_BYTES: Final = 1024 * 1024


class LinkFault(Exception):
    """The broker can't be reached, or did not answer."""


class Link:
    """A connection that stands; whatever goes wrong ends it with LinkFault.

    Args:
        client_id: unique at the broker.
    Raises:
        LinkFault: the broker can't be reached or does not let us in.
    """

    def __init__(self, address: Address, client_id: str) -> None:
        self._where = f"{address.host}:{address.port}"
        self._greetings: list[ReasonCode] = []
        self._acknowledged = 0
        self._came: dict[str, bytes] = {}
        self._came_bytes = 0
        self._client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=True,
            protocol=mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        self._client.max_inflight_messages_set(_IN_FLIGHT)
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        self._client.on_socket_open = _without_delay
        try:
            if address.username is not None:
                self._client.username_pw_set(address.username, _password(address.password_file))
            self._client.connect(address.host, address.port, _KEEPALIVE_S)
        except (OSError, ValueError) as fault:
            raise LinkFault(f"the broker {self._where} can't be reached: {fault}") from fault
        self._until(lambda: bool(self._greetings), "it did not greet")

    def put(self, topics: Mapping[str, bytes]) -> None:
        """Publish retained topics; returns when the broker has acknowledged all."""
        self._acknowledged = 0
        for topic, data in topics.items():
            if self._client.publish(topic, data, _QOS, retain=True).rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise LinkFault(f"the broker {self._where} was lost")
        self._until(lambda: self._acknowledged >= len(topics), "it acknowledged too little")

    def read(self, topics: Sequence[str]) -> dict[str, bytes]:
        """Those of some retained topics that there are; a silence tells that there are no more."""
        self._came, self._came_bytes = {}, 0
        for first in range(0, len(topics), _TOPICS_A_PACKET):
            self._client.subscribe([(topic, 0) for topic in topics[first : first + _TOPICS_A_PACKET]])
        silent_since, count = time.monotonic(), 0
        wanted = set(topics)
        while not wanted <= self._came.keys() and time.monotonic() - silent_since < _SILENCE_S:
            self._loop(_LOOP_S)
            if len(self._came) > count:
                silent_since, count = time.monotonic(), len(self._came)
        for first in range(0, len(topics), _TOPICS_A_PACKET):
            self._client.unsubscribe(list(topics[first : first + _TOPICS_A_PACKET]))
        return {topic: data for topic, data in self._came.items() if topic in wanted and data}

    def idle(self, seconds: float) -> None:
        """Do nothing for a while but answer the broker."""
        ends = time.monotonic() + seconds
        while (left_s := ends - time.monotonic()) > 0:
            self._loop(left_s)

    def close(self) -> None:
        """Say goodbye; never raises."""
        with contextlib.suppress(Exception):
            self._client.disconnect()
            self._client.loop(_LOOP_S)
        sock = self._client.socket()
        if isinstance(sock, socket.socket):
            with contextlib.suppress(OSError):
                sock.close()

    def _until(self, true: Callable[[], bool], otherwise: str) -> None:
        last, give_up = self._acknowledged, time.monotonic() + _ANSWER_S
        while not true():
            self._loop(_LOOP_S)
            if self._acknowledged > last:
                last, give_up = self._acknowledged, time.monotonic() + _ANSWER_S
            if time.monotonic() > give_up:
                self.close()
                raise LinkFault(f"the broker {self._where}: {otherwise} within {_ANSWER_S:g} s")

    def _loop(self, seconds: float) -> None:
        well = self._client.loop(seconds) == MQTTErrorCode.MQTT_ERR_SUCCESS
        if self._greetings and (said := self._greetings[0]).is_failure:
            self.close()
            raise LinkFault(f"the broker {self._where} refused us: {said}")
        if not well:
            raise LinkFault(f"the broker {self._where} was lost")

    def _on_connect(self, _c: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any) -> None:
        self._greetings.append(reason)

    def _on_publish(self, *_: Any) -> None:
        self._acknowledged += 1

    def _on_message(self, _c: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        with contextlib.suppress(UnicodeDecodeError):
            self._came_bytes += len(message.payload)
            if self._came_bytes <= _MAX_BYTES:
                self._came[message.topic] = bytes(message.payload)


class _Client(mqtt.Client):
    """paho's client with a ceiling for incoming packets; paho itself takes up to 256 MiB."""

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > _MAX_FRAME_BYTES:
            raise ConnectionError("the announced packet is too large")  # paho closes the connection
        return super()._sock_recv(bufsize)


def _password(file: Path | None) -> str | None:
    if file is None:
        return None
    with file.open(encoding="utf-8") as lines:
        return lines.readline(1024).rstrip("\r\n")


def _without_delay(_client: mqtt.Client, _data: Any, sock: Any) -> None:
    # Nagle's algorithm and delayed acknowledgements together cost 40 ms or more a message.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
