"""`new-keys`: when somebody else may have the office's keys."""

import json
from pathlib import Path

import click
from django.utils import timezone

from office import new_keys, registry, repository
from office.cli.common import home_option, say, use
from office.cli.sites import PUBLIC_FILE
from office.faults import OfficeFault
from office.files import write_whole

_BESIDE = "keys-next"


@click.command("new-keys")
@click.option(
    "--take", is_flag=True, help="Put them in the old ones' place, once the ceremony has signed for them."
)
@click.option(
    "--trust",
    type=click.Path(file_okay=False, path_type=Path),
    help="With --take: where the key ceremony put its signed files.",
)
@home_option
def command(take: bool, trust: Path | None, home: Path | None) -> None:
    """Make the office's keys anew, because somebody else may have them: in two steps, with the ceremony between.

    Until the second step the office goes on with the old ones. After it, `publish`, and start `serve` and
    `ingest` again. Phones go on; printed codes are to be printed again, and their passes are named;
    those of suspended passes when they are resumed.

    \b
    Example:
      menshen-office new-keys
      menshen-firmware keys rotate --keys KEYS --trust TRUST --office office-home/office-public.json
      menshen-office new-keys --take --trust TRUST
    """
    if take != (trust is not None):
        raise click.UsageError("--take and --trust DIRECTORY go together")
    place = use(home)
    beside = place.path / _BESIDE
    if trust is None:
        _make(place.path / PUBLIC_FILE, place.keys, beside)
        return
    signed = repository.trusted(trust, registry.the_site().name, timezone.now().timestamp())
    printed = new_keys.take(place.keys, beside, signed)
    for one in printed:
        click.echo(one.pass_id)
    say(
        f"the new keys are in place; next: `menshen-office publish --trust {trust}`, start `serve` and `ingest` again, "
        f"make a backup, and print {len(printed)} cards anew"
    )


def _make(file: Path, in_use: Path, beside: Path) -> None:
    try:
        public = json.loads(file.read_text(encoding="utf-8"))
        whole = new_keys.make(in_use, beside, public)
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise OfficeFault(f"{file} can't be read: {fault}; restore it from the backup") from fault
    write_whole(file, (json.dumps(whole, indent=2) + "\n").encode())
    click.echo(file)
    say("next: have the keys in that file signed (`menshen-firmware keys rotate --office`), then --take")


COMMANDS = (command,)
