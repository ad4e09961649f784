"""`menshen-provision device`: the kiosk's end of the link."""

import shlex
import sys
import time
from pathlib import Path

import click
import structlog

from provisioning import identity
from provisioning.check import DEFAULT, Checker
from provisioning.cli.common import baud_option, fail, stopped_by_signal
from provisioning.device import Kiosk
from provisioning.enrolment import Enrolments
from provisioning.gadget import NoGadget, present
from provisioning.machine import SELFTEST, Machine
from provisioning.service import Service


@click.command()
@click.option("--tty", required=True, metavar="PATH", help="The port to serve, such as /dev/ttyGS0.")
@click.option(
    "--etc",
    type=click.Path(path_type=Path),
    default=Path("/etc/menshen"),
    show_default=True,
    help="Where the gate's configuration belongs.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=Path("/var/lib/menshen"),
    show_default=True,
    help="Where the gate keeps its state and its keys.",
)
@click.option(
    "--check-command",
    default=shlex.join(DEFAULT),
    show_default=True,
    metavar="COMMAND",
    help="Given `--config FILE`: exit 0 accepts it, else its output names the faults.",
)
@click.option(
    "--networks",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where NetworkManager keeps its connections; else Wi-Fi is not set over the link.",
)
@click.option("--set-clock", is_flag=True, help="Let the bench set this machine's clock.")
@click.option(
    "--try-gate",
    default=shlex.join(SELFTEST),
    show_default=True,
    metavar="COMMAND",
    help="Tries a part of the gate as its process would, for an inspection.",
)
@click.option(
    "--try-sync",
    default=shlex.join(SELFTEST),
    show_default=True,
    metavar="COMMAND",
    help="Likewise for network, broker and list.",
)
@click.option("--unsealed", is_flag=True, help="Let an enrolled kiosk be enrolled anew; for a bench only.")
@baud_option
def device(  # noqa: PLR0913  an option each
    *,
    tty: str,
    etc: Path,
    state: Path,
    check_command: str,
    networks: Path | None,
    set_clock: bool,
    try_gate: str,
    try_sync: str,
    unsealed: bool,
    baud: int,
) -> None:
    """Serve the link on the kiosk, until it is stopped.

    An enrolment is staged, checked and then put in force in one step; until then nothing changes.
    Every session is recorded in STATE/provision.jsonl.

    \b
    Example:
      menshen-provision device --tty /dev/ttyGS0 --set-clock
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.LogfmtRenderer(key_order=["event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    command, gate_command, sync_command = map(shlex.split, (check_command, try_gate, try_sync))
    if not command:
        raise click.UsageError("--check-command is empty; name a command, such as `menshen-agent check`")
    if not (gate_command and sync_command):
        raise click.UsageError("--try-gate or --try-sync is empty; name a command, or leave it out")
    stop = stopped_by_signal()
    etc, state = etc.resolve(), state.resolve()
    try:
        for directory in (etc, state):
            directory.mkdir(parents=True, exist_ok=True)
        machine = Machine(
            sets_clock=set_clock, networks=networks, try_gate=gate_command, try_sync=sync_command
        )
        enrolments = Enrolments(etc, Checker(command), unsealed=unsealed)
        kiosk = Kiosk(state, enrolments, time.time, machine)
    except OSError as fault:
        fail(f"{fault.filename}: {fault.strerror}; the link needs both directories, and to write in them")
    Service(kiosk, tty, baud).run(stop)


@click.command()
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=Path("/var/lib/menshen"),
    show_default=True,
    help="Where a board without a serial number keeps the number it drew.",
)
def gadget(*, state: Path) -> None:
    """Make this machine's USB port a kiosk's serial port, with its own ids.

    \b
    Example:
      menshen-provision gadget
    """
    try:
        controller = present(identity.device_id(state))
    except NoGadget as fault:
        fail(str(fault))
    except OSError as fault:
        fail(f"{fault.filename}: {fault.strerror}; this wants root and the module libcomposite")
    click.echo(f"serial port on {controller}, for whoever plugs a cable in")


@click.command("first-boot")
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=Path("/var/lib/menshen"),
    show_default=True,
    help="The data partition's folder.",
)
@click.option(
    "--etc",
    type=click.Path(path_type=Path),
    default=Path("/etc"),
    show_default=True,
    help="Where the machine's id and its accounts lie.",
)
def first_boot(*, state: Path, etc: Path) -> None:
    """Make this machine itself: try its disk, lock every password, draw its number, make its key. Once.

    \b
    Example:
      menshen-provision first-boot
    """
    from provisioning import first_boot as first  # noqa: PLC0415  for a kiosk's first start alone

    try:
        made = first.first_boot(state, etc)
    except (first.FirstBootFault, identity.KeyFault) as fault:
        fail(str(fault))
    except OSError as fault:
        fail(f"{fault.filename}: {fault.strerror}; this wants root and a data partition")
    if made is None:
        click.echo(f"done before; {state / first.NOTE} says what came of it")
        return
    for name in made.locked:
        click.echo(f"the password of {name} came with the image and is locked")
    click.echo(f"this is kiosk {made.device_id}, its key {made.journal_key}, {made.free_mb} MB free")
