"""menshen-firmware: the key ceremony, releases, images, and updates on a gate."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from firmware_tools import passphrases
from firmware_tools.image_cli import image
from firmware_tools.key_files import CeremonyFault
from firmware_tools.release_cli import release
from firmware_tools.told import Told as _Told
from firmware_tools.update_cli import update

_DIRECTORY: Final = click.Path(path_type=Path, file_okay=False)
_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_passphrase_file = click.option(
    "--passphrase-file",
    type=_FILE,
    help="Read the passphrase from the first line of FILE, mode 0600; else ask.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="menshen", prog_name="menshen-firmware")
def main() -> None:
    """Signed releases, images of whole cards, and the keys that everything rests on.

    Exit codes: 0 done; 1 not done, with the reason on standard error; 2 the command line is wrong.
    """


main.add_command(release)
main.add_command(image)
main.add_command(update)


@main.group()
def keys() -> None:
    """The key ceremony, on a machine without a network.

    \b
    1.  keys make --out KEYS
    2.  the office hands over office-public.json
    3.  keys sign --keys KEYS --office office-public.json --out TRUST
    4.  within half a year, and when a key is lost or stolen: keys rotate --keys KEYS --trust TRUST
    """


@keys.command()
@click.option("--out", required=True, type=_DIRECTORY, help="A new directory for the keys.")
@_passphrase_file
@click.option("--dry-run", is_flag=True, help="Say what would be made; ask nothing, write nothing.")
def make(out: Path, passphrase_file: Path | None, dry_run: bool) -> None:
    """Make 3 root keys (2 must sign), 2 targets keys (2) and 2 firmware keys (2).

    \b
    Example:
      menshen-firmware keys make --out KEYS
    """
    from firmware_tools import ceremony  # noqa: PLC0415  TUF takes a quarter of a second to import

    if dry_run:
        for role, wanted in ceremony.OFFLINE.items():
            for n in range(1, wanted.keys + 1):
                click.echo(
                    f"would make {out / f'{role}-{n}.pem'}  {role}, {wanted.threshold} of {wanted.keys} must sign"
                )
        return
    try:
        made = ceremony.make_keys(out, passphrases.read(passphrase_file, twice=True))
    except CeremonyFault as fault:
        raise _Told(str(fault)) from fault
    for role_keys in made.roles.values():
        for listed in role_keys.keys:
            click.echo(f"made {out / f'{listed.name}.pem'}  {listed.public.keyid}")
    click.echo("Copy each key to a medium of its own, give it to a keeper of its own, and delete it here.")


@keys.command()
@click.argument("directory", type=_DIRECTORY)
def show(directory: Path) -> None:
    """List fingerprints, roles and thresholds; needs no passphrase.

    \b
    Example:
      menshen-firmware keys show KEYS
    """
    from firmware_tools import ceremony  # noqa: PLC0415  as above

    try:
        found = ceremony.show(directory)
    except CeremonyFault as fault:
        raise _Told(str(fault)) from fault
    for role, role_keys in found.roles.items():
        click.echo(f"{role}: {role_keys.threshold} of {len(role_keys.keys)} must sign")
        for listed in role_keys.keys:
            here = "" if (directory / f"{listed.name}.pem").exists() else "  (not in this directory)"
            click.echo(f"  {listed.name:<11} {listed.public.keyid}{here}")


@keys.command()
@click.option("--keys", "keys_dir", required=True, type=_DIRECTORY, help="What `keys make` wrote.")
@click.option("--office", required=True, type=_FILE, help="The office's office-public.json.")
@click.option("--out", required=True, type=_DIRECTORY, help="Where 1.root.json and 1.targets.json go.")
@_passphrase_file
@click.option("--dry-run", is_flag=True, help="Unlock, sign and check, but write nothing.")
def sign(keys_dir: Path, office: Path, out: Path, passphrase_file: Path | None, dry_run: bool) -> None:
    """Let the offline keys vouch for an office: its root of trust.

    \b
    Example:
      menshen-firmware keys sign --keys KEYS --office office-public.json --out TRUST --dry-run
    """
    from firmware_tools import ceremony, key_files  # noqa: PLC0415  as above

    try:
        wanted = key_files.read(office, key_files.OfficePublic, "the file that the office made")
        passphrase = passphrases.read(passphrase_file, twice=False)
        root, targets = ceremony.sign_trust(keys_dir, wanted, passphrase, datetime.now(UTC))
        written = [] if dry_run else ceremony.write_trust(out, root, targets)
    except CeremonyFault as fault:
        raise _Told(str(fault)) from fault
    click.echo(
        f"site {wanted.site}: root until {root.signed.expires:%Y-%m-%d}, targets until {targets.signed.expires:%Y-%m-%d}"
    )
    for role, role_keys in wanted.roles.items():
        for listed in role_keys.keys:
            click.echo(
                f"  {role:<11} {listed.public.keyid}  {role_keys.threshold} of {len(role_keys.keys)} must sign"
            )
    click.echo("Read these aloud and compare them with the office's own.")
    for path in written:
        click.echo(f"wrote {path}")
    if dry_run:
        click.echo(f"dry run: nothing written to {out}")


@keys.command()
@click.option("--keys", "keys_dir", required=True, type=_DIRECTORY, help="What `keys make` wrote.")
@click.option(
    "--trust", required=True, type=_DIRECTORY, help="What `keys sign` wrote; the next versions go there."
)
@click.option(
    "--replace", multiple=True, metavar="NAME", help="A lost or stolen key, such as root-2; repeatable."
)
@click.option("--office", type=_FILE, help="A new office-public.json; else the office keeps its keys.")
@_passphrase_file
@click.option("--dry-run", is_flag=True, help="Unlock, sign and check, but write nothing.")
def rotate(  # noqa: PLR0913, PLR0917  an option each
    keys_dir: Path,
    trust: Path,
    replace: tuple[str, ...],
    office: Path | None,
    passphrase_file: Path | None,
    dry_run: bool,
) -> None:
    """Sign the next root and targets: to renew them, or to replace keys.

    Gates follow by themselves, however many versions they have missed.

    \b
    Examples:
      menshen-firmware keys rotate --keys KEYS --trust TRUST
      menshen-firmware keys rotate --keys KEYS --trust TRUST --replace root-2 --dry-run
    """
    from firmware_tools import key_files, rotation  # noqa: PLC0415  as above

    try:
        before = rotation.Trust.read(trust)
        wanted = (
            key_files.read(office, key_files.OfficePublic, "the file that the office made")
            if office
            else None
        )
        passphrase = passphrases.read(passphrase_file, twice=False)
        done = rotation.rotate(keys_dir, before, replace, wanted, passphrase, datetime.now(UTC))
        written = [] if dry_run else rotation.write_rotation(keys_dir, trust, done)
    except CeremonyFault as fault:
        raise _Told(str(fault)) from fault
    for metadata in (done.root, done.targets):
        signed = metadata.signed
        click.echo(
            f"{signed.type} {signed.version} until {signed.expires:%Y-%m-%d}, {len(metadata.signatures)} signatures"
        )
    for name in done.retired:
        click.echo(f"{name} counts no more once the office has published: destroy what is left of it")
    for path in written:
        click.echo(f"wrote {path}")
    click.echo(
        f"dry run: nothing written to {trust}"
        if dry_run
        else "Give the new files in there to the office, which publishes; keep new keys as the others."
    )


if __name__ == "__main__":
    main()
