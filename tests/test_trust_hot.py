"""A lost phone can't wait for the next list: rv/hot, from the desk to the gate."""

import shutil
import sqlite3

import pytest
from django.db import connections

from agent.core.allowlist import Allowlist, ListFault, Status, parts_of
from agent.core.notices import ListRefused
from agent.stores.lists import ListReader
from agent.stores.sources import DirectorySource
from agent.stores.updates import Renewed, Switched
from office import repository
from office.faults import OfficeFault
from office.home import prepare
from tests import thieves
from tests.test_trust import Counting, refused
from tests.trusted_site import TrustedSite, pass_id

prepare()

from tests.test_office_and_gate import Site  # noqa: E402


@pytest.fixture(scope="module")
def run_in(tmp_path_factory):
    site = TrustedSite(tmp_path_factory.mktemp("run-in") / "site")
    site.publish(1)
    assert isinstance(site.sync(), Switched)
    return site.folder


@pytest.fixture
def settled(run_in, tmp_path):
    return TrustedSite.standing(shutil.copytree(run_in, tmp_path / "site", symlinks=True))


@pytest.fixture
def reader(settled):
    reader = ListReader(settled.list_file)
    yield reader
    reader.close()


def deny(site, **said):
    """Publish rv/hot with passes by number, a minute later."""
    site.now += 60
    denied = {pass_id(int(n[1:])): status for n, status in said.items()}
    return repository.renew(site.repo, site.trust, site.keyring, site.now, denied)


def test_a_denied_pass_is_refused_without_a_new_list(settled, reader):
    in_use = settled.gate(reader)
    deny(settled, n1=Status.REVOKED, n2=Status.SUSPENDED)
    source = Counting(DirectorySource(settled.repo))
    assert isinstance(settled.sync(source), Renewed)
    assert (
        sum((settled.repo / path).stat().st_size for path in set(source.asked) if ".root." not in path)
        <= 3000
    )
    listed = settled.gate(reader, in_use=in_use)
    assert [listed.find(pass_id(n)).status for n in (1, 2, 3)] == [
        Status.REVOKED,
        Status.SUSPENDED,
        Status.LIVE,
    ]
    assert listed.head == in_use.head


def test_a_renewal_keeps_what_is_denied_and_the_next_list_says_what_it_likes(settled, reader):
    deny(settled, n1=Status.REVOKED)
    settled.now += 86400
    repository.renew(settled.repo, settled.trust, settled.keyring, settled.now)
    settled.sync()
    assert settled.gate(reader).find(pass_id(1)).status is Status.REVOKED
    settled.now += 60
    settled.publish(2)
    settled.sync()
    assert settled.gate(reader).find(pass_id(1)).status is Status.LIVE


def test_thieves_of_the_timestamp_and_snapshot_keys_cannot_lift_a_denial(settled, reader):
    before = settled.copy_of_repo()
    deny(settled, n1=Status.REVOKED)
    settled.sync()
    thieves.resign(settled, before)
    assert refused(settled.sync(DirectorySource(before)), "rolled back")
    shutil.rmtree(settled.anchor("sync").state / "tuf")
    assert refused(settled.sync(DirectorySource(before)), "rolled back: revoke v")
    assert settled.gate(reader).find(pass_id(1)).status is Status.REVOKED
    shutil.rmtree(settled.anchor("sync").state)
    shutil.rmtree(settled.list_file.parent)
    settled.sync(DirectorySource(before))
    assert refused(settled.gate(reader), "rolled back"), "a sync that forgot everything convinces no gate"


def test_a_newer_list_with_older_denials_is_refused(settled, reader):
    early = next(settled.repo.glob("*.revoke.json")).name
    deny(settled, n1=Status.REVOKED)
    settled.sync()
    settled.now += 60
    settled.publish(2)
    for path in settled.repo.glob("*.revoke.json"):
        if path.name != early:
            path.unlink()
    thieves.resign(settled)
    assert refused(settled.sync(), "rolled back")


