"""menshen-agent inside."""

import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from agent.cli.common import config_option, fail, loaded, not_allowed


@click.command()
@config_option
@click.option(
    "--hours",
    type=click.IntRange(1, 24 * 366),
    default=24 * 7,
    show_default=True,
    help="Passages longer ago are left out.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Write the account, signed, for the office to lay together; - is standard output.",
)
def inside(config_path: Path, hours: int, out: Path | None) -> None:
    """Print who is inside as this gate knows it: pass, zone, gate, since. For when the office can't be asked.

    It knows its own passages, and what the site's other gates have told it. Whose passes they are only the
    office knows: `menshen-office muster` takes the files of several gates and has the names.

    \b
    Examples:
      sudo menshen-agent inside
      sudo menshen-agent inside --out north.muster
    """
    from agent.core.memory import Way  # noqa: PLC0415
    from agent.core.muster import newest  # noqa: PLC0415
    from agent.device_key import KeyFault, load_signer  # noqa: PLC0415
    from agent.wiring.inside import account  # noqa: PLC0415
    from hw.clocks import SystemClock  # noqa: PLC0415

    config = loaded(config_path)
    now = SystemClock(config.clock.trust).now()
    try:
        found = account(config, now, now.utc - 3600 * hours)
        if out is not None:
            found = found.signed(load_signer(config.journal_key)(found.signed_by_gate()))
    except PermissionError as fault:
        not_allowed(fault, "inside")
    except sqlite3.Error as fault:
        fail(
            f"the journal {config.journal_file} can't be read: {fault}; has this gate run, and is this its user?"
        )
    except KeyFault as fault:
        fail(str(fault))
    if str(out) == "-":
        sys.stdout.buffer.write(found.to_bytes())
        return
    if out is not None:
        try:
            out.write_bytes(found.to_bytes())
        except OSError as fault:
            fail(f"{out}: {fault.strerror}")
    within = [one for one in newest(found.seen).values() if one.way is Way.IN]
    for one in sorted(within, key=lambda one: (one.zone, one.at_utc)):
        when = datetime.fromtimestamp(one.at_utc, UTC)
        click.echo(f"{one.pass_id}\t{one.zone}\t{one.gate}\t{when:%Y-%m-%d %H:%M:%S}Z")
    said = f"{len(within)} inside, by what gate {config.gate} knows; its clock is {now.trust}"
    click.echo(f"{said}; {out} is for `menshen-office muster`" if out is not None else said, err=True)
