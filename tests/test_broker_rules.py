"""On a site's broker each party has its own topics alone, by site and role; and who reads the feed is in the log (C35)."""

import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from office.home import prepare

prepare()

from office import registry  # noqa: E402
from office.broker_rules import mosquitto  # noqa: E402
from office.cli import main  # noqa: E402
from office.home import use  # noqa: E402
from office.keyring import Keyring  # noqa: E402
from office.models import Act, Gate  # noqa: E402
from tests import brokers  # noqa: E402

GATES = ("north", "south")
PARTIES = (*GATES, "office", "publisher", "dashboard", "stranger")
TOPICS = (
    *(f"site/harbour/gate/{gate}/{what}" for gate in GATES for what in ("log", "event", "told", "health")),
    *(f"site/harbour/gate/{gate}/{what}" for gate in GATES for what in ("status", "order", "ack")),
    "site/harbour/list/hint",
    "site/garden/gate/north/log",
    "site/garden/gate/north/order",
    "site/garden/list/hint",
)
OWN = ("log", "event", "told", "health", "status")


def may_write(who: str) -> set[str]:
    """What the design says."""
    if who in GATES:
        return {f"site/harbour/gate/{who}/{what}" for what in OWN}
    return {
        "office": {f"site/harbour/gate/{gate}/{what}" for gate in GATES for what in ("ack", "order")},
        "publisher": {"site/harbour/list/hint"},
    }.get(who, set())


def may_read(who: str) -> set[str]:
    own = {f"site/harbour/gate/{who}/{what}" for what in ("order", "ack")} if who in GATES else set()
    seen = {"office": ("log", "status"), "dashboard": ("event", "health", "status")}.get(who, ())
    told = {f"site/harbour/gate/{gate}/told" for gate in GATES}
    return (
        own
        | told
        | {f"site/harbour/gate/{gate}/{what}" for gate in GATES for what in seen}
        | {"site/harbour/list/hint"}
    )


class Party:
    """One who is connected, and what it is sent; `sentinel/…` says that all before it has been dealt with."""

    def __init__(self, port: int, name: str) -> None:
        self.heard: set[str] = set()
        self.done = threading.Semaphore(0)
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv311)
        self.client.username_pw_set(name, "secret")
        ready = threading.Event()
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_message = lambda _client, _data, message: self._on(message.topic)
        self.client.connect(brokers.LOOPBACK, port)
        self.client.loop_start()
        self.client.subscribe([(one, 1) for one in (*TOPICS, "sentinel/+")])
        assert ready.wait(20)

    def _on(self, topic: str) -> None:
        if topic.startswith("sentinel/"):
            self.done.release()
        else:
            self.heard.add(topic)

    def says(self, topics: tuple[str, ...], sentinel: str) -> None:
        for topic in (*topics, f"sentinel/{sentinel}"):
            self.client.publish(topic, b"x", 1)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def test_each_party_reads_and_writes_its_own_and_nothing_else(tmp_path: Path) -> None:
    """C31, C35: six parties, nineteen topics, each way, on a real Mosquitto."""
    rules = mosquitto("harbour", readers=("dashboard",))
    rules += "pattern write sentinel/%u\npattern read sentinel/%u\nuser all\ntopic readwrite #\n"
    users = dict.fromkeys((*PARTIES, "all"), "secret")
    with ExitStack() as stack:
        broker = stack.enter_context(brokers.mosquitto(tmp_path, users=users, acl=rules))
        everything = Party(broker.port, "all")
        stack.callback(everything.close)
        for name in PARTIES:
            party = Party(broker.port, name)
            stack.callback(party.close)
            everything.heard.clear()
            party.says(TOPICS, name)
            assert everything.done.acquire(timeout=20)
            assert everything.heard == may_write(name), name
            party.done.acquire(timeout=20)
            party.heard.clear()
            everything.says(TOPICS, name)
            assert party.done.acquire(timeout=20)
            assert party.heard == may_read(name), name
            assert everything.done.acquire(timeout=20)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = use(tmp_path / "home", create=True)
    Keyring.make(place.keys)
    site = registry.make_site("harbour", ["main"], 480)
    Gate.objects.create(site=site, name="north", device_id="n", journal_key="ed25519:" + "ab" * 32, record={})
    return place.path


def test_the_office_prints_them(home: Path) -> None:
    def said(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(main, ["broker-rules", *words, "--home", str(home)])
        assert done.exit_code == code, done.output
        return done.output

    assert said("--reader", "dashboard") == mosquitto("harbour", readers=("dashboard",))
    assert "as the name of a gate" in said("--office", "north", code=1)
    assert "wanted different names" in said("--reader", "office", code=1)
    assert "wanted different names" in said("--reader", "a b", code=1)


def test_whoever_reads_the_feed_is_in_the_log(home: Path) -> None:
    """C35: by command, too; with what was asked for, and no names."""
    for words in (["feed", "--gate", "north"], ["feed", "--format", "csv"], ["alerts"], ["passes"]):
        assert CliRunner().invoke(main, [*words, "--home", str(home)]).exit_code == 0
    read = Act.objects.filter(what="command").order_by("n").values_list("subject", "why")
    assert [one for one in read if one[0] != "site"] == [
        ("feed", "gates=('north',), form=table"),
        ("feed", "form=csv"),
        ("alerts", "late_min=15"),
        ("passes", ""),
    ]
