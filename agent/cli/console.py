"""menshen-agent console: the screen of a kiosk's first console."""

import threading
from pathlib import Path

import click

from agent.cli.common import config_option, stopped_by_signals

EVERY_S = 2.0
_CLEAR = "\x1b[H\x1b[2J\x1b[?25l"


@click.command()
@config_option
@click.option("--once", is_flag=True, help="Print the screen and end.")
def console(config_path: Path, once: bool) -> None:
    """Show which kiosk this is, how it does and what is wrong, on a text screen; take nothing in.

    \b
    Example:
      menshen-agent console --once
    """
    from agent.wiring.console import look, screen  # noqa: PLC0415

    if once:
        click.echo(screen(look(config_path)), nl=False)
        return
    stop, shown = threading.Event(), ""
    with stopped_by_signals(stop.set):
        while not stop.is_set():
            if (page := screen(look(config_path))) != shown:
                click.echo(_CLEAR + page, nl=False)
                shown = page
            stop.wait(EVERY_S)
