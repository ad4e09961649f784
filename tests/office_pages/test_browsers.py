"""As people do it: real browsers, real pages served by `menshen-office serve`."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections

from tests.office_pages.desk import PASSWORD, Desk

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if not os.environ.get("MENSHEN_BROWSERS"):
    pytest.skip("a minute of real browsers: make drill-pages", allow_module_level=True)
if CHROMIUM is None:
    pytest.skip("no chromium here: apt-get install chromium", allow_module_level=True)

from axe_playwright_python.sync_playwright import Axe  # noqa: E402
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright  # noqa: E402

from agent.core.passes import StaticPass, parse  # noqa: E402
from agent.vision.reader import Reader  # noqa: E402
from office.models import Pass  # noqa: E402

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, str]]:
    desk = Desk(tmp_path_factory.mktemp("served") / "home")
    desk.found()
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
            yield desk, f"http://127.0.0.1:{port[1]}"
        finally:
            server.terminate()
            assert server.wait(15) == 0
    assert "Traceback" not in log.read_text()
    connections.close_all()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # Playwright keeps an event loop in this thread; no query runs in it, which is all that Django fears.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def _signed_in(browser: Browser, base: str, name: str, **options) -> tuple[BrowserContext, Page]:
    context = browser.new_context(locale="en-US", base_url=base, **options)
    page = context.new_page()
    page.goto("/sign-in")
    page.fill("[name=username]", name)
    page.fill("[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_url("**/")
    return context, page


def _serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:90]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def test_a_visitor_registers_on_a_phone_and_a_gate_reads_the_screen(
    served: tuple[Desk, str], chromium: Browser, tmp_path: Path
) -> None:
    """C07: what a gate's reader sees in a picture of that page is a pass that verifies."""
    cv2 = pytest.importorskip("cv2")
    desk, base = served
    desk.clear()
    desk.gate()
    phone = chromium.new_context(viewport=PHONE, locale="zh-CN", base_url=base)
    visitor = phone.new_page()
    visitor.goto("/visit/north")
    assert "欢迎" in visitor.inner_text("h1")
    assert _serious(visitor) == []
    visitor.fill("[name=name]", "赵敏")
    visitor.fill("[name=host]", "3-502")
    visitor.check("[name=consent]")
    visitor.click("main button")
    assert "请稍候" in visitor.inner_text("h1")

    context, clerk = _signed_in(chromium, base, "chen")
    clerk.goto("/visits")
    clerk.click("button[value=approve]")
    visitor.wait_for_selector(".code svg")  # by itself, within seconds
    shot = tmp_path / "screen.png"
    visitor.screenshot(path=shot)
    (sighting, *_) = Reader().read(cv2.imread(str(shot), cv2.IMREAD_GRAYSCALE))
    made = parse(sighting.text)
    assert isinstance(made, StaticPass)
    assert made.pass_id.hex() == Pass.objects.get().pass_id
    phone.close()
    context.close()


def test_an_event_appears_by_itself_and_names_go_only_where_they_may(
    served: tuple[Desk, str], chromium: Browser
) -> None:
    """C10, C15."""
    desk, base = served
    desk.clear()
    north, one = desk.gate(), desk.holder("Li Wei")
    seen = {name: _signed_in(chromium, base, name) for name in ("chen", "zhao")}
    for _, page in seen.values():
        page.wait_for_selector("#link.good")
    desk.event(north, pass_id=one.pass_id)
    for name, (context, page) in seen.items():
        page.wait_for_selector("#events tr.new")
        assert ("Li Wei" in page.inner_text("#events")) is (name == "chen")
        page.wait_for_function("document.querySelector('.tile strong').textContent === '1'")
        context.close()


def test_the_pages_can_be_read_without_javascript(served: tuple[Desk, str], chromium: Browser) -> None:
    desk, base = served
    desk.clear()
    one = desk.holder("Li Wei")
    desk.event(desk.gate(), pass_id=one.pass_id)
    context, page = _signed_in(chromium, base, "chen", java_script_enabled=False)
    assert "Li Wei" in page.inner_text("#events")
    page.goto("/events?q=Li")
    assert "Li Wei" in page.inner_text("main")
    context.close()


def test_two_hundred_people_are_imported_approved_and_printed(
    served: tuple[Desk, str], chromium: Browser, tmp_path: Path
) -> None:
    """C03, C12."""
    desk, base = served
    desk.clear()
    sheet = tmp_path / "people.csv"
    rows = [f"Person {n},resident,main,2026-11-01,2027-10-01" for n in range(200)]
    sheet.write_text("\n".join(("name,kind,zones,from,until", *rows)))
    context, clerk = _signed_in(chromium, base, "chen")
    clerk.goto("/people/import")
    clerk.set_input_files("[name=sheet]", sheet)
    clerk.click("main button")
    clerk.wait_for_url("**/review")
    assert "200 passes drafted" in clerk.inner_text(".said")
    others, approver = _signed_in(chromium, base, "wang")
    approver.goto("/review")
    approver.click("button[value=approve]")
    approver.wait_for_selector(".said .success")
    assert "200 drafts approved" in approver.inner_text(".said")
    clerk.goto("/badges")
    assert clerk.locator(".badge svg").count() == 200
    assert clerk.pdf(format="A4").count(b"/Type /Page\n") == 20
    context.close()
    others.close()


@pytest.mark.parametrize("name", ["chen", "admin"])
def test_no_page_has_a_serious_fault_of_accessibility(
    served: tuple[Desk, str], chromium: Browser, name: str
) -> None:
    desk, base = served
    desk.clear()
    one = desk.holder("Li Wei")
    desk.event(desk.gate(), "pass.refused", one.pass_id, "expired")
    context, page = _signed_in(chromium, base, name)
    paths = {
        "chen": [
            "/",
            "/events",
            "/alerts",
            "/inside",
            "/people",
            f"/people/{one.person_id}",
            "/people/new",
            "/people/import",
            "/review",
            "/visits",
            "/badges",
            "/me",
        ],
        "admin": ["/accounts", "/history", "/visits/rules", "/me/second-factor", "/me/password"],
    }
    faults = {}
    for path in paths[name]:
        page.goto(path)
        if found := _serious(page):
            faults[path] = found
    assert not faults, json.dumps(faults, indent=1)
    context.close()
