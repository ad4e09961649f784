"""The peers: one event a message, as paho's documentation has it, and a store behind it.

    python -m benchmarks.mqtt_peers publish PORT COUNT
    python -m benchmarks.mqtt_peers store PORT sqlite:FILE|postgresql://…

The publisher keeps 100 messages in flight. The store has the client's network
thread take messages while it inserts, in one transaction, whatever has arrived,
as durably as the office does. The client acknowledges a message as it takes it,
before it is stored, which is the fastest that it can do.
"""

import sqlite3
import sys
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final

import psycopg
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from agent.core.events import Event, Kind, Place, body
from agent.core.moments import Moment

WINDOW: Final = 100
TOPIC: Final = "peer/events"
LISTENS: Final = "listens"
"""What the store says once nothing will pass it by."""
NOON: Final = 1_772_366_400.0


def event(number: int) -> Event:
    """An ordinary event of about 260 bytes."""
    facts: dict[str, str | int] = {
        "reason": "expired",
        "pass": f"{number:016x}",
        "kind": "visitor",
        "zone": "main",
        "list": 7,
    }
    return Event(Kind.REFUSED, Moment(NOON + number, 0.0), facts)


def publish(port: int, count: int) -> None:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    client.max_inflight_messages_set(WINDOW)
    client.max_queued_messages_set(0)
    client.connect("127.0.0.1", port)
    client.loop_start()
    place = Place("harbour", "north", "00000000000000a1", 1)
    last: mqtt.MQTTMessageInfo | None = None
    for number in range(1, count + 1):
        last = client.publish(TOPIC, body(event(number), place), 1)
    if last:
        last.wait_for_publish(900)
    client.disconnect()
    client.loop_stop()


def store(port: int, where: str) -> None:
    insert, commit = _database(where)
    arrived: SimpleQueue[bytes] = SimpleQueue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="store", protocol=mqtt.MQTTv311)
    client.on_connect = lambda one, *_: one.subscribe(TOPIC, 1)
    client.on_subscribe = lambda *_: print(LISTENS, flush=True)
    client.on_message = lambda _client, _data, message: arrived.put(bytes(message.payload))
    client.connect("127.0.0.1", port)
    client.loop_start()
    while True:
        rows = [(arrived.get(),)]
        with suppress(Empty):
            while True:
                rows.append((arrived.get_nowait(),))
        insert(rows)
        commit()


def _database(where: str) -> tuple[Any, Any]:
    if where.startswith("postgresql:"):
        link = psycopg.connect(where)
        link.execute("CREATE TABLE IF NOT EXISTS peer (id bigserial PRIMARY KEY, body bytea NOT NULL)")
        link.commit()
        cursor = link.cursor()
        return lambda rows: cursor.executemany("INSERT INTO peer (body) VALUES (%s)", rows), link.commit
    file = sqlite3.connect(where.removeprefix("sqlite:"))
    file.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "CREATE TABLE IF NOT EXISTS peer (id INTEGER PRIMARY KEY, body BLOB NOT NULL);"
    )
    return lambda rows: file.executemany("INSERT INTO peer (body) VALUES (?)", rows), file.commit


if __name__ == "__main__":
    _what, _port, _rest = sys.argv[1:]
    if _what == "publish":
        publish(int(_port), int(_rest))
    else:
        store(int(_port), _rest)
