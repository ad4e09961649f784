"""How a fault reaches the person who typed the command."""

import click


class Told(click.ClickException):
    """A fault as one sentence, exit code 1."""
