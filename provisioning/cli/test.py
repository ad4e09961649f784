"""`test`: a technician inspects a gate, the kiosk signs what was found."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from agent.core.keys import PublicKey, verify
from agent.core.moments import iso
from provisioning import durable, wire
from provisioning.bench import Bench, BenchFault
from provisioning.cli.common import at_kiosk, fail, link_options, passed, told
from provisioning.wire import Note, Step

_SIMPLE: Final[tuple[Step, ...]] = ("clock", "disk", "network", "broker", "list", "camera")
_SEEN: Final[tuple[tuple[Step, str], ...]] = (
    ("light-red", "is the red lamp lit?"),
    ("light-green", "is the green lamp lit?"),
    ("light-white", "is the white lamp lit?"),
    ("tone", "do three tones rise?"),
    ("lock", "does the lock release, and lock again?"),
)
_DONE: Final[tuple[tuple[Step, str], ...]] = (
    ("exit", "press the exit button"),
    ("door", "open the door, and close it"),
    ("tamper", "open the housing's switch, and close it"),
    ("fire", "have the fire input tripped, and restored"),
)
_CARD: Final[tuple[tuple[Note, str], ...]] = (
    ("near", "hold the test card 10 cm from the camera"),
    ("middle", "hold the test card 25 cm from the camera"),
    ("far", "hold the test card 40 cm from the camera"),
)


@click.command("test")
@click.option(
    "--record", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The signed record."
)
@click.option(
    "--only",
    multiple=True,
    metavar="STEP",
    help="Only this step; again for more.",
    type=click.Choice([*_SIMPLE, *(step for step, _ in (*_SEEN, *_DONE)), "card"]),
)
@link_options
def test(*, record: Path, only: tuple[str, ...], **link: Any) -> None:
    """Inspect a gate: lights, tones, lock, inputs, camera, card, clock, disk, network, broker, list.

    Asks where only a person can tell. The kiosk signs the record, and the office's feed tells of it
    when the gate starts again. The gate serves nobody while a part of it is tried.
    """
    with told():
        with at_kiosk(**link) as bench:
            bad, answers = _inspected(bench, set(only))
            done = bench.call(wire.TEST_END, wire.TestEndParams(at=iso(time.time()), answers=answers))
        key = PublicKey.parse(done.journal_key)
        if not verify(key, bytes.fromhex(done.signature), wire.inspection_text(done)):
            raise BenchFault("the kiosk's record is not signed by its own key; look at the kiosk by hand")
        durable.write(record, (json.dumps(done.model_dump(), indent=2) + "\n").encode())
    click.echo(f"inspection record: {record}")
    if not done.passed:
        fail(f"gate {done.gate} failed its inspection: {', '.join(bad)}")
    passed(f"gate {done.gate} of site {done.site}: {len(done.steps)} steps")


def _inspected(bench: Bench, only: set[str]) -> tuple[list[str], dict[Step, bool]]:
    """Walk through the steps; what failed, and what the person said."""
    bad: list[str] = []
    answers: dict[Step, bool] = {}

    def tried(step: Step, note: Note = "", question: str = "") -> None:
        result = bench.call(wire.TEST_STEP, wire.TestStepParams(step=step, note=note))
        ok = result.ok
        if ok is None:
            ok = answers[step] = click.confirm(f"{step}: {result.found}; {question or 'right?'}")
        name = f"{step} {note}".strip()
        click.echo(f"{'ok  ' if ok else 'BAD '}  {name}: {result.found}")
        if not ok:
            bad.append(name)

    for step, note, what, question in _plan():
        if not only or step in only:
            if what:
                click.echo(f"{what}, within 20 s")
            tried(step, note, question)
    return bad, answers


def _plan() -> Iterator[tuple[Step, Note, str, str]]:
    """Step, note, what the person is asked to do before, and asked about after."""
    yield from ((step, "", "", "") for step in _SIMPLE)
    yield from ((step, "", "", question) for step, question in _SEEN)
    yield from ((step, "", what, "") for step, what in _DONE)
    yield from (("card", note, what, "") for note, what in _CARD)
