"""Commands that look at a kiosk: `ports`, `identify`, `network`, `time`, `logs`, `doctor`, `support`, `inside`."""

import time as clocks
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from provisioning import durable, usb, wire
from provisioning.cli.common import at_kiosk, link_options, passed, room_for, told
from provisioning.shown import Shown, found


@click.command()
def ports() -> None:
    """List this machine's serial ports, kiosks first.

    \b
    Example:
      menshen-provision ports
    """
    listed = usb.ports()
    if not listed:
        click.echo("no serial ports here; plug the kiosk's USB cable in and wait a few seconds", err=True)
    else:
        click.echo(usb.table(listed))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
@link_options
def identify(*, as_json: bool, **link: Any) -> None:
    """Say which kiosk is on a port, and whether it is a gate already.

    \b
    Example:
      menshen-provision identify --port /dev/ttyACM0
    """
    with told(), at_kiosk(**link) as bench:
        kiosk = bench.call(wire.IDENTIFY, wire.Nothing())
        status = bench.call(wire.STATUS, wire.Nothing())
    click.echo(kiosk.model_dump_json(indent=2) if as_json else found(kiosk, status))


@click.command()
@click.option("--wifi", metavar="NAME", help="Join this Wi-Fi network; its passphrase is asked for.")
@click.option(
    "--wifi-passphrase-file", type=click.Path(path_type=Path, dir_okay=False), help="Holds it instead."
)
@link_options
def network(*, wifi: str | None, wifi_passphrase_file: Path | None, **link: Any) -> None:
    """Show the kiosk's network, or set its Wi-Fi.

    \b
    Example:
      menshen-provision network --wifi Garden --technician ana --technician-key ana.pem
    """
    with told(), at_kiosk(**link) as bench:
        if wifi:
            if wifi_passphrase_file:
                secret = wifi_passphrase_file.read_text().partition("\n")[0]
            else:
                secret = click.prompt("Wi-Fi passphrase", hide_input=True, default="", show_default=False)
            params = wire.WifiParams.model_construct(ssid=wifi, passphrase=secret)
            click.echo(f"Wi-Fi: {bench.call(wire.NETWORK_WIFI, params).told}")
        seen = bench.call(wire.NETWORK_GET, wire.Nothing())
    for one in seen.interfaces:
        click.echo("\t".join((one.name, "up" if one.up else "down", " ".join(one.addresses) or "no address")))
    if seen.wifi:
        click.echo(f"Wi-Fi set: {seen.wifi}")


@click.command()
@click.option("--set", "setting", is_flag=True, help="Set the kiosk's clock to this machine's.")
@link_options
def time(*, setting: bool, **link: Any) -> None:
    """Show the kiosk's clock beside this machine's, or set it.

    \b
    Example:
      menshen-provision time --set --technician ana --technician-key ana.pem
    """
    with told(), at_kiosk(**link) as bench:
        if setting:
            was = bench.call(wire.TIME_SET, wire.TimeParams(utc=clocks.time()))
            click.echo(f"it was {was.off_s:+.1f} s off")
        shown = bench.call(wire.STATUS, wire.Nothing()).clock
    here = datetime.now(UTC).isoformat(timespec="seconds")
    click.echo(f"kiosk {shown}\nbench {here}")
    if setting:
        passed("the kiosk's clock is this machine's")


@click.command()
@click.option(
    "--sessions", is_flag=True, help="The link's own record instead: who came, when, what was done."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write them there.")
@link_options
def logs(*, sessions: bool, out: Path | None, **link: Any) -> None:
    """Fetch the gate's log from the kiosk.

    \b
    Example:
      menshen-provision logs --out north.log --technician ana --technician-key ana.pem
    """
    with told():
        room_for(out)
        with at_kiosk(**link) as bench:
            if out:
                with Shown() as shown:
                    data = bench.read("sessions" if sessions else "log", shown.sent)
            else:
                data = bench.read("sessions" if sessions else "log")
        if out:
            durable.write(out, data)
            passed(f"{len(data)} bytes of log in {out}")
            return
    if not data:
        click.echo("this kiosk's log is empty; `logs --sessions` reads the link's own", err=True)
    for line in data.decode(errors="replace").splitlines():
        click.echo(wire.plain(line, 2000))


@click.command()
@link_options
def doctor(**link: Any) -> None:
    """Say in ten lines how the gate is, and what to do about what is wrong.

    \b
    Example:
      menshen-provision doctor --technician-key lin.pem
    """
    with told(), at_kiosk(**link) as bench:
        said = bench.read("doctor").decode(errors="replace")
    for line in said.splitlines():
        click.echo(wire.plain(line, 2000))


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@link_options
def support(*, file: Path, **link: Any) -> None:
    """Fetch into FILE (.tar.gz) what somebody who is to help needs to see; no secret, nobody's name.

    \b
    Example:
      menshen-provision support north.tar.gz --technician-key lin.pem
    """
    with told():
        room_for(file)
        with at_kiosk(**link) as bench, Shown() as shown:
            data = bench.read("support", shown.sent)
        durable.write(file, data)
        passed(f"{len(data)} bytes in {file}; look through it before you send it on")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@link_options
def inside(*, file: Path, **link: Any) -> None:
    """Fetch into FILE who is inside as the gate knows it, signed; for when the office can't reach its gates.

    Passes by their ids, nobody's name: `menshen-office muster` lays the files of several gates together.

    \b
    Example:
      menshen-provision inside north.muster --technician-key lin.pem
    """
    with told():
        room_for(file)
        with at_kiosk(**link) as bench, Shown() as shown:
            data = bench.read("inside", shown.sent)
        durable.write(file, data)
        passed(f"{len(data)} bytes in {file}, for `menshen-office muster`")
