"""What two vendor keys have signed, and which of it a gate takes: signers, thieves, floors, turns."""

import shutil
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, MetaFile, Snapshot, Targets, Timestamp

from firmware_tools import ceremony, releases, rotation
from firmware_tools.device.place import UpdateFault
from firmware_tools.key_files import CeremonyFault
from firmware_tools.rollout import Rollout, place_of
from office import repository
from tests.trusted_site import PASSPHRASE
from tests.updates.shop import Shop
from tests.updates.test_slots import fill


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """0.1.0 runs; 0.2.0 is published for everybody."""
    shop = Shop(tmp_path_factory.mktemp("opened") / "shop")
    shop.release(shop.bundle("0.2.0"))
    return shop.folder


@pytest.fixture
def shop(opened, tmp_path):
    shop = Shop.standing(Path(shutil.copytree(opened, tmp_path / "shop", symlinks=True)))
    shop.site.now += 300
    fill(shop.slots.root, "a", "0.1.0")
    shop.slots.begin()
    return shop


def why(shop) -> str:
    """Why nothing is due."""
    fetched = shop.fetch()
    assert fetched.bundle is None
    return "; ".join(fetched.choice.why.values())


def refused(shop) -> str:
    with pytest.raises(UpdateFault) as fault:
        shop.fetch()
    assert not (shop.place.updates / "fw").exists() or not list((shop.place.updates / "fw").glob("*.tar"))
    return str(fault.value)


def test_what_two_keys_signed_is_fetched(shop):
    fetched = shop.fetch()
    assert fetched.choice.release.version == "0.2.0"
    assert fetched.bundle.is_file()
    assert {path.name for path in shop.place.updates.glob("*.json")} >= {"timestamp.json", "1.firmware.json"}


def test_lists_go_on_beside_releases(shop):
    shop.site.publish(2)
    assert shop.site.sync().number == 2
    assert shop.site.gate().head.number == 2
    assert shop.fetch().bundle


def test_a_list_is_published_although_somebody_put_rubbish_beside_it(shop):
    (shop.site.repo / "9.firmware.json").write_text("{}")
    shop.site.publish(2)
    assert shop.site.sync().number == 2
    assert shop.fetch().choice.release.version == "0.2.0"


# --- signers -----------------------------------------------------------------------


def one_key(shop, name: str) -> Path:
    """A keeper's medium: one of the two keys."""
    folder = shop.folder / f"keeper-{name}"
    folder.mkdir()
    for file in ("keys.json", f"{name}.pem"):
        shutil.copy(shop.site.offline / file, folder)
    return folder


def test_two_keepers_sign_one_after_the_other(shop):
    releases.draft(shop.releases, [shop.bundle("0.3.0")], Rollout(percent=100), shop.site.at)
    half = releases.sign(shop.releases, one_key(shop, "firmware-1"), PASSPHRASE)
    assert (half.signed_by, half.threshold, half.published_as) == (("firmware-1",), 2, None)
    with pytest.raises(CeremonyFault, match="let it be signed"):
        releases.draft(shop.releases, [shop.bundle("0.4.0")], Rollout(), shop.site.at)
    whole = releases.sign(shop.releases, one_key(shop, "firmware-2"), PASSPHRASE)
    assert whole.signed_by == ("firmware-1", "firmware-2")
    shop.publish()
    assert shop.fetch().choice.release.version == "0.3.0"


