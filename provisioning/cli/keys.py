"""`ca` and `technician`: the keys on the bench's side."""

from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import ValidationError

from provisioning import authority as authorities
from provisioning import durable, wire
from provisioning.authority import Authority, AuthorityFault
from provisioning.cli.common import name, passed, passphrase, passphrase_option, told
from provisioning.technician import Technician

_folder = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("enrolment"),
    show_default=True,
    help="Where the authority is.",
)


@click.group()
def ca() -> None:
    """The site's enrolment authority: it signs gates' certificates for the broker."""


@ca.command()
@click.option(
    "--site", required=True, callback=name, metavar="NAME", help="The site, as its office names it."
)
@click.option("--gate", "gates", multiple=True, metavar="NAME", help="Only for these; again for more.")
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=authorities.AUTHORITY_DAYS,
    show_default=True,
    help="How long it is good for.",
)
@_folder
@passphrase_option
def make(*, site: str, gates: tuple[str, ...], days: int, folder: Path, passphrase_file: Path | None) -> None:
    """Make an authority for a site, or for some gates of it.

    \b
    Example:
      menshen-provision ca make --site garden
    """
    with told():
        secret = passphrase(passphrase_file, "a passphrase for its key")
        Authority.make(folder, site, secret, gates, days)
    click.echo(f"the broker trusts {folder / authorities.CERTIFICATE} for its clients")
    passed(f"enrolment authority of site {site} in {folder}; it is good for {days} days")


@ca.command()
@click.argument("request", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--site", required=True, callback=name, metavar="NAME", help="The site, as its office names it."
)
@click.option("--gate", required=True, callback=name, metavar="NAME", help="The gate that the kiosk becomes.")
@click.option(
    "--days",
    type=click.IntRange(1, 825),
    default=authorities.GATE_DAYS,
    show_default=True,
    help="How long it is good for.",
)
@_folder
@passphrase_option
def sign(  # noqa: PLR0913  an option each
    *, request: Path, site: str, gate: str, days: int, folder: Path, passphrase_file: Path | None
) -> None:
    """Sign a kiosk's REQUEST, which a bench without the authority's key wrote.

    \b
    Example:
      menshen-provision ca sign north.csr --site garden --gate north
    """
    with told():
        try:
            csr = x509.load_pem_x509_csr(request.read_bytes()).public_bytes(Encoding.DER)
        except ValueError as fault:
            raise AuthorityFault(f"{request} is no request in PEM: {fault}") from fault
        opened = Authority.open(folder, passphrase(passphrase_file, f"passphrase of {folder}"))
        pem = opened.certify(csr, site, gate, days)
        out = request.with_suffix(".pem")
        durable.write(out, pem)
    passed(f"{out} is the certificate; the bench wants it in its {authorities.ISSUED} folder")


@ca.command()
@click.argument("records", nargs=-1, metavar="RECORD…", type=click.Path(path_type=Path, dir_okay=False))
@_folder
@passphrase_option
def revoke(*, records: tuple[Path, ...], folder: Path, passphrase_file: Path | None) -> None:
    """List certificates as revoked: RECORDs of decommissioned kiosks, or certificates of lost ones.

    Without any, the list is signed anew, which the broker wants every 30 days.

    \b
    Example:
      menshen-provision ca revoke gone.json
    """
    with told():
        serials = [_serial(path) for path in records]
        opened = Authority.open(folder, passphrase(passphrase_file, f"passphrase of {folder}"))
        path = opened.revoke(serials)
    passed(f"{path} lists what is revoked; give it to the broker (crlfile in Mosquitto) and reload it")


def _serial(path: Path) -> int:
    data = path.read_bytes()
    serial = authorities.serial_of(data)
    if not serial:
        try:
            serial = wire.DecommissionRecord.model_validate_json(data).certificate
        except ValidationError as fault:
            raise AuthorityFault(f"{path} is neither a record of ours nor a certificate") from fault
    if not serial:
        raise AuthorityFault(f"{path}: that kiosk had no certificate")
    return int(serial, 16)


@click.command()
@click.argument("who", metavar="NAME", callback=name)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The key.")
@passphrase_option
def technician(*, who: str, out: Path, passphrase_file: Path | None) -> None:
    """Make a technician's key, which opens the sealed kiosks of sites that name it.

    \b
    Example:
      menshen-provision technician ana --out ana.pem
    """
    with told():
        made = Technician.make(who, out, passphrase(passphrase_file, "a passphrase for the key"))
    click.echo("for the site's enrolment file:\n\n[technicians]")
    click.echo(f'{who} = "{made.public}"')
