"""`enrol`, `batch`, and the guided way: kiosks become gates."""

import os
from pathlib import Path
from typing import Final

import click

from agent.core.allowlist import NAME
from provisioning import batch as batches
from provisioning import site_file, usb, wire
from provisioning.bench import Bench
from provisioning.cli.common import (
    baud_option,
    credentials_of,
    link_options,
    name,
    passed,
    passphrase_option,
    port_of,
    port_option,
    room_for,
    site_option,
    technician_of,
    told,
    who,
)
from provisioning.credentials import Credentials
from provisioning.enrol import Record
from provisioning.enrol import enrol as enrol_kiosk
from provisioning.label import Label, fingerprint
from provisioning.link import BAUD, Link
from provisioning.shown import Shown
from provisioning.site_file import GatePlan, Site

_DEFAULT_SITE_FILE: Final = "site.toml"
_DIRECTIONS: Final[click.Choice[site_file.Direction]] = click.Choice(["in", "out", "both"])


@click.command()
@site_option
@click.option(
    "--gate", required=True, callback=name, metavar="NAME", help="The gate's name in the feed, such as north."
)
@click.option(
    "--direction", type=_DIRECTIONS, default="both", show_default=True, help="Which way people pass it."
)
@click.option(
    "--zone", default="main", show_default=True, callback=name, metavar="NAME", help="What it leads into."
)
@click.option(
    "--name", "title", default="", metavar="TEXT", help="What people call it, such as `North gate`."
)
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write what `menshen-office gate add` needs, as JSON.",
)
@click.option(
    "--label",
    type=click.Path(path_type=Path),
    metavar="STEM",
    help="Write the kiosk's label as STEM.png and STEM.pdf.",
)
@click.option(
    "--patience",
    type=click.FloatRange(0, 3600),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a pulled cable is waited for.",
)
@link_options
def enrol(  # noqa: PLR0913  an option each
    *,
    port: str | None,
    site_path: Path,
    gate: str,
    direction: site_file.Direction,
    zone: str,
    title: str,
    record: Path | None,
    label: Path | None,
    patience: float,
    baud: int,
    technician: str | None,
    technician_key: Path | None,
    passphrase_file: Path | None,
) -> None:
    """Enrol the kiosk on a port; ends with PASS or FAIL.

    It may be run again after any interruption: the kiosk goes on where it was, and the same
    enrolment twice is one.

    \b
    Example:
      menshen-provision enrol --site-file site.toml --gate north --record north.json
    """
    plan = GatePlan(gate, direction, zone, wire.plain(title, 80))
    with told():
        room_for(record, label and label.with_name(f"{label.name}.png"))
        site = _site(site_path)
        held = credentials_of(
            site, technician_of(technician, technician_key, passphrase_file), passphrase_file
        )
        done = _enrolled(port_of(port), baud, site, plan, patience, held)
        _keep(done, record, label)
    click.echo(f"journal key: {done.journal_key}")
    passed(f"kiosk {done.device_id} is gate {done.gate} of site {done.site}")


@click.command()
@click.argument("list_path", metavar="SITE.csv", type=click.Path(path_type=Path, dir_okay=False))
@site_option
@click.option(
    "--records",
    type=click.Path(path_type=Path),
    default=Path("records"),
    show_default=True,
    help="A record and a label for each gate; a gate whose record is here is done.",
)
@port_option
@baud_option
@passphrase_option
def batch(  # noqa: PLR0913  an option each
    *,
    list_path: Path,
    site_path: Path,
    records: Path,
    port: str | None,
    baud: int,
    passphrase_file: Path | None,
) -> None:
    """Enrol many kiosks, one after the other, by a list.

    \b
    SITE.csv has a heading and a line for each gate:
      gate,name,direction,zone
      north,North gate,in,main

    Plug in a blank kiosk, wait for PASS, plug in the next. After any interruption run it again: what
    is done is not done twice, and a kiosk that got its configuration but not its record gets it now.

    \b
    Example:
      menshen-provision batch SITE.csv --site-file site.toml
    """
    with told():
        plans = batches.read(list_path)
        site = _site(site_path)
        held = credentials_of(site, None, passphrase_file)
        with Shown() as shown:

            def next_bench(done: set[str]) -> batches.OpenBench:
                path = port or batches.wait_for_kiosk(usb.ports, done, shown.say)
                return lambda: Bench(Link(path, baud), who(), shown.say)

            for done in batches.run(plans, site, records, next_bench, shown, held):
                _keep(done, None, records / done.gate)
                shown.say(f"PASS  kiosk {done.device_id} is gate {done.gate}")
                if port:
                    shown.pause("plug in the next kiosk and press Enter")
        click.echo(batches.summary(plans, records))
    passed(f"{len(plans)} gates of site {site.facts.site} are enrolled")


def guided(port: str | None) -> None:
    """Find the kiosk, ask what only the technician knows, enrol, print the label."""
    with told():
        path = port_of(port)
        site = _site(_asked_site_file())
        held = credentials_of(site, None, None)
        click.echo(f"kiosk on {path}")
        plan = GatePlan(
            gate=click.prompt("gate, such as north", value_proc=_named),
            name=wire.plain(click.prompt("what people call it", default="", show_default=False), 80),
            direction=click.prompt("direction", type=_DIRECTIONS, default="both"),
            zone=click.prompt("zone", default="main", value_proc=_named),
        )
        wifi = click.prompt("Wi-Fi network (empty for cable)", default="", show_default=False)
        if wifi:
            secret = click.prompt("Wi-Fi passphrase", hide_input=True, default="", show_default=False)
            with Bench(Link(path), who()) as bench:
                bench.hello()
                joined = bench.call(
                    wire.NETWORK_WIFI, wire.WifiParams.model_construct(ssid=wifi, passphrase=secret)
                )
            click.echo(f"Wi-Fi: {joined.told}")
        done = _enrolled(path, BAUD, site, plan, 30.0, held)
        folder = Path("records")
        folder.mkdir(exist_ok=True)
        _keep(done, folder / f"{done.gate}.json", folder / done.gate)
    click.echo(f"key fingerprint: {fingerprint(done.journal_key)}")
    passed(f"kiosk {done.device_id} is gate {done.gate} of site {done.site}")


def _enrolled(  # noqa: PLR0913, PLR0917  as enrol
    path: str, baud: int, site: Site, plan: GatePlan, patience_s: float, held: Credentials
) -> Record:
    with Shown() as shown:
        return enrol_kiosk(
            lambda: Bench(Link(path, baud), who(), shown.say), site, plan, shown, patience_s, held
        )


def _site(path: Path) -> Site:
    site = site_file.read(path)
    click.echo(f"site {site.facts.site}; root of trust: {site.root_facts}")
    return site


def _keep(done: Record, record: Path | None, label: Path | None) -> None:
    if record:
        done.write(record)
        click.echo(f"enrolment record: {record}")
    if label:
        png, pdf = Label.of(done).write(label)
        click.echo(f"label: {png}, {pdf}")


def _asked_site_file() -> Path:
    named = os.environ.get("MENSHEN_SITE_FILE", _DEFAULT_SITE_FILE)
    return Path(named) if Path(named).exists() else Path(click.prompt("the site's enrolment file"))


def _named(value: str) -> str:
    if not NAME.fullmatch(value):
        raise click.BadParameter(f"found {value!r}, wanted 1 to 32 of a-z, 0-9 and -")
    return value
