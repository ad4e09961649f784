"""`site` and `signer`: the beginning of an office or of one more site, and who signs for it."""

import json
from pathlib import Path

import click

from office import home as homes
from office import registry, times
from office.cli.common import home_option, say, use
from office.faults import OfficeFault
from office.files import write_whole
from office.group import Group
from office.keyring import Keyring, make_signer, with_signer, without_signer

PUBLIC_FILE = "office-public.json"


@click.command()
@click.argument("name")
@click.option("--zones", default="main", show_default=True, help="Names with commas, at most 8.")
@click.option("--utc-offset", default="+08:00", show_default=True, help="The site's time of day.")
@home_option
def site(name: str, zones: str, utc_offset: str, home: Path | None) -> None:
    """Make the office of site NAME: its database and its online keys. In a group, one more site.

    The public halves of the keys are written to office-public.json in the home, for
    `menshen-firmware keys`, which signs them with the site's offline keys.

    \b
    Example:
      menshen-office site harbour --zones main,garage --utc-offset +08:00 --home /srv/menshen
    """
    offset_min = times.parse_offset(utc_offset)
    names = [zone.strip() for zone in zones.split(",")]
    registry.check_site(name, names)
    group = Group.at(home or homes.default())
    if group is not None and name == group.name:
        raise OfficeFault(f"{name} is the group's own name; give the site another")
    place = use(home, site=name if group else "", create=True)
    registry.check_unused(name)
    # The site's row comes last, so that whatever interrupts this can be answered by repeating it.
    begun = any(place.keys.glob("*.pem"))
    keyring = Keyring.load(place.keys) if begun else Keyring.make(place.keys)
    public = json.dumps(keyring.office_public(name), indent=2) + "\n"
    write_whole(place.path / PUBLIC_FILE, public.encode())
    registry.make_site(name, names, offset_min)
    click.echo(place.path / PUBLIC_FILE)
    say(
        f"site {name} with zones {', '.join(names)} is in {place.path}; next: have the keys in that file signed"
    )


@click.command()
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="For that person's key."
)
@click.option("--replace", "lost", metavar="KEY", help="In place of somebody's lost key, which begins so.")
@home_option
def signer(out: Path, lost: str | None, home: Path | None) -> None:
    """Make a key for one more person, without whom no list is valid, and name it in office-public.json.

    Have that file signed with the site's offline keys afterwards; until then nothing changes. Who has lost the
    key gets another with --replace, which says whose keys there are when it is given none of them.

    \b
    Examples:
      menshen-office signer --out /media/stick/wang
      menshen-office signer --out /media/stick/wang-2 --replace 3f9a01c2
    """
    place = use(home)
    file = place.path / PUBLIC_FILE
    try:
        public = json.loads(file.read_text(encoding="utf-8"))
        if lost is not None:
            public = without_signer(public, lost, Keyring.load(place.keys).signers["allowlist"])
        whole = with_signer(public, make_signer(out))
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise OfficeFault(f"{file} can't be read: {fault}; restore it from the backup") from fault
    write_whole(file, (json.dumps(whole, indent=2) + "\n").encode())
    wanted = whole["roles"]["allowlist"]["threshold"]
    click.echo(file)
    say(
        f"{wanted} people sign each list once that file is signed; the new key is in {out}, for its keeper alone"
    )


COMMANDS = (site, signer)
