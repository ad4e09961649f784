"""`incident`: the file of an incident, and checking one."""

from pathlib import Path

import click

from agent.core.keys import PublicKey
from office import registry, times
from office.backup.lockbox import Lock
from office.cli.common import by_option, home_option, say, use
from office.faults import OfficeFault
from office.files import write_streamed
from office.incident import paper
from office.incident.gathering import About
from office.incident.taking import take

_file = click.Path(dir_okay=False, path_type=Path)


@click.group()
def incident() -> None:
    """The file of an incident: what gates and office have of it, signed, for whoever investigates.

    \b
    Examples:
      menshen-office incident file case.zip --person 17 --since 2026-05-01 --until 2026-05-02 \\
          --by wang --why "forced the door of the garage"
      menshen-office incident verify case.zip --key ed25519:…
    """


@incident.command("file")
@click.argument("file", type=_file)
@click.option("--since", required=True, metavar="TIME", help="2026-05-01 or 2026-05-01T08:30.")
@click.option("--until", required=True, metavar="TIME", help="A date alone is included.")
@click.option("--person", type=int, metavar="N", help="The number in the address of the person's page.")
@click.option("--pass", "pass_id", default="", metavar="PASS_ID", help="Only this pass.")
@click.option("--gate", default="", help="Only there.")
@click.option(
    "--to", "recipients", multiple=True, metavar="AGE_KEY", help="Encrypt it for this public key, age1…."
)
@by_option
@click.option(
    "--why", required=True, metavar="TEXT", help="What happened; stands in the file and in the history."
)
@home_option
def make(  # noqa: PLR0913, PLR0917  an option each
    file: Path,
    since: str,
    until: str,
    person: int | None,
    pass_id: str,
    gate: str,
    recipients: tuple[str, ...],
    by: str,
    why: str,
    home: Path | None,
) -> None:
    """Gather events, visits, alerts, orders and the audit log of a span into FILE, a zip.

    Without --person, --pass and --gate it holds all that happened then.

    \b
    Example:
      menshen-office incident file case.zip --gate north --since 2026-05-01T20:00 --until 2026-05-01T23:00 \\
          --by wang --why "a fight at the gate"
    """
    office = use(home)
    offset_min = registry.the_site().utc_offset_min
    about = About(
        times.parse(since, offset_min), times.parse(until, offset_min, end=True), person, pass_id, gate
    )
    chunks = take(office, about, by=by, why=why)
    try:
        if recipients:
            Lock.to(recipients).write(file, chunks, replace=True)
        else:
            write_streamed(file, chunks)
    except OSError as fault:
        raise OfficeFault(f"{file} can't be written: {fault.strerror}") from fault
    say(
        f"{file} holds the incident{', encrypted' if recipients else ''}; it names people: keep it from others"
    )


@incident.command()
@click.argument("file", type=_file)
@click.option("--key", "key_text", metavar="KEY", help="The office's, as noted from `audit key`.")
def verify(file: Path, key_text: str | None) -> None:
    """Check FILE, without any office: its signature, and that nothing in it was changed, taken out or put in.

    \b
    Example:
      menshen-office incident verify case.zip --key ed25519:…
    """
    try:
        key = PublicKey.parse(key_text) if key_text else None
    except ValueError as fault:
        raise OfficeFault(f"--key: {fault}") from fault
    found = paper.check(file, key)
    say(f"sound: {found.files} files of site {found.site}, made {found.made_at} by {found.by}: {found.why}")
    if key is None:
        say(f"by the key that it names itself, {found.key}; compare it with the one you noted")


COMMANDS = (incident,)
