"""A visitor comes, is let in, and leaves; or stays too long: C07, C09, C33."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from agent.core.keys import sig_structure
from agent.core.passes import StaticPass, parse
from office.issuing import Codes
from office.keyring import Keyring
from office.models import Act, Alert, Pass
from office.web import follower, visits
from office.web.models import Visit
from tests.office_pages.desk import SITE, Desk
from tests.office_pages.phone import Phone, invited

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
    made = parse(Codes.here().of(one))
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
    wish = {
        "open": "on",
        "asks": ["phone"],
        "purposes": "送货，维修",
        "notice": "Kept for 30 days.",
        "hours": "2",
    }
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


def test_a_form_sent_twice_is_one_visit_and_a_corrected_one_another(desk: Desk) -> None:
    desk.gate()
    browser = desk.browser()
    once = re.search(r'name="once" value="([\w-]{16})"', browser.get("/visit/north").text)[1]
    first, second = (browser.post("/visit/north", {**ANSWERS, "once": once}) for _ in range(2))
    assert first["Location"] == second["Location"]
    assert Visit.objects.count() == 1
    corrected = browser.post("/visit/north", {**ANSWERS, "name": "赵敏敏", "once": once})
    assert corrected["Location"] != first["Location"]
    stranger = desk.browser().post("/visit/north", {**ANSWERS, "once": ""})
    assert stranger["Location"] not in (first["Location"], corrected["Location"])


def test_who_scans_the_gates_code_again_finds_the_pass_again(desk: Desk) -> None:
    desk.gate()
    browser = desk.browser()
    page = browser.post("/visit/north", ANSWERS)["Location"]
    assert f'href="{page}"' in browser.get("/visit/north").text
    assert page not in desk.browser().get("/visit/north").text
    Visit.objects.update(state="left")
    assert page not in browser.get("/visit/north").text


def test_a_huge_form_is_refused_in_a_sentence(desk: Desk) -> None:
    desk.gate()
    answer = desk.browser().post("/visit/north", {**ANSWERS, "name": "x" * 3_000_000})
    assert answer.status_code in (200, 400)
    assert not Visit.objects.exists()


# --- couriers, staff and contractors by their own templates: C08 ---------------------------


def test_a_courier_has_a_form_and_a_pass_of_the_couriers_kind(desk: Desk) -> None:
    """C08."""
    desk.gate()
    browser = desk.browser()
    assert 'href="?as=courier"' in browser.get("/visit/north").text
    page = browser.get("/visit/north?as=courier").text
    assert 'name="company"' in page
    assert 'name="host"' not in page
    answers = {"name": "Wu", "purpose": "delivery", "company": "SF", "consent": "on"}
    assert browser.post("/visit/north?as=courier", answers).status_code == 302
    visit = Visit.objects.get()
    assert visit.company == "SF"
    desk.browser("wang").post(f"/visits/{visit.pk}/decide", {"decision": "approve"})
    one = Pass.objects.get()
    assert one.kind == "courier"
    assert one.not_after - one.not_before <= timedelta(hours=1, minutes=10)
    assert one.pass_id not in desk.browser("chen").get("/renewals").text


def test_staff_ask_only_where_the_site_opens_that(desk: Desk) -> None:
    desk.gate()
    assert desk.browser().get("/visit/north?as=staff").status_code == 404
    wish = {"open": "on", "asks": ["company"], "purposes": "cleaning", "notice": "For today.", "hours": "9"}
    assert desk.browser("admin").post("/visits/rules?kind=staff", wish).status_code == 302
    page = desk.browser().get("/visit/north?as=staff").text
    assert "For today." in page
    assert "cleaning" in page
    assert "For today." not in desk.browser().get("/visit/north").text


@pytest.mark.parametrize("kind", ["resident", "nobody", "<script>", "x" * 5000])
def test_no_other_kind_can_be_asked_for(desk: Desk, kind: str) -> None:
    desk.gate()
    assert desk.browser().post(f"/visit/north?as={kind}", ANSWERS).status_code == 404
    assert desk.browser("admin").get(f"/visits/rules?kind={kind}").status_code == 404
    assert not Visit.objects.exists()


def test_a_site_that_opens_no_kind_has_no_form(desk: Desk) -> None:
    desk.gate()
    shut = {"asks": [], "purposes": "none", "notice": "Closed.", "hours": "1"}
    for kind in ("visitor", "courier"):
        desk.browser("admin").post(f"/visits/rules?kind={kind}", shut)
    assert desk.browser().get("/visit/north").status_code == 404


# --- the host approves from a phone -----------------------------------------------------------


class Host(Phone):
    """A resident's phone that is asked about visitors."""

    def decide(self, visit: int, decision: str = "approve", said: str = ""):
        utc = int(timezone.now().timestamp())
        lines = f"{self.pass_id}\n{utc}\nvisit\n{visit}\n{said or decision}".encode()
        signature = self.sign(sig_structure(self.key.alg, f"menshen/1/holder/{SITE}", lines)).hex()
        question = {"pass": self.pass_id, "utc": utc, "key": str(self.key), "signature": signature}
        return self.ask("visit", **question, visit=visit, decision=decision)


