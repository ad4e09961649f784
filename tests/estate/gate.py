"""One gate as a process of its own: python -m tests.estate.gate GATE.toml MIDNIGHT.

It is the product's gate, put together by the product's wiring over its real stores, with two things of
the stage: a clock that is told the time, and a camera before which the conductor puts people. A picture
is drawn, and read by the real reader; a glimpse is the text that a camera would have read.

Each line on standard input is a JSON object, a cue; each is answered by one on standard output:

    {"do": "play", "until": utc, "shown": [{"at": utc, "text": …, "medium": …, "condition": …, …}]}
    {"do": "close_day"}    the journal's housekeeping is due now, not within 20 s of real time
    {"do": "look"}         nothing
    {"do": "barred", "card": …}    whether the list in use bars a pass

The answer says the newest event's place, the list and the door, how far the gate has heard each of its
fellows, and what could not be read. Without a cue the gate waits, and
its clock stands still; wires, lists and the words of other gates are attended to all the same.
"""

import json
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from agent.config import GateConfig, load
from agent.core.moments import Moment, Trust
from agent.core.notices import Notice, Told
from agent.core.sighting import Sighting
from agent.frames import Frame, Grey
from agent.logs import configure
from agent.ports import Decoder
from agent.stores.heard import upto_of
from agent.stores.journal_reader import JournalReader
from agent.wiring.gate import Gate, gate_process
from agent.wiring.rounds import housekeeping_of
from hw.sim.approach import Approach
from hw.sim.film import Film

SIZE_PX: Final = (540, 960)
_FRAME_S: Final = 1 / 15
_MOST_FRAMES: Final = 30
_TICK_S: Final = 0.1


class StageClock:
    """Tells the time that it was told last; satisfies agent.ports.Clock.

    Its monotonic seconds are the day's and, while nothing happens, the real ones: what looks now and then
    goes on looking.
    """

    def __init__(self, utc: float) -> None:
        self._began_utc = self._utc = utc
        self._began_mono = time.monotonic()

    @property
    def utc(self) -> float:
        return self._utc

    def set(self, utc: float) -> None:
        self._utc = max(self._utc, utc)

    def now(self) -> Moment:
        utc = self._utc
        mono = time.monotonic() - self._began_mono + utc - self._began_utc
        return Moment(utc, mono, Trust.SYNCED)


@dataclass(frozen=True, slots=True)
class Glimpse(Frame):
    """A frame of which it is known what a reader would read: nothing, or one text."""

    text: str = ""


class Eyes:
    """The gate's reader, which takes a glimpse's text for read. Satisfies agent.ports.Decoder."""

    def __init__(self, reader: Decoder) -> None:
        self._reader = reader
        self.read_last: frozenset[str] = frozenset()

    def read(self, frame: Frame | Grey) -> tuple[Sighting, ...]:
        if isinstance(frame, Glimpse):
            found = (Sighting(frame.text, stage="glimpse"),) if frame.text else ()
        else:
            found = self._reader.read(frame)
        self.read_last = frozenset(one.text for one in found)
        return found


