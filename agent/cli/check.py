"""menshen-agent check."""

from pathlib import Path

import click

from agent.cli.common import config_option
from agent.config import defaults, examine


@click.command()
@config_option
@click.option(
    "--defaults", "show_defaults", is_flag=True, help="Show every setting and its default, and exit."
)
def check(config_path: Path, show_defaults: bool) -> None:
    """Name every fault in a configuration: its key, what was found, what is allowed.

    Checks the board too, and the files that the configuration names. Changes nothing.

    \b
    Example:
      menshen-agent check --config gate.toml
    """
    if show_defaults:
        for line in defaults():
            click.echo(line)
        return
    config, faults = examine(config_path)
    for sentence in faults:
        click.echo(sentence)
    if faults or config is None:
        click.echo(f"{config_path}: {len(faults)} fault{'s' if len(faults) != 1 else ''}", err=True)
        raise SystemExit(1)
    click.echo(f"{config_path}: good, for gate {config.gate} of site {config.site}")
