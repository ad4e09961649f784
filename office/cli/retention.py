"""`retention` and `forget`: what is deleted, when, and on request."""

from pathlib import Path

import click
from django.utils import timezone

from office import registry, times
from office.cli.common import by_option, home_option, say, use
from office.faults import OfficeFault
from office.models import Person
from office.retention import people, rules, schedule
from office.retention.rules import BOUNDS, Kept


@click.group(invoke_without_command=True)
@click.option("--delete", "really", is_flag=True, help="Delete it; without this, only say what is due.")
@click.option("--by", default="", metavar="NAME", help="Who does this; kept with the receipt.")
@home_option
@click.pass_context
def retention(ctx: click.Context, really: bool, by: str, home: Path | None) -> None:
    """Say what is due to be deleted; with --delete, do it and print a receipt for each class.

    One line a class: its name, how many are due, ended before when, days it is kept. While
    `menshen-office serve` runs it is done by itself, each night at three by the site's clock.

    \b
    Examples:
      menshen-office retention
      menshen-office retention --delete --by wang
      menshen-office retention set identity 14 --by wang
    """
    if ctx.invoked_subcommand:
        return
    office = use(home)
    offset_min = registry.the_site().utc_offset_min
    now = timezone.now()
    if not really:
        for one in schedule.due(now):
            click.echo(f"{one.kept}\t{one.count}\t{times.show(one.until, offset_min)}\t{one.rule_days} days")
        say("nothing was deleted; `menshen-office retention --delete --by NAME` does it")
        return
    if not by:
        raise OfficeFault("found nobody's name in --by, wanted that of the person who has it deleted")
    receipts = schedule.delete(office, now, by=by)
    for receipt in receipts:
        click.echo(
            f"{receipt.kept}\t{receipt.count}\t{receipt.until}\t{receipt.rule_days} days\t{receipt.by}"
        )
    say(f"{len(receipts)} receipts are in the audit log" if receipts else "nothing was due")


@retention.command("set")
@click.argument("kept", type=click.Choice([str(one) for one in Kept]))
@click.argument("days", type=int)
@by_option
@home_option
def set_days(kept: str, days: int, by: str, home: Path | None) -> None:
    """Keep a class of data for so many DAYS, within what the law allows.

    \b
    Example:
      menshen-office retention set identity 14 --by wang
    """
    use(home)
    rules.choose(Kept(kept), days, by=by)
    say(f"{kept} is kept for {days} days from now on; the next run deletes what is older")


@retention.command("rules")
@home_option
def show_rules(home: Path | None) -> None:
    """Print how long each class is kept: its name, days, and the least and the most allowed.

    \b
    Example:
      menshen-office retention rules
    """
    use(home)
    for kept, count in rules.days().items():
        click.echo(f"{kept}\t{count}\t{BOUNDS[kept].least}\t{BOUNDS[kept].most}")


@click.command()
@click.argument("person", type=int)
@by_option
@click.option("--why", required=True, metavar="TEXT", help="The reason; kept in the history.")
@home_option
def forget(person: int, by: str, why: str, home: Path | None) -> None:
    """Delete who PERSON is, now and for good, as they may ask for; the number is that of the file's page.

    Passes and events stay without a name until their own time.

    \b
    Example:
      menshen-office forget 17 --by wang --why "asked for it in writing on 3 May"
    """
    office = use(home)
    found = Person.objects.filter(pk=person).first()
    if found is None:
        raise OfficeFault(f"found no person {person}; the number stands in the address of the file's page")
    people.forget(office, found, by=by, why=why)
    say(f"person {person} is deleted; the next backup's file of people's keys deletes them from every backup")


COMMANDS = (retention, forget)
