"""An office with its people, gates and accounts, to be looked at through its pages."""

from collections.abc import Iterator

import pytest
from django.db import connections

from tests.office_pages.desk import Desk


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("pages") / "home")
    desk.found()
    yield desk
    connections.close_all()


@pytest.fixture
def desk(opened: Desk) -> Desk:
    """The office as on its first morning: accounts, but no people, gates or events."""
    opened.clear()
    return opened
