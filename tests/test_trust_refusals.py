"""What a gate refuses although its own sync believed it: a sync in the wrong hands, attack by attack.

The store is filled as a sync would that checks nothing; the gate's follower
must raise an alarm with a reason, and go on with the list before.
"""

import shutil
from contextlib import closing
from types import SimpleNamespace

import pytest
from tuf.api.metadata import Metadata, Root, TargetFile, Targets, Timestamp

from agent.core.allowlist import Head, Status, parts_of
from agent.core.notices import ListRefused
from agent.stores.follower import ListFollower
from agent.stores.lists import Current, ListReader, ListStore
from agent.stores.sources import DirectorySource
from agent.stores.updates import Switched
from firmware_tools import ceremony
from firmware_tools.key_files import OfficePublic
from office import repository
from office.keyring import Keyring
from office.repository_files import versions
from tests import thieves
from tests.small_office import eventually
from tests.test_trust import refused
from tests.trusted_site import DAY, PASSPHRASE, SITE, TrustedSite, pass_id


@pytest.fixture(scope="module")
def run_in(tmp_path_factory):
    """List 2 is in use at the gate; a copy of the repository with list 1 was kept by somebody."""
    site = TrustedSite(tmp_path_factory.mktemp("run-in") / "site")
    site.publish(1)
    site.sync()
    site.copy_of_repo("old")
    site.now += 60
    site.publish(2, range(1, 50))
    site.sync()
    with closing(ListReader(site.list_file)) as reader:
        assert site.gate(reader).head.number == 2
    return site.folder


@pytest.fixture
def site(run_in, tmp_path):
    site = TrustedSite.standing(shutil.copytree(run_in, tmp_path / "site", symlinks=True))
    site.now += 3600
    return site


def store_unchecked(site, repo):
    """What a sync in a thief's hands does: store whatever lies in a repository, and say that it is newer."""
    number = max(versions(repo, "allowlist"))
    role = Metadata[Targets].from_file(str(repo / f"{number}.allowlist.json")).signed
    head = (repo / "al" / f"{role.targets['al/head'].hashes['sha256']}.head").read_bytes()

    def part(digest):
        path = repo / "al" / digest.hex()
        return path.read_bytes() if path.exists() else b""

    names = (*repo.glob("*.json"), *repo.glob("al/*.head"), *repo.glob("rv/*"))
    files = {str(path.relative_to(repo)): path.read_bytes() for path in names}
    with ListStore(site.list_file) as store:
        parts = list(parts_of(Head.from_bytes(head), part))
        store.add_parts(map(part, parts))
        before = store.current()
        if before.head:  # as the honest one: what is in use stays
            parts += parts_of(Head.from_bytes(before.head), store.part)
        store.switch(Current(before.generation + 1, number, head, site.now + 7 * DAY, ""), files, parts)


def the_whole_old_repository(site):
    return site.folder / "old"


def old_list_under_a_new_timestamp(site):
    old = site.folder / "old"
    stamp = Metadata[Timestamp].from_file(str(old / "timestamp.json"))
    stamp.signed.version = 10**8
    stamp.sign(site.keyring.signers["timestamp"])
    stamp.to_file(str(old / "timestamp.json"))
    return old


def old_list_under_a_new_snapshot(site):
    thieves.resign(site, site.folder / "old")
    return site.folder / "old"


def a_list_that_was_held_back(site):
    site.now += 8 * DAY
    return site.repo


def parts_of_two_lists(site):
    site.publish(3, range(1, 60))
    two = max(versions(site.repo, "allowlist")) - 1
    (site.repo / "3.allowlist.json").write_bytes((site.repo / f"{two}.allowlist.json").read_bytes())
    return site.repo


def a_strangers_list(site):
    stranger = TrustedSite(site.folder / "stranger")
    stranger.now = site.now
    stranger.publish(3)
    return stranger.repo


def a_snapshot_in_the_timestamps_place(site):
    newest = thieves.newest(site.repo, "snapshot")
    shutil.copy(site.repo / f"{newest}.snapshot.json", site.repo / "timestamp.json")
    return site.repo


def a_list_signed_by_the_revoking_key(site):
    site.publish(3)
    role = Metadata[Targets].from_file(str(site.repo / "3.allowlist.json"))
    role.signatures.clear()
    role.sign(site.keyring.signers["revoke"])
    role.to_file(str(site.repo / "3.allowlist.json"))
    thieves.resign(site)
    return site.repo


def a_list_that_names_firmware(site):
    site.publish(3)
    role = Metadata[Targets].from_file(str(site.repo / "3.allowlist.json"))
    role.signed.targets["fw/9.9"] = TargetFile.from_data("fw/9.9", b"evil", ["sha256"])
    role.sign(site.keyring.signers["allowlist"])
    role.to_file(str(site.repo / "3.allowlist.json"))
    thieves.resign(site)
    return site.repo


