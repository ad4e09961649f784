"""Who left after the backup was made has left in the restored office, too (C27, C30)."""

import shutil
from datetime import timedelta

import pyrage
import pytest
from django.db import connections
from django.utils import timezone

from office.home import prepare, use

prepare()

from office import registry  # noqa: E402
from office.backup import making, restoring  # noqa: E402
from office.backup.lockbox import Key, Lock  # noqa: E402
from office.differences import What, staff  # noqa: E402
from office.faults import OfficeFault  # noqa: E402
from office.models import Act, Difference  # noqa: E402
from office.web import accounts, alerting, duties, leaving  # noqa: E402
from office.web.models import Account, Duty  # noqa: E402
from office.web.roles import Role  # noqa: E402
from tests.office_group.group import STAFF, TwoSites  # noqa: E402
from tests.office_pages.desk import PASSWORD  # noqa: E402
from tests.test_differences import at_the_gates, issued  # noqa: E402
from tests.test_office_and_gate import Site  # noqa: E402

MINE = pyrage.x25519.Identity.generate()
LOCK, KEY = Lock.to([str(MINE.to_public())]), Key((MINE,))


@pytest.fixture
def site(tmp_path):
    """An office with four accounts, and a backup of it that is called old.age."""
    site = Site(tmp_path / "site")
    home = use(site.folder / "home")
    staffed = {"chen": Role.CLERK, "wang": Role.APPROVER, "liu": Role.AUDITOR, "admin": Role.ADMINISTRATOR}
    for name, role in staffed.items():
        accounts.add(name, role, PASSWORD, by="tests")
    making.make(home, site.folder / "old.age", LOCK, site.folder / "people.age")
    yield site
    connections.close_all()


def copy(site, name: str = "may.jsonl"):
    site.office("audit", "export", site.folder / name)
    return site.folder / name


def restore(site, home: str = "home", **wish) -> restoring.Restored:
    connections.close_all()
    shutil.rmtree(site.folder / home, ignore_errors=True)
    asked = restoring.Wish(site.folder / "old.age", KEY, site.folder / "people.age", **wish)
    return restoring.restore(site.folder / home, asked, by="wang")


def standing() -> dict[str, str]:
    return dict(Difference.objects.values_list("subject", "what"))


def opens(name: str) -> bool:
    """Whether somebody comes in with the password of the backup."""
    account = Account.objects.get(username=name)
    return account.is_active and account.check_password(PASSWORD)


def test_what_the_audit_copy_says_of_accounts_is_so_after_a_restore(site):
    """C27: closed stays closed, and a password that was changed since opens nothing, also with a restart between."""
    leaving.leave("chen", by="admin")
    accounts.reset_password("wang", by="admin")
    accounts.add("zhao", Role.TECHNICIAN, PASSWORD, by="admin")
    back = restore(site, audit=copy(site))
    assert (back.accounts, timezone.now() - back.told_until < timedelta(minutes=5)) == (3, True)
    assert standing() == {
        "@chen": What.ACCOUNT_CLOSED,
        "@wang": What.ACCOUNT_PASSWORD,
        "@zhao": What.ACCOUNT_NEW,
    }
    assert [name for name in ("chen", "wang", "liu", "admin") if opens(name)] == ["liu", "admin"]
    assert not Duty.objects.filter(account__username="chen").exclude(role="").exists()
    said = Act.objects.filter(who="restore").values_list("what", "subject")
    assert set(said) == {("account.close", "chen"), ("account.password", "wang")}
    assert "admin" in Difference.objects.get(subject="@chen").detail, "who closed it, and when"
    site.office("account", "reset", "wang", "--by", "admin")
    assert Account.objects.get(username="wang").has_usable_password()


def test_what_came_back_within_the_copy_is_the_last_word(site):
    """Closed and made anew is open; a password after that is another one."""
    acts = (
        ("account.password", "liu", "", "t liu"),
        ("account.close", "liu", "", "t admin"),
        ("account.appoint", "liu", "clerk", "t admin"),
        ("account.add", "gone", "clerk", "t admin"),
        ("account.close", "gone", "", "t admin"),
        ("account.second-factor", "wang", "", "t wang"),
    )
    found = staff.compare(staff.Told(timezone.now(), acts))
    assert [(one.what, one.subject, one.detail) for one in found] == [
        (What.ACCOUNT_ROLE, "@liu", "auditor → clerk, t admin"),
        (What.ACCOUNT_PASSWORD, "@wang", "approver, t wang"),
    ]
    assert (Duty.objects.get(account__username="liu").role, opens("liu"), opens("wang")) == (
        "clerk",
        True,
        False,
    )


def test_without_a_copy_each_account_waits_for_the_administrator(site):
    """C27, C30: nobody knows who left, and nobody is forgotten."""
    leaving.leave("chen", by="admin")
    back = restore(site)
    assert (back.accounts, back.told_until) == (4, None)
    assert set(standing().values()) == {What.ACCOUNT}
    assert alerting.open_alerts().get().detail.startswith("4 accounts may have been closed")
    settle = ("differences", "settle")
    said = site.office(*settle, "@chen", "--open", "--by", "admin", "--why", "x", exit_code=1)
    assert "seen or as shut only" in said
    site.office(*settle, "@chen", "--shut", "--by", "admin", "--why", "left in May")
    assert (opens("chen"), opens("liu")) == (False, True)
    for name in ("@wang", "@liu", "@admin"):
        site.office(*settle, name, "--seen", "--by", "wu", "--why", "still here")
    assert not alerting.open_alerts().exists()
    assert site.office("differences", "list") == ""


