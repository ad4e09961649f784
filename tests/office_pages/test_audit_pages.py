"""What is looked at and changed on the pages is in the audit log, and auditors can check it there (C21, C35)."""

import pytest
from axes.models import AccessAttempt

from office.audit import book
from office.models import Act
from office.web.reading import LATELY
from tests.office_pages.desk import Desk


@pytest.fixture(autouse=True)
def nothing_lately():
    LATELY.clear()


def newest(**wanted) -> Act | None:
    return Act.objects.filter(**wanted).order_by("-n").first()


def test_whoever_opens_a_persons_file_is_in_the_log(desk: Desk) -> None:
    """C35: reading is logged, once in a while."""
    person = desk.holder("Li Wei").person
    liu = desk.browser("liu")
    before = Act.objects.count()
    for _ in range(3):
        assert liu.get(f"/people/{person.pk}").status_code == 200
    assert Act.objects.count() == before + 1
    act = newest(what="read")
    assert (act.who, act.subject) == ("liu", f"person {person.pk}")


def test_a_search_is_kept_by_whom_it_found_and_not_by_its_words(desk: Desk) -> None:
    """C35: the log is for good, so it holds no names."""
    person = desk.holder("Li Wei").person
    desk.browser("chen").get("/people?q=Li Wei")
    act = newest(what="read", subject="people")
    assert act.why == f"search; 1 people: {person.pk}"
    desk.browser("chen").get("/events?q=Wei&gate=")
    assert "Wei" not in newest(what="read", subject="events").why


def test_what_is_refused_or_needs_no_right_is_no_reading(desk: Desk) -> None:
    before = Act.objects.count()
    zhao = desk.browser("zhao")
    assert zhao.get("/people").status_code == 403
    assert zhao.get("/me").status_code == 200
    assert desk.browser().get("/sign-in").status_code == 200
    assert Act.objects.count() == before + 1  # that zhao signed in


def test_signing_in_and_out_and_failing_to_are_in_the_log(desk: Desk) -> None:
    """C26, C35: a password typed as a name is not kept."""
    browser = desk.browser()
    browser.post("/sign-in", {"username": "my-secret-password", "password": "x"})
    assert newest(what="sign-in.failed").who == "nobody known"
    browser.post("/sign-in", {"username": "wang", "password": "x"})
    assert newest(what="sign-in.failed").who == "wang"
    desk.browser("wang").post("/sign-out")
    assert newest(what="sign-out").who == "wang"
    assert not Act.objects.filter(who__contains="secret").exists()
    AccessAttempt.objects.all().delete()


def test_an_auditor_checks_the_log_and_takes_a_copy(desk: Desk) -> None:
    """C21."""
    liu = desk.browser("liu")
    assert "The log is sound" in liu.post("/history/check", follow=True).text
    answer = liu.post("/history/copy")
    lines = b"".join(answer.streaming_content).splitlines()
    found = book.check(lines)
    assert found.flaw == ""
    assert found.acts == Act.objects.count()
    assert "exported" in liu.get("/history").text
    assert desk.browser("chen").post("/history/copy").status_code == 403


def test_the_history_leaves_out_what_was_only_looked_at(desk: Desk) -> None:
    desk.browser("chen").get("/people")
    liu = desk.browser("liu")
    assert "looked at</td>" not in liu.get("/history").text
    assert "looked at</td>" in liu.get("/history?reads=1").text
    assert "查看" in liu.get("/history?reads=1", headers={"accept-language": "zh-hans"}).text
