"""The table of forms, by which a gate decides whether it could go back, says what the code does."""

import contextlib
import importlib
import importlib.metadata
import pkgutil
import re
import sqlite3
import tomllib
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from sqlite_utils import Database, Migrations

import agent.stores
from firmware_tools import building

FORMS = Path(agent.stores.__file__).parent / "forms.toml"
TABLE = tomllib.loads(FORMS.read_text())
MAY_BE_LOST = {
    "agent.stores.acknowledged",  # the office says it again
    "agent.stores.box",  # messages, each in the feed's own form
    "agent.stores.inspections",  # removes what the provisioning link wrote
    "agent.stores.journal_check",  # sets a damaged journal aside, whole
    "agent.stores.link",  # written anew at every start of sync
    "agent.stores.running",  # one remark
    "agent.stores.vitals",  # written anew every half minute
}
WRITES = re.compile(
    r"write_bytes\(|write_text\(|\.write\(|json\.dump\(|beside|unlink\(|sqlite3\.connect\(|Migrations\("
)
ONLY_READS = {"agent.stores.read_only"}


def modules():
    for one in pkgutil.iter_modules(agent.stores.__path__):
        name = f"agent.stores.{one.name}"
        yield name, FORMS.with_name(f"{one.name}.py").read_text()


def migrations_in(name: str) -> list[str]:
    """The migrations of a module of its own, in their order."""
    with contextlib.closing(sqlite3.connect(":memory:")) as empty:
        return [
            step.name
            for one in vars(importlib.import_module(name)).values()
            if isinstance(one, Migrations)
            for step in one.pending(Database(empty))
            if step.fn.__module__ == name
        ]


def test_every_migration_stands_in_the_table_and_no_other():
    for store, one in TABLE.items():
        assert [step for name in one["code"] for step in migrations_in(name)] == one.get("migrations", []), (
            store
        )


def test_every_module_that_writes_is_in_the_table_or_may_be_lost():
    named = {name for one in TABLE.values() for name in one["code"]}
    writing = {name for name, text in modules() if WRITES.search(text)} - ONLY_READS
    assert "agent.stores.journal_schema" in writing, "the pattern finds what it is for"
    assert writing <= named | MAY_BE_LOST, "say in forms.toml which form it writes"
    assert named | MAY_BE_LOST <= {name for name, _ in modules()}, "no module of the past"
    assert not named & MAY_BE_LOST


def test_a_release_carries_it():
    stores = building.stores_in(FORMS)
    assert set(stores) == set(TABLE)
    assert stores["journal"].writes == TABLE["journal"]["writes"]


# --- what a release installs ------------------------------------------------------------

ROOT = Path(__file__).parents[2]


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    found = (re.match(r"([a-z0-9-]+)==([^ ;]+)", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def wanted_by(requirement: str, seen: set[str]) -> set[str]:
    """What a requirement brings with it here, by the metadata of what is installed."""
    one = Requirement(requirement)
    if one.marker and not any(one.marker.evaluate({"extra": extra}) for extra in ("", *one.extras)):
        return seen
    name = canonicalize_name(one.name)
    if name in seen:
        return seen
    seen.add(name)
    for more in importlib.metadata.requires(name) or []:
        wanted = Requirement(more)
        if wanted.marker is None or any(
            wanted.marker.evaluate({"extra": extra}) for extra in ("", *one.extras)
        ):
            wanted.marker = None
            wanted_by(str(wanted), seen)
    return seen


def test_the_pins_of_a_gate_are_what_the_project_asks_for_and_no_more():
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    wanted: set[str] = {"pip"}
    for requirement in asked:
        wanted_by(requirement, wanted)
    gate = pins("gate.txt")
    assert wanted <= gate.keys(), "make requirements"
    elsewhere = {name for name in gate.keys() - wanted if not _for_another_machine(name)}
    assert not elsewhere, "make requirements"


def _for_another_machine(name: str) -> bool:
    text = (ROOT / "requirements" / "gate.txt").read_text()
    marker = re.search(rf"^{re.escape(name)}==[^ ]+ ; (.*?) \\", text, re.MULTILINE)
    return marker is not None and not Marker(marker[1]).evaluate()


def test_a_gate_runs_what_was_tested():
    tested = pins("run.txt") | pins("dev.txt")
    tested["pip"] = pins("gate.txt")["pip"]
    assert {name: tested.get(name) for name in pins("gate.txt")} == pins("gate.txt")
