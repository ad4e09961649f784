"""People with browsers: they sign in, and look for faults that would stop one of them."""

import os
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from tests.office_pages.desk import PASSWORD

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True}


def wanted() -> str:
    """The browser to start; skips, and says why, where there shall be none."""
    if not os.environ.get("MENSHEN_BROWSERS"):
        pytest.skip("minutes of real browsers: make drill-pages")
    if CHROMIUM is None:
        pytest.skip("no chromium here: make drill-pages installs it")
    return CHROMIUM


def signed_in(browser: Browser, base: str, name: str, **options) -> tuple[BrowserContext, Page]:
    """Somebody of the office's staff at a browser of their own."""
    context = browser.new_context(base_url=base, **{"locale": "en-US", **options})
    page = context.new_page()
    page.goto("/sign-in")
    page.fill("[name=username]", name)
    page.fill("[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_url("**/")
    return context, page


def serious(page: Page) -> list[str]:
    """What axe calls serious or critical."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:90]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
