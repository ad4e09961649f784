"""Between the office and the gate: what thieves, torn copies and power cuts can't make a gate believe."""

import contextlib
import dataclasses
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Root, TargetFile, Targets, Timestamp

from agent.core.allowlist import Allowlist, Freshness, ListFault, Status
from agent.core.notices import ListRefused
from agent.stores.lists import ListReader, ListStore, open_store
from agent.stores.sources import DirectorySource, Source, SourceFault
from agent.stores.updates import Renewed, Switched, Unchanged, update
from firmware_tools import ceremony
from firmware_tools.key_files import OfficePublic
from office import repository
from office.faults import OfficeFault
from office.keyring import Keyring
from tests import thieves
from tests.trusted_site import DAY, NOW, PASSPHRASE, SITE, TrustedSite, grant, pass_id

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    """A site after its key ceremony; tests work on copies, since a ceremony takes a moment."""
    return TrustedSite(tmp_path_factory.mktemp("founded")).folder


@pytest.fixture
def site(founded, tmp_path):
    return TrustedSite.standing(shutil.copytree(founded, tmp_path / "site"))


@pytest.fixture
def reader(tmp_path):
    reader = ListReader(tmp_path / "site" / "sync" / "list.db")
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def run_in(founded, tmp_path_factory):
    """The founded site once its gate uses list 1; for copies, like founded."""
    folder = shutil.copytree(founded, tmp_path_factory.mktemp("run-in") / "site")
    site = TrustedSite.standing(folder)
    site.publish(1)
    assert isinstance(site.sync(), Switched)
    reader = ListReader(site.list_file)
    assert isinstance(site.gate(reader), Allowlist)
    reader.close()
    return folder


@pytest.fixture
def settled(run_in, tmp_path):
    """List 1 is in use at the gate."""
    return TrustedSite.standing(shutil.copytree(run_in, tmp_path / "site", symlinks=True))


class Counting(Source):
    """A source that remembers what it was asked for."""

    def __init__(self, source):
        self.source, self.asked = source, []

    def fetch(self, path, max_bytes):
        self.asked.append(path)
        return self.source.fetch(path, max_bytes)


class Serving(Source):
    """A source where some files are replaced."""

    def __init__(self, source, **replaced):
        self.source, self.replaced = source, replaced

    def fetch(self, path, max_bytes):
        name = path.removesuffix(".json").split(".")[-1]
        return self.replaced.get(name) or self.source.fetch(path, max_bytes)


def refused(answer, why):
    assert isinstance(answer, ListRefused), answer
    assert why in answer.why
    return True


# --- the usual day -----------------------------------------------------------


def test_a_published_list_reaches_the_gate(site, reader):
    site.publish(1, [grant(1), grant(2, status=Status.REVOKED)])
    switched = site.sync()
    assert (switched.number, switched.issued_utc) == (1, NOW)
    listed = site.gate(reader)
    assert listed.find(pass_id(1)).status is Status.LIVE
    assert listed.find(pass_id(2)).status is Status.REVOKED
    assert listed.find(pass_id(3)) is None


def test_a_gate_is_told_of_a_new_list_by_a_number_it_polls(settled, reader):
    before = reader.generation()
    assert (before, reader.current_number()) == (1, 1)
    settled.publish(2)
    settled.sync()
    assert (reader.generation(), reader.current_number()) == (2, 2)


def test_one_changed_pass_moves_its_shard_and_its_sub_index(settled, reader):
    settled.publish(2, [grant(1, status=Status.SUSPENDED), *range(2, 41)])
    assert settled.sync().parts == 2
    assert settled.gate(reader).find(pass_id(1)).status is Status.SUSPENDED


def test_nothing_new_costs_one_small_file(settled):
    source = Counting(DirectorySource(settled.repo))
    assert settled.sync(source) == Unchanged(1)
    assert source.asked == ["timestamp.json"]


