"""`serve` and `account`: the office as pages, and who may open them."""

import getpass
from pathlib import Path

import click
from django.conf import settings
from django_otp.plugins.otp_totp.models import TOTPDevice

from office import logs, registry
from office.cli.common import home_option, say, use
from office.faults import OfficeFault
from office.ingest.subscriber import Address as BrokerAddress
from office.web import accounts, leaving, server
from office.web.models import Account
from office.web.roles import Role

_file = click.Path(dir_okay=False, exists=True, path_type=Path)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one."
)
@click.option(
    "--name", "names", multiple=True, metavar="HOST", help="As browsers call it; may be given several times."
)
@click.option("--tls-cert", type=_file, help="PEM; with --tls-key the pages are HTTPS.")
@click.option("--tls-key", type=_file, help="PEM; the certificate's key.")
@click.option("--behind-proxy", is_flag=True, help="A proxy on this machine speaks HTTPS for it.")
@click.option("--broker", metavar="HOST:PORT", help="Sends orders; else the broker that lists went to.")
@click.option("--username", help="For the broker.")
@click.option("--password-file", type=_file, help="Its first line is the broker's password.")
@home_option
def serve(  # noqa: PLR0913, PLR0917  an option each
    host: str,
    port: int,
    names: tuple[str, ...],
    tls_cert: Path | None,
    tls_key: Path | None,
    behind_proxy: bool,
    broker: str | None,
    username: str | None,
    password_file: Path | None,
    home: Path | None,
) -> None:
    """Serve the office's pages until SIGTERM; `pages.listening port=…` is printed when it is ready.

    Without a certificate only this machine can reach them. A group's sites are all served, each by a
    process of its own; sites that are added later are served as soon as they are there.

    \b
    Examples:
      menshen-office serve
      menshen-office serve --host 0.0.0.0 --port 443 --name office.example.org \\
          --tls-cert office.pem --tls-key office.key
    """
    logs.configure()
    place = use(home, whole=True)
    registry.the_site()
    if not Account.objects.filter(is_active=True).exists():
        say("nobody has an account yet; next: `menshen-office account add NAME --role administrator`")
    address = server.Address(host, port, names, tls_cert, tls_key, behind_proxy)
    if place.group is not None:
        if not place.whole or broker:
            raise OfficeFault(
                "a group is served whole, without --site; its sites' brokers stand in its group.toml"
            )
        server.serve_group(place, address)
        return
    if broker is not None:
        settings.ORDER_BROKER = BrokerAddress.parse(broker, username, password_file)
    server.serve(place, address)


@click.group()
def account() -> None:
    """Make, list and close accounts: one for each real person, in a group with a role at each site.

    \b
    Example:
      menshen-office account add chen --role clerk
    """


@account.command()
@click.argument("name")
@click.option("--role", required=True, type=click.Choice(Role.values), help="What they may do.")
@click.option("--password-file", type=_file, help="Its first line; else one is made and printed.")
@click.option("--by", default=getpass.getuser, metavar="NAME", help="Kept in the history.")
@home_option
def add(name: str, role: str, password_file: Path | None, by: str, home: Path | None) -> None:
    """Make an account for NAME, a real person's; a password is printed that must be changed.

    \b
    Example:
      menshen-office account add chen --role clerk
    """
    use(home)
    password = _first_line(password_file) if password_file else None
    words = accounts.add(name, Role(role), password, by=by)
    if password is None:
        click.echo(words)
        say(f"{name} is {_a(role)}; the password above must be changed at the first sign-in")
    else:
        say(f"{name} is {_a(role)}")


def _a(role: str) -> str:
    return f"{'an' if role[0] in 'aeiou' else 'a'} {role}"


def _first_line(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.readline(1024).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as fault:
        raise OfficeFault(f"the password file can't be read: {fault}") from fault


@account.command()
@click.argument("name")
@click.option("--role", required=True, type=click.Choice(Role.values), help="What NAME is there.")
@click.option("--by", default=getpass.getuser, metavar="NAME", help="Kept in the history.")
@home_option
def appoint(name: str, role: str, by: str, home: Path | None) -> None:
    """Give NAME, who has an account in the group, a role at one more site.

    \b
    Example:
      menshen-office account appoint chen --role auditor --site garden
    """
    use(home)
    accounts.appoint(name, Role(role), by=by)
    say(f"{name} is {_a(role)} at {registry.the_site()}")


@account.command("list")
@home_option
def list_accounts(home: Path | None) -> None:
    """List the accounts: name, role, second factor, last sign-in; of a whole group with each one's sites.

    \b
    Example:
      menshen-office account list
    """
    place = use(home, whole=True)
    site = registry.the_site().name
    secured = set(TOTPDevice.objects.filter(confirmed=True).values_list("user_id", flat=True))
    for one in accounts.of_this_site().prefetch_related("duties"):
        held = [duty for duty in one.duties.all() if duty.role and (place.whole or duty.site == site)]
        roles = ",".join(f"{duty.site}:{duty.role}" if place.whole else duty.role for duty in held)
        role = (roles or "none") if one.is_active and (place.whole or roles) else "closed"
        factor = "code" if one.pk in secured else "password only"
        seen = f"{one.last_login:%Y-%m-%dT%H:%MZ}" if one.last_login else "never"
        click.echo(f"{one.username}\t{role}\t{factor}\t{seen}")


@account.command("close")
@click.argument("name")
@click.option("--handover", default="", metavar="NAME", help="The account of who takes the work over.")
@click.option("--person", type=int, metavar="N", help="Their own file; its passes are revoked.")
@click.option("--by", default=getpass.getuser, metavar="NAME", help="Kept in the history.")
@home_option
def close_account(name: str, handover: str, person: int | None, by: str, home: Path | None) -> None:
    """Close an account with all that belongs to it; what it did stays in the history.

    Sessions and second factor end, alerts taken on go to the colleague, orders that wait are withdrawn.

    \b
    Example:
      menshen-office account close chen --handover wang --person 17 --by admin
    """
    from office.telling import tell_at_once  # noqa: PLC0415  TUF takes a quarter of a second to import

    place = use(home)
    settings.SECRET_KEY = server.secret(place)  # sessions are signed with it, and read to be ended
    left = leaving.leave(name, by=by, handover=handover, person=person)
    say(f"the account of {name} is closed: {left.record(handover) or 'nothing was open'}")
    if not left.revoked:
        return
    try:
        told = tell_at_once(place)
    except OfficeFault as fault:
        raise OfficeFault(f"the account is closed, but the gates could not be told: {fault}") from fault
    say(
        "the gates are told"
        if told
        else "next: `menshen-office publish` tells the gates of the revoked passes"
    )


@account.command()
@click.argument("name")
@click.option("--by", default=getpass.getuser, metavar="NAME", help="Kept in the history.")
@home_option
def reset(name: str, by: str, home: Path | None) -> None:
    """Print a new password for NAME, to be changed, and remove the second factor.

    \b
    Example:
      menshen-office account reset chen --by admin
    """
    use(home, whole=True)
    click.echo(accounts.reset_password(name, by=by))


COMMANDS = (serve, account)
