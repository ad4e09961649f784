"""What all commands share: how they fail, and where the office lives."""

import signal
import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import click
from django.db import DatabaseError

from office.faults import OfficeFault
from office.home import prepare

F = TypeVar("F", bound=Callable[..., Any])


class Office(click.Group):
    """A group whose commands end with one sentence when something can't be done.

    Exit codes: 0 done, 1 not done and the sentence says why, 2 the command was not understood.
    """

    def __init__(self, *args: Any, modules: Mapping[str, str], **kwargs: Any) -> None:
        """Know the commands by name, and in which module of this package each is."""
        super().__init__(*args, **kwargs)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's
        if cmd_name not in self._modules:
            return None
        prepare()  # before any module with a model is imported
        module = import_module(f"office.cli.{self._modules[cmd_name]}")
        command: click.Command = next(one for one in module.COMMANDS if one.name == cmd_name)
        return command

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


def until_told() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda _signum, _frame: stop.set())
    return stop


def say(sentence: str) -> None:
    """Tell the person at the desk; what programs read goes to standard output instead."""
    click.echo(sentence, err=True)
