"""The office and a gate, both real: lists go out, events come in, and neither believes the other's broker."""

import json
import sqlite3
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from django.db import connections

from agent.core.allowlist import Allowlist, Status
from agent.core.moments import Moment
from agent.stores.anchor import Anchor
from agent.stores.lists import ListReader, ListStore
from agent.stores.loading import load
from agent.stores.sources import DirectorySource
from agent.stores.updates import update
from firmware_tools.cli import main as firmware
from office import home as homes
from office.cli import main
from office.keyring import Keyring
from tests import brokers
from tests.small_office import GATE, SITE, eventually, public
from tests.test_uplink import Gate, sync

homes.prepare()

from office.models import Alert, Event  # noqa: E402  models want Django set up

USERS = {GATE: "n", "office": "o"}


class Site:
    """A home, a ceremony and a repository, by the commands that make them."""

    def __init__(self, folder):
        self.folder = folder
        self.trust, self.repo = folder / "trust", folder / "repo"
        public_file = self.office("site", SITE, "--zones", "main,garage").strip()
        word = folder / "passphrase"
        word.write_text("a long passphrase for a test\n")
        word.chmod(0o600)
        keys = str(folder / "offline")
        for words in (
            ("make", "--out", keys),
            ("sign", "--keys", keys, "--office", public_file, "--out", self.trust),
        ):
            result = CliRunner().invoke(firmware, ["keys", *map(str, words), "--passphrase-file", str(word)])
            assert result.exit_code == 0, result.output

    def office(self, *words, exit_code=0):
        result = CliRunner().invoke(main, [*map(str, words), "--home", str(self.folder / "home")])
        assert result.exit_code == exit_code, result.output
        return result.stdout if exit_code == 0 else result.stderr

    def issue(self, person):
        until = (datetime.now(UTC) + timedelta(days=90)).date()
        words = [
            "--person",
            person,
            "--kind",
            "visitor",
            "--zone",
            "main",
            "--from",
            "2026-01-01",
            "--until",
            until,
        ]
        begins = (datetime.now(UTC) - timedelta(days=1)).date()
        words[words.index("2026-01-01")] = begins
        return self.office("issue", *words, "--by", "chen").strip()

    def publish(self, exit_code=0):
        return self.office("publish", "--trust", self.trust, "--out", self.repo, exit_code=exit_code)

    def gates_list(self) -> Allowlist:
        """What a gate has after it has looked: it starts from the root of trust each time."""
        now = Moment(datetime.now(UTC).timestamp(), 0.0)
        root = (self.trust / "1.root.json").read_bytes()
        file = self.folder / "sync" / "list.db"
        with ListStore(file) as store:
            update(store, DirectorySource(self.repo), Anchor(root, SITE, self.folder / "of-sync"), now)
        loaded = load(ListReader(file), Anchor(root, SITE, self.folder / "of-gate"), now)
        assert isinstance(loaded, Allowlist), loaded
        return loaded


@pytest.fixture
def site(tmp_path):
    yield Site(tmp_path)
    connections.close_all()


def test_what_is_approved_reaches_the_gate_and_a_draft_does_not(site):
    """C03, C11."""
    draft, one, other = (site.issue(person) for person in ("Li", "Wang", "Zhao"))
    for pass_id in (one, other):
        site.office("approve", pass_id, "--by", "wang")
    assert set(site.publish().splitlines()) == {f"+ {one}", f"+ {other}"}
    granted = site.gates_list()
    assert (granted.head.number, granted.head.zones, granted.head.utc_offset_min) == (
        1,
        ("main", "garage"),
        480,
    )
    assert granted.find(bytes.fromhex(draft)) is None
    assert granted.find(bytes.fromhex(one)).status is Status.LIVE
    keys = Keyring.load(site.folder / "home" / "keys")
    assert granted.head.issuers == {keys.issuer.key_id: keys.issuer.public}
    assert granted.head.ack_keys == (keys.ack.public,)

    site.office("suspend", one, "--by", "wu")
    site.office("revoke", other, "--by", "wu")
    site.office("revoke", draft, "--by", "wu")
    assert set(site.publish().splitlines()) == {f"~ {one}", f"~ {other}"}
    granted = site.gates_list()
    assert granted.head.number == 2
    found = [granted.find(bytes.fromhex(pass_id)) for pass_id in (draft, one, other)]
    assert [grant and grant.status for grant in found] == [None, Status.SUSPENDED, Status.REVOKED]
    assert site.publish() == ""  # nothing new, and yet a newer list
    site.office("renew", "--trust", site.trust, "--out", site.repo)
    assert site.gates_list().head.number == 3


def test_a_list_that_can_not_be_delivered_leaves_no_trace(site):
    one = site.issue("Wang")
    site.office("approve", one, "--by", "wang")
    hidden = site.trust.rename(site.trust.with_name("elsewhere"))
    assert site.publish(exit_code=1).startswith("Error: ")
    hidden.rename(site.trust)
    assert site.publish() == f"+ {one}\n"
    assert site.gates_list().head.number == 1


