"""docs/controls.md says of each rule what shows that it is kept; what it names is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "controls.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| C\d\d ", line)
]


def test_every_rule_has_its_row():
    assert [row[0] for row in ROWS] == [f"C{number:02}" for number in range(1, 37)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_a_row_names_is_there(row):
    _, _, state, tests, command = row
    assert re.fullmatch(r"kept|(in part|not yet): .+", state)
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", tests)
    assert named or state.startswith("not yet"), "no test shows it"
    for file, test in named:
        found = {
            node.name
            for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef)
        }
        assert test in found, f"{file} has no {test}"
    for page in re.findall(r"`(docs/[\w.-]+)`", command):
        assert (ROOT / page).is_file(), page