@dataclass
class Stage:
    """What stands before the gate's camera; satisfies agent.ports.Camera."""

    clock: StageClock
    config: GateConfig
    cues: "queue.Queue[dict[str, Any] | None]" = field(default_factory=queue.Queue)
    gate: Gate | None = None
    eyes: Eyes | None = None
    heard: dict[str, dict[str, int]] = field(default_factory=dict)
    _count: int = 0
    _closed: bool = False

    def frames(self) -> Iterator[Frame | None]:
        while not self._closed:
            try:
                cue = self.cues.get(timeout=_TICK_S)
            except queue.Empty:
                yield self._glimpse("")
                continue
            if cue is None:
                return
            unread: list[int] = []
            if cue["do"] == "play":
                for number, shown in enumerate(cue["shown"]):
                    self.clock.set(shown["at"])
                    yield from self._shown(number, shown, unread)
                self.clock.set(cue["until"])
            elif cue["do"] == "close_day":
                kiosk = self.gate.kiosk
                kiosk.journal.keep_house(housekeeping_of(self.config, kiosk.gatekeeper, kiosk.clock))
            yield self._glimpse("")  # the door and the list age by the clock alone
            self._answer(unread, cue.get("card", ""))

    def close(self) -> None:
        self._closed = True

    def overhearing(self, news: Callable[[], Sequence[Notice]]) -> Callable[[], Sequence[Notice]]:
        """The same news; what fellows told is noted on its way to the gatekeeper: the latest of each start.

        What a fellow told before its own restart may well come after what it told since.
        """
        self.heard = {
            gate: {place.epoch: place.seq} for gate, place in upto_of(self.config.heard_file).items()
        }

        def told() -> Sequence[Notice]:
            notices = news()
            for notice in notices:
                if isinstance(notice, Told):
                    place = notice.upto
                    starts = self.heard.setdefault(place.gate, {})
                    starts[place.epoch] = max(place.seq, starts.get(place.epoch, 0))
            return notices

        return told

    def _shown(self, number: int, shown: dict[str, Any], unread: list[int]) -> Iterator[Frame]:
        if not shown.get("rendered"):
            yield self._glimpse(shown["text"])
            return
        approach = Approach(shown["text"], shown["medium"], shown["condition"], seed=shown["seed"])
        film = Film([approach], *SIZE_PX, seed=7)
        yield self._empty(film)
        for beat in range(_MOST_FRAMES):
            picture = film.frame_at(approach.held_s + (beat % 12) * _FRAME_S, self.clock.utc)
            yield Frame(_worn(picture, shown.get("worn", 0.0)), None, time.monotonic())
            if shown["text"] in self.eyes.read_last:
                break
            self.clock.set(self.clock.utc + _FRAME_S)
        else:
            unread.append(number)
        yield self._empty(film)

    def _empty(self, film: Film) -> Frame:
        """The forecourt without anybody, by which the reader knows that somebody comes."""
        self._count += 1  # no two pictures have the same grain
        return Frame(film.frame_at(10.0 + self._count * _FRAME_S), None, time.monotonic())

    def _glimpse(self, text: str) -> Glimpse:
        self._count += 1
        grain = np.full((16, 16), self._count % 251, np.uint8)  # a living sensor's pictures differ
        return Glimpse(grain, None, time.monotonic(), text=text)

    def _answer(self, unread: list[int], card: str) -> None:
        keeper = self.gate.kiosk.gatekeeper
        said = {
            "newest": newest(self.config),
            "unread": unread,
            "list": keeper.allowlist.head.number if keeper.allowlist else 0,
            "door": str(keeper.door.state),
            "heard": self.heard,
        }
        if card and keeper.allowlist:
            grant = keeper.allowlist.find(bytes.fromhex(card))
            said["barred"] = grant is not None and bool(grant.status)
        print(json.dumps(said), flush=True)


def _worn(picture: Grey, share: float) -> Grey:
    """The picture of a card whose ink has faded towards its paper: dark grows lighter, light stays."""
    if not share:
        return picture
    faded = picture.astype(np.float32)
    return cv2.convertScaleAbs(faded + (200 - faded) * share * (faded < 200))


def newest(config: GateConfig) -> str:
    """The place of the journal's newest event, `epoch/seq`."""
    with closing(JournalReader(config.journal_file)) as journal:
        line = journal.lines(journal.newest() - 1, 1)[-1][1]
    return str(json.loads(line)["id"])


def main(toml: Path, utc: float) -> None:
    config = load(toml)
    configure(gate=config.gate, process="gate")
    clock = StageClock(utc)
    stage = Stage(clock, config)
    with gate_process(config, clock=clock, camera=stage) as gate:
        stage.gate, stage.eyes = gate, Eyes(gate.kiosk.reader)
        gate.kiosk.reader = stage.eyes
        gate.kiosk.list_news = stage.overhearing(gate.kiosk.list_news)

        def listen() -> None:
            for line in sys.stdin:
                stage.cues.put(json.loads(line))
            stage.cues.put(None)

        threading.Thread(target=listen, name="cues", daemon=True).start()
        print(json.dumps({"ready": True}), flush=True)
        gate.kiosk.serve()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
