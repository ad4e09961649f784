"""After a restore, people settle on a page what the gates know and the backup did not (C30)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from office.differences import What
from office.models import Act, Difference, Pass, Restoration
from office.web import accounts
from office.web.models import Account
from office.web.roles import Role
from tests.office_pages.desk import PASSWORD


@pytest.fixture
def restored(desk):
    Difference.objects.all().delete()
    Restoration.objects.all().delete()
    now = timezone.now()
    restoration = Restoration.objects.create(at=now, made_at=now - timedelta(days=9), act=0, floor=7)

    def differs(what: What, subject: str, detail: str = "#7: live → suspended") -> Difference:
        return Difference.objects.create(
            restoration=restoration, what=what, subject=subject, detail=detail, at=now
        )

    yield differs
    Difference.objects.all().delete()
    Restoration.objects.all().delete()


def held(desk, name: str) -> Pass:
    one = desk.holder(name)
    one.state = "suspended"
    one.save()
    return one


def test_a_clerk_settles_what_was_ticked(desk, restored):
    """C30: with a reason, each alone, in the history; and in Chinese without a word of English."""
    paid, moved, rule = held(desk, "Li Wei"), held(desk, "王芳"), restored(What.RULE, "holidays")
    one, other = restored(What.ABSENT, paid.pass_id), restored(What.DENIED, moved.pass_id)
    page = desk.browser("chen").get("/differences").content.decode()
    assert "Li Wei" in page
    assert "The newest list no longer has it. Suspended here." in page
    chen = desk.browser("chen")
    chen.post("/language", {"language": "zh-hans"})
    page = chen.get("/differences").content.decode()
    assert "#7: 有效 → 已暂停" in page
    assert "The newest list" not in page
    chen.post("/language", {"language": "en"})

    def settle(outcome: str, why: str, *which: Difference) -> str:
        ticked = {"outcome": outcome, "why": why, "difference": [str(one.pk) for one in which]}
        return chen.post("/differences/settle", ticked, follow=True).content.decode()

    assert "found a reason of 0 characters" in settle("open", " ", one)
    assert "1 difference settled." in settle("open", "paid", one)
    assert "is no pass of this office" in settle("shut", "x", rule)
    settle("shut", "moved out", other)
    settle("seen", "right", rule)
    states = dict(Pass.objects.values_list("pass_id", "state"))
    assert (states[paid.pass_id], states[moved.pass_id]) == ("live", "revoked")
    assert Act.objects.filter(what="settle", who="chen").count() == 3
    assert not Difference.objects.filter(settled_at=None).exists()
    assert "Nothing waits." in chen.get("/differences").content.decode()


def test_a_pass_that_nobody_knew_gets_its_name(desk, restored):
    one = held(desk, "? 00ff")
    difference = restored(What.UNKNOWN, one.pass_id)
    chen = desk.browser("chen")
    assert f'name="name-{difference.pk}"' in chen.get("/differences").content.decode()
    chen.post(
        "/differences/settle",
        {
            "outcome": "open",
            "why": "the contract",
            "difference": difference.pk,
            f"name-{difference.pk}": "赵敏",
        },
    )
    one.refresh_from_db()
    assert (one.person.name, one.state) == ("赵敏", "live")


def test_who_may_not_stop_passes_may_not_settle(desk, restored):
    """C28: an auditor sees it, a technician sees no names at all."""
    difference = restored(What.ABSENT, held(desk, "Li Wei").pass_id)
    assert Account.objects.filter(username="liu").exists()
    assert desk.browser("liu").get("/differences").status_code == 200
    wish = {"outcome": "open", "why": "x", "difference": difference.pk}
    assert desk.browser("liu").post("/differences/settle", wish).status_code == 403
    assert desk.browser("zhao").get("/differences").status_code == 403
    assert desk.browser("chen").post("/differences/settle", {**wish, "outcome": "burn"}).status_code == 404


def test_accounts_are_the_administrators_to_settle(desk, restored):
    """C27, C28: on the page Accounts, in both languages; the desk is told that they wait, and no more."""
    gone = accounts.add("gu", Role.CLERK, PASSWORD, by="tests") and restored(What.ACCOUNT, "@gu", "clerk")
    closed = restored(What.ACCOUNT_CLOSED, "@he", "clerk, 2026-05-03T08:12Z admin")
    admin, chen = desk.browser("admin"), desk.browser("chen")
    page = admin.get("/accounts").text
    assert "Open, as in the backup." in page
    assert "@he" in page
    admin.post("/language", {"language": "zh-hans"})
    page = admin.get("/accounts").text
    assert "备份之后关闭了。这里也已关闭。" in page
    assert "文员, 2026-05-03T08:12Z admin" in page
    admin.post("/language", {"language": "en"})
    page = chen.get("/differences").text
    assert "2 accounts wait for the administrator" in page
    assert "@gu" not in page
    wish = {"outcome": "shut", "why": "left in May", "difference": [str(gone.pk), str(closed.pk)]}
    assert chen.post("/accounts/settle", wish).status_code == 403
    assert chen.post("/differences/settle", wish).status_code == 404
    assert admin.post("/differences/settle", wish).status_code == 403
    assert admin.post("/accounts/settle", {**wish, "outcome": "open"}).status_code == 404
    assert "2 accounts settled." in admin.post("/accounts/settle", wish, follow=True).text
    assert not Account.objects.get(username="gu").is_active
    assert "After a restore" not in admin.get("/accounts").text
    other = restored(What.RULE, "holidays")
    assert admin.post("/accounts/settle", {**wish, "difference": other.pk}).status_code == 404


def test_nobody_closes_their_own_account_there(desk, restored):
    own = restored(What.ACCOUNT, "@admin", "administrator")
    wish = {"outcome": "shut", "why": "x", "difference": own.pk}
    page = desk.browser("admin").post("/accounts/settle", wish, follow=True).text
    assert "nobody closes their own account" in page
    assert Account.objects.get(username="admin").is_active
    own.refresh_from_db()
    assert own.settled_at is None
