"""A guard opens a gate from the page: over a real broker to a real gate, and back into the page by its journal."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

from office.home import Home
from office.places import Place
from tests import brokers
from tests.browsers.people import serious, signed_in
from tests.browsers.site import Site


@contextmanager
def _running(*command: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", *command], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@contextmanager
def _at_work(site: Site, approver: Page, folder: Path) -> Iterator[None]:
    """A broker, an ingester, a gate with its list; told by the page that published it."""
    with ExitStack() as stack:
        broker = stack.enter_context(brokers.mosquitto(folder / "broker"))
        address = f"{brokers.LOOPBACK}:{broker.port}"
        home = Home(site.desk.home)
        Place(str(site.house.trust), str(site.house.published), address).remember(home)
        gate = site.gate(
            "north", broker={"host": brokers.LOOPBACK, "port": broker.port, "retry_first_s": 0.1}
        )
        approver.goto("/review")
        approver.click("text=Publish to the gates")
        approver.wait_for_selector(".said .success")
        gate.bring_list()
        stack.enter_context(
            _running("office.cli", "ingest", "--broker", address, "--home", str(site.desk.home))
        )
        stack.enter_context(_running("agent.cli", "run", "--config", str(gate.toml)))
        try:
            yield
        finally:
            Place(str(site.house.trust), str(site.house.published)).remember(home)


def _orders(page: Page, what: str, why: str) -> None:
    page.goto("/")
    page.click("text=Open a gate, lock it down, release it")
    page.select_option("#order_what", what)
    page.fill("#order_why", why)
    page.click("text=Give the order")


def test_an_order_from_the_page_opens_the_gate_and_the_page_says_so(
    site: Site, chromium: Browser, tmp_path: Path
) -> None:
    site.desk.clear()
    site.desk.holder("Li Wei")
    desk, chen = signed_in(chromium, site.base, "chen")
    office, wang = signed_in(chromium, site.base, "wang")
    boss, admin = signed_in(chromium, site.base, "admin")
    admin.goto("/orders/rules")
    assert serious(admin) == []
    admin.check("[value=lockdown]")
    admin.click("main button")
    with _at_work(site, wang, tmp_path):
        chen.goto("/")
        chen.wait_for_selector(".gates .pill.good")  # the gate has been heard
        _orders(chen, "open", "ambulance")
        chen.wait_for_selector("#standing .alerts .pill.good:text-is('obeyed')")
        chen.wait_for_selector("#events :text('opened from afar')")

        _orders(chen, "lockdown", "alarm next door")
        assert "waits for a second person" in chen.inner_text("main")
        wang.goto("/orders")
        assert serious(wang) == []
        wang.click("text=Confirm, and send it")
        wang.wait_for_selector(".said .success")
        chen.wait_for_selector(".gates .pill:text-is('locked down')")
        _orders(wang, "release", "all clear")
        chen.wait_for_selector(".gates .pill.good")
    for context in (desk, office, boss):
        context.close()
