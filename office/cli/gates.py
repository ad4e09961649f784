"""`gate add`, `gate list` and `fellows-key`."""

import json
from pathlib import Path
from typing import Any

import click
from cryptography.fernet import Fernet
from django.db import transaction

from office import registry
from office.cli.common import by_option, home_option, say, use
from office.faults import OfficeFault
from office.files import write_new
from office.models import Gate

_MAX_RECORD_BYTES = 64 * 1024


@click.group()
def gate() -> None:
    """Put gates on record, and see which there are."""


@gate.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Another device takes this gate's name.")
@click.option("--by", default="technician", show_default=True, metavar="NAME", help="Kept in the history.")
@home_option
def add(file: Path, replace: bool, by: str, home: Path | None) -> None:
    """Put a gate on record from FILE, the record that `menshen-provision enrol` writes.

    \b
    Example:
      menshen-office gate add north.json --by chen
    """
    use(home)
    added = registry.add_gate(_read(file), replace=replace, by=by)
    say(
        f"gate {added} is on record with device {added.device_id}; the site's other gates believe it "
        "from the next `menshen-office publish` on"
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            record = json.loads(opened.read(_MAX_RECORD_BYTES))
    except (OSError, ValueError, RecursionError) as fault:
        raise OfficeFault(
            f"the enrolment record {file} can't be read: {fault}; wanted the JSON that "
            "`menshen-provision enrol` writes"
        ) from fault
    if not isinstance(record, dict):
        raise OfficeFault(f"found {type(record).__name__} in {file}, wanted one JSON object")
    return record


@gate.command("list")
@home_option
def list_gates(home: Path | None) -> None:
    """List the gates: name, zone, direction, device, and the newest event that is kept.

    \b
    Example:
      menshen-office gate list
    """
    use(home)
    for one in Gate.objects.order_by("name"):
        newest = one.epochs.order_by("-pk").first()
        upto = f"{newest.name}/{newest.upto}" if newest else "nothing yet"
        click.echo(f"{one.name}\t{one.zone}\t{one.direction}\t{one.device_id}\t{upto}")


@click.command("fellows-key")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@by_option
@home_option
def fellows_key(file: Path, by: str, home: Path | None) -> None:
    """Make the key with which a site's gates tell each other, over the local network, who passed.

    Give the same FILE to each gate at its enrolment, and to nobody else. To change it, put the new
    key's line above the old one at each gate, and take the old one away when all have both.

    \b
    Example:
      menshen-office fellows-key fellows.key --by chen
    """
    use(home)
    try:
        with transaction.atomic():
            registry.note(by, "fellows-key.made", str(registry.the_site()), "")
            write_new(file, Fernet.generate_key() + b"\n", 0o600)
    except OSError as fault:
        raise OfficeFault(f"the key can't be written to {file}: {fault.strerror}") from fault
    say(f"the key is in {file}; name it in the site file as fellows_key, or copy it to each gate")


COMMANDS = (gate, fellows_key)
