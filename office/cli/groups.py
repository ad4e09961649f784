"""`group`: several sites in one office, with one sign-in and a role for each site."""

import getpass
import os
from pathlib import Path

import click
from django.db import connection, transaction

from office import home as homes
from office import registry, times
from office.cli.common import home_option, say, use
from office.database import SETTING
from office.faults import OfficeFault
from office.files import write_whole
from office.group import FILE, Group
from office.web import carrying
from office.web.models import Duty

_directory = click.Path(file_okay=False, path_type=Path)
_by_option = click.option("--by", default=getpass.getuser, metavar="NAME", help="Kept in the history.")


@click.group()
def group() -> None:
    """Begin a group of sites, and take homes in or out.

    \b
    Example, from an office that runs already:
      menshen-office group make riverside --home /srv/menshen
      menshen-office group take office-home --home /srv/menshen
      menshen-office site garden --zones main,garage --home /srv/menshen
      menshen-office account appoint chen --role auditor --site garden --home /srv/menshen
      menshen-office serve --home /srv/menshen
    """


@group.command()
@click.argument("name")
@click.option("--utc-offset", default="+08:00", show_default=True, help="The group's time of day.")
@home_option
def make(name: str, utc_offset: str, home: Path | None) -> None:
    """Begin a group NAME in --home, a new directory; its accounts are kept there, or where group.toml says.

    \b
    Example:
      menshen-office group make riverside --home /srv/menshen
    """
    path = home or homes.default()
    offset_min = times.parse_offset(utc_offset)
    begun = Group.at(path) or Group.make(path, name)
    if begun.name != name:
        raise OfficeFault(f"found group {begun.name} in {path}, wanted a new directory for {name}")
    (path / "keys").mkdir(mode=0o700, exist_ok=True)
    use(path, create=True, whole=True)
    # As any office it has a row that names it: its history is sealed in this name.
    registry.make_site(name, ["main"], offset_min)
    click.echo(path / FILE)
    say(
        f"group {name} is in {path}; next: `menshen-office group take` for a home that there is, "
        "`menshen-office site` for a new one"
    )


@group.command()
@click.argument("directory", type=_directory)
@click.option("--same", multiple=True, metavar="NAME", help="Is the same person as NAME in the group.")
@_by_option
@home_option
def take(directory: Path, same: tuple[str, ...], by: str, home: Path | None) -> None:
    """Take the home in DIRECTORY into the group: it moves there, and its accounts with it.

    End `serve` and `ingest` on it first. Gates notice nothing: keys, lists and topics stay. On
    PostgreSQL, first name its database in group.toml.

    \b
    Example:
      menshen-office group take office-home --home /srv/menshen
    """
    whole = _group(home)
    old = homes.use(directory)
    if old.group:
        raise OfficeFault(f"{directory} is a site of group {old.group.name}; take it out of there first")
    site = registry.the_site().name
    _fits(whole, site)
    accounts = carrying.pack()
    os.environ.pop(SETTING, None)  # it led to this home; from here on group.toml leads
    use(home, whole=True)
    there = whole.home(site)
    with transaction.atomic():
        carrying.unpack(accounts, site, same)
        registry.note(by, "site.take", site, f"{len(accounts)} accounts")
        _move(directory, there)
    homes.use(home, site)
    carrying.leave_behind()
    registry.note(by, "site.join", whole.name, "")
    homes.use(home, whole=True)
    if not whole.first:
        file = whole.path / FILE
        write_whole(file, f'first = "{site}"\n'.encode() + file.read_bytes())
    say(f"site {site} is in {there}, with {len(accounts)} accounts; everybody signs in anew")
    say(f"addresses that were printed lead to it, as `first` in {whole.path / FILE} says")


@group.command()
@click.argument("leaving", metavar="SITE")
@click.option("--out", required=True, type=_directory, help="Where its home goes; new, on the same disk.")
@_by_option
@home_option
def part(leaving: str, out: Path, by: str, home: Path | None) -> None:
    """Take SITE out of the group: its home stands alone in --out, with the accounts that had a role there.

    A running `serve` lets go of it by itself. Roles at other sites stay as they are.

    \b
    Example:
      menshen-office group part garden --out /srv/garden --home /srv/menshen
    """
    whole, site = _group(home), leaving
    if out.exists():
        raise OfficeFault(f"found {out}, wanted a name that is free")
    old = homes.use(home, site)
    accounts, address = carrying.pack(), old.settings.database
    registry.note(by, "site.part", whole.name, "")
    use(home, whole=True)
    with transaction.atomic():
        Duty.objects.filter(site=site).delete()
        registry.note(by, "site.part", site, f"{len(accounts)} accounts")
        _move(whole.home(site), out)
    if address:
        os.environ[SETTING] = address
    homes.use(out)
    with transaction.atomic():
        carrying.unpack(accounts, site)
    os.environ.pop(SETTING, None)
    homes.use(home, whole=True)
    say(f"site {site} is in {out}, with {len(accounts)} accounts")
    if address:
        say(f"its database is where it was: set {SETTING} as group.toml said, then take it out of there")


@group.command("list")
@home_option
def list_sites(home: Path | None) -> None:
    """List the group's sites: name, database, broker.

    \b
    Example:
      menshen-office group list --home /srv/menshen
    """
    whole = _group(home)
    use(home, whole=True)
    for site in whole.sites:
        own = whole.of(site)
        kind = "PostgreSQL" if own.database else "file"
        click.echo(f"{site}\t{kind}\t{own.broker or 'no broker'}\t{whole.home(site)}")


def _group(home: Path | None) -> Group:
    found = Group.at(home or homes.default())
    if found is None:
        raise OfficeFault(
            f"found no group in {home or homes.default()}; give --home, or begin one with `menshen-office group make`"
        )
    return found


def _fits(whole: Group, site: str) -> None:
    if site == whole.name:
        raise OfficeFault(f"the group itself is called {site}; begin it with another name")
    if whole.home(site).exists():
        raise OfficeFault(f"found {whole.home(site)}: the group has a site {site} already")
    if connection.vendor == "postgresql" and not whole.of(site).database:
        raise OfficeFault(
            f"the home's database is on PostgreSQL; name it first in {whole.path / FILE}: "
            f'[sites.{site}] with database = "postgresql://…"'
        )


def _move(here: Path, there: Path) -> None:
    try:
        there.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        here.rename(there)
    except OSError as fault:
        raise OfficeFault(f"{here} can't become {there}: {fault}; both belong on one disk") from fault


COMMANDS = (group,)
