"""`publish`, `sign`, `renew` and `mirror`: what the gates are told."""

from dataclasses import replace
from pathlib import Path

import click
from django.utils import timezone

from office import home as homes
from office import hot, logs, publishing, repository
from office.cli.common import F, home_option, say, until_told, use
from office.differences import hearing
from office.drafts import Draft
from office.faults import OfficeFault
from office.keyring import Keyring, load_signer
from office.mirror import keep_for_ever
from office.places import Place, alone
from office.telling import link_to, mirror_of, mirror_to, publish_list

directory = click.Path(file_okay=False, path_type=Path)
_file = click.Path(dir_okay=False, path_type=Path)


def _broker_options(command: F) -> F:
    username = click.option("--username", help="For the broker; not the one that `ingest` uses.")
    return username(
        click.option("--password-file", type=_file, help="Its first line is the password.")(command)
    )


@click.command()
@click.option("--trust", type=directory, help="Where the key ceremony put its signed files.")
@click.option("--out", type=directory, help="The repository that gates copy from.")
@click.option(
    "--hot", "only_hot", is_flag=True, help="Only what was suspended or revoked since the last list."
)
@click.option(
    "--draft", type=directory, help="Sign it here once, for another person to `sign`; publish nothing."
)
@click.option("--mirror", "broker", metavar="HOST:PORT", help="A broker that keeps a copy for its gates.")
@_broker_options
@home_option
def publish(  # noqa: PLR0913, PLR0917  an option each
    trust: Path | None,
    out: Path | None,
    only_hot: bool,
    draft: Path | None,
    broker: str | None,
    username: str | None,
    password_file: Path | None,
    home: Path | None,
) -> None:
    """Sign a list of all approved passes and put it into the repository.

    --trust and --out are needed the first time; then they, and the broker, are those of the last time.

    \b
    Example:
      menshen-office publish --trust ceremony/ --out repository/
    """
    office = use(home)
    place = _place(office, trust, out)
    if broker:
        place = replace(place, broker=broker, username=username or "", password_file=str(password_file or ""))
    with alone(office):
        now = timezone.now()
        if only_hot:
            hot.tell(Path(place.out), Path(place.trust), Keyring.load(office.keys), now)
        else:
            made = publish_list(place, Keyring.load(office.keys), now, draft)
            _say(made, draft or Path(place.out), drafted=draft is not None)
        place.remember(office)
        if draft is None:
            mirror_to(place, office)
    if only_hot:
        say(f"what is denied since the last list is in {place.out}")


def _say(published: publishing.Published, out: Path, *, drafted: bool) -> None:
    for sign, pass_ids in (("+", published.added), ("~", published.changed), ("-", published.dropped)):
        for pass_id in pass_ids:
            click.echo(f"{sign} {pass_id}")
    say(
        f"list {published.number} with {published.passes} passes is in {out}: {len(published.added)} new, "
        f"{len(published.changed)} changed, {len(published.dropped)} dropped"
    )
    if drafted:
        say(f"no gate hears of it yet; next: another person runs `menshen-office sign {out} --keys THEIRS`")


@click.command()
@click.argument("draft", type=directory)
@click.option("--keys", required=True, type=directory, help="The signer's own, made by `signer`.")
@home_option
def sign(draft: Path, keys: Path, home: Path | None) -> None:
    """Sign a drafted list as the second person; when it has all its signatures it is published.

    \b
    Example:
      menshen-office sign draft/ --keys /media/stick/wang
    """
    office = use(home)
    place = _place(office, None, None)
    waiting = Draft.read(draft)
    with alone(office):
        now = timezone.now()
        waiting.sign(load_signer(keys))
        if missing := waiting.lacks(Path(place.trust), now.timestamp()):
            say(f"list {waiting.head.number} is signed, and not yet complete: {missing}")
            return
        denied = hot.beyond(waiting.head, waiting.parts, Path(place.out), now)
        waiting.publish(
            Path(place.out), Path(place.trust), Keyring.load(office.keys), now.timestamp(), denied
        )
        mirror_to(place, office)
    say(f"list {waiting.head.number} has its signatures and is in {place.out}")


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
    office = use(home)
    place = _place(office, trust, out)
    with alone(office):
        keyring = Keyring.load(office.keys)
        hearing.must_not_be_behind(repository.last_number(Path(place.out)))
        renewed = repository.renew(Path(place.out), Path(place.trust), keyring, timezone.now().timestamp())
        mirror_to(place, office)
    say(f"list {renewed.number} in {place.out} is signed again")


@click.command()
@click.option("--broker", metavar="HOST:PORT", help="Else that of the last `publish --mirror`.")
@click.option("--out", type=directory, help="The repository; else that of the last publication.")
@_broker_options
@home_option
def mirror(
    broker: str | None, out: Path | None, username: str | None, password_file: Path | None, home: Path | None
) -> None:
    """Keep the list on a broker's retained topics until SIGTERM; the broker may come and go.

    Each time it comes back, what it still has is compared with the repository, topic by topic.

    \b
    Example:
      menshen-office mirror --broker 127.0.0.1:1883 --username publisher --password-file broker.password
    """
    logs.configure()
    stop = until_told()
    office = use(home)
    last = Place.last(office) or Place("", "")
    if not (broker or last.broker) or not (out or last.out):
        raise OfficeFault(
            "found no --broker or no --out, wanted both: nothing was published from this home yet"
        )
    place = replace(last, out=str(out or last.out), broker=broker or last.broker)
    if broker:
        place = replace(place, username=username or "", password_file=str(password_file or ""))
    keep_for_ever(mirror_of(place, office), lambda: link_to(place), stop)


def _place(office: homes.Home, trust: Path | None, out: Path | None) -> Place:
    last = Place.last(office)
    if last is None:
        if trust is None or out is None:
            raise OfficeFault(
                "found no --trust and --out, wanted both: nothing was published from this home yet"
            )
        return Place(str(trust), str(out))
    return replace(last, trust=str(trust or last.trust), out=str(out or last.out))


COMMANDS = (publish, sign, renew, mirror)
