"""`publish` and `renew`: what the gates are told."""

from collections.abc import Mapping
from pathlib import Path

import click
from django.utils import timezone

from agent.core.allowlist import Head
from office import home as homes
from office import publishing, registry, repository
from office.cli.common import home_option, say
from office.keyring import Keyring

directory = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--trust", required=True, type=directory, help="Where the key ceremony put its signed files.")
@click.option("--out", required=True, type=directory, help="The repository that gates copy from.")
@home_option
def publish(trust: Path, out: Path, home: Path | None) -> None:
    """Sign a list of all approved passes and put it into the repository.

    \b
    Example:
      menshen-office publish --trust ceremony/ --out repository/
    """
    place = homes.use(home)
    keyring = Keyring.load(place.keys)
    now = timezone.now()

    def deliver(head: Head, parts: Mapping[bytes, bytes]) -> None:
        repository.publish(out, trust, keyring, head, parts, now.timestamp())

    published = publishing.publish(
        registry.the_site(),
        now,
        repository.last_number(out),
        {keyring.issuer.key_id: keyring.issuer.public},
        (keyring.ack.public,),
        deliver,
    )
    for sign, pass_ids in (("+", published.added), ("~", published.changed), ("-", published.dropped)):
        for pass_id in pass_ids:
            click.echo(f"{sign} {pass_id}")
    say(
        f"list {published.number} with {published.passes} passes is in {out}: {len(published.added)} new, "
        f"{len(published.changed)} changed, {len(published.dropped)} dropped"
    )


@click.command()
@click.option("--trust", required=True, type=directory, help="Where the key ceremony put its signed files.")
@click.option("--out", required=True, type=directory, help="The repository that gates copy from.")
@home_option
def renew(trust: Path, out: Path, home: Path | None) -> None:
    """Sign again that the newest list is still the newest; run it daily.

    \b
    Example:
      menshen-office renew --trust ceremony/ --out repository/
    """
    place = homes.use(home)
    renewed = repository.renew(out, trust, Keyring.load(place.keys), timezone.now().timestamp())
    say(f"list {renewed.number} in {out} is signed again")


COMMANDS = (publish, renew)
