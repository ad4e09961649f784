"""The root of trust in its second year: renewed, with lost and stolen keys replaced, and gates that were away."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from tuf.api.metadata import Metadata, Root, Targets

from agent.stores.sources import DirectorySource
from agent.stores.updates import Switched
from firmware_tools import ceremony, rotation
from firmware_tools.cli import main
from firmware_tools.key_files import CeremonyFault, OfficePublic
from office.keyring import Keyring
from tests import thieves
from tests.test_trust import refused
from tests.trusted_site import PASSPHRASE, SITE, TrustedSite, pass_id


@pytest.fixture(scope="module")
def run_in(tmp_path_factory):
    site = TrustedSite(tmp_path_factory.mktemp("run-in") / "site")
    site.publish(1)
    assert isinstance(site.sync(), Switched)
    return site.folder


@pytest.fixture
def site(run_in, tmp_path):
    """List 1 is in use; its gate knows the first root."""
    return TrustedSite.standing(shutil.copytree(run_in, tmp_path / "site", symlinks=True))


def rotate(site, *replace, office=None):
    trust = rotation.Trust.read(site.trust)
    done = rotation.rotate(site.offline, trust, replace, office, PASSPHRASE, site.at)
    rotation.write_rotation(site.offline, site.trust, done)
    return done


def lose(site, name):
    (site.offline / f"{name}.pem").unlink()


def brings(site, number):
    """Whether a list published now reaches sync and gate."""
    site.now += 3600
    site.publish(number)
    assert isinstance(site.sync(), Switched)
    assert site.gate().head.number == number
    return True


def test_a_renewal_gives_everything_its_whole_time_again(site):
    site.now += 150 * 86400
    done = rotate(site)
    assert done.root.signed.expires == site.at + timedelta(days=365)
    assert done.targets.signed.expires == site.at + timedelta(days=182)
    assert not done.made
    shutil.rmtree(site.repo)
    assert brings(site, 2)


def test_a_lost_root_key_is_replaced_by_the_other_two(site):
    lose(site, "root-2")
    done = rotate(site, "root-2")
    assert [one.name for one in done.keys.roles["root"].keys] == ["root-1", "root-4", "root-3"]
    assert len(done.root.signatures) == 3
    assert brings(site, 2)
    lose(site, "root-1")  # the new one is as good as any
    rotate(site, "root-1")
    assert brings(site, 3)


def test_with_two_root_keys_lost_there_is_no_way_back(site):
    lose(site, "root-1")
    lose(site, "root-2")
    with pytest.raises(CeremonyFault, match="found 1 keys of the old root, wanted 2; bring the others"):
        rotate(site, "root-1", "root-2")
    assert sorted(path.name for path in site.trust.iterdir()) == ["1.root.json", "1.targets.json"]
    assert not (site.offline / "root-4.pem").exists()


def test_a_lost_targets_key_stops_renewals_until_the_root_replaces_it(site):
    lose(site, "targets-1")
    with pytest.raises(CeremonyFault, match="found 1 keys targets, wanted 2"):
        rotate(site)
    rotate(site, "targets-1")
    assert brings(site, 2)


def test_a_gate_that_was_away_for_four_rotations_follows_them_all(site):
    for name in ("root-1", "root-2", "root-3", "root-4"):
        rotate(site, name)
        lose(site, name)
    assert not {"root-1", "root-2", "root-3"} & {
        one.name for one in ceremony.show(site.offline).roles["root"].keys
    }, "not one of the keys that the gate was enrolled with is left"
    assert brings(site, 2)


def test_a_key_that_was_rotated_out_signs_nothing_any_more(site):
    stolen = shutil.copytree(site.offline, site.folder / "stolen")
    rotate(site, "root-1", "root-2")
    assert brings(site, 2)
    # The thieves have two of the first three, and sign a root of their own as version 3.
    old = ceremony.show(stolen)
    evil = Metadata[Root].from_file(str(site.trust / "2.root.json"))
    evil.signed.version = 3
    evil.signatures.clear()
    for listed in old.roles["root"].keys[:2]:
        evil.sign(ceremony.unlock(stolen / f"{listed.name}.pem", listed, PASSPHRASE), append=True)
    evil.to_file(str(site.repo / "3.root.json"))
    site.now += 60
    thieves.resign(site)
    assert refused(site.sync(), "too few good signatures")
    assert site.gate().head.number == 2


def test_the_office_gets_new_keys_and_its_old_ones_publish_nothing(site):
    thief = site.keyring
    loot = site.copy_of_repo()
    site.keyring = Keyring.make(site.folder / "new-office-keys")
    rotate(site, office=OfficePublic.model_validate(site.keyring.office_public(SITE)))
    assert brings(site, 2)
    site.keyring = thief
    thieves.resign(site, loot)
    assert refused(site.sync(DirectorySource(loot)), "too few good signatures")
    assert site.gate().find(pass_id(1)) is not None


def test_a_rotation_needs_the_rights_of_its_own_site(site):
    office = OfficePublic.model_validate(site.keyring.office_public("quarry"))
    with pytest.raises(CeremonyFault, match="found the keys of site quarry, wanted those of harbour"):
        rotate(site, office=office)
    with pytest.raises(CeremonyFault, match="found no key 'root-9' to replace, wanted some of root-1"):
        rotate(site, "root-9")
    with pytest.raises(CeremonyFault, match="found no signed root"):
        rotation.Trust.read(site.folder)
    data = (site.trust / "1.root.json").read_bytes()
    (site.trust / "1.root.json").write_bytes(data.replace(b"harbour", b"quarry!"))
    with pytest.raises(CeremonyFault, match="does not hold"):
        rotate(site)


def test_nothing_that_was_signed_is_ever_changed(site):
    trust = rotation.Trust.read(site.trust)
    done = rotation.rotate(site.offline, trust, ("root-2",), None, PASSPHRASE, site.at)
    rotation.write_rotation(site.offline, site.trust, done)
    before = {path: path.read_bytes() for path in site.trust.iterdir()}
    with pytest.raises(CeremonyFault, match="written so far: nothing"):
        rotation.write_rotation(site.offline, site.trust, done)
    assert {path: path.read_bytes() for path in site.trust.iterdir()} == before


def test_a_rotation_cut_off_half_way_is_repeated_without_its_replacements(site):
    trust = rotation.Trust.read(site.trust)
    done = rotation.rotate(site.offline, trust, ("root-2",), None, PASSPHRASE, site.at)
    (site.folder / "nowhere").mkdir()
    rotation.write_rotation(site.offline, site.folder / "nowhere", done)  # keys are new, the trust is old
    rotate(site)
    names = [one.name for one in ceremony.show(site.offline).roles["root"].keys]
    assert names == ["root-1", "root-4", "root-3"]
    assert brings(site, 2)


def keys(site, *words):
    usual = ("--keys", site.offline, "--trust", site.trust, "--passphrase-file", site.folder / "passphrase")
    (site.folder / "passphrase").write_bytes(PASSPHRASE + b"\n")
    (site.folder / "passphrase").chmod(0o600)
    return CliRunner().invoke(main, ["keys", "rotate", *map(str, (*usual, *words))])


def test_a_dry_run_does_everything_but_write(site):
    before = sorted(path.name for path in (*site.offline.iterdir(), *site.trust.iterdir()))
    told = keys(site, "--replace", "root-2", "--dry-run")
    assert told.exit_code == 0, told.output
    assert "root 2 until" in told.output
    assert "dry run: nothing written" in told.output
    assert sorted(path.name for path in (*site.offline.iterdir(), *site.trust.iterdir())) == before


def test_at_the_table_a_rotation_says_what_counts_no_more(site):
    told = keys(site, "--replace", "root-2", "--replace", "targets-1")
    assert told.exit_code == 0, told.output
    assert "root-2 counts no more" in told.output
    assert f"wrote {site.trust / '2.root.json'}" in told.output
    assert (site.offline / "root-4.pem").stat().st_mode & 0o777 == 0o600
    assert (site.offline / "root-4.pem").read_bytes().startswith(b"-----BEGIN ENCRYPTED")
    root = Metadata[Root].from_file(str(site.trust / "2.root.json"))
    Metadata[Root].from_file(str(site.trust / "1.root.json")).signed.verify_delegate(
        "root", root.signed_bytes, root.signatures
    )
    targets = Metadata[Targets].from_file(str(site.trust / "2.targets.json")).signed
    first = Metadata[Targets].from_file(str(site.trust / "1.targets.json")).signed
    assert json.dumps(targets.delegations.to_dict()) == json.dumps(first.delegations.to_dict())
    lose(site, "root-1")
    lose(site, "root-4")
    told = keys(site)
    assert told.exit_code == 1
    assert "wanted 2; bring the others" in told.output
    assert "Traceback" not in told.output
    assert Path(site.trust / "2.root.json").exists()
    assert not Path(site.trust / "3.root.json").exists()
