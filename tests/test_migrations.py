"""The office's migrations stand in one line, numbered as they follow each other."""

import ast
import itertools
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = sorted(folder for folder in (ROOT / "office").rglob("migrations") if any(folder.glob("0*.py")))


def follows(file: Path) -> list[str]:
    """The migrations of its own folder that a file says it comes after."""
    here = {beside.stem for beside in file.parent.glob("0*.py")}
    words = {
        node.value
        for tree in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(tree, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "dependencies" for target in tree.targets)
        for node in ast.walk(tree.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return sorted(words & here)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_each_follows_the_one_before(folder):
    files = sorted(folder.glob("0*.py"))
    assert [int(file.stem[:4]) for file in files] == list(range(1, len(files) + 1))
    assert follows(files[0]) == []
    for before, file in itertools.pairwise(files):
        assert before.stem in follows(file), f"{file.stem} wants to follow {before.stem}"
