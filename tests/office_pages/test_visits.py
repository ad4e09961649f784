"""A visitor comes, is let in, and leaves; or stays too long: C07, C09, C33."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from agent.core.passes import StaticPass, parse
from office.keyring import Keyring
from office.models import Alert, Pass
from office.web import follower, visits
from office.web.models import Visit
from tests.office_pages.desk import SITE, Desk

ANSWERS = {"name": "赵敏", "purpose": "visit", "host": "3-502", "consent": "on"}


def _asks(desk: Desk) -> str:
    """A visitor fills in the form; the address of their own page."""
    answer = desk.browser().post("/visit/north", ANSWERS)
    assert answer.status_code == 302, answer.text
    return answer["Location"]


def _approved(desk: Desk) -> tuple[str, Visit]:
    page = _asks(desk)
    visit = Visit.objects.get()
    desk.browser("chen").post(f"/visits/{visit.pk}/decide", {"decision": "approve"})
    visit.refresh_from_db()
    return page, visit


def test_the_pass_appears_on_the_visitors_own_page(desk: Desk) -> None:
    """C07, C09: drafted by the form, approved by a person."""
    desk.gate()
    page = _asks(desk)
    visitor = desk.browser()
    assert "Please wait" in visitor.get(page).text
    assert visitor.get(page)["Refresh"] == "4"
    assert "赵敏" in desk.browser("chen").get("/visits").text
    desk.browser("chen").post(f"/visits/{Visit.objects.get().pk}/decide", {"decision": "approve"})
    assert "<svg" in visitor.get(page).text
    one = Pass.objects.get()
    assert (one.kind, one.drafted_by, one.approved_by) == ("visitor", "visitor form", "chen")
    made = parse(one.code)
    assert isinstance(made, StaticPass)
    assert made.holds(Keyring.load(desk.home / "keys").issuer.public, SITE)
    assert made.not_after_utc - made.not_before_utc <= 4 * 3600 + 600


def test_the_way_out_closes_the_visit_and_the_pass(desk: Desk) -> None:
    """C07."""
    north, out = desk.gate(), desk.gate("south", "out")
    page, visit = _approved(desk)
    desk.event(north, pass_id=visit.held.pass_id)
    follower.catch_up()
    visit.refresh_from_db()
    assert visit.state == "entered"
    desk.event(out, pass_id=visit.held.pass_id)
    follower.catch_up()
    visit.refresh_from_db()
    assert visit.state == "left"
    assert visit.left_utc >= visit.entered_utc
    assert Pass.objects.get().state == "revoked"
    assert "Goodbye" in desk.browser().get(page).text


def test_in_and_out_between_two_looks_is_a_visit_too(desk: Desk) -> None:
    both = desk.gate("north", "both")
    _, visit = _approved(desk)
    for way in ("in", "out"):
        desk.event(both, pass_id=visit.held.pass_id, way=way)
    follower.catch_up()
    visit.refresh_from_db()
    assert (visit.state, visit.entered_utc is None) == ("left", False)


def test_who_stays_too_long_raises_one_alert(desk: Desk) -> None:
    """C07."""
    north = desk.gate()
    _, visit = _approved(desk)
    desk.event(north, pass_id=visit.held.pass_id)
    follower.catch_up()
    assert visits.look_after() == 0
    Pass.objects.update(not_after=timezone.now() - timedelta(seconds=1))
    assert visits.look_after() == 1
    assert visits.look_after() == 0
    alert = Alert.objects.get()
    assert (alert.kind, alert.gate, alert.about) == ("overstay", "north", f"visit {visit.pk}")
    assert "赵敏" not in alert.detail


def test_a_refused_visitor_is_told_why(desk: Desk) -> None:
    """C09."""
    desk.gate()
    page = _asks(desk)
    visit = Visit.objects.get()
    clerk = desk.browser("chen")
    assert (
        "Write a reason" in clerk.post(f"/visits/{visit.pk}/decide", {"decision": "refuse"}, follow=True).text
    )
    clerk.post(f"/visits/{visit.pk}/decide", {"decision": "refuse", "why": "the host is away"})
    assert "the host is away" in desk.browser().get(page).text
    assert not Pass.objects.exists()
    late = clerk.post(f"/visits/{visit.pk}/decide", {"decision": "approve"}, follow=True).text
    assert "somebody was quicker" in late


def test_the_form_asks_what_the_site_configured_and_keeps_nothing_else(desk: Desk) -> None:
    """C33."""
    desk.gate()
    admin = desk.browser("admin")
    wish = {"asks": ["phone"], "purposes": "送货，维修", "notice": "Kept for 30 days.", "hours": "2"}
    assert admin.post("/visits/rules", wish).status_code == 302
    page = desk.browser().get("/visit/north").text
    assert "Kept for 30 days." in page
    assert 'name="phone"' in page
    assert 'name="host"' not in page
    answers = {"name": "Wu", "purpose": "维修", "phone": "138", "host": "secret", "consent": "on"}
    desk.browser().post("/visit/north", answers)
    visit = Visit.objects.get()
    assert (visit.phone, visit.host, visit.purpose) == ("138", "", "维修")
    assert visit.consent_at


@pytest.mark.parametrize(
    "changes",
    [{"name": ""}, {"name": "x" * 101}, {"name": "a\x1b[2J"}, {"purpose": "burglary"}, {"consent": ""}],
)
def test_a_form_that_is_not_whole_makes_no_visit(desk: Desk, changes: dict[str, str]) -> None:
    desk.gate()
    assert desk.browser().post("/visit/north", {**ANSWERS, **changes}).status_code == 200
    assert not Visit.objects.exists()


def test_a_prank_fills_the_queue_only_so_far(desk: Desk) -> None:
    desk.gate()
    browser = desk.browser()
    for _ in range(visits.MOST_WAITING + 3):
        answer = browser.post("/visit/north", ANSWERS)
    assert "Too many visitors" in answer.text
    assert Visit.objects.count() == visits.MOST_WAITING


def test_a_strangers_page_is_not_to_be_guessed(desk: Desk) -> None:
    desk.gate()
    page = _asks(desk)
    assert re.fullmatch(r"/visit/pass/[\w-]{32}", page)
    assert desk.browser().get("/visit/pass/1").status_code == 404
    assert desk.browser().get("/visit/attic").status_code == 404


def test_the_gates_code_leads_to_its_form(desk: Desk) -> None:
    desk.gate()
    assert "http://testserver/visit/north" in desk.browser("zhao").get("/gates/north/poster").text
