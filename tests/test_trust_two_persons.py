"""A site where two people sign each list, from the desk to the gate; and what the gate's journal hears."""

import contextlib
import json
import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from django.db import connections

from agent.core.allowlist import Status
from agent.core.moments import Moment
from agent.core.notices import ListRefused, ListSwitched
from agent.refresher import Refresher
from agent.stores.anchor import Anchor
from agent.stores.follower import ListFollower
from agent.stores.lists import ListReader, ListStore, open_store
from agent.stores.sources import DirectorySource
from agent.stores.updates import Missed, update
from firmware_tools.cli import main as firmware
from office.home import prepare
from office.keyring import Keyring
from tests import thieves
from tests.small_office import SITE, eventually
from tests.test_trust import Counting, refused
from tests.trusted_site import TrustedSite

prepare()

from tests.test_office_and_gate import Site  # noqa: E402


@pytest.fixture
def office(tmp_path):
    """A two-person site whose first list is published, with one visitor's pass."""
    site = Site(tmp_path)
    public = site.office("signer", "--out", tmp_path / "wangs-stick").strip()
    shutil.rmtree(site.trust)
    words = ["keys", "sign", "--keys", tmp_path / "offline", "--office", public, "--out", site.trust]
    words += ["--passphrase-file", tmp_path / "passphrase"]
    result = CliRunner().invoke(firmware, list(map(str, words)))
    assert result.exit_code == 0, result.output
    assert "2 of 2 must sign" in result.output
    site.visitor = site.issue("Li")
    site.office("approve", site.visitor, "--by", "wang")
    yield site
    connections.close_all()


def drafted(office, name):
    draft = office.folder / name
    office.office("publish", "--draft", draft, "--trust", office.trust, "--out", office.repo)
    return draft


def signed(office, draft, exit_code=0):
    return office.office("sign", draft, "--keys", office.folder / "wangs-stick", exit_code=exit_code)


def test_a_list_reaches_the_gates_once_two_people_have_signed_it(office):
    told = office.office("publish", "--trust", office.trust, "--out", office.repo, exit_code=1)
    assert "wants 2 signatures" in told
    assert "--draft" in told
    draft = drafted(office, "draft")
    assert not (office.repo / "timestamp.json").exists()
    signed(office, draft)
    assert office.gates_list().find(bytes.fromhex(office.visitor)) is not None


def test_what_was_revoked_between_draft_and_signature_stays_denied(office):
    signed(office, drafted(office, "first"))
    draft = drafted(office, "second")
    office.office("revoke", office.visitor, "--by", "chen")
    assert office.gates_list().find(bytes.fromhex(office.visitor)).status is Status.REVOKED
    signed(office, draft)
    listed = office.gates_list()
    assert listed.head.number == 2
    assert listed.find(bytes.fromhex(office.visitor)).status is Status.REVOKED


def test_nobody_signs_twice_and_no_stranger_at_all(office, tmp_path):
    draft = drafted(office, "draft")
    again = office.office("sign", draft, "--keys", tmp_path / "home" / "keys", exit_code=1)
    assert "another person signs with another key" in again
    Keyring.make(tmp_path / "strangers")
    office.office(
        "sign", draft, "--keys", tmp_path / "strangers"
    )  # a third signature is kept, and counts for nothing
    assert not (office.repo / "timestamp.json").exists()
    signed(office, draft)
    assert office.gates_list().head.number == 1
    assert "already" in signed(office, draft, exit_code=1)


def test_a_draft_that_was_changed_or_overtaken_is_not_published(office):
    signed(office, drafted(office, "first"))
    old, new = drafted(office, "old"), drafted(office, "new")
    signed(office, new)
    assert "draft again" in signed(office, old, exit_code=1)
    third = drafted(office, "third")
    head = next((third / "al").glob("*.head"))
    head.write_bytes(head.read_bytes().replace(b'"unlisted_static":false', b'"unlisted_static":true '))
    assert "is damaged" in signed(office, third, exit_code=1)
    assert "wanted one made by" in signed(office, office.folder / "nowhere", exit_code=1)
    assert "wanted a new directory" in office.office("publish", "--draft", third, exit_code=1)


def test_thieves_of_one_home_cannot_publish_a_list(office):
    """They have all online keys and one of the two that sign lists."""
    signed(office, drafted(office, "first"))
    assert office.gates_list().head.number == 1
    draft = drafted(office, "second")
    shutil.copytree(draft, office.repo, dirs_exist_ok=True)
    now = datetime.now(UTC) + timedelta(minutes=1)
    loot = SimpleNamespace(keyring=Keyring.load(office.folder / "home" / "keys"), repo=office.repo, at=now)
    thieves.resign(loot)
    root = (office.trust / "1.root.json").read_bytes()
    anchor = Anchor(root, SITE, office.folder / "of-sync")
    with ListStore(office.folder / "sync" / "list.db") as store:
        outcome = update(store, DirectorySource(office.repo), anchor, Moment(now.timestamp(), 0.0))
    assert refused(outcome, "too few good signatures")
    assert office.gates_list().head.number == 1


