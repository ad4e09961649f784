"""`differences list`, `compare` and `settle`."""

from pathlib import Path

import click
from django.db import transaction

from office import home as homes
from office import published, registry
from office.cli.common import by_option, home_option, say, use
from office.differences import OF_ACCOUNTS, Outcome, comparing, hearing, settling
from office.faults import OfficeFault
from office.keyring import Keyring
from office.models import Difference, Pass


@click.group()
def differences() -> None:
    """See and settle what a restored office has otherwise than its gates.

    A backup is older than the newest published list. What the list or the gates deny is denied from the
    restore on, and stays so until a person has looked.

    \b
    Examples:
      menshen-office differences list
      menshen-office differences settle 1f6c0a9b2d3e4f50 --shut --by wang --why "moved out in May"
    """


@differences.command("list")
@click.option("--all", "settled_too", is_flag=True, help="Those that are settled, too.")
@home_option
def list_differences(settled_too: bool, home: Path | None) -> None:
    """List what nobody has settled: subject, what, detail, person, outcome.

    \b
    revoked, suspended   the list says so, and so it is here now
    absent               live here, and not in the list: suspended
    denied               live here, and a gate refused it as revoked or suspended: suspended
    phone, phone_out     the list has another phone's key for it, or none: taken over
    terms                other zones, hours or times in the list: taken over
    approved             a draft here, granted by the list: live
    resumed              stopped here, granted by the list: stays stopped
    unknown              in the list, and nobody here knows whose it is: taken over
    stranger             a gate let it in, and neither list nor office knows it
    rule                 other rules for all passes: taken over, or the stricter one
    gate, gate_unknown, gate_absent   another key for a gate, or another set of gates
    account              @NAME, open as in the backup; without a copy of the audit log nobody knows more
    account_closed, account_role, account_new   closed since, another role since: taken over; made since
    account_password     password or second factor changed since: the backup's opens nothing any more

    In the detail #7 is list 7.

    \b
    Example:
      menshen-office differences list
    """
    use(home)
    hearing.hear()
    found = Difference.objects.order_by("pk") if settled_too else settling.waiting()
    for one in found:
        held = Pass.objects.filter(pass_id=one.subject).first()
        person = f"person {held.person_id}" if held else "-"
        click.echo(f"{one.subject}\t{one.what}\t{one.detail}\t{person}\t{one.outcome or '-'}")


@differences.command()
@click.argument("repository", type=click.Path(file_okay=False, exists=True, path_type=Path))
@home_option
def compare(repository: Path, home: Path | None) -> None:
    """Compare with the newest list in REPOSITORY, for an office that was restored without one.

    \b
    Example:
      menshen-office differences compare /mnt/web-server/repository
    """
    office = use(home)
    last = hearing.newest()
    if last is None:
        raise OfficeFault("this office was not restored from a backup; there is nothing to compare")
    keyring = Keyring.load(office.keys)
    site = registry.the_site()
    newest = published.newest(repository, site.name, keyring)
    if newest is None:
        raise OfficeFault(f"found no list in {repository}; wanted the repository or a whole copy of it")
    with transaction.atomic():
        found = comparing.compare(last, site, newest)
        hearing.tell(last)
    say(
        f"list {newest.head.number} has {found} passes or rules otherwise; see `menshen-office differences list`"
    )


@differences.command()
@click.argument("subject")
@click.option("--open", "outcome", flag_value="open", help="The pass may open again.")
@click.option("--shut", "outcome", flag_value="shut", help="The pass is revoked.")
@click.option("--seen", "outcome", flag_value="seen", help="It is well as it stands.")
@click.option("--name", default="", metavar="TEXT", help="Whose pass it is, of one that nobody knew.")
@click.option("--why", required=True, metavar="TEXT", help="What you found; kept in the history.")
@by_option
@home_option
def settle(  # noqa: PLR0913, PLR0917  an option each
    subject: str, outcome: str | None, name: str, why: str, by: str, home: Path | None
) -> None:
    """Settle one difference: SUBJECT is a pass id, a gate, a rule or @ACCOUNT, as listed.

    \b
    Examples:
      menshen-office differences settle @chen --shut --by admin --why "left in May"
      menshen-office differences settle 1f6c0a9b2d3e4f50 --open --by wang --why "paid, stays until June"
    """
    office = use(home)
    if outcome is None:
        raise OfficeFault("found none of --open, --shut, --seen, wanted one of them")
    one = Difference.objects.filter(subject=subject).order_by("-pk").first()
    if one is None:
        raise OfficeFault(f"found no difference about {subject!r}; see `menshen-office differences list`")
    settling.settle(one, Outcome(outcome), by=by, why=why, name=name)
    said = {"open": "may open again", "shut": "stays shut", "seen": "is as it stands"}[outcome]
    if one.what in OF_ACCOUNTS:
        left = Difference.objects.filter(settled_at=None).count()
        say(f"the account {subject} {'is closed' if outcome == 'shut' else said}; {left} differences wait")
        return
    if outcome == Outcome.SHUT:
        _tell(office)
    left = Difference.objects.filter(settled_at=None).count()
    say(f"{subject} {said}; {left} differences wait; `menshen-office publish` tells the gates")


def _tell(office: homes.Home) -> None:
    from office.telling import tell_at_once  # noqa: PLC0415  TUF takes a quarter of a second to import

    try:
        tell_at_once(office)
    except OfficeFault as fault:
        raise OfficeFault(f"it is settled, but the gates could not be told: {fault}") from fault


COMMANDS = (differences,)