def test_renewed_signatures_make_a_list_live_longer(settled, reader):
    settled.now += 3 * DAY
    repository.renew(settled.repo, settled.trust, settled.keyring, settled.now)
    assert settled.sync() == Renewed(1, settled.now + 7 * DAY)
    assert reader.generation() == 2
    listed = settled.gate(reader)
    assert listed.expires_utc == settled.now + 7 * DAY
    assert listed.freshness(settled.now + 0.9 * DAY) is Freshness.FRESH
    assert listed.freshness(settled.now + DAY) is Freshness.STALE


def test_a_list_is_fresh_then_stale_then_dead(settled, reader):
    listed = settled.gate(reader)
    assert listed.expires_utc == NOW + 7 * DAY, "the timestamp ends first"
    ages = [listed.freshness(NOW + days * DAY) for days in (0.9, 1, 6.9, 7)]
    assert ages == [Freshness.FRESH, Freshness.STALE, Freshness.STALE, Freshness.DEAD]


def test_a_gate_without_a_list_says_so_and_waits(site, reader):
    assert (reader.generation(), reader.part(bytes(32))) == (0, None)
    assert refused(site.gate(reader), "no list has arrived yet")
    ListStore(site.list_file).close()
    assert refused(site.gate(reader), "no list has arrived yet")
    site.publish(1)
    site.sync()
    assert reader.generation() == 1


def test_the_office_that_lost_its_repository_publishes_again(settled):
    shutil.rmtree(settled.repo)
    settled.now += 3600
    settled.publish(2)
    assert isinstance(settled.sync(), Switched)


# --- old lists ---------------------------------------------------------------


def test_a_whole_older_repository_is_refused_and_the_list_stays(settled):
    old = DirectorySource(settled.copy_of_repo())
    settled.publish(2)
    settled.sync()
    assert refused(settled.sync(old), "rolled back")
    with ListStore(settled.list_file) as store:
        assert store.current_number() == 2


def test_it_is_refused_also_after_the_client_lost_its_files(settled):
    old = DirectorySource(settled.copy_of_repo())
    settled.publish(2)
    settled.sync()
    shutil.rmtree(settled.anchor("sync").state / "tuf")
    assert refused(settled.sync(old), "rolled back: timestamp v")


def test_it_is_refused_by_the_gate_when_sync_forgot_everything(settled, reader):
    old = DirectorySource(settled.copy_of_repo())
    settled.publish(2)
    settled.sync()
    settled.gate(reader)
    shutil.rmtree(settled.anchor("sync").state)
    shutil.rmtree(settled.list_file.parent)
    assert isinstance(settled.sync(old), Switched)
    assert refused(settled.gate(reader), "rolled back")
    shutil.rmtree(settled.anchor("gate").state / "tuf")
    assert refused(settled.gate(reader), "rolled back")


@pytest.mark.parametrize("cache", ["kept", "lost"])
def test_thieves_of_the_timestamp_and_snapshot_keys_cannot_bring_an_old_list_back(settled, cache):
    old = settled.copy_of_repo()
    settled.publish(2)
    settled.sync()
    thieves.resign(settled, old)
    if cache == "lost":
        shutil.rmtree(settled.anchor("sync").state / "tuf")
    assert refused(settled.sync(DirectorySource(old)), "rolled back")


def test_a_thief_of_the_timestamp_key_cannot_point_to_the_old_snapshot(settled):
    old = settled.copy_of_repo()
    settled.now += 3600
    settled.publish(2)
    settled.sync()
    stamp = Metadata[Timestamp].from_file(str(old / "timestamp.json"))
    stamp.signed.version = 10**8
    stamp.sign(settled.keyring.signers["timestamp"])
    stamp.to_file(str(old / "timestamp.json"))
    assert refused(settled.sync(DirectorySource(old)), "rolled back")


def test_a_frozen_repository_dies_at_its_end(settled, reader):
    settled.now += 7 * DAY
    assert refused(settled.sync(), "expired")
    assert refused(settled.gate(reader), "expired")


