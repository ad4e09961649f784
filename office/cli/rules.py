"""`schedule`, `passback`, `trusted` and `unlisted`: the rules for kinds of passes."""

from pathlib import Path

import click

from agent.core.allowlist import PassKind
from agent.core.passback import MOST_MIN, Mode
from office import registry, rules
from office.cli.common import by_option, home_option, say, use
from office.faults import OfficeFault
from office.models import Schedule

kind_choice = click.Choice([str(kind) for kind in PassKind])
_NEXT = "next: `menshen-office publish` tells the gates"


@click.group()
def schedule() -> None:
    """Name hours of the week, and say which passes open only then.

    \b
    Example:
      menshen-office schedule set nights "all 22:00-06:00" --by chen
      menshen-office schedule give nights --kind staff --by chen
    """


@schedule.command("set")
@click.argument("name")
@click.argument("windows", nargs=-1, required=True)
@by_option
@home_option
def set_schedule(name: str, windows: tuple[str, ...], by: str, home: Path | None) -> None:
    """Give hours a NAME. An end before the beginning is on the next morning.

    On a holiday only windows that name `holiday` begin, whatever day of the week it is.

    \b
    Examples:
      menshen-office schedule set cleaning "mon-fri 06:00-09:00" "sat,holiday 10:00-12:00" --by chen
      menshen-office schedule set nights "all 22:00-06:00" --by chen
    """
    use(home)
    rules.define(name, windows, by=by)
    say(f"schedule {name} is set; next: `menshen-office schedule give {name} --kind KIND --by NAME`")


@schedule.command("list")
@home_option
def list_schedules(home: Path | None) -> None:
    """List the schedules with their windows and the kinds that follow them, and the holidays.

    \b
    Example:
      menshen-office schedule list
    """
    use(home)
    site = registry.the_site()
    for one in Schedule.objects.filter(site=site).order_by("name"):
        windows = "; ".join(rules.window_text(*window) for window in one.windows)
        kinds = ",".join(kind for kind, number in site.kind_schedules.items() if number == one.number)
        click.echo(f"{one.name}\t{windows}\t{kinds or '-'}")
    for day in site.holidays:
        click.echo(f"holiday\t{day}")


@schedule.command()
@click.argument("name")
@click.option("--kind", type=kind_choice, help="All passes of this kind without a schedule of their own.")
@click.option("--pass", "pass_id", metavar="PASS_ID", help="This pass.")
@by_option
@home_option
def give(name: str, kind: str | None, pass_id: str | None, by: str, home: Path | None) -> None:
    """Let passes open only in the hours of schedule NAME.

    `always` opens at any hour; `as-kind` takes a pass's own schedule back.

    \b
    Examples:
      menshen-office schedule give cleaning --kind contractor --by chen
      menshen-office schedule give always --pass 1f6c0a9b2d3e4f50 --by chen
    """
    use(home)
    if (kind is None) == (pass_id is None):
        raise OfficeFault("wanted either --kind or --pass")
    if kind is not None:
        rules.give_to_kind(name, PassKind(kind), by=by)
    if pass_id is not None:
        rules.give_to_pass(name, pass_id, by=by)
    say(f"given {name}; {_NEXT}")


@schedule.command()
@click.argument("dates", nargs=-1)
@by_option
@home_option
def holidays(dates: tuple[str, ...], by: str, home: Path | None) -> None:
    """Say which days are holidays: all of them, in place of those before.

    \b
    Example:
      menshen-office schedule holidays 2026-10-01 2026-10-02 2026-10-03 --by chen
    """
    use(home)
    rules.set_holidays(dates, by=by)
    say(f"{len(set(dates))} holidays; {_NEXT}")


@click.command()
@click.argument("kind", type=kind_choice)
@click.argument("mode", type=click.Choice([str(mode) for mode in Mode]))
@click.option(
    "--minutes", type=click.IntRange(0, MOST_MIN), default=0, help="For timed: how long it must wait."
)
@by_option
@home_option
def passback(kind: str, mode: str, minutes: int, by: str, home: Path | None) -> None:
    """Say what becomes of a pass of KIND that comes in without having been seen going out.

    soft lets it in and tells the office; timed refuses it for so many minutes; hard refuses it
    until it was seen going out, at any gate of the same zone: they tell each other, see docs/fellows.md.
    A gate for both ways takes the second showing for the way out.

    \b
    Example:
      menshen-office passback resident timed --minutes 5 --by chen
    """
    use(home)
    rules.set_passback(PassKind(kind), Mode(mode), minutes, by=by)
    say(f"passback of {kind} is {mode}; {_NEXT}")
    if mode == Mode.HARD:
        say("note: gates that cannot reach each other keep out who left by another; see docs/fellows.md")


@click.command()
@click.argument("doubt", type=click.Choice(list(rules.DOUBTS)))
@click.argument("kinds", nargs=-1, type=kind_choice)
@by_option
@home_option
def trusted(doubt: str, kinds: tuple[str, ...], by: str, home: Path | None) -> None:
    """Say which KINDS come in even while a gate's clock is unknown or its list is dead.

    All of them, in place of those before; none named, and nobody does.

    \b
    Example:
      menshen-office trusted clock-unknown resident staff --by chen
    """
    use(home)
    rules.set_trusted(doubt, [PassKind(kind) for kind in kinds], by=by)
    say(f"while {doubt}, {', '.join(kinds) or 'nobody'} may come in; {_NEXT}")


@click.command()
@click.argument("what", type=click.Choice(list(rules.UNLISTED)))
@click.argument("answer", type=click.Choice(["yes", "no"]))
@by_option
@home_option
def unlisted(what: str, answer: str, by: str, home: Path | None) -> None:
    """Say whether well-signed cards, or phones with a certificate, open before a gate's list names them.

    \b
    Example:
      menshen-office unlisted phones no --by chen
    """
    use(home)
    rules.set_unlisted(what, admitted=answer == "yes", by=by)
    say(f"unlisted {what}: {answer}; {_NEXT}")


COMMANDS = (schedule, passback, trusted, unlisted)
