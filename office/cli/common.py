"""What all commands share: how they fail, and where the office lives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from django.db import DatabaseError

from office.faults import OfficeFault

F = TypeVar("F", bound=Callable[..., Any])


class Office(click.Group):
    """A group whose commands end with one sentence when something can't be done.

    Exit codes: 0 done, 1 not done and the sentence says why, 2 the command was not understood.
    """

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OfficeFault as fault:
            raise click.ClickException(str(fault)) from fault
        except DatabaseError as fault:
            raise click.ClickException(
                f"the office's database did not do it: {fault}; look at its disk, then repeat the command"
            ) from fault


def home_option(command: F) -> F:
    return click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        help="The office's directory; else MENSHEN_OFFICE_HOME, else ./office-home.",
    )(command)


def by_option(command: F) -> F:
    return click.option("--by", required=True, metavar="NAME", help="Who does this; kept in the history.")(
        command
    )


def why_option(command: F) -> F:
    return click.option("--why", default="", metavar="TEXT", help="The reason; kept in the history.")(command)


def say(sentence: str) -> None:
    """Tell the person at the desk; what programs read goes to standard output instead."""
    click.echo(sentence, err=True)
