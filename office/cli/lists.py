"""`publish` and `renew`: what the gates are told."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import click
from django.utils import timezone

from agent.core.allowlist import Head
from office import home as homes
from office import hot, publishing, registry, repository
from office.cli.common import home_option, say
from office.faults import OfficeFault
from office.keyring import Keyring
from office.places import Place, alone

directory = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--trust", type=directory, help="Where the key ceremony put its signed files.")
@click.option("--out", type=directory, help="The repository that gates copy from.")
@click.option(
    "--hot", "only_hot", is_flag=True, help="Only what was suspended or revoked since the last list."
)
@home_option
def publish(trust: Path | None, out: Path | None, only_hot: bool, home: Path | None) -> None:
    """Sign a list of all approved passes and put it into the repository.

    --trust and --out are needed the first time; then they are those of the last time.

    \b
    Example:
      menshen-office publish --trust ceremony/ --out repository/
    """
    office = homes.use(home)
    place = _place(office, trust, out)
    with alone(office):
        now = timezone.now()
        if only_hot:
            hot.tell(Path(place.out), Path(place.trust), Keyring.load(office.keys), now)
        else:
            _publish_list(place, Keyring.load(office.keys), now)
        place.remember(office)
    if only_hot:
        say(f"what is denied since the last list is in {place.out}")


def _publish_list(place: Place, keyring: Keyring, now: datetime) -> None:
    out, trust = Path(place.out), Path(place.trust)

    def deliver(head: Head, parts: Mapping[bytes, bytes]) -> None:
        denied = hot.beyond(head, parts, out, now)
        repository.publish(out, trust, keyring, head, parts, now.timestamp(), denied)

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
@click.option("--trust", type=directory, help="Where the key ceremony put its signed files.")
@click.option("--out", type=directory, help="The repository that gates copy from.")
@home_option
def renew(trust: Path | None, out: Path | None, home: Path | None) -> None:
    """Sign again that the newest list is still the newest; run it daily.

    \b
    Example:
      menshen-office renew --trust ceremony/ --out repository/
    """
    office = homes.use(home)
    place = _place(office, trust, out)
    with alone(office):
        keyring = Keyring.load(office.keys)
        renewed = repository.renew(Path(place.out), Path(place.trust), keyring, timezone.now().timestamp())
    say(f"list {renewed.number} in {place.out} is signed again")


def tell_at_once(office: homes.Home) -> bool:
    """Publish what is denied since the last list, where that went; False if there was none yet.

    Raises:
        OfficeFault: the gates could not be told.
    """
    place = Place.last(office)
    if place is None:
        return False
    with alone(office):
        hot.tell(Path(place.out), Path(place.trust), Keyring.load(office.keys), timezone.now())
    return True


def _place(office: homes.Home, trust: Path | None, out: Path | None) -> Place:
    last = Place.last(office)
    if (trust is None or out is None) and last is None:
        raise OfficeFault("found no --trust and --out, wanted both: nothing was published from this home yet")
    return Place(
        trust=str(trust) if trust or not last else last.trust,
        out=str(out) if out or not last else last.out,
    )


COMMANDS = (publish, renew)
