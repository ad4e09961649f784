"""What the commands share: the configuration option, and how a fault is told."""

import _thread
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import click

from agent.config import ConfigFault, GateConfig, load

NOT_POSSIBLE: Final = 3

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("/etc/menshen/gate.toml"),
    show_default=True,
    help="The gate's configuration.",
)


def fail(sentence: str) -> NoReturn:
    """Say why this cannot be done here, and leave with exit code 3."""
    click.echo(f"menshen-agent: {sentence}", err=True)
    raise SystemExit(NOT_POSSIBLE)


def not_allowed(fault: PermissionError, command: str) -> NoReturn:
    """Say that this user may not look, and who may, and leave with exit code 3."""
    again = f"run it as root: sudo menshen-agent {command}"
    fail(f"may not look at {fault.filename} as user {os.getuid()}; {again}")


def loaded(path: Path, *, with_broker: bool = True) -> GateConfig:
    """The configuration, or every fault in it and exit code 3.

    Args:
        with_broker: as for agent.config.examine.
    """
    try:
        return load(path, with_broker=with_broker)
    except ConfigFault as fault:
        for sentence in fault.faults:
            click.echo(f"{path}: {sentence}", err=True)
        fail(f"the configuration has {len(fault.faults)} fault(s), named above; mend them and start again")


@contextlib.contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call stop on SIGTERM and SIGINT, in a thread: what they interrupt may hold the very lock that it wants."""

    def asked(_number: int, _frame: FrameType | None) -> None:
        _thread.start_new_thread(stop, ())

    before = {number: signal.signal(number, asked) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
