"""Frames in, code texts out.

The reader looks where its attention says, within the time that a frame may
take. It knows nothing of passes, and it believes nothing that it reads:
whoever takes a sighting verifies it.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from agent.core.sighting import Sighting
from agent.frames import Frame, Grey
from agent.vision.attention import Attention, about
from agent.vision.budget import Budget
from agent.vision.config import ReaderConfig
from agent.vision.crash_note import NoNote
from agent.vision.fading import faded
from agent.vision.stages import STAGES, Found, Stage, StageAbsent
from agent.vision.views import Views

STRAIN_SHARE: Final = 0.2
FADED_SHARE: Final = 0.2
"""How much of a sighting's effort is the code's own wear, not the stage that read it: damage, and fading."""


class Reader:
    """A cascade of stages over a stream of frames, or over single pictures.

    Args:
        config: the cascade; the default is a gate's.
        note: where each look is noted in case it does not come back.

    Attributes:
        faults: looks that broke inside a decoder, by stage; each cost only itself.
        absent: sentences on stages that this machine can't run.
    """

    def __init__(self, config: ReaderConfig | None = None, note: NoNote | None = None) -> None:
        self._note = note or NoNote()
        self.config = config or ReaderConfig()
        self.faults: Counter[str] = Counter()
        self.absent: tuple[str, ...] = ()
        self._budget = Budget(self.config.budget_ms)
        stages, extras = tuple(self._made(self.config.stages)), tuple(self._made(self.config.extras))
        self._attention = Attention(self.config, stages, extras, self._budget)
        self._familiar: frozenset[str] = frozenset()

    def read(self, frame: Frame | Grey) -> tuple[Sighting, ...]:
        """Read every QR code in one frame.

        Args:
            frame: (H, W) uint8 luma, 0 black to 255 white, of any size; not modified, not kept.

        Returns:
            One sighting per distinct text, in the order of their stages; empty if none.

        Raises:
            DecoderFault: not uint8 or not two-dimensional. Nothing else, whatever the picture.

        Source: ISO/IEC 18004:2015 for what a QR code is.
        """
        started = time.perf_counter()
        views = Views(frame)
        if not views.readable:
            return ()
        self._budget.earn()
        sightings: dict[str, Sighting] = {}
        looked_again = False
        for stage, part in self._attention.looks(views, frame.gain if isinstance(frame, Frame) else 1.0):
            found = self._look(stage, part)
            self._remember(found, stage, part, views)
            took_ms = (time.perf_counter() - started) * 1000
            for each in found:
                if each.payload is not None and len(sightings) < self.config.max_codes:
                    sighting = _sighting(each, each.payload, stage, part, took_ms)
                    sightings.setdefault(sighting.text, sighting)
            # One new code is what a gate expects. Where there are several, a second look
            # finds those too small for the first; and a poster that is always in sight
            # must not keep the reader from looking for the person beside it.
            news = sightings.keys() - self._familiar
            if news and (looked_again or len(sightings) == 1):
                break
            looked_again = bool(news)
        self._attention.ended(read=bool(sightings))
        self._familiar = frozenset(sightings)
        return tuple(sightings.values())

    def _look(self, stage: Stage, views: Views) -> Sequence[Found]:
        if self._note.off(stage.name):
            return ()
        with self._budget.spending(), self._note.looking(stage.name):
            try:
                return stage.look(views)
            except Exception:  # noqa: BLE001  native decoders raise what they like; one look is lost
                self.faults[stage.name] += 1
                return ()

    def _remember(self, found: Sequence[Found], stage: Stage, part: Views, whole: Views) -> None:
        """Keep in mind where a code was read, or else where one was seen."""
        for each in sorted(found, key=lambda one: one.payload is None)[:1]:
            if each.corners:
                box = about(_in_frame(each, part), whole.full.shape)
                self._attention.found(box, stage, read=each.payload is not None)

    def _made(self, names: Iterable[str]) -> Iterator[Stage]:
        for name in names:
            try:
                yield STAGES[name]()
            except StageAbsent as why:
                self.absent = (*self.absent, str(why))


def _in_frame(found: Found, part: Views) -> tuple[tuple[float, float], ...]:
    left, top = part.at
    return tuple((x + left, y + top) for x, y in found.corners)


def _sighting(found: Found, payload: bytes, stage: Stage, part: Views, took_ms: float) -> Sighting:
    worn = STRAIN_SHARE * found.strain + FADED_SHARE * faded(part.full, found.corners)
    return Sighting(
        text=payload.decode("latin-1"),
        corners=_in_frame(found, part),
        stage=stage.name,
        effort=min(1.0, stage.effort + worn),
        took_ms=took_ms,
    )
