"""What the office's subscription takes, and what it leaves, from a real Mosquitto."""

import time
from contextlib import closing

import paho.mqtt.client as mqtt

from office.ingest.subscriber import Address, Subscriber
from tests import brokers

WANTED, OTHER = "site/garden/gate/north/log", "site/garden/list/timestamp.json"


def test_what_nobody_asked_for_is_let_go(tmp_path):
    """A session that another program left behind at the broker brings its messages along."""
    with brokers.mosquitto(tmp_path) as broker:
        before = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "menshen-office-garden", clean_session=False)
        subscribed = []
        before.on_subscribe = lambda *_: subscribed.append(True)
        before.connect(brokers.LOOPBACK, broker.port)
        before.loop_start()
        before.subscribe("site/#", 1)
        deadline = time.monotonic() + 20
        while not subscribed and time.monotonic() < deadline:
            time.sleep(0.01)
        before.disconnect()
        before.loop_stop()
        sender = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "sender")
        sender.connect(brokers.LOOPBACK, broker.port)
        sender.loop_start()
        for topic in (OTHER, WANTED):
            sender.publish(topic, b"x", 1).wait_for_publish(20)
        with closing(
            Subscriber(
                Address(brokers.LOOPBACK, broker.port), "menshen-office-garden", "site/garden/gate/+/log"
            )
        ) as office:
            arrivals = office.take(20)
            assert [arrival.topic for arrival in arrivals] == [WANTED]
            arrivals[0].settle()
        sender.disconnect()
        sender.loop_stop()
