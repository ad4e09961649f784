"""What all commands share: how they fail, and where the office lives."""

import contextlib
import getpass
import os
import signal
import threading
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from django.db import DatabaseError

from office import home as homes
from office.faults import OfficeFault
from office.home import Home, prepare

_SITE: Final = "office.site"
F = TypeVar("F", bound=Callable[..., Any])
_TOLD: Final = frozenset({"pass_id", "pass_ids", "gate", "gates", "by", "day", "what", "subject"})


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


def use(
    path: Path | None = None, *, site: str | None = None, create: bool = False, whole: bool = False
) -> Home:
    """Work on this home's database, and keep in its audit log that this command was given (C35).

    Values of options are kept only where they are ids, names of gates and of staff, choices or
    numbers: the log is for good, and whatever else is typed may be personal.

    Args:
        site: which of a group's; None is what --site says.
        whole: without a site, the group itself is meant.
    Raises:
        OfficeFault: as `office.home.use`, or who does this has no role at a site of a group.
    """
    home = homes.use(path, chosen() if site is None else site, create=create, whole=whole)
    from office.audit import keeper  # noqa: PLC0415  its models want the home

    ctx = click.get_current_context()
    if home.group and not home.whole:
        _check_person(ctx.params.get("by"), home)
    command = " ".join(ctx.command_path.split()[1:])
    keeper.append(f"{_user()} at a terminal", "command", command, _said(ctx))
    ctx.call_on_close(partial(_seal, home))
    return home


def chosen() -> str:
    """What --site says."""
    return str(click.get_current_context().meta.get(_SITE, ""))


def _check_person(by: str | None, home: Home) -> None:
    """In a group a name in --by is one of the site's own people, and the history says so for good.

    Raises:
        OfficeFault: it is nobody's who has a role at the site.
    """
    from office.web import duties  # noqa: PLC0415  its models want the home

    if by and by != _user() and not duties.rights(by):
        raise OfficeFault(
            f"{by} has no role at {home.path.name}; wanted somebody who has, "
            f"see `menshen-office account list --site {home.path.name}`"
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        return f"uid {os.getuid()}"


def _said(ctx: click.Context) -> str:
    words = []
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name or "")
        if value in (None, "", (), False) or parameter.name == "home":
            continue
        told = parameter.name in _TOLD or isinstance(
            parameter.type, (click.Choice, click.types.BoolParamType, click.types.IntParamType)
        )
        words.append(f"{parameter.name}={value}" if told else str(parameter.name))
    return ", ".join(words)


def _seal(home: Home) -> None:
    """Seal what the command did; a log that can't be sealed now is sealed by the next that can."""
    from office.audit import keeper  # noqa: PLC0415  its models want the home

    with contextlib.suppress(OfficeFault, DatabaseError):
        if (
            homes.current() == home
        ):  # a key signs for its own home's log, and a command may have gone on to another
            keeper.seal(home)


def home_option(command: F) -> F:
    """--home, and --site for a group; what the latter says, `use` knows by itself."""
    site = click.option(
        "--site",
        metavar="NAME",
        envvar="MENSHEN_OFFICE_SITE",
        expose_value=False,
        callback=_choose,
        help="Which site, if the office is a group of several.",
    )
    return click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        help="The office's directory; else MENSHEN_OFFICE_HOME, else ./office-home.",
    )(site(command))


def _choose(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    ctx.meta[_SITE] = value or ""


def by_option(command: F) -> F:
    return click.option("--by", required=True, metavar="NAME", help="Who does this; kept in the history.")(
        command
    )


def why_option(command: F) -> F:
    return click.option("--why", default="", metavar="TEXT", help="The reason; kept in the history.")(command)


def first_line(file: Path) -> str:
    """A passphrase, from a file that is its owner's alone.

    Raises:
        OfficeFault: others may read it, or it can't be read.
    """
    try:
        if file.stat().st_mode & 0o077:
            raise OfficeFault(f"found {file} open to other users, wanted mode 0600; run: chmod 600 {file}")
        with file.open(encoding="utf-8") as opened:
            return opened.readline(1024).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as fault:
        raise OfficeFault(f"the passphrase file {file} can't be read: {fault}") from fault


def until_told() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda _signum, _frame: stop.set())
    return stop


def say(sentence: str) -> None:
    """Tell the person at the desk; what programs read goes to standard output instead."""
    click.echo(sentence, err=True)