def with_signatures(shop, count: int, *, strangers: int = 0) -> None:
    """The thieves' version: 9.9.9 in the role, signed by so many good keys, and listed by a thief of the online keys."""
    releases.draft(shop.releases, [shop.bundle("9.9.9")], Rollout(percent=100), shop.site.at)
    metadata = Metadata[Targets].from_file(str(shop.releases / "draft.firmware.json"))
    keys = ceremony.show(shop.site.offline).roles
    for listed in (*keys["firmware"].keys[:count], *keys["targets"].keys[:strangers]):
        signer = ceremony.unlock(shop.site.offline / f"{listed.name}.pem", listed, PASSPHRASE)
        metadata.sign(signer, append=True)
    data = metadata.to_bytes()
    (shop.site.repo / "2.firmware.json").write_bytes(data)
    for path in (shop.releases / "fw").glob("*9.9.9*"):
        shutil.copy(path, shop.site.repo / "fw")
    # The office would not name it; a thief of its online keys does.
    snapshot = max(
        repository.versions(shop.site.repo, "snapshot").values(), key=lambda p: int(p.name.split(".")[0])
    )
    shop.site.now += 60
    _name_in_snapshot(shop, snapshot, data)


def _name_in_snapshot(shop, path: Path, data: bytes) -> None:
    snapshot = Metadata[Snapshot].from_file(str(path))
    snapshot.signed.version += 1
    snapshot.signed.meta["firmware.json"] = MetaFile.from_data(2, data, ["sha256"])
    snapshot.sign(shop.site.keyring.signers["snapshot"])
    text = snapshot.to_bytes()
    (shop.site.repo / f"{snapshot.signed.version}.snapshot.json").write_bytes(text)
    stamp = Metadata[Timestamp].from_file(str(shop.site.repo / "timestamp.json"))
    stamp.signed.version = snapshot.signed.version
    stamp.signed.snapshot_meta = MetaFile.from_data(snapshot.signed.version, text, ["sha256"])
    stamp.sign(shop.site.keyring.signers["timestamp"])
    (shop.site.repo / "timestamp.json").write_bytes(stamp.to_bytes())


@pytest.mark.parametrize(("count", "strangers"), [(0, 0), (1, 0), (1, 1), (0, 2)])
def test_fewer_than_two_vendor_keys_sign_nothing(shop, count, strangers):
    with_signatures(shop, count, strangers=strangers)
    assert "too few good signatures" in refused(shop)


def test_two_vendor_keys_are_enough_even_for_thieves_of_the_office(shop):
    with_signatures(shop, 2)
    assert shop.fetch().choice.release.version == "9.9.9"


def test_the_office_does_not_name_what_one_key_signed(shop):
    releases.draft(shop.releases, [shop.bundle("0.3.0")], Rollout(percent=100), shop.site.at)
    releases.sign(shop.releases, one_key(shop, "firmware-1"), PASSPHRASE)
    shutil.copy(shop.releases / "draft.firmware.json", shop.site.repo / "2.firmware.json")
    shop.site.publish(2)
    assert shop.fetch().choice.release.version == "0.2.0"


def test_a_vendor_key_that_was_replaced_signs_nothing_any_more(shop):
    stolen = Path(shutil.copytree(shop.site.offline, shop.folder / "stolen"))
    trust = rotation.Trust.read(shop.site.trust)
    done = rotation.rotate(
        shop.site.offline, trust, ["firmware-1", "firmware-2"], None, PASSPHRASE, shop.site.at
    )
    rotation.write_rotation(shop.site.offline, shop.site.trust, done)
    shop.site.publish(2)
    assert "too few good signatures" in refused(shop), "what the old keys signed counts no more"
    releases.draft(shop.releases, [shop.bundle("0.3.0")], Rollout(percent=100), shop.site.at)
    assert releases.sign(shop.releases, stolen, PASSPHRASE).published_as
    shutil.copy(shop.releases / "2.firmware.json", shop.site.repo)
    shop.site.publish(3)
    assert "too few good signatures" in refused(shop)
    (shop.releases / "2.firmware.json").unlink()
    (shop.site.repo / "2.firmware.json").unlink()
    releases.draft(shop.releases, [shop.bundle("0.3.0")], Rollout(percent=100), shop.site.at)
    shop.sign_and_publish()
    assert shop.fetch().choice.release.version == "0.3.0"


