"""`invite` and `lost-phone`: a holder's phone, from its invitation to the next one."""

from pathlib import Path
from urllib.parse import urlsplit

import click
from django.utils import timezone

from office import phones
from office.cli.common import by_option, home_option, say, use
from office.faults import OfficeFault

_address = click.option(
    "--address", required=True, metavar="URL", help="Of the office's pages: https://office.example.org"
)


@click.command()
@click.argument("pass_id")
@_address
@by_option
@home_option
def invite(pass_id: str, address: str, by: str, home: Path | None) -> None:
    """Print the link by which one phone puts its key into an approved pass, once.

    A new invitation ends the one before.

    \b
    Example:
      menshen-office invite 1f6c0a9b2d3e4f50 --address https://office.example.org --by chen
    """
    use(home)
    _invite(pass_id, _checked(address), by)


@click.command("lost-phone")
@click.argument("pass_id")
@_address
@by_option
@click.option("--why", required=True, metavar="TEXT", help="What became of it; kept in the history.")
@home_option
def lost_phone(pass_id: str, address: str, by: str, why: str, home: Path | None) -> None:
    """Take a phone's key out of its pass, tell every gate at once, and invite the next phone.

    \b
    Example:
      menshen-office lost-phone 1f6c0a9b2d3e4f50 --why stolen --address https://office.example.org --by chen
    """
    place = use(home)
    base = _checked(address)
    phones.take_out(pass_id, by=by, why=why, now=timezone.now())
    from office.telling import tell_at_once  # noqa: PLC0415  TUF takes a quarter of a second to import

    try:
        told = tell_at_once(place)
    except OfficeFault as fault:
        raise OfficeFault(
            f"the key of pass {pass_id} is out, but the gates could not be told: {fault}"
        ) from fault
    say("the key is out" + (", and the gates are told" if told else "; no list was published yet"))
    _invite(pass_id, base, by)


def _checked(address: str) -> str:
    parts = urlsplit(address)
    here = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1")
    if not parts.hostname or (parts.scheme != "https" and not here):
        raise OfficeFault(f"found {address[:80]!r}, wanted https://…: phones make no keys without encryption")
    return f"{parts.scheme}://{parts.netloc}"


def _invite(pass_id: str, base: str, by: str) -> None:
    token, ends = phones.invite(pass_id, by=by, now=timezone.now())
    click.echo(f"{base}/pass/#{token}")
    say(f"for one phone, once, until {ends:%Y-%m-%dT%H:%MZ}; whoever opens it first has the pass")


COMMANDS = (invite, lost_phone)
