"""`ingest`, `feed`, `alerts`."""

import os
import secrets
import select
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import click
from django.db import DatabaseError
from django.utils import timezone

from office import feed as feeds
from office import feed_forms as forms
from office import home as homes
from office import logs, registry, times
from office.cli.common import home_option, say, until_told, use
from office.escalation import Switchboard, ring
from office.faults import OfficeFault
from office.fleet import Fleet
from office.group import FILE, Group
from office.home import DatabaseAway, Home
from office.ingest.intake import Intake
from office.ingest.subscriber import Address, Subscriber, broker_of
from office.ingest.worker import work
from office.keyring import Keyring
from office.models import Alert, Site

_POLL_MS = 100
_LOOK_S = 1.0
_AGAIN_S = 1.0
_HOLD_S = 1.0  # a gate's patience is 2 s


@click.command()
@click.option(
    "--broker", metavar="HOST:PORT", help="Where the gates send; in a group its file says it for each site."
)
@click.option("--username", help="For the broker.")
@click.option(
    "--password-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Its first line is the password; read again at each attempt.",
)
@click.option(
    "--client-id", help="Of the MQTT session; one for each ingester. [default: menshen-office-SITE]"
)
@click.option(
    "--share",
    is_flag=True,
    help="Share the work with other ingesters that say so, each under its own client id."
    " The broker must know shared subscriptions, as Mosquitto does.",
)
@home_option
def ingest(  # noqa: PLR0913, PLR0917  an option each
    broker: str | None,
    username: str | None,
    password_file: Path | None,
    client_id: str | None,
    share: bool,
    home: Path | None,
) -> None:
    """Take the gates' events in from an MQTT broker, until SIGTERM; broker and database may come and go.

    For a group without --site each of its sites gets a process, with the broker that group.toml names.

    \b
    Examples:
      menshen-office ingest --broker 127.0.0.1:1883 --username office --password-file broker.password
      menshen-office ingest --broker 127.0.0.1:1883 --share
      menshen-office ingest --home /srv/menshen
    """
    logs.configure()
    stop = until_told()
    place = _opened(lambda: use(home, whole=True), stop)
    if place is None:
        return
    if place.group and place.whole:
        if broker or client_id:
            raise OfficeFault(
                f"found --broker or --client-id for a whole group; say them in {FILE}, or give --site"
            )
        _ingest_group(place.group, stop, share=share)
        return
    wanted = Address.parse(broker, username, password_file) if broker else broker_of(place)
    if wanted is None:
        raise OfficeFault("found no broker; wanted --broker HOST:PORT, or the site's in group.toml")
    _take_in(place, wanted, stop, client_id=client_id, share=share)


def _ingest_group(group: Group, stop: threading.Event, *, share: bool) -> None:
    fleet = Fleet(group, _ingest_site, lambda _: (share,))
    fleet.start()
    try:
        stop.wait()
    finally:
        fleet.stop()


def _ingest_site(group: Path, site: str, share: bool) -> None:
    """The life of one site's ingester in a group."""
    logs.configure()
    stop = until_told()
    place = _opened(lambda: homes.use(group, site), stop)
    if place is None:
        return
    broker = broker_of(place)
    if broker is None:
        logs.log.warning("ingest.idle", site=site, next=f"name its broker in {FILE}, then start this anew")
        stop.wait()
        return
    _take_in(place, broker, stop, share=share)


def _take_in(
    place: Home, broker: Address, stop: threading.Event, *, client_id: str | None = None, share: bool
) -> None:
    site = registry.the_site()
    group = f"menshen-office-{site}"
    intake = Intake(site.name, Keyring.load(place.keys).ack.sign, hold_s=_HOLD_S if share else 0.0)
    subscriber = Subscriber(
        broker,
        client_id or (f"{group}-{secrets.token_hex(4)}" if share else group),
        f"site/{site}/gate/+/log",
        share=group if share else "",
    )
    try:
        work(subscriber, intake, stop)
    finally:
        subscriber.close()


def _opened(opening: Callable[[], Home], stop: threading.Event) -> Home | None:
    """The office, as soon as its database is there; None if told to stop before."""
    while True:
        try:
            home = opening()
            registry.the_site()
        except (DatabaseAway, DatabaseError) as fault:
            logs.log.warning(
                "ingest.database", found=str(fault), next="tries again; the gates keep their events"
            )
            if stop.wait(_AGAIN_S):
                return None
        else:
            return home


