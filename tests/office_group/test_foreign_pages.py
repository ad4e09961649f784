"""Who has no role at a site sees and changes nothing there: each page there is, asked by another site's people (C28)."""

import re
from collections.abc import Iterator

import pytest
from django.urls import URLPattern
from django.utils import timezone

from office.models import Alert
from office.web.models import RemoteOrder, Visit
from office.web.rights import ANYBODY
from office.web.roles import RIGHTS, Right, Role
from office.web.urls import AT_THE_DOOR, OF_A_SITE, urlpatterns
from tests.office_group.group import Answer, Browser, Served, TwoSites, eventually, served

GUARDED = [one for one in OF_A_SITE if one.callback.asks_for != ANYBODY]
OPEN = [one for one in OF_A_SITE if one.callback.asks_for == ANYBODY]


@pytest.fixture(scope="module")
def office(group: TwoSites) -> Iterator[Served]:
    for site in ("harbour", "garden"):
        _furnish(group, site)
    with served(group) as running:
        for site in ("harbour", "garden"):
            eventually(lambda site=site: _is_settled(group.rows(site)))
        yield running


def _is_settled(rows: dict[str, list[tuple]]) -> bool:
    """What a site does by itself at its start is done: the event is counted, the old order is over."""
    return bool(rows["web_progress"] and "waiting" not in rows["web_remoteorder"][0])


def _furnish(group: TwoSites, site: str) -> None:
    """Something behind each address that a page can have."""
    desk, now = group.at(site), timezone.now()
    gate = desk.gate()
    held = desk.holder(f"Li Wei of {site}")
    desk.event(gate, pass_id=held.pass_id)
    Alert.objects.create(kind="door.forced", gate="north", detail=f"at {site}", first_at=now, last_at=now)
    RemoteOrder.objects.create(gate=gate, what="open", why="x", asked_by="somebody", asked_at=now, ends=now)
    token = f"token-of-{site}"
    visit = Visit(
        token_hash=Visit.hashed(token), kind="visitor", gate=gate, at=now, consent_at=now, purpose="x"
    )
    visit.name = f"Guest of {site}"
    visit.save()
    group.ids[site] = {"pk": 1, "pass_id": held.pass_id, "kind": "png", "gate": "north", "token": token}


def _address(group: TwoSites, site: str, pattern: URLPattern) -> str:
    def fill(found: re.Match[str]) -> str:
        return str(group.ids[site][found[1]])

    return f"/site/{site}/" + re.sub(r"<\w+:(\w+)>", fill, str(pattern.pattern))


def _asked(browser: Browser, path: str) -> tuple[Answer, Answer]:
    return browser.get(path), browser.post(path, {"why": "x", "reason": "x", "decision": "refuse"})


def test_no_page_is_left_out_of_both_tables() -> None:
    assert [*OF_A_SITE, *AT_THE_DOOR] == urlpatterns
    assert {one.callback.asks_for for one in GUARDED} <= {str(right) for right in Right}
    assert len(GUARDED) > 40


@pytest.mark.parametrize("name", ["chen", "wang", "ma"])
def test_another_sites_people_are_refused_everything_and_change_nothing(
    group: TwoSites, office: Served, name: str
) -> None:
    """Each guarded page, read and written, by a clerk, an approver and an administrator of another site."""
    before, browser = group.rows("garden"), office.browser(name)
    for pattern in GUARDED:
        for answer in _asked(browser, _address(group, "garden", pattern)):
            assert answer.status == 403, pattern.name
            for secret in ("Li Wei", "Guest", "at garden"):
                assert secret not in answer.text, pattern.name
    assert group.rows("garden") == before


