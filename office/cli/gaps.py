"""`gap list` and `gap accept`."""

from pathlib import Path

import click

from office import gaps, registry, times
from office.cli.common import by_option, home_option, say, use
from office.keyring import Keyring
from office.models import Gap


@click.group()
def gap() -> None:
    """See which events can't come back, and say that a gate's feed goes on without them.

    \b
    Examples:
      menshen-office gap list
      menshen-office gap accept north --by wang --why "restored from the backup of 1 March"
    """


@gap.command("list")
@home_option
def list_gaps(home: Path | None) -> None:
    """List the gaps that gates signed for: gate, from, to, how it stands, who accepted it, why.

    From and to are EPOCH/NUMBER of the last event before the gap and of the last in it. A gap is seen,
    accepted, closed (the feed went on behind it), or over (the feed went on without it).

    \b
    Example:
      menshen-office gap list
    """
    use(home)
    offset_min = registry.the_site().utc_offset_min
    for one in Gap.objects.select_related("gate__site").order_by("pk"):
        who = f"{one.by} {times.show(one.accepted_at, offset_min)}" if one.accepted_at else "-"
        click.echo(f"{one.gate.name}\t{one.after}\t{one.to}\t{gaps.state(one)}\t{who}\t{one.why or '-'}")


@gap.command()
@click.argument("gate")
@click.option("--why", required=True, metavar="TEXT", help="The reason; kept for ever beside the gap.")
@by_option
@home_option
def accept(gate: str, why: str, by: str, home: Path | None) -> None:
    """Go on with GATE's events behind a gap that can't close.

    Wanted after an office was restored from a backup older than what the gate still keeps; `menshen-office
    gap list` shows whether the gate has signed for it. The ingester then takes what the gate has, from its
    oldest event on. The gap stays in the feed and in every reconciliation.

    \b
    Example:
      menshen-office gap accept north --by wang --why "restored from the backup of 1 March"
    """
    office = use(home)
    found = gaps.accept(
        registry.the_site().name,
        gate,
        by=by,
        why=why,
        sign=Keyring.load(office.keys).ack.sign,
    )
    say(
        f"{gate}'s feed goes on after {found.to}, as soon as the gate sends; {found.after} was the last before"
    )


COMMANDS = (gap,)
