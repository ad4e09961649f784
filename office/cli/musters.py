"""`muster`: who is inside, also by what gates say themselves."""

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from agent.core.moments import Trust
from agent.core.muster import MAX_BYTES
from office import mustering, registry, times
from office.cli.common import home_option, say, use
from office.faults import OfficeFault
from office.web import follower, muster


@click.command("muster")
@click.argument("files", nargs=-1, type=click.Path(dir_okay=False, path_type=Path))
@home_option
def muster_list(files: tuple[Path, ...], home: Path | None) -> None:
    """List who is inside: zone, name, flat, pass, kind, gate, since; with FILES that gates wrote themselves.

    Where the office can't hear its gates, `menshen-agent inside --out north.muster` at a gate, or
    `menshen-provision inside north.muster` over the cable, fetches what that gate and its fellows know. A
    gate with a * is one whose own word the passage is.

    \b
    Examples:
      menshen-office muster
      menshen-office muster north.muster garage.muster
    """
    use(home)
    site = registry.the_site()
    begin = time.monotonic()
    accounts = [mustering.read_file(one.name, _bytes(one), site) for one in files]
    follower.catch_up()
    count = 0
    for zone, those in muster.inside(accounts, names=True):
        for one in those:
            count += 1
            since = times.show_seconds(datetime.fromtimestamp(one.since_utc, UTC), site.utc_offset_min)
            gate = f"{one.gate}*" if one.told_by_gates else one.gate
            words = (zone or "-", one.name or "-", one.unit or "-", one.pass_id, one.kind or "-", gate, since)
            click.echo("\t".join(words))
    for account in accounts:
        if account.clock is Trust.UNKNOWN:
            say(f"the clock of gate {account.gate} was unsure")
    say(f"{count} inside; after {time.monotonic() - begin:.1f} s")


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except OSError as fault:
        raise OfficeFault(f"{file} can't be read: {fault.strerror}") from fault


COMMANDS = (muster_list,)
