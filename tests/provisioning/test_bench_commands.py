"""What a technician types, on a kiosk at the other end of a cable."""

import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from agent import pictures
from agent.core.inspected import CARD_MM, CARD_TEXT
from agent.vision import Reader, ReaderConfig
from provisioning import gadget, usb
from provisioning.cli import main
from provisioning.enrol import Record
from provisioning.label import Label
from provisioning.machine import WIFI_FILE, Machine

from .workbench import make_site

RECORD = Record(
    site="garden",
    gate="north",
    name="北门",
    device_id="10000000a1b2c3d4",
    journal_key="ed25519:" + "17" * 32,
    direction="in",
    zone="main",
    enrolled_at="2026-03-01T08:00:00.000Z",
    software="menshen 0.1.0",
)


def typed(*words, **more):
    result = CliRunner().invoke(main, [str(word) for word in words], **more)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def key(tmp_path):
    """Ana's key and its passphrase; her site's file names her."""
    (tmp_path / "passphrase").write_text("open sesame\n")
    made = typed(
        "technician", "ana", "--out", tmp_path / "ana.pem", "--passphrase-file", tmp_path / "passphrase"
    )
    site = make_site(tmp_path / "garden")
    site.write_text(site.read_text() + made.output.partition("\n\n")[2])
    return site, (
        *("--technician", "ana", "--technician-key", tmp_path / "ana.pem"),
        *("--passphrase-file", tmp_path / "passphrase"),
    )


def test_a_technicians_day_from_a_blank_kiosk_to_a_bare_one(room, cable, key, tmp_path, monkeypatch):
    site, proof = key
    networks = tmp_path / "system-connections"
    networks.mkdir()
    machine = Machine(
        networks=networks, reload_networks=("true",), log=("echo", "gate.opened"), inside=("echo", "account")
    )
    at = ("--port", room.near)
    monkeypatch.chdir(tmp_path)
    with room.serving(room.kiosk(machine=machine)):
        asked = f"{site}\nnorth\nNorth gate\nin\nmain\nGarden\nopen sesame\n"
        guided = typed("--port", room.near, input=asked)
        assert guided.output.splitlines()[-1].startswith("PASS  kiosk "), guided.output
        assert (tmp_path / "records" / "north.pdf").read_bytes().startswith(b"%PDF")
        secret = (networks / WIFI_FILE).read_text()
        assert "ssid=71;97;114;100;101;110;\n" in secret
        assert "psk=open sesame\n" in secret
        assert "gate north of site garden" in typed("identify", *at).output
        assert "sealed" in typed("logs", *at).output
        assert typed("logs", *at, *proof).output == "gate.opened\n"
        assert "seal.proved" in typed("logs", "--sessions", *at, *proof).output
        assert "sealed" in typed("doctor", *at).output
        examined = typed("doctor", *at, *proof).output
        assert examined.startswith("gate north of site garden\n")
        assert "wrong gate      has said nothing\n                  -> see why: journalctl" in examined
        assert typed("support", tmp_path / "north.tar.gz", *at, *proof).exit_code == 0
        with tarfile.open(tmp_path / "north.tar.gz") as archive:
            assert "menshen-support/settings.json" in archive.getnames()
        assert "sealed" in typed("inside", tmp_path / "north.muster", *at).output
        assert not (tmp_path / "north.muster").exists()
        assert typed("inside", tmp_path / "north.muster", *at, *proof).exit_code == 0
        assert (tmp_path / "north.muster").read_text().startswith("account --config ")
        assert "Wi-Fi set: Garden" in typed("network", *at).output
        assert "open sesame" not in typed("network", *at).output
        assert typed("config", "set", "door.open_s=3.5", *at, *proof).exit_code == 0
        assert typed("config", "get", "door.open_s", *at, *proof).output == "open_s = 3.5\n"
        assert "bench" in typed("time", *at).output
        assert "without --set-clock" in typed("time", "--set", *at, *proof).output
        backed = typed("backup", tmp_path / "north.backup", *at, *proof)
        assert backed.output.startswith("PASS  gate north")
        gone = typed(
            *("decommission", "--gate", "north", "--record", tmp_path / "gone.json", "--yes", *at, *proof)
        )
        assert gone.output.splitlines()[-1].endswith("is no gate any more")
        assert json.loads((tmp_path / "gone.json").read_text())["by"] == "ana"
        assert "not enrolled yet" in typed("identify", *at).output
        back = typed("restore", tmp_path / "north.backup", "--site-file", site, *at)
        assert back.output.splitlines()[-1].startswith("PASS  kiosk "), back.output
    assert "open_s = 3.5" in (room.etc / "gate.toml").read_text()