def test_a_list_changed_under_its_number_is_refused(settled):
    settled.now += 3600
    shutil.rmtree(settled.repo)
    settled.publish(1, [99])
    assert refused(settled.sync(), "without a new number")


# --- what the office is told -------------------------------------------------


def test_the_office_is_told_what_it_cannot_publish(settled):
    def fault(words, action):
        with pytest.raises(OfficeFault, match=words):
            action()

    fault("wanted a number above 1", lambda: settled.publish(1))
    head = dataclasses.replace(settled.publish(2), number=3, indexes=(bytes(32),))
    rest = (settled.repo, settled.trust, settled.keyring)
    fault("which nobody has", lambda: repository.publish(*rest, head, {}, NOW))
    parts = {bytes(32): bytes(4 * 32)}
    fault("another hash", lambda: repository.publish(*rest, head, parts, NOW))
    fault("found no list", lambda: repository.renew(settled.folder / "none", *rest[1:], NOW))
    fault("targets metadata ended", lambda: repository.renew(*rest, NOW + 200 * DAY))
    fault(
        "hold the key ceremony", lambda: repository.renew(settled.repo, settled.folder, settled.keyring, NOW)
    )
    root = (settled.trust / "1.root.json").read_bytes()
    (settled.trust / "1.root.json").write_bytes(root.replace(b"harbour", b"quarry!"))
    fault("is not whole", lambda: repository.renew(*rest, NOW))
    (settled.trust / "1.root.json").write_bytes(root)
    thieves.head_file(settled, 2).write_bytes(b"torn")
    fault("can't be renewed", lambda: repository.renew(*rest, NOW))
    (settled.repo / "timestamp.json").write_bytes(b"torn")
    fault("restore it from the backup", lambda: settled.publish(3))


# --- wrong signatures --------------------------------------------------------


def test_a_list_that_gates_cannot_read_is_not_published(settled):
    with pytest.raises(OfficeFault, match="gates would refuse list 2"):
        settled.publish(2, zones=("zone",) * 9)
    assert settled.sync() == Unchanged(1)


def test_another_offices_signatures_are_refused(settled, tmp_path):
    stranger = TrustedSite(tmp_path / "stranger")
    stranger.now = settled.now + 3600
    stranger.publish(2)
    assert refused(settled.sync(DirectorySource(stranger.repo)), "too few good signatures")


def test_an_office_whose_keys_the_ceremony_does_not_know_cannot_publish(settled, tmp_path):
    settled.keyring = Keyring.make(tmp_path / "new-keys")
    with pytest.raises(OfficeFault, match="hold the key ceremony again"):
        settled.publish(2)
    assert settled.sync() == Unchanged(1)


def test_a_list_or_a_root_of_another_site_is_refused(settled, reader):
    elsewhere = settled.anchor("elsewhere", site="quarry")
    assert refused(settled.sync(anchor=elsewhere), "the root of trust is for site 'harbour'")
    assert refused(settled.gate(reader, elsewhere), "the root of trust is for site 'harbour'")
    with pytest.raises(OfficeFault, match="is for site 'harbour', the list for 'quarry'"):
        settled.publish(2, site="quarry")
    quarry = json.loads(thieves.head_file(settled).read_bytes()) | {"site": "quarry", "number": 2}
    thieves.sign_head(settled, json.dumps(quarry).encode())
    assert refused(settled.sync(), "the list is for site 'quarry'")


def test_a_gate_enrolled_at_another_site_takes_that_sites_list(settled, reader, tmp_path):
    quarry = TrustedSite(tmp_path / "quarry", site="quarry")
    quarry.publish(1, [7])
    enrolled = quarry.anchor("sync")
    assert isinstance(settled.sync(DirectorySource(quarry.repo), enrolled), Switched)
    assert reader.generation() == 2
    assert settled.gate(reader, enrolled).find(pass_id(7)) is not None
    assert refused(settled.gate(reader), "too few good signatures")