def test_a_restored_office_does_not_publish_an_old_number(site):
    home, backup = site.folder / "home" / "office.db", site.folder / "backup.db"
    connections.close_all()
    backup.write_bytes(home.read_bytes())
    site.publish()
    site.publish()
    connections.close_all()
    home.write_bytes(backup.read_bytes())
    site.publish()
    assert site.gates_list().head.number == 3


def test_a_gates_journal_arrives_whole_though_everything_dies_in_between(site, tmp_path):
    gate = Gate(tmp_path)
    record = {"site": SITE, "gate": GATE, "device_id": "rpi-1", "journal_key": str(public(gate.key))}
    (tmp_path / "record.json").write_text(json.dumps({**record, "direction": "in", "zone": "main"}))
    site.office("gate", "add", tmp_path / "record.json")
    office_key = Keyring.load(site.folder / "home" / "keys").ack.public
    for name, word in USERS.items():
        (tmp_path / name).write_text(f"{word}\n")
        (tmp_path / name).chmod(0o600)
    gate.start()
    gate.happens(150)
    with ExitStack() as house:
        broker = house.enter_context(
            brokers.mosquitto(tmp_path / "broker", users=USERS, acl=brokers.acl(SITE))
        )
        sign_in = ["--username", "office", "--password-file", str(tmp_path / "office")]
        address = f"{brokers.LOOPBACK}:{broker.port}"
        command = [sys.executable, "-m", "office.cli", "ingest", "--broker", address, *sign_in]
        command += ["--home", str(site.folder / "home")]

        def ingester():
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            house.callback(process.wait)
            house.callback(process.kill)
            return process

        first = ingester()
        uplink = house.enter_context(sync(gate, broker.port, lambda: (office_key,), tmp_path / GATE)).uplink
        eventually(lambda: uplink.acked == 151)
        first.kill()  # no word to anybody
        gate.happens(300)
        gate.start()  # the gate process died too: a new epoch
        gate.happens(50)
        broker.kill()  # it keeps nothing
        broker.start()
        second = ingester()
        gate.happens(1)
        eventually(lambda: uplink.acked == 151 + 300 + 1 + 50 + 1)
        gate.stop()
        second.terminate()
        assert second.wait(10) == 0
    assert [bytes(event.body) for event in Event.objects.order_by("pk")] == gate.lines()
    assert not Alert.objects.exists()
    lines = site.office("feed", "--format", "jsonl").splitlines()
    assert [json.loads(line)["kind"] for line in lines].count("exit.pressed") == 150 + 300 + 50 + 1


def test_an_office_restored_from_its_backup_gets_everything_again(site, tmp_path):
    gate = Gate(tmp_path)
    record = {"site": SITE, "gate": GATE, "device_id": "rpi-1", "journal_key": str(public(gate.key))}
    (tmp_path / "record.json").write_text(json.dumps({**record, "direction": "in", "zone": "main"}))
    site.office("gate", "add", tmp_path / "record.json")
    office_key = Keyring.load(site.folder / "home" / "keys").ack.public
    home, backup = site.folder / "home" / "office.db", site.folder / "backup.db"
    with ExitStack() as house:
        broker = house.enter_context(brokers.mosquitto(tmp_path / "broker"))
        address = f"{brokers.LOOPBACK}:{broker.port}"
        command = [sys.executable, "-m", "office.cli", "ingest", "--broker", address]

        def ingester():
            words = [*command, "--home", str(site.folder / "home")]
            process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
            house.callback(process.wait)
            house.callback(process.kill)
            return process

        first = ingester()
        gate.start()
        gate.happens(99)
        uplink = house.enter_context(sync(gate, broker.port, lambda: (office_key,))).uplink
        eventually(lambda: uplink.acked == 100, within_s=60)
        first.terminate()
        first.wait()
        connections.close_all()
        with sqlite3.connect(home) as old, sqlite3.connect(backup) as copy:
            old.backup(copy)
        old.close()
        copy.close()
        second = ingester()
        gate.happens(500)
        eventually(lambda: uplink.acked == 600, within_s=60)
        second.terminate()
        second.wait()
        for name in ("office.db-wal", "office.db-shm"):
            home.with_name(name).unlink(missing_ok=True)
        home.write_bytes(backup.read_bytes())
        third = ingester()
        gate.happens(1)  # from which the office sees that it has forgotten something
        eventually(lambda: Event.objects.count() == 601, within_s=60)
        gate.stop()
        third.terminate()
        assert third.wait(10) == 0
    assert [bytes(event.body) for event in Event.objects.order_by("pk")] == gate.lines()
    assert not Alert.objects.exists()
