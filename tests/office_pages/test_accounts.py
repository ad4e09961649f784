"""Who may come in, and what each may do: C26, C27, C28."""

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib.sessions.models import Session
from django.urls import URLPattern
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from office.faults import OfficeFault
from office.models import Act, Alert
from office.web import accounts, alerting, leaving
from office.web.models import Account, Handling, OrderState, RemoteOrder
from office.web.rights import ANYBODY
from office.web.roles import RIGHTS, Right, Role
from office.web.urls import urlpatterns
from tests.office_pages.desk import PASSWORD, STAFF, Desk


@pytest.mark.parametrize("pattern", urlpatterns, ids=lambda one: one.name)
def test_every_page_says_who_may_see_it(pattern: URLPattern) -> None:
    """C28: deny by default."""
    assert getattr(pattern.callback, "asks_for", None), f"{pattern.name} asks for nothing"


@pytest.mark.parametrize("pattern", urlpatterns, ids=lambda one: one.name)
def test_nobody_sees_a_page_without_signing_in(desk: Desk, pattern: URLPattern) -> None:
    if pattern.callback.asks_for == ANYBODY:
        return
    path = "/" + str(pattern.pattern).replace("<int:pk>", "1").replace("<str:pass_id>", "00" * 8).replace(
        "<str:kind>", "png"
    )
    for answer in (desk.browser().get(path), desk.browser().post(path)):
        assert answer.status_code == 302
        assert answer["Location"].startswith("/sign-in")


@pytest.mark.parametrize("name", STAFF)
def test_each_role_is_shown_its_own_pages_and_no_others(desk: Desk, name: str) -> None:
    """C28."""
    browser = desk.browser(name)
    for pattern in urlpatterns:
        asked, path = pattern.callback.asks_for, f"/{pattern.pattern}"
        if "<" in path or asked not in list(Right) or path == "/live/stream":
            continue
        allowed = asked in RIGHTS[STAFF[name]]
        assert (browser.get(path).status_code != 403) is allowed, path


def test_nobody_both_drafts_and_approves() -> None:
    for rights in RIGHTS.values():
        assert not {Right.DRAFT_PASSES, Right.APPROVE_PASSES} <= rights
    assert not RIGHTS[Role.ADMINISTRATOR] & {Right.DRAFT_PASSES, Right.APPROVE_PASSES, Right.SEE_PEOPLE}


def _sign_in(browser, name: str, password: str = PASSWORD):
    return browser.post("/sign-in", {"username": name, "password": password})


def test_signing_in_is_kept_in_a_log(desk: Desk) -> None:
    """C26."""
    assert _sign_in(desk.browser(), "chen")["Location"] == "/"
    assert AccessLog.objects.filter(username="chen").exists()
    assert "chen" in desk.browser("admin").get("/accounts").text


def test_five_wrong_passwords_lock_the_name_for_a_while(desk: Desk) -> None:
    """C26: also the right password is not tried then; another's account is not concerned."""
    browser = desk.browser()
    statuses = [_sign_in(browser, "zhao", f"wrong-{n}").status_code for n in range(100)]
    assert statuses[:4] == [200] * 4
    assert set(statuses[5:]) == {429}
    assert _sign_in(browser, "zhao").status_code == 429
    assert _sign_in(desk.browser(), "liu").status_code == 302
    AccessAttempt.objects.all().delete()


def test_a_new_account_changes_its_password_first(desk: Desk) -> None:
    """C26."""
    words = accounts.add("sun", Role.CLERK, None, by="admin")
    browser = desk.browser()
    _sign_in(browser, "sun", words)
    assert browser.get("/people")["Location"] == "/me/password"
    easy = {"old_password": words, "new_password1": "123456789012345", "new_password2": "123456789012345"}
    assert "entirely numeric" in browser.post("/me/password", easy).text
    mine = "violet-kettle-88-marsh"
    good = {"old_password": words, "new_password1": mine, "new_password2": mine}
    assert browser.post("/me/password", good)["Location"] == "/"
    assert browser.get("/people").status_code == 200


@pytest.mark.parametrize("password", ["short", "123456789012", "password1234", "administrator"])
def test_an_easy_password_is_refused(desk: Desk, password: str) -> None:
    """C26."""
    with pytest.raises(OfficeFault, match="no account"):
        accounts.add("administrat0r", Role.CLERK, password, by="admin")


