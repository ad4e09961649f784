"""`audit`: show, check and copy the log of what anybody read or changed."""

from datetime import UTC, datetime
from pathlib import Path

import click

from agent.core.keys import PublicKey
from office import registry, times
from office.audit import book, keeper
from office.cli.common import home_option, say, use
from office.faults import OfficeFault
from office.files import write_streamed
from office.keyring import audit_key
from office.models import Act

_file = click.Path(dir_okay=False, path_type=Path)


@click.group()
def audit() -> None:
    """What anybody read or changed in this office: show it, check it, copy it.

    \b
    Examples:
      menshen-office audit show --who chen --since 2026-05-01
      menshen-office audit export may.jsonl
      menshen-office audit verify may.jsonl --key ed25519:… --seen 4711:9f86d0…
    """


@audit.command()
@click.option("--who", default="", metavar="NAME", help="Only what this person did.")
@click.option("--subject", default="", help="Only about this pass, person or gate.")
@click.option("--what", default="", help="Only this, such as approve, read or export.")
@click.option("--since", metavar="TIME", help="2026-05-01 or 2026-05-01T08:30.")
@click.option("--until", metavar="TIME", help="A date alone is included.")
@home_option
def show(  # noqa: PLR0913, PLR0917  an option each
    who: str, subject: str, what: str, since: str | None, until: str | None, home: Path | None
) -> None:
    """Print acts, oldest first: number, time, who, what, subject, why.

    \b
    Example:
      menshen-office audit show --what export
    """
    use(home, whole=True)
    offset_min = registry.the_site().utc_offset_min
    found = Act.objects.order_by("n")
    wanted = {"who": who, "subject": subject, "what": what}
    found = found.filter(**{name: value for name, value in wanted.items() if value})
    if since:
        found = found.filter(at__gte=times.parse(since, offset_min))
    if until:
        found = found.filter(at__lt=times.parse(until, offset_min, end=True))
    for act in found.iterator():
        when = times.show_seconds(act.at, offset_min)
        click.echo(f"{act.n}\t{when}\t{act.who}\t{act.what}\t{act.subject}\t{act.why}")


@audit.command()
@click.argument("file", type=_file)
@click.option("--after", type=click.IntRange(min=0), default=0, metavar="N", help="What is new since act N.")
@home_option
def export(file: Path, after: int, home: Path | None) -> None:
    """Copy the log to FILE, for an auditor to check elsewhere; one JSON object a line.

    \b
    Example:
      menshen-office audit export audit.jsonl
    """
    office = use(home, whole=True)
    try:
        write_streamed(file, keeper.copy(office, after))
    except OSError as fault:
        raise OfficeFault(f"the copy can't be written to {file}: {fault.strerror}") from fault
    say(f"{file} holds the log; it can be checked without this office: `menshen-office audit verify {file}`")


@audit.command()
@home_option
def key(home: Path | None) -> None:
    """Print the public key that the log is sealed with; an auditor notes it down once.

    \b
    Example:
      menshen-office audit key
    """
    click.echo(audit_key(use(home, whole=True).keys).public)


@audit.command()
@click.argument("file", required=False, type=_file)
@click.option("--key", "key_text", metavar="KEY", help="The office's, as noted from `audit key`.")
@click.option("--seen", metavar="N:HEAD", help="What an earlier check of this log printed last.")
@home_option
def verify(file: Path | None, key_text: str | None, seen: str | None, home: Path | None) -> None:
    """Check the copy in FILE, without any office; or, without FILE, the log where it stands.

    Whatever was edited, taken out, put in, moved or cut off is named by its line. What is printed
    at last, N:HEAD, is worth noting: the next check with --seen finds a log that was written anew.

    \b
    Examples:
      menshen-office audit verify audit.jsonl --key ed25519:… --seen 4711:9f86d0…
      menshen-office audit verify
    """
    wanted = _key(key_text)
    noted = _seen(seen)
    if file is None:
        office = use(home, whole=True)
        lines = (line.rstrip(b"\n") for line in keeper.copy(office))
        found = book.check(lines, wanted or audit_key(office.keys).public, noted)
    else:
        found = keeper.check_file(file, wanted, noted)
    if found.flaw or found.last is None:
        raise OfficeFault(f"not sound: {found.flaw}; {found.acts} acts before it are good")
    made = datetime.fromtimestamp(found.last.at_ms / 1000, UTC)
    say(
        f"sound: {found.acts} acts of site {found.site}, {found.seals} seals, as of {made:%Y-%m-%d %H:%M:%S}Z"
    )
    if file is not None and wanted is None:
        say(f"by the key that the copy names itself, {found.key}; compare it with the one you noted")
    click.echo(f"{found.last.n}:{found.last.head.hex()}")


def _key(text: str | None) -> PublicKey | None:
    try:
        return PublicKey.parse(text) if text else None
    except ValueError as fault:
        raise OfficeFault(f"--key: {fault}") from fault


def _seen(text: str | None) -> tuple[int, bytes] | None:
    if not text:
        return None
    number, _, head = text.partition(":")
    try:
        noted = int(number), bytes.fromhex(head)
    except ValueError:
        noted = 0, b""
    if len(noted[1]) != 32:
        raise OfficeFault(f"found --seen {text[:40]!r}, wanted a number, a colon and 64 hex digits")
    return noted


COMMANDS = (audit,)