def test_passes_and_accounts_have_an_alert_each(site):
    """Each is closed with the last of its own."""
    (stopped,) = issued(site, "Li")
    site.publish()
    making.make(use(site.folder / "home"), site.folder / "new.age", LOCK, site.folder / "people.age")
    (site.folder / "new.age").replace(site.folder / "old.age")
    site.office("suspend", stopped, "--by", "chen")
    site.publish()
    restore(site)
    assert alerting.open_alerts().count() == 2
    site.office("differences", "settle", stopped, "--open", "--by", "wu", "--why", "paid")
    assert "accounts" in alerting.open_alerts().get().detail
    site.publish()
    assert [status.name for status in at_the_gates(site, stopped)] == ["LIVE"]


@pytest.mark.parametrize("harm", ["older", "cut", "edited", "another", "not there"])
def test_a_copy_that_does_not_go_on_from_the_backup_is_refused(site, tmp_path, harm):
    """C18: whoever can hand in a file can't close or open anybody's account."""
    whole = copy(site, "whole.jsonl")
    lines = whole.read_bytes().splitlines(keepends=True)
    match harm:
        case "older":
            registry.note("chen", "read", "person 1", "")
            making.make(
                use(site.folder / "home"), site.folder / "later.age", LOCK, site.folder / "people.age"
            )
            (site.folder / "later.age").replace(site.folder / "old.age")
        case "cut":
            whole.write_bytes(b"".join(lines[:-2]))
        case "edited":
            leaving.leave("chen", by="admin")
            whole = copy(site)
            whole.write_bytes(whole.read_bytes().replace(b'"subject":"chen"', b'"subject":"wang"'))
        case "another":
            connections.close_all()
            other = Site(tmp_path / "other")
            whole = copy(other)
        case _:
            whole = site.folder / "nowhere.jsonl"
    with pytest.raises(OfficeFault, match=r"can't be (believed|read)"):
        restore(site, home="new", audit=whole)
    assert not (site.folder / "new").exists()


def test_by_command(site):
    """C30: what the command says of accounts."""
    leaving.leave("chen", by="admin")
    seen, words, new = copy(site), site.folder / "words", str(site.folder / "new")
    words.write_text("correct horse battery staple\n")
    words.chmod(0o600)
    by = ("--passphrase-file", words)
    site.office("backup", site.folder / "late.age", *by, "--people", site.folder / "late-people.age")
    identity = site.folder / "identity"
    identity.write_text(str(MINE))
    identity.chmod(0o600)

    def said(home: str, *more) -> str:
        from click.testing import CliRunner  # noqa: PLC0415

        from office.cli import main  # noqa: PLC0415

        line = [
            "restore",
            site.folder / "old.age",
            "--identity",
            identity,
            "--people",
            site.folder / "people.age",
        ]
        done = CliRunner().invoke(main, [*map(str, (*line, *more)), "--home", home])
        assert done.exit_code == 0, done.output
        return done.output

    assert "1 accounts wait for an administrator" in said(new, "--audit", seen)
    other = said(f"{new}er")
    assert "no copy of the audit log was at hand" in other
    assert "4 accounts wait" in other


def test_a_group_knows_its_accounts_by_its_sites(tmp_path):
    """A site's backup has no accounts; the group's has all, and no history of them."""
    group = TwoSites(tmp_path / "riverside")
    group.found()
    for name in ("harbour", ""):
        group.at(name)
        making.make(
            use(group.path, name, whole=True), tmp_path / f"{name}.age", LOCK, tmp_path / f"{name}.people"
        )
    shutil.rmtree(group.path / "sites" / "harbour")

    def back(name: str, home) -> restoring.Restored:
        return restoring.restore(
            home, restoring.Wish(tmp_path / f"{name}.age", KEY, tmp_path / f"{name}.people"), by="ma"
        )

    assert back("harbour", group.path / "sites" / "harbour").accounts == 0
    group.at("harbour")
    assert accounts.of_this_site().count() == sum("harbour" in roles for roles in STAFF.values())
    assert back("", tmp_path / "alone").accounts is None
    assert Account.objects.count() == len(STAFF)
    connections.close_all()
    for name in ("office.db", "keys"):  # as docs/office.md says: into the group's place
        old = group.path / name
        shutil.rmtree(old) if old.is_dir() else old.unlink()
        (tmp_path / "alone" / name).rename(old)
    group.at("harbour")
    assert {name for name in STAFF if duties.rights(name)} == {
        name for name, roles in STAFF.items() if "harbour" in roles
    }
    connections.close_all()


def test_a_name_that_the_log_keeps_in_part_is_found(site):
    long = "a" * 70
    accounts.add(long, Role.CLERK, PASSWORD, by="tests")
    assert staff.account_of(staff.subject(long)).username == long
