"""One group for a module's tests."""

from collections.abc import Iterator

import pytest
from django.db import connections
from django.test.utils import override_settings

from tests.office_group.group import TwoSites


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoSites]:
    made = TwoSites(tmp_path_factory.mktemp("group") / "g")
    with override_settings(SECRET_KEY="x" * 50):
        made.found()
        yield made
    connections.close_all()
