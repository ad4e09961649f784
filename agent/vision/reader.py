"""Frames in, code texts out.

The reader owns the order of the stages, where they look and the time they may
take. It knows nothing of passes, and it believes nothing that it reads:
whoever takes a sighting verifies it.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from agent.core.sighting import Sighting
from agent.frames import Frame, Grey
from agent.vision.budget import Budget
from agent.vision.config import ReaderConfig
from agent.vision.crash_note import NoNote
from agent.vision.motion import Motion, Scene
from agent.vision.stages import STAGES, Found, Stage, StageAbsent
from agent.vision.views import Box, Views

STRAIN_SHARE: Final = 0.2
"""How much of a sighting's effort is the code's own wear, not the stage that read it."""
TURNS: Final = 2
"""So many of the later stages look at a frame in which something stirs, in turn."""
WIDE_EVERY: Final = 8
"""One miss in so many is looked at whole, wherever something stirs."""
EXTRA_AT_REST: Final = 24
"""One look in so many at a scene without motion is an extra's."""
EXPOSURES: Final = 4
"""A camera may alternate between so many, each with an empty gate of its own to remember."""
TRACKED_FRAMES: Final = 8
TRACK_MARGIN: Final = 0.5
"""How far a hand may move from one frame to the next, as a share of the code."""


@dataclass(slots=True)
class _Track:
    """Where a code was last, and which stage saw it; for the frames that follow."""

    box: Box
    stage: Stage
    read: bool
    frames_left: int = TRACKED_FRAMES


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
        self._stages = tuple(self._made(self.config.stages))
        self._extras = tuple(self._made(self.config.extras))
        self._budget = Budget(self.config.budget_ms)
        self._motions: dict[float, Motion] = {}
        self._shape: tuple[int, ...] = ()
        self._track: _Track | None = None
        self._resume_at = 0
        self._misses = 0
        self._rested = 0
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
        if views.full.shape != self._shape:
            self._shape, self._track = views.full.shape, None
        self._budget.earn()
        scene = self._motion_at(frame.gain if isinstance(frame, Frame) else 1.0).look(views)
        sightings: dict[str, Sighting] = {}
        looked_again = False
        for stage, part in self._looks(views, scene):
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
        if scene.stirring:
            self._misses = 0 if sightings else self._misses + 1
        self._familiar = frozenset(sightings)
        return tuple(sightings.values())

    def _looks(self, views: Views, scene: Scene) -> Iterator[tuple[Stage, Views]]:
        """Who looks at this frame, and at which part of it; the caller stops when it has what it wants.

        First where a code was just now. Then, if something stirs, the first stage where it stirs; the
        others in turn while the frame's time lasts, and those left out come first on the next frame,
        so that a slow machine starves none. If nothing stirs, one stage in turn, now and then.
        """
        track = self._track
        if track is not None:
            if track.frames_left == 0:
                self._track = None
            track.frames_left -= 1
            if track.read:
                yield track.stage, views.cut(track.box)
        if not scene.stirring:
            yield from self._resting(views)
            return
        # A wide look now and then, for what stirs so little that it is taken for the gate itself.
        wide = scene.region is None or self._misses % WIDE_EVERY == WIDE_EVERY - 1
        part = views if wide or scene.region is None else views.cut(scene.region)
        yield from ((stage, part) for stage in self._stages[:1])
        nearly = self._track
        if nearly is not None and not nearly.read:
            part = views.cut(nearly.box)
        # Something unread is there, or this may be the only picture: all look. Else some in turn.
        everyone = nearly is not None or scene.fresh
        yield from ((stage, part) for stage in self._others(len(self._stages) if everyone else TURNS))
        turn, odd = divmod(self._misses + 1, self.config.extra_every)
        if self._extras and not odd and turn > 1:
            yield self._extras[turn % len(self._extras)], part

    def _others(self, most: int) -> Iterator[Stage]:
        """The stages behind the first, from where the last frame left off."""
        others = self._stages[1:]
        for _ in others[:most]:
            if not self._budget.left:
                return
            self._resume_at = (self._resume_at + 1) % len(others)
            yield others[self._resume_at - 1]

    def _resting(self, views: Views) -> Iterator[tuple[Stage, Views]]:
        """Nobody is there, as far as motion shows; look all the same, but not at every frame.

        At every frame only where a code was seen and not yet read: somebody may hold it very still.
        """
        nearly = self._track
        if nearly is not None and not nearly.read:
            yield from ((stage, views.cut(nearly.box)) for stage in (nearly.stage, *self._others(1)))
        turn, odd = divmod(self._rested, self.config.rest_every)
        self._rested += 1
        if odd:
            return
        if self._extras and turn % EXTRA_AT_REST == EXTRA_AT_REST - 1:
            yield self._extras[turn // EXTRA_AT_REST % len(self._extras)], views
        elif self._stages:
            yield self._stages[turn % len(self._stages)], views

    def _motion_at(self, gain: float) -> Motion:
        if gain not in self._motions and len(self._motions) >= EXPOSURES:
            self._motions.clear()
        return self._motions.setdefault(gain, Motion())

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
            read = each.payload is not None
            if each.corners and (read or self._track is None or not self._track.read):
                box = Box.about(whole.full.shape, _in_frame(each, part), TRACK_MARGIN)
                if box.area:
                    self._track = _Track(box, stage, read)

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
    return Sighting(
        text=payload.decode("latin-1"),
        corners=_in_frame(found, part),
        stage=stage.name,
        effort=min(1.0, stage.effort + STRAIN_SHARE * found.strain),
        took_ms=took_ms,
    )
