"""Making, signing and taking a release, as strangers type it."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from firmware_tools.cli import main
from firmware_tools.device import staging
from firmware_tools.device.guard import Slots
from firmware_tools.rollout import Rollout
from tests.trusted_site import PASSPHRASE
from tests.updates.shop import Shop

NOBODY_WATCHES = "the other slot is not put on trial: "


@pytest.fixture
def shop(tmp_path):
    shop = Shop(tmp_path)
    secret = tmp_path / "passphrase"
    secret.write_bytes(PASSPHRASE + b"\n")
    secret.chmod(0o600)
    for n in (1, 2):
        keeper = tmp_path / f"keeper-{n}"
        keeper.mkdir()
        for name in ("keys.json", f"firmware-{n}.pem"):
            (keeper / name).write_bytes((shop.site.offline / name).read_bytes())
    return shop


def types(*arguments: object, fails: bool = False) -> str:
    """What menshen-firmware says, all of it."""
    done = CliRunner().invoke(main, [*map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert (done.exit_code != 0) is fails, done.output
    return done.output


def signs(shop: Shop, keeper: int, **outcome: bool) -> str:
    keys = ("--keys", shop.folder / f"keeper-{keeper}", "--passphrase-file", shop.folder / "passphrase")
    return types("release", "sign", "--releases", shop.releases, *keys, **outcome)


def publishes(shop: Shop) -> None:
    assert "wrote" in types("release", "publish", "--releases", shop.releases, "--to", shop.site.repo)
    shop.publish()


def on(shop: Shop, *arguments: str, **outcome: bool) -> str:
    return types("update", *arguments, "--config", shop.folder / "gate.toml", **outcome)


def test_two_keepers_sign_on_two_machines(shop):
    bundle = shop.bundle("0.2.0")
    assert "version  0.2.0" in types("release", "show", bundle)
    said = types("release", "draft", bundle, "--releases", shop.releases, "--gate", "north")
    assert "draft, not signed" in said
    assert "goes to gates north, 0 % of the others" in said
    assert "1 of 2 signatures" in signs(shop, 1)
    assert "1 of 2 signatures" in signs(shop, 1), "one key is one signature"
    said = types("release", "publish", "--releases", shop.releases, "--to", shop.site.repo, fails=True)
    assert "found no signed releases" in said
    assert "signed by firmware-1, firmware-2" in signs(shop, 2)
    assert "2 signatures" in types("release", "show", shop.releases)
    publishes(shop)
    said = types("release", "rollout", "0.2.0", "--releases", shop.releases, "--percent", "25")
    assert "goes to gates north, 25 % of the others" in said, "the canaries stay"
    said = types("release", "rollout", "0.2.0", "--releases", shop.releases, "--hold")
    assert "goes to nobody: held back" in said
    said = types("release", "rollout", "0.2.0", "--releases", shop.releases, "--go-on")
    assert "goes to gates north, 25 % of the others" in said, "as before it was held"
    said = types("release", "rollout", "0.2.0", "--releases", shop.releases, "--gate", "No Gate", fails=True)
    assert "nobody can be offered it like that: gates.0: String should match" in said
    said = types("release", "rollout", "0.2.0", "--releases", shop.releases, "--percent", "250", fails=True)
    assert "250 is not in the range 0<=x<=100" in said


def test_a_gate_takes_a_release_and_goes_back(shop):
    shop.first("0.1.0")
    assert on(shop, "check") == "nothing is due: no releases are published there\n"
    assert "nothing is due" in on(shop, "fetch")
    assert "nothing was fetched yet; run: menshen-firmware update fetch" in on(shop, "stage", fails=True)
    assert on(shop, "auto") == "nothing to do\n"
    shop.release(shop.bundle("0.2.0"))
    assert "0.2.0 is due" in on(shop, "check")
    assert "0.2.0 is here, verified" in on(shop, "fetch")
    assert "0.2.0 stands in the other slot" in on(shop, "stage")
    shop.release(shop.bundle("0.3.0"), rollout=Rollout())
    on(shop, "fetch", "0.2.0")
    said = on(shop, "stage", "0.3.0", fails=True)
    assert "0.3.0 is offered and was not fetched; run: menshen-firmware update fetch 0.3.0" in said
    assert NOBODY_WATCHES in on(shop, "switch", fails=True)
    assert shop.slots.state().trial is None
    assert "0.2.0 is on trial" in on(shop, "switch", "--by-hand")
    assert shop.runs() == "0.2.0"
    assert "slot b   0.2.0    runs, on trial, start 0 of 3" in on(shop, "status")
    assert "0.1.0 runs" not in (said := on(shop, "rollback", "--why", "a door that hums"))
    assert "0.2.0 was left, and the slot before runs again: a door that hums" in said
    assert shop.runs() == "0.1.0"
    assert "failed   0.2.0: a door that hums" in on(shop, "status")
    assert "nothing on trial" in on(shop, "mark-good", fails=True)
    assert '"0.2.0": "a door that hums"' in on(shop, "status", "--json")


def test_a_timer_builds_a_release_once(shop):
    shop.gate_toml('update = { automatic = "stage" }\n')
    shop.first("0.1.0")
    shop.release(shop.bundle("0.2.0"))
    shop.fetch()
    assert on(shop, "auto") == "0.2.0 stands in the other slot\n"
    built = (shop.slots.root / "b" / "slot.json").stat().st_ino
    assert on(shop, "auto") == "0.2.0 stands in the other slot\n"
    assert (shop.slots.root / "b" / "slot.json").stat().st_ino == built
    shop.gate_toml('update = { automatic = "switch" }\n')
    assert NOBODY_WATCHES in on(shop, "auto", fails=True)
    assert shop.runs() == "0.1.0"
    (shop.slots.root / "b" / "slot.json").unlink()
    shop.gate_toml('update = { automatic = "stage" }\n')
    assert on(shop, "auto") == "0.2.0 stands in the other slot\n"
    assert shop.slots.about("b")["version"] == "0.2.0"


def test_a_timer_finds_nothing_to_do_where_no_source_is_named(shop):
    config = shop.gate_toml()
    config.write_text(config.read_text().replace(f'"dir:{shop.site.repo}"', '"mqtt"'))
    assert "found no source of releases" in on(shop, "fetch", fails=True)
    assert on(shop, "fetch", "--if-named").startswith("nothing to do: update.source of gate.toml names")


def test_a_machine_gets_its_first_slot_once(shop):
    bundle = shop.bundle("0.1.0")
    assert "0.1.0 stands in slot a" in on(shop, "first", str(bundle))
    assert "wanted none" in on(shop, "first", str(bundle), fails=True)


@pytest.mark.parametrize(
    "command", ["check", "fetch", "stage", "switch", "status", "rollback", "mark-good", "auto"]
)
def test_a_machine_that_is_no_gate_is_told_so(tmp_path, command):
    said = types("update", command, "--config", tmp_path / "gate.toml", fails=True)
    assert said.endswith("can't be read: No such file or directory; is this gate enrolled?\n")


def test_the_words_of_a_real_process_are_one_sentence(tmp_path):
    command = [sys.executable, "-m", "firmware_tools.cli", "update", "check", "--config", str(tmp_path / "x")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr


def test_a_machine_without_a_gate_toml_gets_its_first_slot_where_its_maker_says(shop, tmp_path):
    slots = tmp_path / "image" / "slots"
    nowhere = ("--config", tmp_path / "gone.toml")
    assert "is this gate enrolled?" in types("update", "first", shop.bundle("0.1.0"), *nowhere, fails=True)
    assert not slots.exists()
    first = staging.first(Slots(slots), shop.bundle("0.1.0"), sys.executable)
    assert (first.version, Slots(slots).current()) == ("0.1.0", "a")
    again = types("update", "first", shop.bundle("0.1.0"), *nowhere, "--slots", slots, fails=True)
    assert f"found slots in {slots}, wanted none" in again
