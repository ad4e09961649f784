"""Pages that few people see, and seldom: a group's sites at a look, and what waits after a restore."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connections
from django.test.utils import override_settings
from django.utils import timezone
from playwright.sync_api import Browser

from office.differences import Outcome, What, settling
from office.models import Difference, Restoration
from tests.browsers import group_pictures
from tests.browsers.people import PHONE, serious, signed_in
from tests.office_group.group import SITES, TwoSites, eventually
from tests.office_group.group import served as served_group
from tests.office_pages.desk import Desk

DESKTOP = {"viewport": {"width": 1280, "height": 900}}


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_sites_at_a_look_have_no_serious_fault_of_accessibility(
    chromium: Browser, tmp_path: Path, screen: dict[str, object]
) -> None:
    """With an alert, a camera that sees nothing, a draft that waits, and a site that does not answer."""
    with override_settings(SECRET_KEY="x" * 50):
        group = TwoSites(tmp_path / "g")
        group.found()
        for site in SITES:
            group_pictures.busy(group, site)
        with served_group(group) as door:
            for site in SITES:
                eventually(lambda site=site: group.rows(site)["web_progress"])
            context, page = signed_in(chromium, f"http://localhost:{door.port}", "zhou", **screen)
            page.wait_for_selector("article .tile.alarm")
            assert page.locator("article").count() == len(SITES)
            assert serious(page) == []
            context.close()
    connections.close_all()


@pytest.fixture
def restored(served: tuple[Desk, str]) -> Iterator[None]:
    """An office that came back from a backup, with one difference of each sort, two of them settled."""
    desk, _ = served
    desk.clear()
    now = timezone.now()
    last = Restoration.objects.create(at=now, made_at=now - timedelta(days=9), act=0, floor=7)
    for what in What:
        subject = {
            What.RULE: "holidays", What.GATE: "north", What.GATE_UNKNOWN: "south", What.GATE_ABSENT: "old",
            What.ACCOUNT: "@chen", What.ACCOUNT_CLOSED: "@he", What.ACCOUNT_ROLE: "@liu",
            What.ACCOUNT_PASSWORD: "@wang", What.ACCOUNT_NEW: "@gu",
        }.get(what) or desk.holder(f"Holder {what}").pass_id  # fmt: skip
        Difference.objects.create(restoration=last, what=what, subject=subject, detail="#7: live", at=now)
    for what in (What.GATE, What.ABSENT):
        settling.settle(Difference.objects.get(what=what), Outcome.SEEN, by="wang", why="as it should be")
    yield
    Difference.objects.all().delete()
    Restoration.objects.all().delete()


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize(
    ("name", "path"), [("chen", "/differences"), ("liu", "/differences"), ("admin", "/accounts")]
)
@pytest.mark.usefixtures("restored")
def test_what_waits_after_a_restore_has_no_serious_fault_of_accessibility(
    served: tuple[Desk, str], chromium: Browser, name: str, path: str, screen: dict[str, object]
) -> None:
    context, page = signed_in(chromium, served[1], name, **screen)
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(path)
    assert "After a restore" in page.inner_text("main")
    faults = serious(page)
    assert not faults, json.dumps(faults, indent=1)
    assert not complaints
    context.close()


@pytest.mark.usefixtures("restored")
def test_the_administrator_says_of_accounts_what_becomes_of_them(
    served: tuple[Desk, str], chromium: Browser
) -> None:
    """C27: ticked, with a reason, by the buttons that are there."""
    context, page = signed_in(chromium, served[1], "admin")
    page.goto("/accounts")
    page.check("[aria-label='@he']")
    page.check("[aria-label='@gu']")
    page.fill("#why", "told by the manager")
    page.click("button[value=seen]")
    page.wait_for_selector(".said .success")
    assert "2 accounts settled." in page.inner_text(".said")
    assert page.locator("[aria-label='@he']").count() == 0
    assert page.locator("[aria-label='@chen']").count() == 1
    context.close()