def test_a_head_that_nobody_signed_is_refused(site):
    site.publish(1)
    thieves.head_file(site).write_bytes(
        thieves.head_file(site).read_bytes().replace(b'"soft_ttl_s":86400', b'"soft_ttl_s":86401')
    )
    assert refused(site.sync(), "damaged or mixed")


@pytest.mark.parametrize("served", ["snapshot", "targets", "allowlist"])
def test_a_role_cannot_speak_for_another(settled, served):
    version = {"snapshot": thieves.newest(settled.repo, "snapshot"), "targets": 1, "allowlist": 1}[served]
    data = (settled.repo / f"{version}.{served}.json").read_bytes()
    assert refused(settled.sync(Serving(DirectorySource(settled.repo), timestamp=data)), "")


def test_the_office_cannot_sign_firmware(site):
    """Its list of targets may name fw/*, but nobody asks it about those."""
    site.publish(1)
    role = Metadata[Targets].from_file(str(site.repo / "1.allowlist.json"))
    targets = Metadata[Targets].from_file(str(site.trust / "1.targets.json")).signed
    role.signed.targets["fw/1.0"] = TargetFile.from_data("fw/1.0", b"evil", ["sha256"])
    asked = [name for name, _ in targets.delegations.get_roles_for_target("fw/1.0")]
    assert asked == ["firmware"]
    assert [name for name, _ in targets.delegations.get_roles_for_target("al/head")] == ["allowlist"]
    assert [name for name, _ in targets.delegations.get_roles_for_target("al/../fw/1.0")] == []


# --- two-person sites --------------------------------------------------------


@pytest.fixture
def two_persons(tmp_path):
    """A site where two people sign a list, and the second one's keyring."""
    site = TrustedSite(tmp_path / "two")
    second = Keyring.make(tmp_path / "second")
    fields = site.keyring.office_public(SITE, allowlist_threshold=2)
    fields["roles"]["allowlist"]["keys"] += second.office_public(SITE)["roles"]["allowlist"]["keys"]
    shutil.rmtree(site.trust)
    office = OfficePublic.model_validate(fields)
    ceremony.write_trust(site.trust, *ceremony.sign_trust(site.offline, office, PASSPHRASE, site.at))
    return site, second


def test_a_list_with_one_of_two_signatures_is_refused(two_persons):
    site, second = two_persons
    with pytest.raises(OfficeFault, match="allowlist"):
        site.publish(1)
    thieves.publish_alone(site)
    assert refused(site.sync(), "too few good signatures")
    role = Metadata[Targets].from_file(str(site.repo / "1.allowlist.json"))
    role.sign(second.signers["allowlist"], append=True)
    data = role.to_bytes()
    (site.repo / "1.allowlist.json").write_bytes(data)
    thieves.resign(site)
    assert isinstance(site.sync(), Switched)


def test_one_signature_twice_is_one_signature(two_persons):
    site, _ = two_persons
    thieves.publish_alone(site)
    fields = json.loads((site.repo / "1.allowlist.json").read_bytes())
    fields["signatures"] *= 2
    (site.repo / "1.allowlist.json").write_text(json.dumps(fields))
    thieves.resign(site)
    assert refused(site.sync(), "signature")


# --- damaged copies ----------------------------------------------------------


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda path: path.write_bytes(bytes(path.stat().st_size)), "of another hash"),
        (lambda path: os.truncate(path, path.stat().st_size // 2), "of another hash"),
        (lambda path: path.write_bytes(path.read_bytes() + b"more"), ""),
        (lambda path: os.truncate(path, 2**40), "larger than"),
        (Path.unlink, "the copy is incomplete"),
    ],
    ids=["corrupted", "truncated", "longer", "endless", "missing"],
)
@pytest.mark.parametrize("which", ["shard", "sub-index", "head"])
def test_a_damaged_part_keeps_the_list_before_until_the_copy_is_whole(settled, reader, harm, why, which):
    before = set((settled.repo / "al").iterdir())
    settled.publish(2, range(1, 80))
    new = sorted(set((settled.repo / "al").iterdir()) - before, key=lambda path: path.stat().st_size)
    heads = [path for path in new if path.suffix == ".head"]
    new = [path for path in new if path not in heads]
    path = {"shard": new[-1], "sub-index": new[0], "head": heads[0]}[which]
    good = path.read_bytes()
    harm(path)
    assert refused(settled.sync(), "damaged or mixed" if (which, why) == ("head", "of another hash") else why)
    assert settled.gate(reader).head.number == 1
    path.write_bytes(good)
    assert settled.sync().number == 2
    assert settled.gate(reader).head.number == 2