# --- the gate's journal hears of it --------------------------------------------


@pytest.fixture
def settled(tmp_path):
    site = TrustedSite(tmp_path / "site")
    site.publish(1)
    site.sync()
    return site


def test_what_sync_refuses_is_news_for_the_gate_once(settled):
    clock = SimpleNamespace(now=settled.moment)
    old = settled.copy_of_repo()
    settled.publish(2)
    follower = ListFollower(settled.list_file, settled.anchor("gate"), clock)
    with closing(follower):
        assert follower.first().head.number == 1
        refresher = Refresher(
            lambda: open_store(settled.list_file),
            DirectorySource(settled.repo),
            settled.anchor("sync"),
            clock,
        )
        refresher.once()
        heard = []
        eventually(lambda: heard.extend(follower.news()) or heard)
        assert isinstance(heard[0], ListSwitched)
        thieves.resign(settled, old)
        bad = Refresher(
            lambda: open_store(settled.list_file), DirectorySource(old), settled.anchor("sync"), clock
        )
        heard.clear()
        for _ in range(3):
            assert refused(bad.once(), "rolled back")
        eventually(lambda: heard.extend(follower.news()) or heard)
        (refusal,) = heard
        assert isinstance(refusal, ListRefused)
        assert refusal.why.startswith("sync: rolled back")
    assert settled.gate().head.number == 2, "the list in use stays"


def test_a_source_that_is_away_is_no_alarm(settled):
    clock = SimpleNamespace(now=settled.moment)
    gone = DirectorySource(settled.folder / "stick")
    outcome = Refresher(lambda: open_store(settled.list_file), gone, settled.anchor("sync"), clock).once()
    assert isinstance(outcome, Missed)
    with closing(ListReader(settled.list_file)) as reader:
        assert reader.refusal() == ""


def test_a_hostile_sync_says_nothing_long_or_unprintable_through_the_gate(settled):
    with ListStore(settled.list_file) as store:
        store.note_refusal("x" * 100_000)
    with closing(ListReader(settled.list_file)) as reader:
        assert len(reader.refusal()) == 500
    for value in ("zeroblob(100000000)", "printf('%.*c', 600, 'x')", "9"):
        with contextlib.closing(sqlite3.connect(settled.list_file)) as db, db:
            db.execute(f"UPDATE refused SET why = {value}")
        with closing(ListReader(settled.list_file)) as reader:
            assert reader.refusal() in {"", "9"}
    with ListStore(settled.list_file) as store:
        store.note_refusal("\x1b[2Jgone\n")
    follower = ListFollower(settled.list_file, settled.anchor("gate"), SimpleNamespace(now=settled.moment))
    with closing(follower):
        follower.first()
        heard = []
        eventually(lambda: heard.extend(follower.news()) or heard)
        assert heard == [ListRefused("sync: ?[2Jgone?")]


def test_what_was_refused_is_left_alone_for_longer_and_longer(settled):
    """The card is spared: with a bad repository, looks become rare however often sync is told to look."""
    old = settled.copy_of_repo()
    settled.publish(2)
    settled.sync()
    thieves.resign(settled, old)
    source = Counting(DirectorySource(old))
    clock = SimpleNamespace(now=settled.moment)
    refresher = Refresher(lambda: open_store(settled.list_file), source, settled.anchor("sync"), clock)
    waits = []

    class Stop(threading.Event):
        def wait(self, timeout=None):
            waits.append(timeout)
            if len(waits) == 14:
                self.set()
            return self.is_set()

    refresher.serve(Stop(), 0.2)
    assert len(waits) == 14
    assert waits[0] <= 0.4
    assert 150 <= waits[-1] <= 300
    assert waits[6] > 8 * waits[0] / 2


def test_who_lost_the_key_signs_with_another(office, tmp_path):
    signed(office, drafted(office, "first"))
    public = tmp_path / "home" / "office-public.json"
    own = Keyring.load(tmp_path / "home" / "keys").signers["allowlist"].public_key.keyval["public"]
    keys = [one["key"] for one in json.loads(public.read_text())["roles"]["allowlist"]["keys"]]
    lost = next(key for key in keys if key != own)
    for wrong in ("", own, "zz"):
        said = office.office("signer", "--out", tmp_path / "no", "--replace", wrong, exit_code=1)
        assert lost[:16] in said
        assert not (tmp_path / "no").exists()
    office.office("signer", "--out", tmp_path / "new-stick", "--replace", lost[:8])
    words = ["keys", "rotate", "--keys", tmp_path / "offline", "--trust", office.trust, "--office", public]
    words += ["--passphrase-file", tmp_path / "passphrase"]
    result = CliRunner().invoke(firmware, list(map(str, words)))
    assert result.exit_code == 0, result.output
    draft = drafted(office, "second")
    office.office("sign", draft, "--keys", tmp_path / "wangs-stick")  # counts for nothing any more
    assert office.gates_list().head.number == 1
    office.office("sign", draft, "--keys", tmp_path / "new-stick")
    assert office.gates_list().head.number == 2
