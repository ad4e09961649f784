"""The drawings in docs/architecture.md say what the import contract, the units and the key ceremony say."""

import configparser
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import grimp
import pytest

from firmware_tools.ceremony import OFFLINE, PATHS
from office.keyring import names

ROOT = Path(__file__).parents[1]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
    "contracts"
]
FLOORS = [
    [name.strip() for name in floor.split("|")]
    for contract in CONTRACTS
    if contract["type"] == "layers"
    for floor in contract["layers"]
]
PARTIES = next(contract["modules"] for contract in CONTRACTS if contract["type"] == "independence")


def drawn(name: str) -> ET.Element:
    return ET.parse(ROOT / "docs" / "pictures" / name).getroot()


def boxes(drawing: ET.Element) -> Iterator[tuple[str, ET.Element]]:
    for group in drawing.iter("{http://www.w3.org/2000/svg}g"):
        if name := group.get("id"):
            yield name, group


def arrows(drawing: ET.Element) -> set[tuple[str, str]]:
    return {
        (path.attrib["data-from"], path.attrib["data-to"])
        for path in drawing.iter("{http://www.w3.org/2000/svg}path")
        if "data-from" in path.attrib
    }


def top_of(box: ET.Element) -> float:
    return float(box[0].attrib["y"])


def test_the_drawn_floors_are_those_of_the_contract():
    floors: dict[float, list[str]] = {}
    for name, box in boxes(drawn("floors.svg")):
        if name not in PARTIES:
            floors.setdefault(top_of(box), []).append(name)
    assert [sorted(floors[top]) for top in sorted(floors)] == [sorted(floor) for floor in FLOORS]


def test_every_part_of_the_agent_has_a_floor():
    parts = {
        f"agent.{path.stem}"
        for path in (ROOT / "agent").iterdir()
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").is_file()
    }
    assert parts == {name for floor in FLOORS for name in floor if name.startswith("agent.")}


def test_the_other_parties_are_drawn_with_all_that_they_import():
    floors = drawn("floors.svg")
    assert set(PARTIES) <= {name for name, _ in boxes(floors)}
    graph = grimp.build_graph("agent", "hw", *PARTIES)
    imported = {
        (party, ".".join(theirs.split(".")[:2]))
        for module in graph.modules
        if (party := module.split(".")[0]) in PARTIES
        for theirs in graph.find_modules_directly_imported_by(module)
        if theirs.split(".")[0] != party and theirs != "agent"
    }
    assert arrows(floors) == imported


def test_the_drawn_processes_are_those_of_the_units():
    """Three do the work; those that start, watch and replace them are a row below, and a table in docs/device.md."""
    found, keep = {}, set()
    keepers = (ROOT / "docs" / "device.md").read_text(encoding="utf-8")
    for path in (ROOT / "systemd").glob("*.service"):
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str  # type: ignore[assignment]  # names of settings keep their case
        unit.read(path, encoding="utf-8")
        start = unit["Service"]["ExecStart"].rpartition("/venv/bin/")[2]
        kept = re.match(r"menshen-(safe|console|guard|update|first-boot)", path.stem)
        if kept:
            keep.add(f"menshen-{kept[1]}")
            assert f"menshen-{kept[1]}" in keepers, path.name
        elif unit["Service"].get("Type") != "oneshot":
            found[path.name] = (unit["Service"].get("User", "root"), " ".join(start.split()[:2]))
    shown = {
        box.attrib["data-unit"]: (box.attrib["data-user"], box.attrib["data-command"])
        for _, box in boxes(drawn("processes.svg"))
        if "data-unit" in box.attrib
    }
    assert shown == found
    assert {name for name, box in boxes(drawn("processes.svg")) if "data-kept" in box.attrib} == keep


def test_the_drawn_keys_are_those_of_the_ceremony_and_of_the_office():
    keys = drawn("keys.svg")
    offline = {
        box.attrib["data-offline"]: tuple(
            int(box.attrib[f"data-{what}"]) for what in ("keys", "threshold", "days")
        )
        for _, box in boxes(keys)
        if "data-offline" in box.attrib
    }
    assert offline == {role: (made.keys, made.threshold, made.expires_days) for role, made in OFFLINE.items()}
    online = {name for name, box in boxes(keys) if box.get("data-online")}
    assert online == {*names(), "audit"}
    assert {to for what, to in arrows(keys) if what == "targets"} == set(PATHS)
    assert {to for what, to in arrows(keys) if what == "root"} == {"targets", "snapshot", "timestamp"}


@pytest.mark.parametrize("name", ["floors.svg", "processes.svg", "keys.svg"])
def test_the_page_shows_each_drawing(name: str):
    assert f"pictures/{name}" in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