@pytest.mark.parametrize("name", ["timestamp", "snapshot", "targets", "allowlist", "root", "head"])
@pytest.mark.parametrize(
    "bytes_served",
    [
        b"{}",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"signed":' * 12_000,
        b'{"signed":{"_type":"timestamp","version":1e999},"signatures":[]}',
        b'{"signed":{"_type":"root","spec_version":"1.0.31","version":2,"roles":{}},"signatures":[{}]}',
        b"9" * 5000,
        b"x" * 300_000,
    ],
    ids=["empty", "binary", "nested", "nested-objects", "infinite", "shapeless", "long-number", "large"],
)
def test_rubbish_is_a_refusal_whatever_it_claims_to_be(once, name, bytes_served):
    shutil.rmtree(once.anchor("sync").state, ignore_errors=True)  # else it looks no further than what it has
    assert refused(once.sync(Serving(DirectorySource(once.repo), **{name: bytes_served})), "")


@pytest.mark.parametrize(
    "field", ["number", "issued", "soft_ttl_s", "shard_bits", "indexes", "schedules", "zones"]
)
@pytest.mark.parametrize("value", [-1, 10**30, 1.5, None, True, "7", [[]], {"1": [[]]}], ids=str)
def test_a_signed_head_of_nonsense_is_a_refusal(once, field, value):
    fields = json.loads(once.head_bytes) | {field: value}
    thieves.sign_head(once, json.dumps(fields).encode())
    assert refused(once.sync(), "not a list head")


@pytest.fixture(scope="module")
def once(founded, tmp_path_factory):
    """One site for many harmless refusals."""
    shutil.copytree(founded, tmp_path_factory.mktemp("once") / "site")
    site = TrustedSite.standing(next(tmp_path_factory.getbasetemp().glob("once*")) / "site")
    site.publish(1)
    site.head_bytes = thieves.head_file(site).read_bytes()
    return site


def test_a_directory_that_is_gone_is_a_refusal(site):
    assert refused(site.sync(DirectorySource(site.folder / "stick")), "is the medium mounted?")
    (site.folder / "empty").mkdir()
    assert refused(site.sync(DirectorySource(site.folder / "empty")), "the copy is incomplete")


def test_a_directory_gives_nothing_from_outside_itself(tmp_path):
    (tmp_path / "secret").write_text("secret")
    repo = tmp_path / "repo"
    repo.mkdir()
    (repo / "out").symlink_to(tmp_path / "secret")
    (repo / "in").write_text("inside")
    (repo / "also").symlink_to("in")
    (repo / "round").symlink_to("round")
    os.mkfifo(repo / "pipe")
    source = DirectorySource(repo)
    assert source.fetch("in", 6) == b"inside"
    assert source.fetch("also", 6) == b"inside"
    assert [source.fetch(name, 10) for name in ("out", "pipe", "absent")] == [None, None, None]
    for path in ("../secret", "/etc/passwd", "a/../../secret", "", ".", "in\x00", "a//b", "x" * 500, "round"):
        with pytest.raises(SourceFault):
            source.fetch(path, 10)
    with pytest.raises(SourceFault, match="larger than the 5 bytes"):
        source.fetch("in", 5)


# --- a hostile sync, a failing disk ------------------------------------------