def test_who_has_a_second_factor_is_asked_for_it(desk: Desk) -> None:
    """C26."""
    browser = desk.browser("liu")
    assert "<svg" in browser.get("/me/second-factor").text
    device = TOTPDevice.objects.get(user__username="liu")
    assert "Not this code" in browser.post("/me/second-factor", {"code": "000000"}).text
    TOTPDevice.objects.update(throttling_failure_timestamp=None, throttling_failure_count=0)
    code = f"{totp(device.bin_key):06}"
    assert browser.post("/me/second-factor", {"code": code}).status_code == 302
    assert browser.get("/").status_code == 200

    later = desk.browser()
    _sign_in(later, "liu")
    assert later.get("/")["Location"] == "/sign-in/second-factor"
    used = later.post("/sign-in/second-factor", {"code": code})
    assert "Not this code" in used.text, "a code that was used opens nothing again"
    TOTPDevice.objects.update(last_t=-1, throttling_failure_timestamp=None, throttling_failure_count=0)
    assert later.post("/sign-in/second-factor", {"code": f"{totp(device.bin_key):06}"}).status_code == 302
    assert later.get("/").status_code == 200
    TOTPDevice.objects.all().delete()


def test_closing_an_account_ends_its_sessions_and_keeps_its_history(desk: Desk) -> None:
    """C27."""
    accounts.add("gao", Role.CLERK, PASSWORD, by="admin")
    browser = desk.browser("gao")
    assert browser.get("/").status_code == 200
    admin = desk.browser("admin")
    admin.post("/accounts", {"name": "gao", "what": "close", "handover": "chen"})
    assert browser.get("/").status_code == 302
    assert _sign_in(desk.browser(), "gao").status_code == 200
    assert Act.objects.filter(
        what="account.close", subject="gao", why="handed over to chen; sessions 1", who="admin"
    ).exists()
    assert (
        "nobody closes their own"
        in admin.post("/accounts", {"name": "admin", "what": "close"}, follow=True).text
    )
    AccessAttempt.objects.all().delete()


def test_whoever_leaves_hands_over_in_one_action(desk: Desk) -> None:
    """C27: sessions, second factor, alerts, waiting orders and the own pass, in one record."""
    accounts.add("gao.lin", Role.CLERK, PASSWORD, by="admin")
    account = Account.objects.get(username="gao.lin")
    account.totpdevice_set.create(name="authenticator", confirmed=True)
    for _ in range(2):
        desk.browser("gao.lin")
    north, own = desk.gate(), desk.holder("Gao Ling", "staff")
    now = timezone.now()
    alert = Alert.objects.create(kind="door.forced", gate="north", detail="x", first_at=now, last_at=now)
    alerting.acknowledge(alert, "gao.lin")
    RemoteOrder.objects.create(gate=north, what="open", why="x", asked_by="gao.lin", asked_at=now, ends=now)
    for handover, words in (
        ("", "say who takes"),
        ("nobody", "no open account"),
        ("gao.lin", "somebody else"),
    ):
        with pytest.raises(OfficeFault, match=words):
            leaving.leave("gao.lin", by="admin", handover=handover, person=own.person_id)
    with pytest.raises(OfficeFault, match="no person"):
        leaving.leave("gao.lin", by="admin", handover="chen", person=99_999)
    assert Account.objects.get(username="gao.lin").is_active, "nothing is half done"
    others = Session.objects.count() - 2
    form = {"name": "gao.lin", "what": "close", "handover": "chen", "person": own.person_id}
    admin = desk.browser("admin")
    admin.post("/accounts", form)
    record = Act.objects.filter(what="account.close", subject="gao.lin").order_by("-n").first()
    assert record.why == (
        f"handed over to chen; sessions 2; alerts 1; orders withdrawn 1; revoked {own.pass_id}"
    )
    assert Session.objects.count() == others + 1, "only the leaver's are gone, and admin's came"
    assert not account.totpdevice_set.exists()
    assert Handling.objects.get(alert=alert).owner == "chen"
    assert RemoteOrder.objects.get().state == OrderState.WITHDRAWN
    own.refresh_from_db()
    assert own.state == "revoked"


def test_every_answer_carries_the_headers_of_a_careful_page(desk: Desk) -> None:
    for browser, path in (
        (desk.browser(), "/sign-in"),
        (desk.browser("chen"), "/"),
        (desk.browser(), "/nowhere"),
    ):
        answer = browser.get(path)
        assert "script-src 'self'" in answer["Content-Security-Policy"]
        assert "unsafe" not in answer["Content-Security-Policy"]
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "no-store" in answer["Cache-Control"]
        if answer.status_code == 200:
            assert "<script>" not in answer.text
            assert "style=" not in answer.text
            assert "http" not in answer.text.replace("http://www.w3.org", "")
