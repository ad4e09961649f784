"""A site with an office, a ceremony, and a gate whose camera is shown pictures of pages."""

import json
import shutil
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from agent.core.moments import Moment
from agent.stores.journal_reader import JournalReader
from agent.wiring.gate import gate_process
from hw.cameras import CameraConfig
from office.home import Home
from office.keyring import Keyring
from office.places import Place
from tests.core.builders import public
from tests.house import EnrolledGate, House
from tests.office_pages.desk import Desk

SHOTS = 12
_FPS = 4.0


@dataclass(slots=True)
class Site:
    """One site; `base` is where its pages are served."""

    desk: Desk
    house: House
    base: str = ""

    @classmethod
    def make(cls, folder: Path) -> "Site":
        desk = Desk(folder / "home")
        desk.found()
        house = House(folder, keyring=Keyring.load(desk.home / "keys"))
        Place(str(house.trust), str(house.published)).remember(Home(desk.home))
        return cls(desk, house)

    def gate(self, name: str = "north", **settings) -> EnrolledGate:
        """A gate in its place, and on record in the office; any earlier one of its name is gone."""
        shutil.rmtree(self.house.folder / name, ignore_errors=True)
        record = self.desk.gate(name, settings.get("direction", "in"))
        enrolled = self.house.enrol(name, **{"zone": "main", **settings})
        record.journal_key = str(public(enrolled.key))
        record.save()
        return enrolled


@dataclass(frozen=True, slots=True)
class _Later:
    """A clock some seconds ahead of the real one."""

    by_s: float

    def now(self) -> Moment:
        return Moment(time.time() + self.by_s, time.monotonic())


class _Counted:
    """The gate's outputs; each unlocking is counted."""

    def __init__(self, outputs) -> None:
        self._outputs, self.unlocked = outputs, 0

    def unlock(self, for_s):
        self.unlocked += 1
        self._outputs.unlock(for_s)

    def __getattr__(self, name):
        return getattr(self._outputs, name)


def photographed(page: Page, folder: Path, shots: int = SHOTS) -> Path:
    """Pictures of what a screen shows, as a gate's camera would take them."""
    folder.mkdir()
    for number in range(shots):
        page.screenshot(path=folder / f"{number:03}.png")
        page.wait_for_timeout(150)
    return folder


def shown_to(gate: EnrolledGate, pictures: Path, *, later_s: float = 0.0) -> tuple[int, list[dict]]:
    """A gate looks at pictures: how often its lock opened, and the events it journaled meanwhile.

    Args:
        later_s: how long after now, by the gate's clock.
    """
    before = len(_events(gate)) if gate.config.journal_file.exists() else 0
    seen = gate.config.model_copy(update={"camera": CameraConfig(kind="folder", path=pictures, fps=_FPS)})
    with gate_process(seen, clock=_Later(later_s)) as parts:
        parts.kiosk.outputs = counted = _Counted(parts.kiosk.outputs)
        parts.kiosk.serve()
    shutil.rmtree(pictures)
    return counted.unlocked, _events(gate)[before:]


def _events(gate: EnrolledGate) -> list[dict]:
    with closing(JournalReader(gate.config.journal_file)) as journal:
        return [json.loads(line) for _, line in journal.bodies()]


def results(events: list[dict]) -> list[str]:
    """Of passes: `admitted`, or why not."""
    kinds = ("menshen.pass.admitted", "menshen.pass.refused")
    found = [event for event in events if event["type"] in kinds]
    return [event["data"].get("reason") or "admitted" for event in found]