def test_a_gate_believes_nothing_that_sync_changed_in_the_store(settled, reader):
    listed = settled.gate(reader)
    with sqlite3.connect(settled.list_file) as db:
        db.execute("UPDATE parts SET data = zeroblob(length(data))")
    db.close()
    assert refused(settled.gate(reader), "missing or damaged in the store")
    with pytest.raises(ListFault, match="missing or damaged"):
        listed.find(pass_id(1))
    with ListStore(settled.list_file) as store:
        assert store.drop_damaged() == 5
    assert settled.sync() == Unchanged(1)
    assert settled.gate(reader).find(pass_id(1)) is not None


@pytest.mark.parametrize(
    "sql", ["UPDATE files SET data = zeroblob(9)", "DELETE FROM files", "DROP TABLE files"]
)
def test_a_store_without_its_proofs_is_refused(settled, reader, sql):
    with sqlite3.connect(settled.list_file) as db:
        db.execute(sql)
    db.close()
    assert refused(settled.gate(reader), "")


@pytest.mark.parametrize(
    "sql",
    [
        """
        ALTER TABLE parts RENAME TO kept;
        CREATE VIEW parts AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
            SELECT i AS digest, x'00' AS data FROM n;
        """,
        "ALTER TABLE files RENAME TO kept; CREATE VIEW files AS SELECT * FROM kept",
        "UPDATE files SET data = zeroblob(50000000) WHERE path = 'timestamp.json'",
        "UPDATE parts SET data = zeroblob(50000000)",
    ],
    ids=["endless-view", "view", "large-file", "large-parts"],
)
def test_a_store_built_to_hurt_its_reader_is_refused_soon(settled, reader, sql):
    listed = settled.gate(reader)
    with sqlite3.connect(settled.list_file) as db:
        db.executescript(sql)
    db.close()
    assert refused(settled.gate(reader), "")
    if "parts" in sql:
        with pytest.raises(ListFault):
            listed.find(pass_id(1))


def test_sync_begins_a_damaged_store_anew_and_lookups_find_the_new_one(settled, reader):
    listed = settled.gate(reader)
    assert listed.find(pass_id(1)) is not None
    data = bytearray(settled.list_file.read_bytes())
    data[16384:] = bytes(len(data) - 16384)
    settled.list_file.write_bytes(data)
    with open_store(settled.list_file) as store:
        outcome = update(store, DirectorySource(settled.repo), settled.anchor("sync"), settled.moment())
    assert isinstance(outcome, Switched)
    assert listed.find(pass_id(1)) is not None
    settled.list_file.write_bytes(b"rubbish" * 1000)
    open_store(settled.list_file).close()
    assert isinstance(settled.sync(), Switched)


def test_sync_fetches_again_what_the_disk_changed(settled, reader):
    with sqlite3.connect(settled.list_file) as db:
        db.execute("UPDATE parts SET data = zeroblob(52) WHERE id = 3")
    db.close()
    assert refused(settled.gate(reader), "missing or damaged")
    open_store(settled.list_file).close()
    assert settled.sync() == Unchanged(1)
    assert isinstance(settled.gate(reader), Allowlist)


def test_a_store_that_is_no_database_is_refused_and_filled_again_once_deleted(settled, reader):
    settled.list_file.write_bytes(b"rubbish" * 1000)
    for suffix in ("-wal", "-shm"):
        settled.list_file.with_name("list.db" + suffix).unlink(missing_ok=True)
    assert refused(settled.gate(reader), "can't be read")
    assert reader.generation() == 0
    with pytest.raises(sqlite3.DatabaseError):
        ListStore(settled.list_file)
    settled.list_file.unlink()
    assert isinstance(settled.sync(), Switched)
    assert reader.generation() == 1
    assert settled.gate(reader).find(pass_id(1)) is not None


