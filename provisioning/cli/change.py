"""Commands that change a gate that stands: `config`, `backup`, `restore`, `decommission`."""

import json
import time
from pathlib import Path
from typing import Any

import click

from agent.core.keys import PublicKey, verify
from agent.core.moments import iso
from provisioning import changes, durable, site_file, wire
from provisioning.bench import BenchFault
from provisioning.cli.common import (
    at_kiosk,
    credentials_of,
    link_options,
    name,
    passed,
    room_for,
    site_option,
    told,
)
from provisioning.shown import Shown


@click.group()
def config() -> None:
    """Show a gate's configuration, or change one setting."""


@config.command("get")
@click.argument("key", required=False)
@link_options
def get(*, key: str | None, **link: Any) -> None:
    """Print gate.toml, or the lines of one KEY such as door.open_s.

    \b
    Example:
      menshen-provision config get door.open_s --technician ana --technician-key ana.pem
    """
    with told():
        with at_kiosk(**link) as bench:
            text = changes.config(bench)
        lines = changes.picked(text, key).splitlines() if key else text.splitlines()
    for line in lines:
        click.echo(wire.plain(line, 2000))


@config.command("set")
@click.argument("settings", nargs=-1, required=True, metavar="KEY=VALUE…")
@link_options
def put(*, settings: tuple[str, ...], **link: Any) -> None:
    """Change settings, such as door.open_s=4.0; an empty VALUE takes one out.

    The kiosk's own check judges the result before it is in force.

    \b
    Example:
      menshen-provision config set door.open_s=4.0 --technician ana --technician-key ana.pem
    """
    with told(), at_kiosk(**link) as bench, Shown() as shown:
        done = changes.set_config(bench, changes.parsed(settings), shown)
    passed(f"gate {done.gate} has {len(settings)} new setting{'s' if len(settings) != 1 else ''}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@link_options
def backup(*, file: Path, **link: Any) -> None:
    """Write a gate's configuration to FILE; no key and no password is in it.

    \b
    Example:
      menshen-provision backup north.backup --technician ana --technician-key ana.pem
    """
    with told():
        room_for(file)
        with at_kiosk(**link) as bench:
            kept = changes.back_up(bench)
        kept.write(file)
    passed(f"gate {kept.gate} of site {kept.site} is in {file}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@site_option
@link_options
def restore(*, file: Path, site_path: Path, **link: Any) -> None:
    """Make a kiosk, this or a new one, the gate of a backup.

    Passwords and the certificate come from the site's file; the journal key is the kiosk's own, so a
    new kiosk is put on record with `menshen-office gate add --replace`.

    \b
    Example:
      menshen-provision restore north.backup --site-file site.toml
    """
    with told():
        kept = changes.read_backup(file)
        site = site_file.read(site_path)
        held = credentials_of(site, None, link["passphrase_file"])
        with at_kiosk(**link) as bench, Shown() as shown:
            done = changes.restore(bench, kept, site, held, shown)
    click.echo(f"journal key: {done.journal_key}")
    passed(f"kiosk {done.device_id} is gate {done.gate} of site {done.site}")


@click.command()
@click.option("--gate", required=True, callback=name, metavar="NAME", help="Which it must be.")
@click.option(
    "--record", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The signed record."
)
@click.option("--yes", is_flag=True, help="Do not ask again.")
@link_options
def decommission(*, gate: str, record: Path, yes: bool, **link: Any) -> None:
    """Take a gate out of service: its keys are destroyed and its data is wiped.

    Events that the office has not yet acknowledged are lost: let it sync first. The record is for the office, and for
    `ca revoke`, which lists the kiosk's certificate as revoked.

    \b
    Example:
      menshen-provision decommission --gate north --record gone.json --technician ana --technician-key ana.pem
    """
    with told():
        room_for(record)
        with at_kiosk(**link) as bench, Shown() as shown:
            bench.heed = shown.say
            if not yes:
                shown.pause(f"Enter destroys the keys and data of gate {gate}; Ctrl-C does not")
            done = bench.call(wire.DECOMMISSION, wire.DecommissionParams(gate=gate, at=iso(time.time())))
        key = PublicKey.parse(done.journal_key)
        if done.gate != gate or not verify(key, bytes.fromhex(done.signature), wire.decommission_text(done)):
            raise BenchFault("the kiosk's record is not signed by its own key; look at the kiosk by hand")
        durable.write(record, (json.dumps(done.model_dump(), indent=2) + "\n").encode())
    click.echo(f"record: {record}; have the office take gate {gate} off its list")
    if done.certificate:
        click.echo(f"revoke its certificate: menshen-provision ca revoke {record}")
    passed(f"kiosk {done.device_id} is no gate any more")
