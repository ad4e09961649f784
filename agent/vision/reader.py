"""Frames in, code texts out.

The reader owns the order of the stages and the time they may take. It knows
nothing of passes, and it believes nothing that it reads: whoever takes a
sighting verifies it.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from agent.core.sighting import Sighting
from agent.frames import Frame, Grey
from agent.vision.budget import Budget
from agent.vision.config import ReaderConfig
from agent.vision.stages import STAGES, Found, Stage, StageAbsent
from agent.vision.views import Views

STRAIN_SHARE = 0.2
"""How much of a sighting's effort is the code's own wear, not the stage that read it."""


class Reader:
    """A cascade of stages over a stream of frames, or over single pictures.

    Args:
        config: the cascade; the default is a gate's.

    Attributes:
        faults: looks that broke inside a decoder, by stage; each cost only itself.
        absent: sentences on stages that this machine can't run.
    """

    def __init__(self, config: ReaderConfig | None = None) -> None:
        self.config = config or ReaderConfig()
        self.faults: Counter[str] = Counter()
        self.absent: tuple[str, ...] = ()
        self._stages = tuple(self._made(self.config.stages))
        self._extras = tuple(self._made(self.config.extras))
        self._budget = Budget(self.config.budget_ms)
        self._resume_at = 0
        self._misses = 0
        self._familiar: frozenset[str] = frozenset()

    def read(self, frame: Frame | Grey) -> tuple[Sighting, ...]:
        """Read every QR code in one frame.

        Args:
            frame: (H, W) uint8 luma, 0 black to 255 white, of any size; not modified, not kept.

        Returns:
            One sighting per distinct text, least effort first; empty if none.

        Raises:
            DecoderFault: not uint8 or not two-dimensional. Nothing else, whatever the picture.

        Source: ISO/IEC 18004:2015 for what a QR code is.
        """
        started = time.perf_counter()
        views = Views(frame)
        if not views.readable:
            return ()
        sightings: dict[str, Sighting] = {}
        looked_again = False
        for stage in self._due():
            found = self._look(stage, views)
            took_ms = (time.perf_counter() - started) * 1000
            for each in found[: self.config.max_codes - len(sightings)]:
                sighting = _sighting(each, stage, took_ms)
                sightings.setdefault(sighting.text, sighting)
            # One new code is what a gate expects. Where there are several, a second look
            # finds those too small for the first; and a poster that is always in sight
            # must not keep the reader from looking for the person beside it.
            news = sightings.keys() - self._familiar
            if news and (looked_again or len(sightings) == 1):
                break
            looked_again = bool(news)
        self._misses = 0 if sightings else self._misses + 1
        self._familiar = frozenset(sightings)
        return tuple(sightings.values())

    def _due(self) -> Iterator[Stage]:
        """The stages for this frame, in order; the caller stops when it has what it wants.

        The first always looks. The others look while the frame's time lasts; those left
        out come first on the next frame, so that a slow machine starves none.
        """
        self._budget.earn()
        yield from self._stages[:1]
        others = self._stages[1:]
        first = self._resume_at if self._resume_at < len(others) else 0
        for index in [*range(first, len(others)), *range(first)]:
            if not self._budget.left:
                self._resume_at = index
                break
            yield others[index]
        else:
            self._resume_at = 0
        turn, odd = divmod(self._misses + 1, self.config.extra_every)
        if self._extras and not odd:
            yield self._extras[turn % len(self._extras)]

    def _look(self, stage: Stage, views: Views) -> Sequence[Found]:
        with self._budget.spending():
            try:
                return stage.look(views)
            except Exception:  # noqa: BLE001  native decoders raise what they like; one look is lost
                self.faults[stage.name] += 1
                return ()

    def _made(self, names: Iterable[str]) -> Iterator[Stage]:
        for name in names:
            try:
                yield STAGES[name]()
            except StageAbsent as why:
                self.absent = (*self.absent, str(why))


def _sighting(found: Found, stage: Stage, took_ms: float) -> Sighting:
    return Sighting(
        text=found.payload.decode("latin-1"),
        corners=found.corners,
        stage=stage.name,
        effort=min(1.0, stage.effort + STRAIN_SHARE * found.strain),
        took_ms=took_ms,
    )