def test_a_memory_that_cannot_be_written_is_a_refusal(settled, reader):
    shutil.rmtree(settled.anchor("gate").state)
    settled.anchor("gate").state.write_text("a file where a directory should be")
    assert refused(settled.gate(reader), "could not be verified")


@contextlib.contextmanager
def files_of_at_most(size):
    """A disk that takes no more: the kernel refuses to let a file grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 300, 700, 3000])
def test_a_full_disk_at_the_office_leaves_the_list_before(settled, reader, size):
    with files_of_at_most(size), pytest.raises(OfficeFault, match="can't be written"):
        settled.publish(2, range(1, 300))
    assert repository.last_number(settled.repo) == 1
    assert settled.sync() == Unchanged(1)
    settled.publish(2, range(1, 300))
    assert settled.sync().number == 2
    assert settled.gate(reader).head.number == 2


@pytest.mark.parametrize("size", [4096, 100_000, 140_000])
def test_a_full_disk_at_the_gate_leaves_the_list_before(settled, reader, size):
    settled.publish(2, range(1, 3000))
    with ListStore(settled.list_file) as store:
        with files_of_at_most(size):
            outcome = update(store, DirectorySource(settled.repo), settled.anchor("sync"), settled.moment())
        assert refused(outcome, "disk")
    assert settled.gate(reader).head.number == 1
    assert settled.sync().number == 2
    assert settled.gate(reader).head.number == 2


# --- switching ---------------------------------------------------------------


def test_a_reader_sees_one_whole_list_while_sync_switches(settled, reader):
    listed = settled.gate(reader)
    with reader.pinned() as view:
        before = view.files()
        settled.publish(2, range(50, 90))
        settled.sync()
        assert view.current().number == 1
        assert view.files() == before
        assert all(view.part(digest) for digest in listed.head.indexes)
    with reader.pinned() as view:
        assert view.current().number == 2


def test_the_list_in_use_answers_until_the_gate_has_loaded_the_next(settled, reader):
    listed = settled.gate(reader)
    settled.publish(2, range(50, 90))
    settled.sync()
    assert listed.find(pass_id(1)) is not None, "the gate has not yet noticed"
    assert settled.gate(reader).find(pass_id(1)) is None


def test_parts_nobody_needs_leave_the_store_and_the_repository(settled):
    for number in range(2, 9):
        settled.publish(number, range(100 * number, 100 * number + 40))
        settled.sync()
    with sqlite3.connect(settled.list_file) as db:
        assert db.execute("SELECT count(*) FROM parts").fetchone() == (10,), "this list's and the one before"
    db.close()
    assert len(settled.part_files()) == 15, "three lists'"


_WORK = """
import sys
from pathlib import Path
from tests import thieves
from tests.trusted_site import TrustedSite
site = TrustedSite.standing(Path(sys.argv[1]))
number = int(sys.argv[2])
print("ready", flush=True)
while True:
    number += 1
    site.publish(number, range(number, number + 40))
    print(number, site.sync(), flush=True)