def _host(desk: Desk, name: str = "Li Wei", unit: str = "3-502") -> Host:
    one = desk.holder(name, on_phone=True)
    desk.browser("chen").post(f"/people/{one.person_id}/file", {"unit": unit})
    phone = Host()
    assert phone.enrol(invited(desk, one.pass_id))[0] == 200
    return phone


@pytest.mark.parametrize("named", ["3-502", "3－502", " 3 - 502 ", "li wei"])
def test_the_host_whom_a_visitor_names_is_asked_and_lets_them_in(desk: Desk, named: str) -> None:
    """C07: host or desk."""
    desk.gate()
    host, neighbour = _host(desk), _host(desk, "Wu", "3-503")
    answer = desk.browser().post("/visit/north", {**ANSWERS, "host": named})
    visit = Visit.objects.get()
    assert [one["visit"] for one in host.standing()[1]["visitors"]] == [visit.pk]
    assert neighbour.standing()[1]["visitors"] == []
    assert neighbour.decide(visit.pk)[1]["error"] == "decided"
    status, said = host.decide(visit.pk)
    assert (status, said["visitors"]) == (200, [])
    assert "<svg" in desk.browser().get(answer["Location"]).text
    visit.refresh_from_db()
    assert visit.decided_by == visit.held.approved_by == f"host {host.pass_id}"
    assert Act.objects.filter(who=f"host {host.pass_id}", what="approve").exists()
    assert host.decide(visit.pk)[1]["error"] == "decided"


def test_a_host_says_not_now(desk: Desk) -> None:
    desk.gate()
    host = _host(desk)
    page = _asks(desk)
    assert host.decide(Visit.objects.get().pk, "refuse")[0] == 200
    assert "receive you now" in desk.browser().get(page).text
    assert Pass.objects.filter(kind="visitor").count() == 0


def test_a_hosts_word_can_not_be_turned_round_or_given_by_a_barred_one(desk: Desk) -> None:
    desk.gate()
    host = _host(desk)
    _asks(desk)
    visit = Visit.objects.get().pk
    assert host.decide(visit, "approve", said="refuse")[1]["error"] == "unknown"
    assert host.decide(visit, "open")[1]["error"] == "not_understood"
    desk.browser("chen").post(f"/passes/{host.pass_id}/move", {"what": "suspend", "why": "rent"})
    assert host.standing()[1]["visitors"] == []
    assert host.decide(visit)[1]["error"] == "decided"


def test_where_only_the_desk_decides_no_host_is_asked(desk: Desk) -> None:
    desk.gate()
    host = _host(desk)
    wish = {"open": "on", "asks": ["host"], "purposes": "visit", "notice": "Kept.", "hours": "2"}
    desk.browser("admin").post("/visits/rules", wish)
    _asks(desk)
    assert host.standing()[1]["visitors"] == []


def test_desk_and_host_at_once_make_one_pass(desk: Desk) -> None:
    desk.gate()
    host = _host(desk)
    _asks(desk)
    visit = Visit.objects.get()
    desk.browser("chen").post(f"/visits/{visit.pk}/decide", {"decision": "approve"})
    assert host.decide(visit.pk)[1]["error"] == "decided"
    assert Pass.objects.filter(kind="visitor").count() == 1
