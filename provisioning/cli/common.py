"""What the commands share: options, who is at the bench, and how it ends."""

import contextlib
import functools
import getpass
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import click

from agent.core.allowlist import NAME
from provisioning import site_file, usb
from provisioning.authority import Authority, AuthorityFault
from provisioning.bench import Bench, BenchFault
from provisioning.credentials import Credentials
from provisioning.label import LabelFault
from provisioning.link import BAUD, Link, LinkLost
from provisioning.site_file import Site
from provisioning.technician import Technician, TechnicianFault
from provisioning.wire import IDENTIFY, Nothing

F = TypeVar("F", bound=Callable[..., Any])
_LONGEST_PASSPHRASE: Final = 1024

port_option = click.option(
    "--port", metavar="PATH", help="The kiosk's serial port, if not the only kiosk on USB; see `ports`."
)
baud_option = click.option(
    "--baud",
    type=click.IntRange(300, 4_000_000),
    default=BAUD,
    show_default=True,
    metavar="BPS",
    help="Alike at both ends; a USB gadget ignores it.",
)
site_option = click.option(
    "--site-file",
    "site_path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="The site's enrolment file, from its office; `site-file` explains it.",
)
passphrase_option = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Holds the passphrase of the keys; asked for if left out.",
)


def key_options(command: F) -> F:
    """The options by which a technician opens a sealed kiosk."""
    for option in (
        passphrase_option,
        click.option(
            "--technician-key",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Opens a sealed kiosk; see `technician`.",
        ),
        click.option(
            "--technician", metavar="NAME", callback=name_or_none, help="As the site's file names you."
        ),
    ):
        command = option(command)
    return command


def link_options(command: F) -> F:
    """Which port, how fast, and the technician's key."""
    return port_option(baud_option(key_options(command)))


def name(_: click.Context, option: click.Parameter, value: str) -> str:
    """A gate's or zone's name."""
    if not NAME.fullmatch(value):
        raise click.BadParameter(
            f"found {value!r}, wanted 1 to 32 of a-z, 0-9 and -, not beginning with -", param=option
        )
    return value


def name_or_none(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """The same, where none is needed."""
    return None if value is None else name(context, option, value)


def who() -> str:
    """Who sits at this bench, as far as this machine knows."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # no name for this uid
        user = "unknown"
    return f"{user}@{platform.node()}"


def port_of(port: str | None) -> str:
    """The port that was named, or the only kiosk's.

    Raises:
        NotFound: see usb.kiosk_port.
    """
    return port or usb.kiosk_port(usb.ports())


@functools.cache
def _asked_passphrase(prompt: str) -> str:
    return str(click.prompt(prompt, hide_input=True, err=True))


def passphrase(file: Path | None, prompt: str) -> bytes:
    """A passphrase, from a file's first line or the person; asked for once in a run."""
    if file is None:
        return _asked_passphrase(prompt).encode()
    with file.open("rb") as opened:
        line = opened.read(_LONGEST_PASSPHRASE).split(b"\n")[0].strip()
    if not line:
        raise BenchFault(f"{file} holds no passphrase; write it on the first line")
    return line


def technician_of(who_: str | None, key: Path | None, file: Path | None) -> Technician | None:
    """The technician whose key was named, if any."""
    if key is None:
        return None
    if who_ is None:
        raise BenchFault("--technician-key wants --technician NAME, as the site's file names you")
    return Technician.open(who_, key, passphrase(file, f"passphrase of {key}"))


def credentials_of(site: Site, technician: Technician | None, file: Path | None) -> Credentials:
    """What this bench can show and sign for a site."""
    folder, identity = site.authority_folder, site.facts.identity
    authority = None
    if folder and identity and identity.by == "bench":
        authority = Authority.open(folder, passphrase(file, f"passphrase of {folder}"))
    return Credentials(technician, authority)


@contextlib.contextmanager
def at_kiosk(  # noqa: PLR0913  an option each
    *,
    port: str | None,
    baud: int,
    technician: str | None,
    technician_key: Path | None,
    passphrase_file: Path | None,
    heed: Callable[[str], None] = lambda _: None,
) -> Iterator[Bench]:
    """A conversation with the kiosk, greeted, and opened if it is sealed and there is a key."""
    held = technician_of(technician, technician_key, passphrase_file)
    with Bench(Link(port_of(port), baud), who(), heed) as bench:
        bench.hello()
        if held and bench.call(IDENTIFY, Nothing()).sealed:
            bench.prove(held)
        yield bench


def room_for(*files: Path | None) -> None:
    """See that each file may be written, before anything is done that only it will tell of.

    Raises:
        BenchFault: its folder is missing, or not this user's to write in.
    """
    for file in filter(None, files):
        folder = file.absolute().parent
        if not folder.is_dir():
            raise BenchFault(f"{file}: there is no folder {folder}; make it, or name another file")
        if not os.access(folder, os.W_OK) or file.is_dir():
            raise BenchFault(f"{file} can't be written; name another file")


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Every foreseen failure ends as FAIL, a sentence and exit code 1."""
    try:
        yield
    except BenchFault as fault:
        fail(str(fault), *fault.faults)
    except (
        LinkLost,
        site_file.SiteFault,
        usb.NotFound,
        AuthorityFault,
        TechnicianFault,
        LabelFault,
    ) as fault:
        fail(*str(fault).splitlines())
    except OSError as fault:
        fail(f"{fault.filename}: {fault.strerror}" if fault.filename else str(fault))
    except KeyboardInterrupt:
        click.echo()  # the cursor stands behind a question, or behind ^C
        fail("stopped by hand; run the same command again to go on")


def fail(why: str, *more: str) -> NoReturn:
    """Say FAIL and why, and leave with exit code 1."""
    click.secho(f"FAIL  {why}", fg="red", bold=True)
    for line in more:
        click.echo(f"      {line}")
    sys.exit(1)


def passed(what: str) -> None:
    """Say PASS, last."""
    click.secho(f"PASS  {what}", fg="green", bold=True)


def stopped_by_signal() -> threading.Event:
    """Set when this process is told to stop."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
