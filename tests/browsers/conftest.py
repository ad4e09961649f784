"""An office served by `menshen-office serve`, a real browser, and a real gate that looks at its pictures."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connections
from playwright.sync_api import Browser, sync_playwright

from tests.browsers.people import wanted
from tests.browsers.site import Site
from tests.office_pages.desk import Desk


@contextmanager
def served_at(desk: Desk) -> Iterator[str]:
    """The address at which an office serves its pages."""
    command = [sys.executable, "-m", "office.cli", "serve", "--home", str(desk.home), "--port", "0"]
    log = desk.home.parent / "serve.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as server,
    ):
        try:
            assert server.stdout
            port = re.search(r"port=(\d+)", server.stdout.readline())
            assert port, log.read_text()
            yield f"http://127.0.0.1:{port[1]}"
        finally:
            server.terminate()
            assert server.wait(15) == 0
    assert "Traceback" not in log.read_text()
    connections.close_all()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, str]]:
    wanted()
    desk = Desk(tmp_path_factory.mktemp("served") / "home")
    desk.found()
    with served_at(desk) as base:
        yield desk, base


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same with a ceremony behind it, so that lists reach a gate."""
    wanted()
    one = Site.make(tmp_path_factory.mktemp("site"))
    with served_at(one.desk) as base:
        one.base = base
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