def test_the_wrong_keys_and_drafts_are_named(shop, tmp_path):
    with pytest.raises(CeremonyFault, match="found no draft in"):
        releases.sign(shop.releases, shop.site.offline, PASSPHRASE)
    releases.draft(shop.releases, [shop.bundle("0.3.0")], Rollout(), shop.site.at)
    with pytest.raises(CeremonyFault, match="a wrong passphrase"):
        releases.sign(shop.releases, shop.site.offline, b"another long passphrase")
    (shop.site.offline / "firmware-1.pem").unlink()
    (shop.site.offline / "firmware-2.pem").unlink()
    with pytest.raises(
        CeremonyFault, match=r"found no firmware key in .*, wanted firmware-1\.pem or firmware-2\.pem"
    ):
        releases.sign(shop.releases, shop.site.offline, PASSPHRASE)
    with pytest.raises(CeremonyFault, match="found no signed releases in"):
        releases.publish(tmp_path, shop.site.repo)


def test_a_bundle_that_is_not_what_was_drafted_is_not_signed(shop):
    releases.draft(shop.releases, [shop.bundle("0.3.0")], Rollout(), shop.site.at)
    (bundle,) = (shop.releases / "fw").glob("*0.3.0*")
    bundle.write_bytes(b"x" + bundle.read_bytes()[1:])
    with pytest.raises(CeremonyFault, match="is not the bundle that the draft names"):
        releases.sign(shop.releases, shop.site.offline, PASSPHRASE)
    bundle.unlink()
    with pytest.raises(CeremonyFault, match="bring the bundle with the draft"):
        releases.sign(shop.releases, shop.site.offline, PASSPHRASE)


def test_a_version_is_never_two_things(shop):
    other = shop.bundle("0.2.0", health="ill")
    with pytest.raises(
        CeremonyFault, match=r"found other bytes listed as menshen-0\.2\.0.*a version is never two things"
    ):
        releases.draft(shop.releases, [other], Rollout(), shop.site.at)


# --- thieves of old repositories ------------------------------------------------------


def test_an_older_repository_is_refused(shop):
    old = Path(shutil.copytree(shop.site.repo, shop.folder / "old"))
    shop.release(shop.bundle("0.3.0"))
    assert shop.fetch().bundle
    with pytest.raises(UpdateFault, match="rolled back or mixed"):
        shop.fetch(f"dir:{old}")


def test_memory_of_versions_survives_the_loss_of_the_clients_files(shop):
    old = Path(shutil.copytree(shop.site.repo, shop.folder / "old"))
    shop.release(shop.bundle("0.3.0"))
    assert shop.fetch().bundle
    shutil.rmtree(shop.place.state / "updates" / "trust" / "tuf")
    with pytest.raises(UpdateFault, match=r"rolled back: .* is older than .*, which was here before"):
        shop.fetch(f"dir:{old}")


def test_an_expired_repository_is_refused(shop):
    shop.site.now += 8 * 86400
    assert "expired" in refused(shop)


def test_another_sites_releases_are_refused(shop):
    config = shop.folder / "gate.toml"
    config.write_text(config.read_text().replace('site = "harbour"', 'site = "quarry"'))
    assert "the root of trust is for site 'harbour', and this gate is at 'quarry'; enrol it again" in refused(
        shop
    )


# --- whose turn it is -------------------------------------------------------------------


def test_nothing_newer_is_nothing_due(shop):
    fill(shop.slots.root, "a", "0.2.0")
    assert why(shop) == "0.2.0 runs already"
    fill(shop.slots.root, "a", "0.3.0")
    assert why(shop) == "it is older than 0.3.0, which runs"


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        ({"arch": "armv7l"}, "it is for armv7l, and this machine is"),
        ({"python": "3.99"}, "it is for Python 3.99, and the base system has"),
    ],
)
def test_a_release_for_another_machine_is_not_taken(shop, terms, sentence):
    fill(shop.slots.root, "a", "0.2.0")
    shop.release(shop.bundle("0.3.0", **terms))
    assert sentence in why(shop)


