"""`order`."""

import time
from pathlib import Path

import click

from agent.core.orders import MAX_LIFE_S, What
from office import orders, registry
from office.cli.common import by_option, home_option, say, use
from office.faults import OfficeFault
from office.ingest.subscriber import Address
from office.keyring import Keyring
from office.models import Gate


@click.command()
@click.argument("what", type=click.Choice([str(what) for what in What]))
@click.argument("gate")
@click.option("--broker", required=True, metavar="HOST:PORT", help="Where the gate listens.")
@click.option("--username", help="For the broker.")
@click.option(
    "--password-file", type=click.Path(dir_okay=False, path_type=Path), help="Its first line is the password."
)
@click.option(
    "--for",
    "life_s",
    type=click.IntRange(1, MAX_LIFE_S),
    default=orders.USUAL_LIFE_S,
    show_default=True,
    help="Seconds in which the gate may still obey.",
)
@click.option("--why", required=True, metavar="TEXT", help="The reason; kept in both histories.")
@by_option
@home_option
def order(  # noqa: PLR0913, PLR0917  an option each
    what: str,
    gate: str,
    broker: str,
    username: str | None,
    password_file: Path | None,
    life_s: int,
    why: str,
    by: str,
    home: Path | None,
) -> None:
    """Order GATE to do WHAT, now; its event tells what became of it.

    open lets one through; lockdown refuses everybody who wants in, until release; identify makes the
    gate show itself by light and tones; from maintenance-on to maintenance-off its alarms are recorded
    and make no sound. An order that does not arrive in time is not obeyed.

    \b
    Example:
      menshen-office order open north --broker 127.0.0.1:1883 --by wang --why "ambulance"
    """
    office = use(home)
    site = registry.the_site()
    if not Gate.objects.filter(site=site, name=gate).exists():
        raise OfficeFault(f"found no gate {gate!r}; `menshen-office gate list` shows which there are")
    message = orders.order(
        site.name,
        gate,
        What(what),
        by=by,
        why=why,
        key=Keyring.load(office.keys).order,
        utc=time.time(),
        life_s=life_s,
    )
    registry.note(by, f"order {what}", gate, why)  # first: an order without a record must not be
    orders.send(Address.parse(broker, username, password_file), site.name, gate, message)
    say(f"{what} is on its way to {gate}; `menshen-office feed --follow` shows what it does")


COMMANDS = (order,)
