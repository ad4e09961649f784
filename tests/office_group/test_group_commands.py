"""A group by its commands: begun, joined, left; each command wants to know at which site."""

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import click
import pytest
import zstandard
from click.testing import CliRunner
from django.db import connections

from office import home as homes
from office import registry
from office.cli import MODULES, main
from office.faults import OfficeFault
from office.group import FILE, Group
from office.web import accounts, carrying, duties, leaving
from office.web.models import Account
from office.web.roles import RIGHTS, Right, Role
from tests.office_group.group import STAFF, TwoSites, office
from tests.office_pages.desk import PASSWORD

OF_MAIN = Path(__file__).parents[1] / "vectors" / "office-before-groups.json.zst"
WITHOUT_A_HOME = {"broker", "each"}
OF_THE_GROUP = {
    "serve",
    "ingest",
    "audit",
    "backup",
    "account",
    "group",
    "site",
    "restore",
    "incident",
    "check-backup",
}


def before_groups(home: Path) -> Path:
    """A home that the version before groups has made: a site, staff of each role, one gone, people, events."""
    facts = json.loads(zstandard.ZstdDecompressor().decompress(OF_MAIN.read_bytes()))
    (home / "keys").mkdir(mode=0o700, parents=True)
    for name, text in facts["keys"].items():
        (home / "keys" / name).write_text(text)
        (home / "keys" / name).chmod(0o600)
    with sqlite3.connect(home / "office.db") as database:
        database.executescript(facts["sql"])
    database.close()
    return home


def _table(home: Path, what: str) -> list[tuple]:
    with sqlite3.connect(home / "office.db") as database:
        rows = database.execute(what).fetchall()
    database.close()
    return rows


@pytest.fixture
def old(tmp_path: Path) -> Path:
    yield before_groups(tmp_path / "old")
    connections.close_all()


WHOLE = (
    "SELECT n, who, what, subject, why, head FROM office_act WHERE n <= 10 ORDER BY n",
    (
        "SELECT id, pass_id, person_id, kind, zones, not_before, not_after, uses, duress, schedule, on_phone, holder_key,"
        " state, drafted_by, approved_by, published FROM office_pass ORDER BY id"
    ),
    "SELECT * FROM office_person ORDER BY id",
    "SELECT * FROM office_event ORDER BY id",
    "SELECT * FROM office_gate ORDER BY id",
    "SELECT username, password, is_active FROM web_account ORDER BY username",
)


def test_a_home_of_the_version_before_keeps_everything(old: Path) -> None:
    before = [_table(old, what) for what in WHOLE]
    homes.use(old)
    assert [_table(old, what) for what in WHOLE] == before
    held = {one.account.username: one.role for one in duties.Duty.objects.select_related("account")}
    assert held == {
        "chen": "clerk",
        "wang": "approver",
        "liu": "auditor",
        "zhao": "technician",
        "admin": "administrator",
        "gone": "",
    }
    for name, role in held.items():
        assert duties.rights(name) == (RIGHTS[Role(role)] if role else frozenset())
    assert Account.objects.get(username="chen").check_password(PASSWORD)
    assert office("audit", "verify", home=old).returncode == 0


def test_a_home_joins_a_group_and_leaves_it_again(old: Path, tmp_path: Path) -> None:
    group, left = tmp_path / "g", tmp_path / "left"
    homes.use(old)  # as its own `serve` would have: the tables are this version's
    connections.close_all()
    before = [_table(old, what) for what in WHOLE]
    for words in (("group", "make", "riverside"), ("group", "take", old)):
        assert (done := office(*words, home=group)).returncode == 0, done.stderr
    there = group / "sites" / "willow-court"
    assert not old.exists()
    assert [_table(there, what) for what in WHOLE[:-1]] == before[:-1], "not a row of the site has changed"
    assert _table(there, WHOLE[-1]) == [], "passwords are in one place"
    assert _table(group, WHOLE[-1]) == before[-1]
    assert _table(group, "SELECT name, confirmed FROM otp_totp_totpdevice") == [("authenticator", 1)]
    assert Group.at(group).first == "willow-court", "printed addresses lead to it"
    homes.use(group, "willow-court")
    assert Right.DRAFT_PASSES in duties.rights("chen")
    assert office("audit", "verify", "--site", "willow-court", home=group).returncode == 0

    done = office("group", "part", "willow-court", "--out", left, home=group)
    assert done.returncode == 0, done.stderr
    assert [_table(left, what) for what in WHOLE] == before
    assert Group.at(group).sites == ()
    homes.use(left)
    assert Right.DRAFT_PASSES in duties.rights("chen")
    assert _table(group, "SELECT count(*) FROM web_duty") == [(0,)]
    assert office("audit", "verify", home=left).returncode == 0


