"""At the desk as people do it: real browsers, real pages served by `menshen-office serve`."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from office.audit import book
from tests.browsers.people import serious, signed_in
from tests.office_pages.desk import Desk


def test_an_event_appears_by_itself_and_names_go_only_where_they_may(
    served: tuple[Desk, str], chromium: Browser
) -> None:
    """C10, C15."""
    desk, base = served
    desk.clear()
    north, one = desk.gate(), desk.holder("Li Wei")
    seen = {name: signed_in(chromium, base, name) for name in ("chen", "zhao")}
    for _, page in seen.values():
        page.wait_for_selector("#link.good")
    desk.event(north, pass_id=one.pass_id)
    for name, (context, page) in seen.items():
        page.wait_for_selector("#events tr.new")
        assert ("Li Wei" in page.inner_text("#events")) is (name == "chen")
        page.wait_for_selector(".tile strong:text-is('1')")
        context.close()


def test_the_pages_can_be_read_without_javascript(served: tuple[Desk, str], chromium: Browser) -> None:
    desk, base = served
    desk.clear()
    one = desk.holder("Li Wei")
    desk.event(desk.gate(), pass_id=one.pass_id)
    context, page = signed_in(chromium, base, "chen", java_script_enabled=False)
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
    context, clerk = signed_in(chromium, base, "chen")
    clerk.goto("/people/import")
    clerk.set_input_files("[name=sheet]", sheet)
    clerk.click("main button")
    clerk.wait_for_url("**/review")
    assert "200 passes drafted" in clerk.inner_text(".said")
    others, approver = signed_in(chromium, base, "wang")
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
    context, page = signed_in(chromium, base, name)
    paths = {
        "chen": [
            "/",
            "/events",
            "/alerts",
            "/inside",
            "/days",
            "/days/reconcile",
            "/days/attendance?since=2026-05-01&until=2026-05-31&gate=",
            "/days/inspections?cards=1",
            "/exports",
            "/incident",
            "/people",
            f"/people/{one.person_id}",
            "/people/new",
            "/people/import",
            "/review",
            "/visits",
            "/orders",
            "/badges",
            "/me",
        ],
        "admin": [
            "/accounts",
            "/history",
            "/visits/rules?kind=courier",
            "/orders/rules",
            "/me/second-factor",
            "/me/password",
        ],
    }
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    faults = {}
    for path in paths[name]:
        page.goto(path)
        if found := serious(page):
            faults[path] = found
    assert not faults, json.dumps(faults, indent=1)
    assert not complaints, "nothing inline, nothing from elsewhere: the browser has nothing to block"
    context.close()


def test_an_auditor_verifies_the_log(served: tuple[Desk, str], chromium: Browser, tmp_path: Path) -> None:
    """C21: on the page, and a copy of it without the office."""
    desk, base = served
    desk.clear()
    desk.holder("Li Wei")
    context, liu = signed_in(chromium, base, "liu")
    liu.goto("/history")
    assert serious(liu) == []
    liu.click("text=Check the whole log")
    liu.wait_for_selector(".said .success")
    assert "sound" in liu.inner_text(".said")
    with liu.expect_download() as started:
        liu.click("text=Take a copy")
    copy = tmp_path / "log.jsonl"
    started.value.save_as(copy)
    found = book.check(copy.read_bytes().splitlines())
    assert (found.flaw, found.acts > 0) == ("", True)
    context.close()
