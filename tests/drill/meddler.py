"""A bad post office: it delivers some messages twice, and some long after their time."""

import random
import threading
from collections import deque

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from agent.core.feed import log_topic


class Meddler:
    """Listens to one gate's messages and says some of them again."""

    def __init__(self, port: int, site: str, gate: str) -> None:
        self.said = 0
        self._topic = log_topic(site, gate)
        self._heard: deque[bytes] = deque(maxlen=60)
        self._closing = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(self._topic, 1)
        self._client.on_message = lambda _client, _data, message: self._heard.append(bytes(message.payload))
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run, name="meddler")
        self._thread.start()

    def _run(self) -> None:
        while not self._closing.wait(random.uniform(0.1, 0.5)):
            heard = list(self._heard)
            if heard and self._client.is_connected():
                for message in random.sample(heard, min(len(heard), 3)):
                    self._client.publish(self._topic, message, 1)
                    self.said += 1

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()