def test_a_release_for_another_board_is_not_taken(shop):
    shop.gate_toml(board="relay-hat-3")
    assert why(shop) == "it is for simulator, own, and this gate's board is relay-hat-3"


def test_a_gate_with_a_board_of_its_own_takes_what_is_for_such(shop):
    shop.gate_toml(board="gatehouse.toml")
    assert shop.fetch().bundle


def test_what_failed_here_is_not_tried_again(shop):
    fill(shop.slots.root, "b", "0.2.0")
    shop.slots.switch(online=False)
    shop.slots.go_back("no frames")
    assert why(shop) == "it was tried here and left: no frames"
    shop.release(shop.bundle("0.2.1"))
    assert shop.fetch().choice.release.version == "0.2.1"


def test_nothing_below_the_floor_is_installed(shop):
    fill(shop.slots.root, "b", "0.2.5", floor="0.2.1")
    shop.slots.switch(online=False)
    shop.slots.keep()
    assert "it is older than 0.2.1, below which nothing is installed here any more" in why(shop)


def roll(shop, **terms) -> None:
    releases.redraft(shop.releases, "0.2.0", terms, shop.site.at)
    shop.sign_and_publish()


def test_canaries_go_first(shop):
    roll(shop, gates=("garage",), percent=0)
    assert "it goes to 0 % of gates and some others now, and this one is later" in why(shop)
    roll(shop, gates=("garage", "north"))
    assert shop.fetch().bundle


def test_a_held_release_goes_to_nobody_who_has_not_begun(shop):
    roll(shop, gates=("north",), percent=100, hold=True)
    assert why(shop) == "its makers hold it back"


def test_a_percentage_takes_its_part_of_gates_and_never_lets_go_of_one():
    gates = [f"gate-{n}" for n in range(2000)]
    before: set[str] = set()
    for percent in (0, 1, 10, 50, 100):
        terms = Rollout(percent=percent)
        due = {gate for gate in gates if terms.not_yet("harbour", gate, "0.2.0") is None}
        assert due >= before
        assert abs(len(due) - 20 * percent) < 100
        before = due
    assert len(before) == len(gates)


def test_another_release_draws_another_order():
    gates = [f"gate-{n}" for n in range(100)]
    first = sorted(gates, key=lambda gate: place_of("harbour", gate, "0.2.0"))
    second = sorted(gates, key=lambda gate: place_of("harbour", gate, "0.3.0"))
    assert first[:10] != second[:10]
    assert place_of("harbour", "north", "0.2.0") == 7649, "the same on every machine, for ever"


def test_terms_that_are_not_understood_leave_only_that_release_out(shop):
    pending = releases.draft(shop.releases, [shop.bundle("0.3.0")], Rollout(percent=100), shop.site.at)
    target = pending.metadata.signed.targets["fw/" + shop.bundle("0.3.0").name]
    target.unrecognized_fields["custom"]["menshen"]["moon"] = "full"
    pending.metadata.to_file(str(shop.releases / "draft.firmware.json"))
    shop.sign_and_publish()
    fetched = shop.fetch()
    assert fetched.choice.release.version == "0.2.0"
    assert "moon: unknown" in "; ".join(fetched.choice.why.values())


def test_a_gate_without_a_source_says_what_to_set(shop):
    shop.gate_toml()
    config = shop.folder / "gate.toml"
    config.write_text(config.read_text().replace(f'source = "dir:{shop.site.repo}"', 'source = "mqtt"'))
    assert "set update.source in gate.toml" in refused(shop)


def test_a_source_that_is_away_is_said_to_be(shop):
    with pytest.raises(UpdateFault, match="is the medium mounted"):
        shop.fetch("dir:/nonexistent")