"""


def test_office_and_sync_killed_anywhere_leave_a_whole_list(settled, reader):
    dice = random.Random(7)
    number = 1
    for _ in range(6):
        number = max(number, repository.last_number(settled.repo))
        with subprocess.Popen(
            [sys.executable, "-c", _WORK, str(settled.folder), str(number)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT)},
        ) as worker:
            lines = [worker.stdout.readline()]
            time.sleep(dice.uniform(0.02, 0.4))
            worker.send_signal(signal.SIGKILL)
            lines += worker.stdout.readlines()
        assert lines[0] == "ready\n"
        assert not [line for line in lines if "Refused" in line]
        listed = settled.gate(reader)
        assert isinstance(listed, Allowlist), listed
        assert listed.head.number >= number
        first = max(1, listed.head.number)
        assert all(listed.find(pass_id(n)) for n in range(first, first + 40))
        number = listed.head.number
        outcome = settled.sync()
        assert not isinstance(outcome, ListRefused), outcome


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can play two users")
@pytest.mark.parametrize("sync_is", ["running", "stopped", "tidied-up-after"])
def test_another_user_of_the_same_group_reads_the_list(settled, sync_is):
    """As the units run them: sync owns the store, gate may read it through the group."""
    if sync_is == "tidied-up-after":  # a technician opened it with SQLite's own tool, which removes these
        for suffix in ("-wal", "-shm"):
            settled.list_file.with_name(f"list.db{suffix}").unlink()
    for path in (settled.list_file.parent, *settled.list_file.parent.iterdir()):
        os.chown(path, 0, 4242)
    for path in (settled.folder, *list(settled.folder.parents)[:-2]):
        path.chmod(path.stat().st_mode | 0o011)  # pytest keeps its directories to itself
    look = (
        "import os, sys; from pathlib import Path; from agent.stores.lists import ListReader\n"
        "os.setgroups([]); os.setgid(4242); os.setuid(4243)\n"
        "reader = ListReader(Path(sys.argv[1])); print(reader.generation())\n"
        "with reader.pinned() as view: print(view.current().number)\n"
        "try: Path(sys.argv[1]).open('ab'); print('written')\n"
        "except OSError: print('read-only')\n"
    )
    store = ListStore(settled.list_file) if sync_is == "running" else None
    seen = subprocess.run(
        [sys.executable, "-c", look, str(settled.list_file)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        check=False,
    )
    if store:
        store.close()
    assert (seen.stdout.split(), seen.stderr) == (["1", "1", "read-only"], "")


# --- the root's keys change --------------------------------------------------


def rotate(site, *, signers, version=2):
    """A new root with another timestamp key, signed by some of the root keys."""
    offline = ceremony.show(site.offline)
    unlocked = ceremony._signers(site.offline, offline.roles["root"], PASSPHRASE)
    metadata = Metadata[Root].from_file(str(site.trust / f"{version - 1}.root.json"))
    metadata.signed.version = version
    new = Keyring.make(site.folder / f"keys-{version}")
    old = metadata.signed.roles["timestamp"].keyids[0]
    metadata.signed.revoke_key(old, "timestamp")
    metadata.signed.add_key(new.signers["timestamp"].public_key, "timestamp")
    metadata.signatures.clear()
    for signer in unlocked[:signers]:
        metadata.sign(signer, append=True)
    metadata.to_file(str(site.trust / f"{version}.root.json"))
    return new


def test_two_of_three_root_keys_replace_a_stolen_key(settled, reader):
    thief = settled.copy_of_repo()
    new = rotate(settled, signers=2)
    with pytest.raises(OfficeFault, match="timestamp"):
        settled.publish(2)
    stolen = settled.keyring
    signers = {**stolen.signers, "timestamp": new.signers["timestamp"]}
    settled.keyring = dataclasses.replace(stolen, signers=signers)
    settled.publish(2)
    assert isinstance(settled.sync(), Switched)
    assert settled.gate(reader).head.number == 2
    settled.keyring = stolen
    thieves.resign(settled, thief)
    assert refused(settled.sync(DirectorySource(thief)), "too few good signatures")
    shutil.rmtree(settled.anchor("sync").state / "tuf")
    assert refused(settled.sync(DirectorySource(thief)), "rolled back: root v1"), "the new root withheld"


def test_one_root_key_replaces_nothing(settled):
    rotate(settled, signers=1)
    shutil.copy(settled.trust / "2.root.json", settled.repo)
    settled.now += 3600
    thieves.resign(settled)
    assert refused(settled.sync(), "too few good signatures")


def test_a_gate_that_missed_four_rotations_catches_up(settled, reader):
    for version in range(2, 6):
        new = rotate(settled, signers=2, version=version)
    old = settled.keyring
    settled.keyring = dataclasses.replace(old, signers={**old.signers, "timestamp": new.signers["timestamp"]})
    settled.publish(2)
    assert isinstance(settled.sync(), Switched)
    assert settled.gate(reader).head.number == 2
