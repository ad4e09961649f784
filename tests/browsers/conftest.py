"""An office served by `menshen-office serve`, a real browser, and a real gate that looks at its pictures."""

from collections.abc import Iterator

import pytest
from django.db import connections
from playwright.sync_api import Browser, sync_playwright

from tests.browsers.people import wanted
from tests.browsers.site import Site
from tests.office_pages.desk import Desk
from tests.office_pages.serving import served_at


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, str]]:
    wanted()
    desk = Desk(tmp_path_factory.mktemp("served") / "home")
    desk.found()
    with served_at(desk) as served:
        yield desk, served.base


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same with a ceremony behind it, so that lists reach a gate."""
    wanted()
    one = Site.make(tmp_path_factory.mktemp("site"))
    with served_at(one.desk) as served:
        one.base = served.base
        yield one


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = wanted()
    # Playwright keeps an event loop in this thread; no query runs in it, which is all that Django fears.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        connections.close_all()  # those that were opened beside Playwright's loop are its own
        browser.close()