@pytest.mark.parametrize("harm", ["missing", "damaged", "larger"])
def test_a_damaged_rv_hot_keeps_the_denials_before(settled, reader, harm):
    deny(settled, n1=Status.REVOKED)
    settled.sync()
    deny(settled, n2=Status.REVOKED)
    path = max((settled.repo / "rv").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    match harm:
        case "missing":
            path.unlink()
        case "damaged":
            path.write_bytes(bytes(path.stat().st_size))
        case _:
            path.write_bytes(path.read_bytes() + bytes(200_000))
    assert isinstance(settled.sync(), ListRefused)
    assert settled.gate(reader).find(pass_id(1)).status is Status.REVOKED


def test_an_office_says_how_many_it_can_deny_at_once(settled):
    with pytest.raises(OfficeFault, match="publish a list"):
        deny(settled, **{f"n{n}": Status.REVOKED for n in range(1, 3000)})


def test_old_denials_leave_the_repository(settled):
    for n in range(1, 8):
        deny(settled, **{f"n{n}": Status.REVOKED})
    assert len(list((settled.repo / "rv").iterdir())) == len(list(settled.repo.glob("*.revoke.json"))) == 3
    assert isinstance(settled.sync(), Renewed)


# --- from the desk -------------------------------------------------------------


@pytest.fixture
def office(tmp_path):
    yield Site(tmp_path)
    connections.close_all()


def test_the_desk_revokes_and_the_gates_know(office):
    one, other = (office.issue(person) for person in ("Wang", "Zhao"))
    for issued in (one, other):
        office.office("approve", issued, "--by", "wang")
    office.publish()
    assert office.gates_list().find(bytes.fromhex(one)).status is Status.LIVE

    office.office("revoke", one, "--by", "chen", "--why", "phone lost")
    office.office("suspend", other, "--by", "chen")
    listed = office.gates_list()
    assert listed.head.number == 1
    assert listed.denied == {bytes.fromhex(one): Status.REVOKED, bytes.fromhex(other): Status.SUSPENDED}

    office.office("resume", other, "--by", "chen")
    assert office.gates_list().denied == {bytes.fromhex(one): Status.REVOKED}
    office.office("publish")  # where it went before
    listed = office.gates_list()
    assert (listed.head.number, listed.denied) == (2, {})
    assert listed.find(bytes.fromhex(one)).status is Status.REVOKED
    office.office("publish", "--hot")
    assert isinstance(office.gates_list(), Allowlist)


def test_a_revocation_stands_and_says_so_when_the_gates_cannot_be_told(office):
    one = office.issue("Wang")
    office.office("approve", one, "--by", "wang")
    office.publish()
    shutil.move(office.repo, office.folder / "elsewhere")
    told = office.office("revoke", one, "--by", "chen", exit_code=1)
    assert f"pass {one} is revoked, but the gates could not be told" in told
    shutil.move(office.folder / "elsewhere", office.repo)
    office.office("publish", "--hot")
    assert office.gates_list().find(bytes.fromhex(one)).status is Status.REVOKED


def test_nothing_is_published_before_the_first_list(office):
    assert "wanted both" in office.office("publish", "--hot", exit_code=1)
    hot_first = ("publish", "--hot", "--trust", office.trust, "--out", office.repo)
    assert "publish one first" in office.office(*hot_first, exit_code=1)


def test_of_the_next_list_a_gate_reads_only_what_is_new(settled, reader):
    """A million passes are seconds on a small machine; what it has hashed once, each lookup hashes again."""
    in_use = settled.gate(reader)
    settled.publish(2, [*range(1, 41), 41])
    settled.sync()
    with sqlite3.connect(settled.list_file) as db:
        shared = set(parts_of(in_use.head, reader.part)) - set(in_use.head.indexes)
        new = set(parts_of(repository.newest_head(settled.repo), reader.part))
        harmed = next(iter(shared & new))
        db.execute("UPDATE parts SET data = zeroblob(52) WHERE digest = ?", (harmed,))
    db.close()
    listed = settled.gate(reader, in_use=in_use)
    assert listed.head.number == 2
    assert refused(settled.gate(reader), "missing or damaged"), "without one in use, everything is read"
    with pytest.raises(ListFault):
        [listed.find(pass_id(n)) for n in range(1, 41)]
    with sqlite3.connect(settled.list_file) as db:
        db.execute("DELETE FROM parts WHERE digest = ?", (in_use.head.indexes[0],))
    db.close()
    assert isinstance(settled.gate(reader, in_use=in_use), ListRefused)
