"""`menshen-provision`: the commands at both ends of the cable."""

import contextlib
import getpass
import platform
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import click
import structlog
from serial.tools import list_ports  # type: ignore[import-untyped]

from agent.core.allowlist import NAME
from provisioning import site_file, wire
from provisioning.bench import Bench, BenchFault
from provisioning.cable import Cable, noise
from provisioning.check import DEFAULT, Checker
from provisioning.device import Kiosk
from provisioning.enrol import enrol as enrol_kiosk
from provisioning.enrolment import Enrolments
from provisioning.link import BAUD, Link, LinkLost
from provisioning.service import Service
from provisioning.shown import Shown, found

_port = click.option("--port", required=True, metavar="PATH", help="The kiosk's serial port; see `ports`.")
_baud = click.option(
    "--baud",
    type=click.IntRange(300, 4_000_000),
    default=BAUD,
    show_default=True,
    metavar="BPS",
    help="Alike at both ends; a USB gadget ignores it.",
)


def _name(_: click.Context, option: click.Parameter, value: str) -> str:
    if not NAME.fullmatch(value):
        raise click.BadParameter(
            f"found {value!r}, wanted 1 to 32 of a-z, 0-9 and -, not beginning with -", param=option
        )
    return value


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="menshen", message="%(package)s %(version)s")
def main() -> None:
    """Make a blank kiosk a gate of a site, over one USB cable."""


# --- the kiosk's end ---------------------------------------------------------


@main.command()
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
    help="Where the gate keeps its state and its key.",
)
@click.option(
    "--check-command",
    default=shlex.join(DEFAULT),
    show_default=True,
    metavar="COMMAND",
    help="Given `--config FILE`: exit 0 accepts it, else its output names the faults.",
)
@click.option("--unsealed", is_flag=True, help="Let an enrolled kiosk be enrolled anew; for a bench only.")
@_baud
def device(  # noqa: PLR0913  an option each
    *, tty: str, etc: Path, state: Path, check_command: str, unsealed: bool, baud: int
) -> None:
    """Serve the link on the kiosk, until it is stopped.

    An enrolment is staged, checked and then put in force in one step; until then nothing changes.
    Every session is recorded in STATE/provision.jsonl.
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.LogfmtRenderer(key_order=["event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    command = shlex.split(check_command)
    if not command:
        raise click.UsageError("--check-command is empty; name a command, such as `menshen-agent check`")
    stop = _stopped_by_signal()
    etc, state = etc.resolve(), state.resolve()
    try:
        for directory in (etc, state):
            directory.mkdir(parents=True, exist_ok=True)
        kiosk = Kiosk(state, Enrolments(etc, Checker(command), unsealed=unsealed), time.time)
    except OSError as fault:
        _fail(f"{fault.filename}: {fault.strerror}; the link needs both directories, and to write in them")
    Service(kiosk, tty, baud).run(stop)


# --- the bench's end ---------------------------------------------------------


@main.command()
@_port
@click.option(
    "--site-file",
    "site_path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="The site's enrolment file, from its office; `site-file` explains it.",
)
@click.option(
    "--gate",
    required=True,
    callback=_name,
    metavar="NAME",
    help="The gate's name in the feed, such as north.",
)
@click.option("--direction", type=click.Choice(["in", "out", "both"]), default="both", show_default=True)
@click.option("--zone", default="main", show_default=True, callback=_name, metavar="NAME")
@click.option("--name", default="", metavar="TEXT", help="What people call it, such as `North gate`.")
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write what `menshen-office gate add` needs, as JSON.",
)
@click.option(
    "--patience",
    type=click.FloatRange(0, 3600),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a pulled cable is waited for.",
)
@_baud
def enrol(  # noqa: PLR0913  an option each
    *,
    port: str,
    site_path: Path,
    gate: str,
    direction: site_file.Direction,
    zone: str,
    name: str,
    record: Path | None,
    patience: float,
    baud: int,
) -> None:
    """Enrol the kiosk on a port; ends with PASS or FAIL.

    It may be run again after any interruption: the kiosk goes on where it was, and the same
    enrolment twice is one.
    """
    plan = site_file.GatePlan(gate, direction, zone, wire.plain(name, 80))
    with _told():
        site = site_file.read(site_path)
        click.echo(f"site {site.facts.site}; root of trust: {site.root_facts}")
        with Shown() as shown:
            done = enrol_kiosk(
                lambda: Bench(Link(port, baud), _who(), shown.say), site, plan, shown, patience
            )
        if record:
            done.write(record)
            click.echo(f"enrolment record: {record}")
    click.echo(f"journal key: {done.journal_key}")
    click.secho(
        f"PASS  kiosk {done.device_id} is gate {done.gate} of site {done.site}", fg="green", bold=True
    )


@main.command()
@_port
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
@_baud
def identify(*, port: str, as_json: bool, baud: int) -> None:
    """Say which kiosk is on a port, and whether it is a gate already."""
    with _told(), Bench(Link(port, baud), _who()) as bench:
        bench.hello()
        kiosk = bench.call(wire.IDENTIFY, wire.Nothing())
        status = bench.call(wire.STATUS, wire.Nothing())
    click.echo(kiosk.model_dump_json(indent=2) if as_json else found(kiosk, status))


@main.command()
def ports() -> None:
    """List this machine's serial ports."""
    listed = sorted(list_ports.comports())
    if not listed:
        click.echo("no serial ports here; plug the kiosk's USB cable in and wait a few seconds", err=True)
    for one in listed:
        usb = f"{one.vid:04x}:{one.pid:04x}" if one.vid is not None else "-"
        facts = (one.device, usb, one.serial_number or "-", one.description or "-")
        click.echo("\t".join(wire.plain(fact) for fact in facts))


@main.command("site-file")
def explain_site_file() -> None:
    """Explain the site's enrolment file, with an example."""
    click.echo(site_file.__doc__)


@main.command()
@click.argument("near", type=click.Path(path_type=Path))
@click.argument("far", type=click.Path(path_type=Path))
@click.option(
    "--noise",
    "rate",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of bytes that are changed, lost or added.",
)
def cable(near: Path, far: Path, rate: float) -> None:
    """Simulate a cable between two ptys, to try both ends on one machine.

    NEAR and FAR become links to its ends; it lasts until it is stopped.
    """
    stop = _stopped_by_signal()
    with _told(), contextlib.closing(Cable(near, far, noise(rate))):
        click.echo(f"a cable from {near} to {far}; Ctrl-C takes it away")
        stop.wait()


def _stopped_by_signal() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _who() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # no name for this uid
        user = "unknown"
    return f"{user}@{platform.node()}"


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Every foreseen failure ends as FAIL, a sentence and exit code 1."""
    try:
        yield
    except BenchFault as fault:
        _fail(str(fault), *fault.faults)
    except (LinkLost, site_file.SiteFault) as fault:
        _fail(*str(fault).splitlines())
    except OSError as fault:
        _fail(f"{fault.filename}: {fault.strerror}" if fault.filename else str(fault))
    except KeyboardInterrupt:
        _fail("stopped by hand; run the same command again to go on")


def _fail(why: str, *more: str) -> NoReturn:
    click.secho(f"FAIL  {why}", fg="red", bold=True)
    for line in more:
        click.echo(f"      {line}")
    sys.exit(1)
