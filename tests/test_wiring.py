"""The wiring sheets say what the reference board says, and are what their script draws."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from hw.board import load_board
from hw.wiring.sheets import SHEETS

REPO = Path(__file__).parent.parent
WIRING, OVERLAYS, GUIDE = REPO / "hw" / "wiring", REPO / "hw" / "overlays", REPO / "docs" / "wiring.md"
HEADER = {5: 29, 6: 31, 12: 32, 13: 33, 16: 36, 17: 11, 18: 12, 22: 15, 23: 16, 27: 13}


@pytest.mark.parametrize("make", SHEETS, ids=lambda make: make.__name__)
def test_a_sheet_is_as_drawn_and_can_be_shown(make):
    sheet = make()
    text = (WIRING / f"{sheet.name}.svg").read_text()
    assert text == sheet.svg(), f"run python -m hw.wiring.draw {WIRING}"
    assert ET.fromstring(text).tag.endswith("svg")
    assert f"{sheet.name}.svg" in GUIDE.read_text()
    assert f"{sheet.name}.svg" in GUIDE.with_suffix(".zh.md").read_text()


def test_the_inputs_sheet_has_the_reference_boards_pins():
    drawn = (WIRING / "inputs.svg").read_text()
    for part in dict(load_board("reference").inputs).values():
        if part is not None:
            assert f"BCM {part.pin}, header {HEADER[part.pin]}" in drawn


def test_the_guide_has_the_reference_boards_pins():
    board, guide = load_board("reference"), GUIDE.read_text()
    for name, part in (("relay", board.relay), ("piezo", board.buzzer), ("door contact", board.inputs.door)):
        assert re.search(rf"\| {name} \| {part.pin} \| {HEADER[part.pin]} \|", guide)
    lamps = [board.lamps.red.pin, board.lamps.green.pin, board.lamps.white.pin]
    assert f"| {', '.join(map(str, lamps))} | {', '.join(str(HEADER[pin]) for pin in lamps)} |" in guide


def test_the_boot_settings_rest_the_relays_pin():
    relay = load_board("reference").relay
    level = "dl" if relay.active == "high" else "dh"
    assert f"gpio={relay.pin}=op,{level}" in (OVERLAYS / "config.txt").read_text()


@pytest.mark.skipif(shutil.which("dtc") is None, reason="the device-tree compiler is not installed here")
@pytest.mark.parametrize("source", sorted(OVERLAYS.glob("*.dts")), ids=lambda path: path.stem)
def test_an_overlay_compiles_without_a_warning(source, tmp_path):
    ran = subprocess.run(
        ["dtc", "-@", "-I", "dts", "-O", "dtb", "-o", tmp_path / "out.dtbo", source],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
