"""menshen-agent journal: verify, show and export a journal file, offline."""

import json
import sqlite3
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import click

from agent.cli.common import fail
from agent.core.events import TYPE_PREFIX
from agent.core.feed import Ack, FeedFault
from agent.core.keys import PublicKey

_MAX_FILE_BYTES: Final = 64 * 1024

_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))


@click.group()
def journal() -> None:
    """Verify, show and export a journal, or a copy of one; nothing is changed, no network is used.

    A journal is /var/lib/menshen/gate/journal.db on the gate. Copy it with its -wal file, if there
    is one, or stop the gate first.
    """


@journal.command()
@_file
@click.option(
    "--key",
    required=True,
    metavar="KEY",
    help="The gate's public key: ed25519:…, or the file that has it, such as the enrolment's record.",
)
@click.option(
    "--ack",
    "ack_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="An acknowledgement by the office, as sync keeps it: the journal must reach as far.",
)
def verify(file: Path, key: str, ack_file: Path | None) -> None:
    """Check every event, link and signature of FILE, and name the first that is wrong.

    \b
    Example:
      menshen-agent journal verify journal.db --key north.json
    """
    from agent.stores.journal_check import check_file  # noqa: PLC0415

    gate_key, acked = _key(key), _ack(ack_file)
    with _readable(file):
        found = check_file(file, gate_key, acked)
    if found.first and found.last:
        click.echo(
            f"{found.events} events good, {found.first.epoch}/{found.first.seq} to"
            f" {found.last.epoch}/{found.last.seq}: {found.epochs} starts, {found.signatures} signatures"
        )
    if found.flaw:
        click.echo(f"first wrong: {found.flaw}")
        raise SystemExit(1)
    click.echo("the journal is whole" if found.events else "the journal is empty")


@journal.command()
@_file
@click.option("--last", "most", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@click.option("--kind", help="Only this kind, such as pass.refused.")
@click.option("--pass", "pass_id", help="Only this pass, by its id.")
def show(file: Path, most: int, kind: str | None, pass_id: str | None) -> None:
    """Show the newest events of FILE as a table, the newest last.

    \b
    Example:
      menshen-agent journal show journal.db --kind pass.refused --last 50
    """
    newest = deque(_events(file, _wanted(kind, pass_id)), most)
    for event in newest:
        data = {name: fact for name, fact in event["data"].items() if name not in ("clock", "sig")}
        facts = " ".join(f"{name}={fact}" for name, fact in data.items())
        clock = "" if event["data"].get("clock") == "synced" else f" ({event['data'].get('clock')} clock)"
        click.echo(f"{event['time']}  {event['type'].removeprefix(TYPE_PREFIX):<16} {facts}{clock}")


@journal.command()
@_file
@click.option("--kind", help="Only this kind, such as pass.refused.")
@click.option("--pass", "pass_id", help="Only this pass, by its id.")
def export(file: Path, kind: str | None, pass_id: str | None) -> None:
    """Write the events of FILE to standard output, a line of CloudEvents JSON each, as they were hashed.

    \b
    Example:
      menshen-agent journal export journal.db > north.jsonl
    """
    wanted = _wanted(kind, pass_id)
    out = sys.stdout.buffer
    for line in _lines(file):
        if not (kind or pass_id) or wanted(json.loads(line)):
            out.write(line + b"\n")


def _wanted(kind: str | None, pass_id: str | None) -> Callable[[dict[str, Any]], bool]:
    def wanted(event: dict[str, Any]) -> bool:
        return (kind is None or event["type"] == TYPE_PREFIX + kind) and (
            pass_id is None or event["data"].get("pass") == pass_id
        )

    return wanted


def _events(file: Path, wanted: Callable[[dict[str, Any]], bool]) -> Iterator[dict[str, Any]]:
    for line in _lines(file):
        try:
            event = json.loads(line)
            if wanted(event):
                yield event
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            click.echo(f"left out, since it is no event: {line[:80]!r}; verify names what is wrong", err=True)


def _lines(file: Path) -> Iterator[bytes]:
    from agent.stores.journal_reader import JournalReader  # noqa: PLC0415

    with _readable(file), closing(JournalReader(file)) as reader:
        for _, line in reader.bodies():
            yield line


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as fault:
        fail(f"{file} cannot be read as a journal: {fault}; wanted a gate's journal.db of this version")
    except (AttributeError, TypeError) as fault:
        fail(f"{file} holds values that no gate wrote ({fault}); verify names the first")


def _key(text: str) -> PublicKey:
    """The key itself, or the one in a file: alone, or as `journal_key` of an enrolment's record."""
    path = Path(text)
    try:
        if text.startswith("ed25519:"):
            return PublicKey.parse(text)
        with path.open("rb") as opened:
            content = opened.read(_MAX_FILE_BYTES).decode()
        if content.lstrip().startswith("{"):
            content = str(json.loads(content).get("journal_key"))
        return PublicKey.parse(content.strip())
    except (OSError, ValueError, RecursionError) as fault:
        fail(f"no gate's key in {text[:100]}: {fault}; give ed25519:… or the record that enrolment wrote")


def _ack(path: Path | None) -> Ack | None:
    if path is None:
        return None
    try:
        with path.open("rb") as opened:
            return Ack.from_bytes(opened.read(_MAX_FILE_BYTES))
    except (OSError, FeedFault) as fault:
        fail(f"{path} is no acknowledgement: {fault}; sync keeps the newest as ack.json")
