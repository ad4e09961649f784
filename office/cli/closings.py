"""`reconcile`."""

from datetime import date
from pathlib import Path

import click

from office import registry
from office.cli.common import home_option, say, use
from office.faults import OfficeFault
from office.keyring import Keyring
from office.reconcile import Verdict
from office.reconcile import reconcile as findings


@click.command()
@click.argument("day")
@home_option
def reconcile(day: str, home: Path | None) -> None:
    """Match the gates' closing statements of DAY with the events kept, event for event.

    One line for each gate: its name, complete, waiting, missing or fork, how many events its
    statement accounts for, how many are missing, and which. What is complete is countersigned in
    the history. Ends with 1 unless every gate is complete.

    \b
    Example:
      menshen-office reconcile 2026-03-02
    """
    try:
        date.fromisoformat(day)
    except ValueError as fault:
        raise OfficeFault(f"found day {day!r}, wanted a date such as 2026-03-02") from fault
    place = use(home)
    site = registry.the_site()
    worst = 0
    for found in findings(site.name, day, Keyring.load(place.keys).ack.sign):
        click.echo(f"{found.gate}\t{found.verdict}\t{found.events}\t{found.missing}\t{found.said or '-'}")
        worst = max(worst, found.verdict is not Verdict.COMPLETE)
    if worst:
        say("not every gate's day is complete; see docs/feed.md")
        raise SystemExit(1)


COMMANDS = (reconcile,)