def test_a_name_that_is_there_already_is_nobody_elses_by_chance(old: Path, tmp_path: Path) -> None:
    group = tmp_path / "g"
    office("group", "make", "riverside", home=group)
    office("site", "garden", home=group)
    office("account", "add", "chen", "--role", "clerk", "--site", "garden", home=group)
    refused = office("group", "take", old, home=group)
    assert refused.returncode == 1
    assert "found chen in the group already" in refused.stderr
    assert old.exists()
    assert _table(group, "SELECT count(*) FROM web_account") == [(1,)], "nothing is half done"
    assert office("group", "take", old, "--same", "chen", home=group).returncode == 0
    listed = office("account", "list", home=group).stdout
    assert "chen\tgarden:clerk,willow-court:clerk" in listed


# --- which site ------------------------------------------------------------------------


def _commands() -> list[tuple[str, ...]]:
    """Each command there is, down to the last word; from the table, so that none is forgotten."""
    ctx, found = click.Context(main), []

    def walk(command: click.Command, words: tuple[str, ...]) -> None:
        if isinstance(command, click.Group):
            for name in command.list_commands(ctx):
                walk(command.get_command(ctx, name), (*words, name))
        else:
            found.append(words)

    for name in MODULES:
        walk(main.get_command(ctx, name), (name,))
    return found


def _wanted(words: tuple[str, ...], tmp: Path) -> list[str]:
    """Something for everything that a command can't do without."""
    ctx, command = click.Context(main), main
    for word in words:
        command = command.get_command(ctx, word)
    said = []
    for one in command.params:
        if not one.required:
            continue
        value = _fitting(one, tmp)
        said += [value] if isinstance(one, click.Argument) else [one.opts[0], value]
    return said


def _fitting(one: click.Parameter, tmp: Path) -> str:
    if isinstance(one.type, click.Choice):
        return next(iter(one.type.choices))
    if isinstance(one.type, click.types.IntParamType):
        return "1"
    if isinstance(one.type, click.Path):
        return str(tmp / ("given" if one.type.file_okay else "new")) + (".csv" if one.name == "file" else "")
    return {"by": "sun", "day": "2026-03-02"}.get(one.name, "1")


def _takes_a_home(words: tuple[str, ...]) -> bool:
    ctx, command = click.Context(main), main
    for word in words:
        command = command.get_command(ctx, word)
    return any(one.name == "home" for one in command.params)


COMMANDS = [words for words in _commands() if words[0] not in WITHOUT_A_HOME]


