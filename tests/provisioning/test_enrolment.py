"""A technician, a cable and a blank kiosk."""

import json
import shutil
import stat
import sys
import tomllib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from provisioning import site_file
from provisioning.bench import BenchFault, Refusal
from provisioning.enrol import enrol
from provisioning.site_file import SiteFault

from .workbench import NORTH, PASSWORD, SOUTH, Told


def test_a_blank_kiosk_becomes_a_gate_and_its_key_never_leaves(room, cable, site):
    told = Told()
    with room.serving(room.kiosk()):
        record = enrol(room.bench, site, NORTH, told)

    gate = tomllib.loads((room.etc / "gate.toml").read_text())
    assert (gate["site"], gate["gate"], gate["direction"], gate["zone"]) == ("garden", "north", "in", "main")
    assert gate["state"] == str(room.state)
    assert gate["door"] == {"open_s": 4.0}
    assert gate["broker"]["username"] == "north"
    assert (room.etc / gate["broker"]["password_file"]).read_text() == PASSWORD
    assert (room.etc / gate["root"]).read_bytes() == site.root
    assert stat.S_IMODE((room.etc / "broker.password").stat().st_mode) == 0o640

    key_file = room.state / "keys" / "gate" / "journal.pem"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    public = load_pem_private_key(key_file.read_bytes(), None).public_key().public_bytes_raw()
    assert record.journal_key == f"ed25519:{public.hex()}"
    assert told.share == 1.0


def test_the_key_that_gates_share_travels_with_the_enrolment(room, cable, site_path, tmp_path):
    site_path = Path(shutil.copytree(site_path.parent, tmp_path / "fellows")) / site_path.name
    (site_path.parent / "fellows.key").write_text("a-key-that-gates-share\n")
    with site_path.open("a") as file:
        file.write('\n[fellows]\nlan = true\nkey_file = "fellows.key"\n')
    with room.serving(room.kiosk()):
        enrol(room.bench, site_file.read(site_path), NORTH, Told())
    kept = room.etc / "fellows.key"
    assert kept.read_text() == "a-key-that-gates-share\n"
    assert kept.stat().st_mode & 0o777 == 0o640
    gate = tomllib.loads((room.etc / "gate.toml").read_text())
    assert gate["fellows"] == {"lan": True, "key_file": "fellows.key"}


def test_the_same_enrolment_again_is_the_same_enrolment(room, cable, site):
    with room.serving(room.kiosk()):
        first = enrol(room.bench, site, NORTH, Told())
    with room.serving(room.kiosk()):  # and after a restart, too
        again = enrol(room.bench, site, NORTH, Told())
    assert again == first


def test_a_sealed_kiosk_refuses_another_enrolment(room, cable, site):
    with room.serving(room.kiosk()):
        enrol(room.bench, site, NORTH, Told())
        before = room.in_force()
        with pytest.raises(Refusal, match="sealed: it is gate north of site garden"):
            enrol(room.bench, site, SOUTH, Told())
    assert room.in_force() == before


def test_an_unsealed_kiosk_changes_over_whole_and_keeps_its_key(room, cable, site):
    with room.serving(room.kiosk()):
        north = enrol(room.bench, site, NORTH, Told())
    with room.serving(room.kiosk(unsealed=True)):
        south = enrol(room.bench, site, SOUTH, Told())
    assert south.journal_key == north.journal_key
    assert room.in_force() == room.expected(site, SOUTH)
    assert len(list((room.etc / "enrolments").iterdir())) == 1  # the old password is gone


@pytest.mark.parametrize("damage", [lambda note: note.unlink(), lambda note: note.write_text('{"site": 1}')])
def test_a_damaged_note_does_not_unseal_a_kiosk(room, cable, site, damage):
    with room.serving(room.kiosk()):
        enrol(room.bench, site, NORTH, Told())
        damage(room.etc / "enrolled" / "enrolment.json")
        with pytest.raises(Refusal, match="sealed"):
            enrol(room.bench, site, SOUTH, Told())


def test_who_came_and_what_was_done_is_recorded_without_secrets(room, cable, site):
    with room.serving(room.kiosk()):
        enrol(room.bench, site, NORTH, Told())
    text = (room.state / "provision.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["what"] for line in lines] == ["session.opened", "enrol.begun", "enrol.committed"]
    assert {line["who"] for line in lines} == {"ana"}
    assert PASSWORD not in text
    assert "PRIVATE" not in text


def test_the_kiosks_own_check_is_heard_word_for_word_and_nothing_changes(room, cable, site, tmp_path):
    check = tmp_path / "check"
    check.write_text("#!/bin/sh\necho 'door.open_s: found 4.0, wanted at most 3'\necho 门.zone\nexit 1\n")
    check.chmod(0o755)
    with room.serving(room.kiosk((str(check),))), pytest.raises(Refusal) as refusal:
        enrol(room.bench, site, NORTH, Told())
    assert refusal.value.faults == ("door.open_s: found 4.0, wanted at most 3", "门.zone")
    assert room.in_force() == {}
    assert not list((room.etc / "enrolments").iterdir())


@pytest.mark.parametrize(
    ("check", "sentence"),
    [
        (("sh", "-c", "yes 门门门门门门门门门门门门门门门门门门门门门门门门 | head -c 200000; false"), "and"),
        (("sh", "-c", "exit 3"), "ended with code 3 and gave no reason"),
        ((sys.executable, "-c", "import nothing_like_it"), "1: ModuleNotFoundError: No module named"),
        (("no-such-command-here",), "could not run"),
    ],
)
def test_a_check_that_floods_dies_or_is_missing_is_a_sentence(room, cable, site, check, sentence):
    with room.serving(room.kiosk(check)), pytest.raises(Refusal) as refusal:
        enrol(room.bench, site, NORTH, Told())
    assert sentence in refusal.value.faults[-1]
    assert room.in_force() == {}


def test_a_configuration_written_by_hand_is_never_overwritten(room, cable, site):
    (room.etc / "gate.toml").write_text("# mine")
    with room.serving(room.kiosk(unsealed=True)), pytest.raises(Refusal, match="by hand"):
        enrol(room.bench, site, NORTH, Told())
    assert (room.etc / "gate.toml").read_text() == "# mine"


def test_a_key_file_that_is_no_key_is_kept_and_named(room, cable, site):
    key = room.state / "keys" / "gate" / "journal.pem"
    key.parent.mkdir(parents=True)
    key.write_text("not a key")
    with room.serving(room.kiosk()), pytest.raises(BenchFault, match="no private key"):
        enrol(room.bench, site, NORTH, Told())
    assert key.read_text() == "not a key"
    assert room.in_force() == {}


def test_a_site_file_tells_all_its_faults(site_path, tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text('site = "Garden!"\nroot = 7\n[broker]\nport = 99999\n')
    with pytest.raises(SiteFault) as fault:
        site_file.read(bad)
    assert [line.split(": ")[1] for line in str(fault.value).splitlines()] == [
        "site",
        "root",
        "broker.host",
        "broker.port",
    ]
    spoilt = json.loads((site_path.parent / "root.json").read_bytes())
    spoilt["signed"]["version"] = 2
    (tmp_path / "root.json").write_text(json.dumps(spoilt))
    bad.write_text('site = "garden"\nroot = "root.json"\n')
    with pytest.raises(SiteFault, match="no root of trust"):
        site_file.read(bad)