def test_the_same_addresses_serve_the_sites_own_people(group: TwoSites, office: Served) -> None:
    """Without this the test above could pass on a site that serves nobody."""
    for name, role in (("sun", Role.CLERK), ("he", Role.ADMINISTRATOR)):
        browser, seen = office.browser(name), 0
        for pattern in GUARDED:
            if pattern.name == "stream":
                continue
            answer = browser.get(_address(group, "garden", pattern))
            allowed = pattern.callback.asks_for in RIGHTS[role]
            assert (answer.status != 403) is allowed, (name, pattern.name, answer.status)
            seen += answer.status == 200
        assert seen >= 8


def test_what_anybody_may_see_is_no_more_for_another_sites_people(group: TwoSites, office: Served) -> None:
    """A visitor's form, the holder's page: a foreign clerk gets what a stranger gets."""
    clerk, stranger = office.browser("chen"), office.browser()
    for pattern in OPEN:
        path = _address(group, "garden", pattern)
        ours, theirs = clerk.get(path), stranger.get(path)
        assert ours.status == theirs.status, pattern.name
        assert "Li Wei" not in ours.text


def test_nobody_who_is_not_signed_in_gets_past_the_door(group: TwoSites, office: Served) -> None:
    stranger = office.browser()
    for pattern in GUARDED:
        for answer in _asked(stranger, _address(group, "garden", pattern)):
            assert answer.status == 302, pattern.name
            assert answer.place.startswith("/sign-in?next=/site/garden/")


def test_one_sites_numbers_mean_nothing_at_the_other(group: TwoSites, office: Served) -> None:
    """A pass of garden, asked for at harbour by harbour's own clerk."""
    chen, foreign = office.browser("chen"), group.ids["garden"]["pass_id"]
    before = group.rows("garden")
    assert chen.post(f"/site/harbour/passes/{foreign}/move", {"what": "revoke", "why": "x"}).status == 404
    assert chen.get(f"/site/harbour/passes/{foreign}/code.png").status == 404
    assert "Li Wei" not in chen.get(f"/site/harbour/events?q={foreign}").text
    assert "Li Wei of harbour" in chen.get("/site/harbour/people?q=Li").text
    assert "Li Wei of garden" not in chen.get("/site/harbour/people?q=Li").text
    assert group.rows("garden") == before


def test_a_role_at_two_sites_is_two_roles(group: TwoSites, office: Served) -> None:
    """Auditor of the one, technician of the other: names here, none there."""
    zhou = office.browser("zhou")
    assert "Li Wei of garden" in zhou.get("/site/garden/people").text
    assert zhou.get("/site/harbour/people").status == 403
    assert zhou.get("/site/garden/history").status == 200
    assert zhou.get("/site/harbour/history").status == 403
    assert "Li Wei" not in zhou.get("/site/harbour/events").text


def test_the_door_shows_each_their_own_sites(group: TwoSites, office: Served) -> None:
    page = office.browser("zhou").get("/").text
    assert page.count("<article") == 2
    for site in ("garden", "harbour"):
        assert f'href="/site/{site}/"' in page
        assert f'href="/site/{site}/alerts"' in page, "its process tells its figures"
    assert office.browser("chen").get("/").place == "/site/harbour/"
    assert "/site/garden/" not in office.browser("chen").get("/site/harbour/").text


def test_no_header_of_a_browser_is_believed(group: TwoSites, office: Served) -> None:
    """Nobody is signed in, secure or elsewhere because they say so."""
    lies = {
        "X-Forwarded-For": "10.9.8.7",
        "X-Forwarded-Proto": "https",
        "Remote-User": "sun",
        "X-Site": "garden",
    }
    chen = office.browser("chen")
    assert chen.get("/site/garden/people", lies).status == 403
    poster = chen.get("/site/harbour/gates/north/poster", lies).text
    assert "http://127.0.0.1" in poster
    for path in (
        "/site/harbour/../garden/people",
        "/site/harbour/%2e%2e/garden/people",
        "/site//people",
        "//site/garden/people",
    ):
        assert chen.get(path).status in {400, 403, 404}, path