def test_each_command_that_works_on_a_home_takes_a_site() -> None:
    for words in COMMANDS:
        ctx, command = click.Context(main), main
        for word in words:
            command = command.get_command(ctx, word)
        names = {one.name for one in command.params}
        assert ("home" in names) == ("site" in names) or words == ("site",) or words[0] == "group", words


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A file for commands that read one; those that write one find it taken, and say so."""
    (tmp_path / "given").write_text("name\n")
    (tmp_path / "given.csv").write_text("name\n")
    (tmp_path / "new").mkdir()
    return tmp_path


@pytest.mark.parametrize("words", [one for one in COMMANDS if one[0] not in OF_THE_GROUP], ids=" ".join)
def test_without_a_site_nothing_is_done_in_a_group(
    group: TwoSites, given: Path, words: tuple[str, ...]
) -> None:
    if not _takes_a_home(words):
        pytest.skip("works on no home")
    before = {site: group.rows(site) for site in ("harbour", "garden")}
    connections.close_all()
    done = _run(words, group, given)
    assert done.exit_code == 1, done.output
    assert "say which with --site" in done.output
    assert {site: group.rows(site) for site in before} == before


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_by_another_sites_clerk_is_refused_and_changes_nothing(
    group: TwoSites, given: Path, words: tuple[str, ...]
) -> None:
    """Each command that asks who does it: sun is a clerk, but of garden."""
    ctx, command = click.Context(main), main
    for word in words:
        command = command.get_command(ctx, word)
    if words[0] == "group" or not any(one.name == "by" for one in command.params):
        pytest.skip("asks nobody's name: whoever may read the site's home on this machine")
    before = group.rows("harbour")
    connections.close_all()
    more = [] if "--by" in _wanted(words, given) else ["--by", "sun"]
    done = _run(words, group, given, *more, "--site", "harbour")
    assert done.exit_code == 1, done.output
    assert "sun has no role at harbour" in done.output
    assert group.rows("harbour") == before


def _run(words: tuple[str, ...], group: TwoSites, tmp: Path, *more: str):
    asked = [*words, *_wanted(words, tmp), *more, "--home", str(group.path)]
    done = CliRunner().invoke(main, asked)
    connections.close_all()
    return done


def test_what_a_site_has_is_not_found_at_another(group: TwoSites) -> None:
    held = group.at("garden").holder("Li Wei").pass_id
    before = group.rows("garden")
    connections.close_all()
    for words in (
        ("revoke", held, "--by", "chen"),
        ("code", held, "--png", group.path.parent / "x.png"),
        ("lost-phone", held, "--by", "chen", "--why", "x", "--address", "https://x"),
        ("order", "open", "north", "--broker", "127.0.0.1:1", "--by", "chen", "--why", "x"),
    ):
        done = office(*words, "--site", "harbour", home=group.path)
        assert done.returncode == 1, words
        assert "found no" in done.stderr, done.stderr
    assert held not in office("passes", "--site", "harbour", home=group.path).stdout
    assert held in office("passes", "--site", "garden", home=group.path).stdout
    assert {k: v for k, v in group.rows("garden").items() if k not in ("office_act", "office_actseal")} == {
        k: v for k, v in before.items() if k not in ("office_act", "office_actseal")
    }


def test_a_command_at_each_site_goes_on_where_one_fails(group: TwoSites) -> None:
    done = office_each(group, "passes")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if line.endswith(":")] == ["garden:", "harbour:"]
    refused = office_each(group, "renew")
    assert refused.returncode == 1
    assert "not done at garden, harbour" in refused.stderr
    assert refused.stderr.count("Error:") == 3
    shown = office_each(group, "audit", "export", group.path.parent / "{site}.jsonl")
    assert shown.returncode == 0, shown.stderr
    assert '"site":"garden"' in (group.path.parent / "garden.jsonl").read_text().splitlines()[0]


def office_each(group: TwoSites, *words: object):
    return subprocess.run(
        [sys.executable, "-m", "office.cli", "each", "--home", str(group.path), *map(str, words)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


# --- accounts ----------------------------------------------------------------------------


def test_nobody_gives_a_new_password_to_somebody_elses_people(group: TwoSites) -> None:
    """Whoever administers harbour could else become an auditor of garden."""
    group.at("harbour")
    with pytest.raises(OfficeFault, match="no open account 'sun'"):
        accounts.reset_password("sun", by="ma")
    with pytest.raises(OfficeFault, match="at 1 more of the group's sites"):
        accounts.check_whole("zhou", "ma")
    accounts.check_whole("chen", "ma")
    with pytest.raises(OfficeFault, match="no open account 'sun'"):
        leaving.leave("sun", by="ma")


def test_who_leaves_one_site_stays_at_the_other(group: TwoSites) -> None:
    group.at("garden")
    accounts.add("gao", Role.CLERK, PASSWORD, by="he")
    group.at("harbour")
    accounts.appoint("gao", Role.CLERK, by="ma")
    leaving.leave("gao", by="ma")
    assert not duties.rights("gao")
    group.at("garden")
    assert Right.DRAFT_PASSES in duties.rights("gao")
    assert Account.objects.get(username="gao").is_active
    leaving.leave("gao", by="he")
    assert not Account.objects.get(username="gao").is_active, "no role anywhere is no account"


def test_at_the_group_itself_nobody_has_a_right(group: TwoSites) -> None:
    group.at()
    for name in STAFF:
        assert not duties.rights(name)
    with pytest.raises(OfficeFault, match="say with --site"):
        accounts.add("new", Role.CLERK, PASSWORD, by="x")


def test_there_is_no_superuser() -> None:
    """Django lets one do everything; here only rows of the table count."""
    assert "is_superuser" not in {one.name for one in Account._meta.get_fields()}
    assert not Account(username="root", is_active=True).is_superuser


# --- faults ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "wanted a name"),
        ("name = 3", "wanted a name"),
        ('name = "g"\nbrokers = 1', "found brokers, wanted name, database, first"),
        ('name = "g"\n[sites.harbour]\nbrokr = "x"', "found sites.harbour.brokr, wanted broker, database"),
        ('name = "g"\n[sites.harbour]\nbroker = 1883', "found sites.harbour.broker"),
        ('name = "g"\n[sites."../x"]\nbroker = "x"', "with a site's name"),
        ("name = ", "can't be read"),
    ],
)
def test_a_file_with_a_fault_is_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / FILE).write_text(text)
    done = office("group", "list", home=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_two_sites_never_share_a_database(group: TwoSites, tmp_path: Path) -> None:
    """A home that was copied under another name is no site."""
    connections.close_all()
    copy = tmp_path / "g"
    shutil.copytree(group.path, copy)
    (copy / "sites" / "harbour").rename(copy / "sites" / "quay")
    done = office("passes", "--site", "quay", home=copy)
    assert done.returncode == 1
    assert "found the database of harbour" in done.stderr
    assert "wanted that of quay" in done.stderr


def test_one_address_of_a_database_for_all_sites_is_refused(group: TwoSites) -> None:
    done = office("passes", "--site", "harbour", home=group.path, MENSHEN_OFFICE_DATABASE="postgresql://x@/y")
    assert done.returncode == 1
    assert "a group's databases are named in" in done.stderr


def test_a_packed_account_is_all_of_it(group: TwoSites) -> None:
    group.at("harbour")
    packed = {one.name: one for one in carrying.pack()}
    assert set(packed) >= {"chen", "wang", "ma", "zhou"}
    assert "sun" not in packed
    assert registry.the_site().name == "harbour"
