"""`test`: a technician inspects a gate, the kiosk signs what was found."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from agent.core.keys import PublicKey, verify
from agent.core.moments import iso
from provisioning import card, durable, wire
from provisioning.bench import Bench, BenchFault
from provisioning.cli.common import at_kiosk, fail, link_options, passed, room_for, told
from provisioning.wire import Note, Step

_SIMPLE: Final[tuple[Step, ...]] = ("clock", "disk", "network", "broker", "list", "camera")
_SEEN: Final[tuple[tuple[Step, str, str], ...]] = (
    ("light-red", "look at the red lamp", "was it lit, and is it dark now?"),
    ("light-green", "look at the green lamp", "was it lit, and is it dark now?"),
    ("light-white", "look at the white lamp", "was it lit, and is it dark now?"),
    ("tone", "listen", "did three tones rise?"),
    ("lock", "look at the lock", "did it release, and is it locked again?"),
)
_DONE: Final[tuple[tuple[Step, str], ...]] = (
    ("exit", "press the exit button, and let it go"),
    ("door", "open the door, and shut it"),
    ("tamper", "break the housing's tamper loop, and close it"),
    ("fire", "have the fire panel give its alarm, and take it back"),
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
    type=click.Choice([*_SIMPLE, *(step for step, _, _ in _SEEN), *(step for step, _ in _DONE), "card"]),
)
@link_options
def test(*, record: Path, only: tuple[str, ...], **link: Any) -> None:
    """Inspect a gate: lights, tones, lock, inputs, camera, card, clock, disk, network, broker, list.

    Says when to look, listen, press or hold the card (`test-card` prints it), and asks where only a person
    can tell. What failed may be tried again, once its cause is mended. The kiosk signs the record, and the
    office's feed tells of it when the gate starts again. The gate serves nobody while a part of it is tried.

    \b
    Example:
      menshen-provision test --record north-test.json --technician ana --technician-key ana.pem
    """
    with told():
        room_for(record)
        with at_kiosk(**link) as bench:
            walk = _Walk(bench)
            walk.through(set(only))
            done = bench.call(wire.TEST_END, wire.TestEndParams(at=iso(time.time()), answers=walk.answers))
        key = PublicKey.parse(done.journal_key)
        if not verify(key, bytes.fromhex(done.signature), wire.inspection_text(done)):
            raise BenchFault("the kiosk's record is not signed by its own key; look at the kiosk by hand")
        durable.write(record, (json.dumps(done.model_dump(), indent=2) + "\n").encode())
    click.echo(f"inspection record: {record}")
    if not done.passed:
        fail(f"gate {done.gate} failed its inspection: {', '.join(walk.bad)}")
    many = len(done.steps)
    passed(f"gate {done.gate} of site {done.site}: {many} step{'s' if many > 1 else ''}")


@click.command("test-card")
@click.argument("stem", type=click.Path(path_type=Path), default=Path("test-card"))
def test_card(*, stem: Path) -> None:
    """Write the card that `test` has held before the camera, as STEM.png and STEM.pdf.

    Print it at 100 %: its code must be 40 mm wide.

    \b
    Example:
      menshen-provision test-card
    """
    with told():
        png, pdf = card.write(stem)
    click.echo(f"test card: {png}, {pdf}")


class _Walk:
    """Through the steps, one after the other.

    Args:
        bad: the steps that failed.
        answers: what the person said, where the kiosk could not know.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.bad: list[str] = []
        self.answers: dict[Step, bool] = {}

    def through(self, only: set[str]) -> None:
        """Try the steps that are wanted; all of them if none is named."""
        for step, note, what, question in _plan():
            if not only or step in only:
                name = f"{step} {note}".strip()
                while not (ok := self._tried(step, note, what, question)):
                    if not _yes(f"      try {name} again?"):
                        break
                if not ok:
                    self.bad.append(name)

    def _tried(self, step: Step, note: Note, what: str, question: str) -> bool:
        within = "" if question else f", within {wire.within_s(step):.0f} s"
        self._bench.heed = lambda stage: (
            click.echo(f"      now: {what}{within}") if what and stage == wire.NOW else None
        )
        result = self._bench.call(wire.TEST_STEP, wire.TestStepParams(step=step, note=note))
        ok = result.ok
        if ok is None:
            ok = _yes(f"      {result.found}: {question or 'right?'}")
            if ok is None:
                raise BenchFault(
                    f"nobody is here to say whether {step} was right; run this where you can answer"
                )
            self.answers[step] = ok
        name = f"{step} {note}".strip()
        click.echo(f"{'ok  ' if ok else 'BAD '}  {name}: {result.found}")
        return ok


def _yes(question: str) -> bool | None:
    """What the person says, no if nothing; None where there is nobody to say it."""
    while True:
        click.echo(f"{question} [y/N] ", nl=False)
        line = sys.stdin.readline()
        if not line:
            click.echo()
            return None
        match line.strip().lower():
            case "y" | "yes":
                return True
            case "" | "n" | "no":
                return False
        click.echo("      y or n, please")


def _plan() -> Iterator[tuple[Step, Note, str, str]]:
    """Step, note, what the person is told to do when it begins, and asked after."""
    yield from ((step, "", "", "") for step in _SIMPLE)
    yield from ((step, "", what, question) for step, what, question in _SEEN)
    yield from ((step, "", what, "") for step, what in _DONE)
    yield from (("card", note, what, "") for note, what in _CARD)
