"""What gates send to one site, and are told by one site, is nothing at another."""

import json
import os
import subprocess
import sys
import time
from contextlib import closing

import pytest

from agent.core.feed import log_topic
from agent.core.orders import MAX_BYTES, MAX_LIFE_S, What
from agent.order_desk import OrderDesk
from agent.stores.box import Box, BoxReader
from agent.stores.journal_reader import JournalReader
from agent.stores.writer import JournalWriter, open_journal
from office import home as homes
from office import orders, registry
from office.group import FILE
from office.ingest.intake import Intake
from office.keyring import Keyring
from office.models import Alert, Epoch, Event
from tests import brokers
from tests.core.builders import ed25519
from tests.office_group.group import TwoSites
from tests.signing_gate import SigningGate
from tests.test_ingest import wire
from tests.test_orders import Clock

HARBOUR = SigningGate().opened().busy(4)


def _enrolled(group: TwoSites, site: str, gate: SigningGate) -> None:
    group.at(site)
    record = {"site": site, "gate": gate.name, "device_id": "d", "journal_key": str(gate.public)}
    registry.add_gate(record, replace=True, by="tests")


def _keeps(group: TwoSites, site: str) -> int:
    group.at(site)
    return Event.objects.count()


@pytest.mark.parametrize("key", [HARBOUR, SigningGate()], ids=["the same device's key", "another's"])
def test_a_gate_of_one_site_writes_nothing_into_another(group: TwoSites, key: SigningGate) -> None:
    """Also not one whose device stood at the other site before: the site is in what it signs."""
    _enrolled(group, "garden", key)
    keys = Keyring.load(group.at("garden").home / "keys")
    intake, message = Intake("garden", keys.ack.sign), HARBOUR.message(1, 5)
    for topic in (
        log_topic("harbour", "north"),
        log_topic("garden", "north"),
        "site/garden/gate/../../harbour/log",
    ):
        assert intake.take([(topic, message)]) == []
    assert (Event.objects.count(), Epoch.objects.count()) == (0, 0)
    Alert.objects.all().delete()
    _enrolled(group, "harbour", HARBOUR)
    home = homes.use(group.path, "harbour")
    assert Intake("harbour", Keyring.load(home.keys).ack.sign).take([(HARBOUR.topic, message)])
    assert (_keeps(group, "harbour"), _keeps(group, "garden")) == (5, 0)
    group.at("harbour")
    Event.objects.all().delete()
    Epoch.objects.all().delete()


def test_one_command_takes_in_for_all_sites_each_from_its_broker(group: TwoSites, tmp_path) -> None:
    """Two brokers; the one of garden also says harbour's messages again, which nobody takes."""
    _enrolled(group, "garden", SigningGate())
    _enrolled(group, "harbour", HARBOUR)
    with brokers.mosquitto(tmp_path / "one") as first, brokers.mosquitto(tmp_path / "two") as second:
        settings = f'name = "riverside"\n[sites.harbour]\nbroker = "127.0.0.1:{first.port}"\n'
        (group.path / FILE).write_text(f'{settings}[sites.garden]\nbroker = "127.0.0.1:{second.port}"\n')
        log = (tmp_path / "ingest.log").open("w")
        command = [sys.executable, "-m", "office.cli", "ingest", "--home", str(group.path)]
        ingest = subprocess.Popen(command, stderr=log, env=os.environ)
        try:
            with wire(first.port, HARBOUR) as gate, wire(second.port, HARBOUR) as elsewhere:
                elsewhere.send(HARBOUR.message(1, 5))
                gate.sends_until_acked([HARBOUR.message(1, 5)], (HARBOUR.epoch, 5))
                assert elsewhere.acked == ("", 0)
            assert (_keeps(group, "harbour"), _keeps(group, "garden")) == (5, 0)
        finally:
            ingest.terminate()
            assert ingest.wait(30) == 0
            log.close()
    assert "Traceback" not in (tmp_path / "ingest.log").read_text()


def test_an_order_of_one_site_does_nothing_at_another(group: TwoSites, tmp_path) -> None:
    """Signed by harbour: for its own gate, and by a thief of harbour's key for garden's of the same name."""
    harbour = Keyring.load(group.at("harbour").home / "keys").order
    garden = Keyring.load(group.at("garden").home / "keys").order
    box, clock = Box(tmp_path / "orders", MAX_BYTES), Clock()
    journal = JournalWriter(
        lambda: open_journal(tmp_path / "j.db", "garden", "north", ed25519("gate").sign), clock
    )
    desk = OrderDesk(
        "garden",
        "north",
        reader=BoxReader(tmp_path / "orders", MAX_BYTES, left_before_s=MAX_LIFE_S),
        keys=lambda: (garden.public,),
        journal=journal,
        clock=clock,
        spent={},
    )

    def heard(site: str, key) -> list:
        box.put(orders.order(site, "north", What.OPEN, by="chen", why="x", key=key, utc=time.time()))
        desk._look_at = float("-inf")
        return list(desk.news())

    assert heard("harbour", harbour) == []
    assert heard("garden", harbour) == []
    assert heard("harbour", garden) == []
    assert len(heard("garden", garden)) == 1
    journal.close()
    with closing(JournalReader(tmp_path / "j.db")) as reader:
        found = [json.loads(line)["type"] for _, line in reader.bodies()]
    assert found.count("menshen.order.obeyed") == 1
