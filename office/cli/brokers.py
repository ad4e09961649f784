"""`broker`: one inside this command, for a demo or a small bench."""

from pathlib import Path

import click

from office.faults import OfficeFault


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


COMMANDS = (broker,)