def a_list_without_one_of_its_shards(site):
    site.publish(3, range(500, 600))
    site.part_files()[0].unlink()
    return site.repo


def a_list_with_a_torn_shard(site):
    site.publish(3, range(500, 600))
    path = site.part_files()[0]
    path.write_bytes(path.read_bytes()[:-52])
    return site.repo


def a_root_that_one_key_signed(site):
    offline = ceremony.show(site.offline)
    thief = Keyring.make(site.folder / "thief")
    root = Metadata[Root].from_file(str(site.trust / "1.root.json"))
    root.signed.version = 2
    root.signed.revoke_key(root.signed.roles["timestamp"].keyids[0], "timestamp")
    root.signed.add_key(thief.signers["timestamp"].public_key, "timestamp")
    root.signatures.clear()
    one = offline.roles["root"].keys[0]
    root.sign(ceremony.unlock(site.offline / f"{one.name}.pem", one, PASSPHRASE))
    root.to_file(str(site.repo / "2.root.json"))
    thieves.resign(site)
    return site.repo


def denials_taken_back(site):
    site.publish(3)
    early = min(versions(site.repo, "revoke"))
    for version, path in versions(site.repo, "revoke").items():
        if version != early:
            path.unlink()
    thieves.resign(site)
    return site.repo


@pytest.mark.parametrize(
    ("attack", "why"),
    [
        (the_whole_old_repository, "rolled back"),
        (old_list_under_a_new_timestamp, "rolled back"),
        (old_list_under_a_new_snapshot, "rolled back"),
        (a_list_that_was_held_back, "expired"),
        (parts_of_two_lists, "damaged or mixed"),
        (a_strangers_list, "too few good signatures"),
        (a_snapshot_in_the_timestamps_place, "not a repository"),
        (a_list_signed_by_the_revoking_key, "too few good signatures"),
        (a_list_that_names_firmware, "the role allowlist lists fw/9.9"),
        (a_list_without_one_of_its_shards, "missing or damaged"),
        (a_list_with_a_torn_shard, "missing or damaged"),
        (a_root_that_one_key_signed, "too few good signatures"),
        (denials_taken_back, "rolled back"),
    ],
    ids=lambda value: value.__name__.replace("_", "-") if callable(value) else None,
)
def test_a_gate_refuses_what_its_sync_believed_and_keeps_its_list(site, attack, why):
    follower = ListFollower(site.list_file, site.anchor("gate"), SimpleNamespace(now=site.moment))
    with closing(follower):
        in_use = follower.first()
        assert in_use.head.number == 2
        store_unchecked(site, attack(site))
        heard = []
        eventually(lambda: heard.extend(follower.news()) or heard)
        assert isinstance(heard[0], ListRefused)
        assert why in heard[0].why
        assert in_use.find(pass_id(7)).status is Status.LIVE, "it is still looked up in"


def test_a_list_and_its_denials_are_for_one_site(site):
    """The revoking key of another site of the same owner denies nobody here."""
    site.now += 60
    hot = repository.Denials("quarry", {pass_id(1): Status.REVOKED})
    trust = repository.trusted(site.trust, SITE, site.now)
    role = (site.repo / "2.allowlist.json").read_bytes()
    repository.finish(site.repo, trust, site.keyring, 2, {}, role, hot, site.now)
    assert refused(site.sync(), "rv/hot is for site 'quarry'")


def test_a_root_planted_among_the_clients_files_is_not_believed(site):
    """The installed bytes are where trust begins, whatever lies beside."""
    stranger = TrustedSite(site.folder / "stranger")
    stranger.now = site.now
    stranger.publish(3)
    for who in ("sync", "gate"):
        memory = site.anchor(who).state / "tuf"
        for path in memory.rglob("*root.json"):
            path.unlink()
            path.write_bytes((stranger.trust / "1.root.json").read_bytes())
    assert refused(site.sync(DirectorySource(stranger.repo)), "")
    shutil.rmtree(site.anchor("sync").state / "tuf")
    site.publish(3)
    assert isinstance(site.sync(), Switched), "from the installed bytes alone"
    assert site.gate().head.number == 3


def test_two_people_s_list_with_one_signature_in_the_store_is_refused(tmp_path):
    site = TrustedSite(tmp_path / "two")
    second = Keyring.make(tmp_path / "second")
    fields = site.keyring.office_public(SITE, allowlist_threshold=2)
    fields["roles"]["allowlist"]["keys"] += second.office_public(SITE)["roles"]["allowlist"]["keys"]
    shutil.rmtree(site.trust)
    office = OfficePublic.model_validate(fields)
    ceremony.write_trust(site.trust, *ceremony.sign_trust(site.offline, office, PASSPHRASE, site.at))
    thieves.publish_alone(site)
    with ListStore(site.list_file) as store:
        store.switch(Current(1, 1, b"", site.now, ""), {}, [])
    store_unchecked(site, site.repo)
    assert refused(site.gate(), "too few good signatures")