@click.command()
@click.option("--follow", is_flag=True, help="Go on with new events as they come.")
@click.option("--gate", "gates", multiple=True, help="May be given several times.")
@click.option("--kind", "kinds", multiple=True, help="Such as pass.refused; may be given several times.")
@click.option("--result", default="", help="admitted, refused, or a reason such as expired.")
@click.option("--pass", "pass_id", default="", metavar="PASS_ID", help="Only this pass.")
@click.option("--since", metavar="TIME", help="2026-05-01 or 2026-05-01T08:30, by the gate's clock.")
@click.option("--until", metavar="TIME", help="A date alone is included.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "jsonl", "csv"]),
    default="table",
    show_default=True,
    help="For people, for programs, or for a spreadsheet.",
)
@home_option
def feed(  # noqa: PLR0913, PLR0917  an option each
    follow: bool,
    gates: tuple[str, ...],
    kinds: tuple[str, ...],
    result: str,
    pass_id: str,
    since: str | None,
    until: str | None,
    form: str,
    home: Path | None,
) -> None:
    """Print events in the order in which they came in.

    \b
    Examples:
      menshen-office feed --follow --gate north
      menshen-office feed --result refused --since 2026-05-01 --format csv > refused.csv
    """
    stop = until_told() if follow else threading.Event()
    use(home)
    site = registry.the_site()
    wish = feeds.Wish(
        gates,
        kinds,
        result,
        pass_id,
        times.parse(since, site.utc_offset_min).timestamp() if since else None,
        times.parse(until, site.utc_offset_min, end=True).timestamp() if until else None,
    )
    try:
        _print(wish, _form(form, site), stop, follow=follow)
    except BrokenPipeError:
        # The reader has gone, as `head` does; nothing more can be flushed at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _form(name: str, site: Site) -> forms.Form:
    if name == "jsonl":
        return forms.JsonLines()
    return forms.Csv() if name == "csv" else forms.Table(site.utc_offset_min)


def _print(wish: feeds.Wish, form: forms.Form, stop: threading.Event, *, follow: bool) -> None:
    out = sys.stdout
    out.write(form.head())
    last = 0
    while not stop.is_set():
        newest = feeds.newest()
        for entry in feeds.entries(wish, last, newest) if newest > last else ():
            out.write(form.line(entry))
            if follow:
                out.flush()
            if stop.is_set():
                break
        last = newest
        out.flush()
        if not follow:
            return
        if _reader_has_gone(_POLL_MS):
            return


def _reader_has_gone(wait_ms: int) -> bool:
    """Wait, and notice a closed pipe even if there is nothing to write."""
    poll = select.poll()
    poll.register(sys.stdout, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(wait_ms))


@click.command()
@click.option("--follow", is_flag=True, help="Tell each new alert as a line of JSON, until Ctrl-C.")
@click.option(
    "--late",
    "late_min",
    type=click.IntRange(1, 1440),
    default=15,
    show_default=True,
    metavar="MINUTES",
    help="With --follow: tell it once more when nobody has taken it on by then.",
)
@click.option(
    "--run",
    "program",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --follow: start this program for each, the line on its standard input.",
)
@home_option
def alerts(follow: bool, late_min: int, program: Path | None, home: Path | None) -> None:
    """List what a person must look at, newest last: time, kind, gate, how often, what.

    With --follow it watches instead: whatever rings somebody up at your site (a mail, a phone, a chat)
    reads its lines, or is the PROGRAM that it starts. A program that fails is tried again.

    \b
    Examples:
      menshen-office alerts
      menshen-office alerts --follow --late 10 --run /usr/local/bin/ring-the-guard
    """
    use(home)
    if follow:
        _follow(Switchboard(timedelta(minutes=late_min)), program)
        return
    offset_min = registry.the_site().utc_offset_min
    for one in Alert.objects.order_by("last_at"):
        when = times.show(one.last_at, offset_min)
        click.echo(f"{when}\t{one.kind}\t{one.gate or '-'}\t{one.about or '-'}\t{one.count}\t{one.detail}")


def _follow(board: Switchboard, program: Path | None) -> None:
    stop = until_told()
    while not stop.wait(_LOOK_S):
        for call in board.calls(timezone.now()):
            if program is None:
                click.echo(call.line())
            elif fault := ring(program, call):
                say(f"{program} could not be told of {call.alert}: {fault}; it is tried again")
                break
            board.told(call, timezone.now())


COMMANDS = (ingest, feed, alerts)