def test_a_list_of_gates_ends_in_a_record_and_a_label_for_each(room, cable, site_path, tmp_path):
    (tmp_path / "site.csv").write_text("gate,name,direction,zone\nnorth,North gate,in,main\n")
    with room.serving(room.kiosk()):
        done = typed(
            *("batch", tmp_path / "site.csv", "--site-file", site_path, "--records", tmp_path / "records"),
            *("--port", room.near),
            input="\n",
        )
    assert done.output.splitlines()[-1] == "PASS  1 gates of site garden are enrolled", done.output
    assert {path.name for path in (tmp_path / "records").iterdir()} == {
        "north.json",
        "north.png",
        "north.pdf",
    }


def test_the_label_is_read_by_the_gates_own_eyes_and_its_pdf_says_the_same(tmp_path):
    label = Label.of(RECORD)
    png, pdf = label.write(tmp_path / "north")
    sightings = Reader(ReaderConfig()).read(pictures.load(png))
    assert [one.text for one in sightings] == [label.code]
    with Image.open(io.BytesIO(png.read_bytes())) as image:
        assert [round(side / 300 * 25.4) for side in image.size] == [62, 29]
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert pdf.stat().st_mode & 0o777 == 0o644


def test_the_test_card_is_read_by_the_gates_own_eyes_and_its_code_is_as_wide_as_it_says(tmp_path):
    said = typed("test-card", tmp_path / "card")
    png, pdf = tmp_path / "card.png", tmp_path / "card.pdf"
    assert said.output == f"test card: {png}, {pdf}\n"
    (sighting,) = Reader(ReaderConfig()).read(pictures.load(png))
    assert sighting.text == CARD_TEXT
    with Image.open(png) as image:
        dark = image.crop((0, 0, image.width, round(image.height * 0.65))).point(lambda shade: 255 - shade)
        left, _, right, _ = dark.getbbox()
        assert (right - left) / image.info["dpi"][0] * 25.4 == pytest.approx(CARD_MM, abs=0.2)
    assert pdf.read_bytes().startswith(b"%PDF")
    assert "No such file" in typed("test-card", tmp_path / "nowhere" / "card").output


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed here")
def test_an_authority_is_made_and_lists_what_is_revoked(tmp_path):
    (tmp_path / "passphrase").write_text("open sesame\n")
    common = ("--folder", tmp_path / "enrolment", "--passphrase-file", tmp_path / "passphrase")
    assert typed("ca", "make", "--site", "garden", *common).exit_code == 0
    assert "already" in typed("ca", "make", "--site", "garden", *common).output
    own = tmp_path / "enrolment" / "enrolment-ca.pem"
    assert typed("ca", "revoke", own, *common).exit_code == 0
    said = subprocess.run(
        ["openssl", "crl", "-noout", "-text", "-in", tmp_path / "enrolment" / "revoked.pem"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.count("Serial Number") == 1
    assert "neither a record" in typed("ca", "revoke", tmp_path / "passphrase", *common).output


def test_kiosks_are_found_by_their_usb_ids_and_named_when_there_are_several():
    printer = usb.Port("/dev/ttyUSB0", "0403:6001", "-", "printer", kiosk=False)
    one, two = (usb.Port(f"/dev/ttyACM{n}", "1209:0001", f"id-{n}", "-", kiosk=True) for n in (0, 1))
    assert usb.kiosk_port([printer, one]) == "/dev/ttyACM0"
    with pytest.raises(usb.NotFound, match="no kiosk is plugged in"):
        usb.kiosk_port([printer])
    with pytest.raises(usb.NotFound, match="id-1"):
        usb.kiosk_port([one, two])


def test_the_usb_ids_stand_in_one_place_and_the_udev_rules_agree():
    rules = (Path(__file__).parents[2] / "systemd" / "udev" / "60-menshen-provision.rules").read_text()
    assert rules.count(f'idVendor}}=="{usb.VENDOR:04x}"') == rules.count(f'"{usb.PRODUCT:04x}"') == 2


def test_a_gadget_is_set_up_once_and_shows_the_kiosks_number(tmp_path):
    configfs, controllers = tmp_path / "usb_gadget", tmp_path / "udc"
    with pytest.raises(gadget.NoGadget, match="libcomposite"):
        gadget.present("id-1", configfs, controllers)
    configfs.mkdir()
    with pytest.raises(gadget.NoGadget, match="can be a device"):
        gadget.present("id-1", configfs, controllers)
    (controllers / "fe980000.usb").mkdir(parents=True)
    for _ in range(2):
        assert gadget.present("id-1", configfs, controllers) == "fe980000.usb"
    assert (configfs / "menshen" / "strings" / "0x409" / "serialnumber").read_text() == "id-1"
    assert (configfs / "menshen" / "configs" / "c.1" / "acm.usb0").is_symlink()


def test_the_technicians_guide_names_every_command():
    guide = (Path(__file__).parents[2] / "docs" / "technician.md").read_text()
    for name in main.commands.keys() - {"device", "gadget", "first-boot", "cable", "site-file"}:
        assert f"`{name}" in guide or f"menshen-provision {name}" in guide, name
