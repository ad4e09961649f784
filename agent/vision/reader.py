"""Frames in, code texts out.

The reader looks where its attention says, within the time that a frame may
take. It knows nothing of passes, and it believes nothing that it reads:
whoever takes a sighting verifies it.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from agent.core.sighting import Sighting
from agent.frames import Frame, Grey
from agent.vision.attention import Attention, about
from agent.vision.budget import Budget
from agent.vision.crash_note import NoNote
from agent.vision.fading import faded
from agent.vision.stages import STAGES, Found, Stage, StageAbsent
from agent.vision.views import Views
from agent.vision.votes import Seen, Votes

if TYPE_CHECKING:  # a reader is given its configuration; who is given none loads pydantic for it
    from agent.vision.config import ReaderConfig

STRAIN_SHARE: Final = 0.2
FADED_SHARE: Final = 0.2
"""How much of a sighting's effort is the code's own wear, not the stage that read it: damage, and fading."""


Looker: TypeAlias = Stage | Votes
_Shown = TypeVar("_Shown")


class Reader:
    """A cascade of stages over a stream of frames, or over single pictures.

    Args:
        config: the cascade; the default is a gate's.
        note: where each look is noted in case it does not come back.

    Attributes:
        faults: looks that broke inside a decoder, by stage; each cost only itself.
        absent: sentences on stages that this machine can't run.
    """

    def __init__(self, config: "ReaderConfig | None" = None, note: NoNote | None = None) -> None:
        self._note = note or NoNote()
        self.config = config or _usual()
        self.faults: Counter[str] = Counter()
        self.absent: tuple[str, ...] = ()
        self._budget = Budget(self.config.budget_ms)
        stages, extras = tuple(self._made(self.config.stages)), tuple(self._made(self.config.extras))
        self._attention = Attention(self.config, stages, extras, self._budget)
        self._votes = Votes()
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
        unread: list[Seen] = []
        looked_again = False

        def take(found: Sequence[Found], stage: Looker, part: Views) -> None:
            took_ms = (time.perf_counter() - started) * 1000
            for each in found:
                if each.payload is None:
                    unread.append((part, each))
                elif len(sightings) < self.config.max_codes:
                    sighting = _sighting(each, each.payload, stage, part, took_ms)
                    sightings.setdefault(sighting.text, sighting)

        for stage, part in self._attention.looks(views, frame.gain if isinstance(frame, Frame) else 1.0):
            found = self._look(stage, stage.look, part)
            self._remember(found, stage, part, views)
            take(found, stage, part)
            # One new code is what a gate expects. Where there are several, a second look
            # finds those too small for the first; and a poster that is always in sight
            # must not keep the reader from looking for the person beside it.
            news = sightings.keys() - self._familiar
            if news and (looked_again or len(sightings) == 1):
                break
            looked_again = bool(news)
        if not sightings:
            take(self._look(self._votes, self._votes.look, unread), self._votes, views)
        self._attention.ended(read=bool(sightings))
        self._familiar = frozenset(sightings)
        return tuple(sightings.values())

    def _look(
        self, looker: Looker, look: Callable[[_Shown], Sequence[Found]], shown: _Shown
    ) -> Sequence[Found]:
        name = f"{looker.library}/{looker.name}"
        if self._note.off(name):
            return ()
        with self._budget.spending(), self._note.looking(name):
            try:
                return look(shown)
            except Exception:  # noqa: BLE001  native decoders raise what they like; one look is lost
                self.faults[looker.name] += 1
                return ()

    def _remember(self, found: Sequence[Found], stage: Stage, part: Views, whole: Views) -> None:
        """Keep in mind where a code was read, or else where one was seen."""
        for each in sorted(found, key=lambda one: one.payload is None)[:1]:
            if each.corners:
                box = about(part.in_frame(each.corners), whole.full.shape)
                self._attention.found(box, stage, read=each.payload is not None)

    def _made(self, names: Iterable[str]) -> Iterator[Stage]:
        for name in names:
            try:
                yield STAGES[name]()
            except StageAbsent as why:
                self.absent = (*self.absent, str(why))


def _usual() -> "ReaderConfig":
    from agent.vision.config import ReaderConfig  # noqa: PLC0415

    return ReaderConfig()


def _sighting(found: Found, payload: bytes, stage: Looker, part: Views, took_ms: float) -> Sighting:
    worn = STRAIN_SHARE * found.strain + FADED_SHARE * faded(part.full, found.corners)
    return Sighting(
        text=payload.decode("latin-1"),
        corners=part.in_frame(found.corners),
        stage=stage.name,
        effort=min(1.0, stage.effort + worn),
        took_ms=took_ms,
    )
