"""`broker`, one inside this command, for a demo or a small bench; `broker-rules` for a real one."""

from pathlib import Path

import click

from agent.core.allowlist import NAME
from office import registry
from office.broker_rules import mosquitto
from office.cli.common import home_option, use
from office.faults import OfficeFault
from office.models import Gate


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=1883, show_default=True, help="0 takes a free one."
)
@click.option(
    "--password-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Lines of name:password, plain or argon2; without it anybody may connect.",
)
def broker(host: str, port: int, password_file: Path | None) -> None:
    """Run a small MQTT broker until SIGTERM; `broker.listening port=…` is printed when it is ready.

    It keeps nothing on disk and knows no rights by topic: a site runs Mosquitto.

    \b
    Example:
      menshen-office broker --port 0
    """
    try:
        from office import broker as embedded  # noqa: PLC0415  amqtt is an extra
    except ImportError as fault:
        raise OfficeFault(
            "amqtt is not installed; run `pip install 'menshen[broker]'`, or use Mosquitto"
        ) from fault

    def ready(listening: int) -> None:
        click.echo(f"broker.listening host={host} port={listening}")

    embedded.serve(host, port, password_file, ready)


@click.command("broker-rules")
@click.option("--office", "office_user", default="office", show_default=True, help="Of `ingest` and orders.")
@click.option("--publisher", default="publisher", show_default=True, help="Of `publish` and `mirror`.")
@click.option(
    "--reader", "readers", multiple=True, metavar="NAME", help="A dashboard; may be given several times."
)
@home_option
def broker_rules(office_user: str, publisher: str, readers: tuple[str, ...], home: Path | None) -> None:
    """Print who may read and write what on the site's broker, for Mosquitto's acl_file.

    Each gate signs in under its own name and has its own topics alone; a reader sees what happens and writes
    nothing. Whatever is not named is denied. The rules of several sites go into one file, after each other.

    \b
    Example:
      menshen-office broker-rules --reader dashboard > /etc/mosquitto/harbour.acl
    """
    use(home)
    taken = {office_user, publisher, *readers} & set(Gate.objects.values_list("name", flat=True))
    if taken:
        raise OfficeFault(
            f"found {', '.join(sorted(taken))} as the name of a gate, too; give that user another name"
        )
    wrong = [one for one in (office_user, publisher, *readers) if not NAME.fullmatch(one)]
    if wrong or len({office_user, publisher, *readers}) < 2 + len(readers):
        found = ", ".join(wrong) or "one name twice"
        raise OfficeFault(f"found {found}, wanted different names of 1 to 32 of a-z, 0-9 and -")
    click.echo(mosquitto(registry.the_site().name, office_user, publisher, readers), nl=False)


COMMANDS = (broker, broker_rules)
