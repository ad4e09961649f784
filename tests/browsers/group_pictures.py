"""The picture of a group's sites at a look, in both languages: a part of `make pictures`."""

import tempfile
from pathlib import Path

from django.test.utils import override_settings
from django.utils import timezone
from playwright.sync_api import Browser

from office.alerts import Matter, raise_alert
from tests.browsers.people import signed_in
from tests.office_group.group import SITES, TwoSites, eventually, served


def take(browser: Browser, keep, languages: dict[str, str], **settings) -> None:
    """Found a group, let something happen, and keep the door's page."""
    with tempfile.TemporaryDirectory() as folder, override_settings(SECRET_KEY="x" * 50):
        group = TwoSites(Path(folder) / "g")
        group.found()
        for site in SITES:
            busy(group, site)
        with served(group) as door:
            for site in SITES:
                eventually(lambda site=site: group.rows(site)["web_progress"])
            for short, locale in languages.items():
                context, page = signed_in(
                    browser, f"http://localhost:{door.port}", "zhou", locale=locale, **settings
                )
                page.goto("/")
                page.wait_for_selector("article")
                keep(page, f"sites-{short}")
                context.close()


def busy(group: TwoSites, site: str) -> None:
    desk = group.at(site)
    north, south = desk.gate("north"), desk.gate("south", "out")
    held = [desk.holder(f"Person {n}") for n in range(4)]
    for n in range(12):
        desk.event(north, pass_id=held[n % 4].pass_id)
    if site == "garden":
        desk.event(south, "camera.frozen")
        raise_alert(Matter.OVERSTAY, "north", "visit 12 has not left", timezone.now(), "visit 12")
        desk.holder("Sun Yan", live=False)
    else:
        desk.event(south)
