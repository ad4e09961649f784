"""The example of a group in docs/examples/group is one that works."""

import subprocess
from pathlib import Path

import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from agent.core.feed import log_topic
from office.database import database
from office.group import FILE, Group
from tests import brokers
from tests.office_group.group import eventually

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "group"


def test_each_site_has_a_database_and_a_broker_of_its_own() -> None:
    group = Group.at(EXAMPLE)
    assert group is not None
    assert group.first in group.settings
    everything = list(group.settings.values())
    assert len({one.database for one in everything} | {group.database}) == len(everything) + 1
    assert len({one.broker for one in everything}) == len(everything)
    for one in everything:
        assert database(EXAMPLE, one.database)["ENGINE"].endswith("postgresql")


@pytest.fixture
def broker(tmp_path: Path):
    """The example's broker, filled in for a site as it says, but for the places of its files."""
    if brokers.MOSQUITTO is None:
        pytest.skip("mosquitto is not installed; `make test` installs it where it may")
    port = brokers.free_port()
    (tmp_path / "harbour").mkdir()
    for name in ("broker.conf", "broker.acl"):
        text = (EXAMPLE / name).read_text().replace("SITE", "harbour").replace("PORT", f"{port} 127.0.0.1")
        text = text.replace("/etc/mosquitto", str(tmp_path)).replace("/var/lib/mosquitto", str(tmp_path))
        place = tmp_path / ("harbour.acl" if name.endswith("acl") else name)
        place.write_text(text + ("\nuser root\n" if name.endswith("conf") else ""))
        place.chmod(0o600)
    passwords = tmp_path / "harbour.passwords"
    passwords.write_text("north:n\noffice:o\n")
    passwords.chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
    running = brokers.Running(
        [brokers.MOSQUITTO, "-c", str(tmp_path / "broker.conf")], port, tmp_path / "broker.log"
    )
    running.start()
    yield running
    running.stop()


def test_a_gate_writes_its_own_topic_and_the_office_hears_it(broker: brokers.Running) -> None:
    heard: list[tuple[str, bytes]] = []
    office, gate = (_client(broker.port, name) for name in ("office", "north"))
    office.on_message = lambda _client, _data, message: heard.append((message.topic, message.payload))
    office.subscribe("site/harbour/gate/+/log", 1)
    eventually(lambda: office.is_connected() and gate.is_connected())
    for topic in (log_topic("harbour", "south"), log_topic("mill", "north"), log_topic("harbour", "north")):
        gate.publish(topic, b"x", 1).wait_for_publish(10)
    eventually(lambda: heard)
    for one in (office, gate):
        one.disconnect()
        one.loop_stop()
    assert heard == [(log_topic("harbour", "north"), b"x")]


def _client(port: int, name: str) -> mqtt.Client:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv311)
    client.username_pw_set(name, name[0])
    client.connect(brokers.LOOPBACK, port)
    client.loop_start()
    return client


def test_the_file_is_named_as_a_group_wants_it() -> None:
    assert (EXAMPLE / FILE).is_file()
