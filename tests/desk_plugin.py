"""A desk for a test, and one gate that it knows; a test file asks for them by `pytest_plugins = "tests.desk_plugin"`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.signing_gate import Desk, SigningGate, desk_in, empty_home


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An office's home as it was set up; to be copied."""
    return empty_home(tmp_path_factory.mktemp("empty") / "office")


@pytest.fixture
def desk(tmp_path: Path, empty: Path) -> Iterator[Desk]:
    with desk_in(tmp_path / "office", empty) as one:
        yield one


@pytest.fixture
def gate(desk: Desk) -> SigningGate:
    """On record, with nothing sent yet."""
    north = SigningGate().opened()
    desk.knows(north)
    return north
