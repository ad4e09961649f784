"""menshen-firmware image: whole cards, on the machines of those who make kiosks."""

import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from firmware_tools.told import Told

_DIRECTORY: Final = click.Path(path_type=Path, file_okay=False)
_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_HERE: Final = Path(__file__).resolve().parent.parent
_ARCH: Final = {"x86_64": "amd64", "aarch64": "arm64"}
_account = click.option(
    "--account", "account_file", type=_FILE, help="The image's account; else the .json beside the image."
)


@click.group()
def image() -> None:
    """Build the image of a gate's card, and look whether a card holds it.

    \b
    1.  release build --wheels WHEELS --out OUT          on a machine like the gates
    2.  image build OUT/menshen-….tar --out IMAGES       the same, as root
    3.  write IMAGES/menshen-….img to a card, then
    4.  image verify /dev/CARD --account IMAGES/menshen-….json
    """


@image.command()
@click.argument("bundle", type=_FILE)
@click.option("--out", required=True, type=_DIRECTORY, help="Where image, account and list of files go.")
@click.option(
    "--arch",
    type=click.Choice(sorted(_ARCH.values())),
    default=_ARCH.get(platform.machine(), "amd64"),
    show_default=True,
    help="As Debian calls it.",
)
@click.option("--units", type=_DIRECTORY, default=_HERE / "systemd", help="The base system's units.")
@click.option(
    "--built",
    type=int,
    envvar="SOURCE_DATE_EPOCH",
    metavar="UNIX_SECONDS",
    help="Nothing in the image is newer; else the bundle's time. Also SOURCE_DATE_EPOCH.",
)
@click.option(
    "--base-certificate",
    type=_FILE,
    help="PEM. The image takes later base systems that its key has signed; without it, none.",
)
@click.option("--mirror", metavar="URL", help="Debian's archive of a certain day, in place of today's.")
@click.option("--same-as", type=_FILE, help="An earlier image's account: refuse other packages than it had.")
@click.option(
    "--work",
    type=_DIRECTORY,
    default=Path("/var/tmp"),  # noqa: S108  the place for large things; a folder of our own is made in it
    show_default=True,
    help="Where to build; 6 GB.",
)
def build(  # noqa: PLR0913, PLR0917  an option each
    bundle: Path,
    out: Path,
    arch: str,
    units: Path,
    built: int | None,
    base_certificate: Path | None,
    mirror: str | None,
    same_as: Path | None,
    work: Path,
) -> None:
    """Build an image from Debian's packages and a release's BUNDLE: the same input makes the same files.

    \b
    Examples:
      menshen-firmware image build OUT/menshen-0.2.0-x86_64-py3.13.tar --out IMAGES
      menshen-firmware image build BUNDLE --out AGAIN --same-as IMAGES/menshen-0.2.0-trixie-amd64.json
    """
    from firmware_tools.image import build as building  # noqa: PLC0415
    from firmware_tools.image.recipe import ImageFault, Recipe  # noqa: PLC0415

    order = building.Order(
        bundle=bundle,
        units=units,
        guard=_HERE / "firmware_tools" / "device" / "guard.py",
        out=out,
        built_utc=built,
        mirror=mirror,
        same_as=same_as,
        work=work,
        certificate=base_certificate,
    )
    try:
        path, _ = building.build(
            Recipe.read(arch), order, lambda step: click.echo(f"image: {step}", err=True)
        )
    except ImageFault as fault:
        raise Told(str(fault)) from fault
    _tell(path, path.with_suffix(".json"))


@image.command()
@click.argument("path", metavar="IMAGE", type=_FILE)
@_account
@click.option("--out", required=True, type=_DIRECTORY, help="Where the bundle goes.")
@click.option(
    "--certificate", required=True, type=_FILE, help="PEM, as --base-certificate of the kiosks' image."
)
@click.option("--key", required=True, type=_FILE, help="PEM, the certificate's private key.")
def base(path: Path, account_file: Path | None, out: Path, certificate: Path, key: Path) -> None:
    """Sign an image's base system as a bundle for kiosks that run an earlier one.

    \b
    Example:
      menshen-firmware image base IMAGES/menshen-0.2.0-trixie-amd64.img --out BASES --certificate base.pem --key base.key
    """
    from firmware_tools.image import account, carried  # noqa: PLC0415
    from firmware_tools.image.recipe import ImageFault  # noqa: PLC0415

    try:
        said = account.read(account_file or path.with_suffix(".json"))
        made = carried.carry(path, said, out, carried.Signer(certificate, key))
    except ImageFault as fault:
        raise Told(str(fault)) from fault
    click.echo(f"{made}")
    click.echo(
        f"  holds  base system {said.base_version} for {said.arch}, {made.stat().st_size / 1e6:.0f} MB"
    )
    click.echo("  next   on a kiosk, as root: menshen-base install FILE")


@image.command()
@click.argument("path", metavar="IMAGE", type=_FILE)
@_account
def show(path: Path, account_file: Path | None) -> None:
    """Say what an image is made of.

    \b
    Example:
      menshen-firmware image show menshen-0.2.0-amd64.img
    """
    _tell(path, account_file or path.with_suffix(".json"))


@image.command()
@click.argument("path", metavar="IMAGE", type=click.Path(path_type=Path))
@_account
def verify(path: Path, account_file: Path | None) -> None:
    """Say whether an image, or a card that it was written to, holds what its account says.

    A card is verified before its first start, which fills it.

    \b
    Example:
      menshen-firmware image verify /dev/sdX --account menshen-0.2.0-amd64.json
    """
    from firmware_tools.image import account  # noqa: PLC0415
    from firmware_tools.image.recipe import ImageFault  # noqa: PLC0415

    try:
        said = account.read(account_file or path.with_suffix(".json"))
        faults = account.wrong(path, said)
    except ImageFault as fault:
        raise Told(str(fault)) from fault
    if faults:
        raise Told("; ".join(faults) + "; write the image again, or download it again")
    click.echo(f"{path} holds menshen {said.version} for {said.arch}, every partition as its account says")


def _tell(path: Path, account_file: Path) -> None:
    from firmware_tools.image import account  # noqa: PLC0415
    from firmware_tools.image.recipe import MIB, ImageFault  # noqa: PLC0415

    try:
        said = account.read(account_file)
    except ImageFault as fault:
        raise Told(str(fault)) from fault
    click.echo(f"{path}")
    click.echo(
        f"  holds     menshen {said.version} on Debian {said.recipe} for {said.arch}, {len(said.packages)} packages"
    )
    click.echo(f"  bundle    {said.bundle}")
    click.echo(f"  contents  {said.contents}")
    click.echo(
        f"  built     nothing in it is newer than {datetime.fromtimestamp(said.built_utc, UTC):%Y-%m-%d %H:%M} UTC"
    )
    if said.base_version:
        takes = f"takes others signed for the certificate {said.takes}" if said.takes else "takes no other"
        click.echo(f"  base      {said.base_version}, {takes}")
    for one in said.partitions:
        click.echo(f"  {one.name:<15} {one.bytes // MIB:>5} MiB  {one.sha256 or 'empty'}")
