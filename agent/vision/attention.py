"""Who looks where: the order of the looks at one frame of a stream.

Remembers where a code was read, where one was seen and not read, what the
empty gate looks like, and whose turn it is. Reads nothing by itself; the
reader takes look after look and stops when it has what it wants.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.core.sighting import Corner
from agent.vision.budget import Budget
from agent.vision.motion import Motion, Scene
from agent.vision.spots import Spot, spots_in
from agent.vision.stages import Stage
from agent.vision.views import SMALLEST_PX, Box, Views

if TYPE_CHECKING:
    from agent.vision.config import ReaderConfig

TURNS: Final = 1
"""So many of the later stages look at what comes in over the frame's edge: most of it is not there yet."""
ARRIVES_WITHIN: Final = 10
"""Frames without a read after which what still moves at the edge is taken for as much as there will be of it."""
WIDE_EVERY: Final = 8
"""One miss in so many is looked at whole, wherever something stirs."""
OTHER_SPOT_EVERY: Final = 3
"""One miss in so many is spent on another spot than the most patterned one."""
EXTRA_AT_REST: Final = 24
"""One look in so many at a scene without motion is an extra's."""
EXPOSURES: Final = 4
"""A camera may alternate between so many, each with an empty gate of its own to remember."""
TRACKED_FRAMES: Final = 8
TRACK_MARGIN: Final = 0.5
"""How far a hand may move from one frame to the next, as a share of the code."""
STILL: Final = 0.8
"""A spot that covers so much of where it was in the last frame has come to rest."""
SMALLEST_WITH_SPOTS_PX: Final = 300_000
"""In smaller pictures a code may be a few cells wide; there all look in any case."""
SMALL: Final = 0.5
"""A spot of more than this share of the frame is the frame."""

Look = tuple[Stage, Views]


@dataclass(slots=True)
class _Track:
    """Where a code was last, and which stage saw it; for the frames that follow."""

    box: Box
    stage: Stage
    read: bool
    frames_left: int = TRACKED_FRAMES


class Attention:
    """One stream's.

    Args:
        config: how often what is done.
        stages, extras: in the order in which they are tried.
        budget: asked before each look but the first.
    """

    def __init__(
        self, config: "ReaderConfig", stages: Sequence[Stage], extras: Sequence[Stage], budget: Budget
    ) -> None:
        self._config = config
        self._stages = stages
        self._extras = extras
        self._budget = budget
        self._motions: dict[float, Motion] = {}
        self._shape: tuple[int, ...] = ()
        self._track: _Track | None = None
        self._resume_at = 0
        self._cut_short = False
        self._misses = 0
        self._rested = 1  # the first frame had a look of its own
        self._stirring = False
        self._last_spot: Box | None = None

    def looks(self, views: Views, gain: float) -> Iterator[Look]:
        """All looks at a frame worth their time; taken until the caller has what it wants.

        First where a code was just now. Then, if something stirs, the first stage where it stirs, and the
        others at the most patterned place there. If nothing stirs, one stage in turn, now and then.
        """
        if views.full.shape != self._shape:
            self._shape, self._track = views.full.shape, None
        scene = self._motion_at(gain).look(views)
        self._stirring = scene.stirring
        track = self._track
        if track is not None:
            if track.frames_left == 0:
                self._track = None
            track.frames_left -= 1
            if track.read:
                yield track.stage, _place(views, track.box)
        if not scene.stirring:
            yield from self._at_rest(views)
        elif scene.fresh:
            yield from self._at_first_sight(views)
        else:
            yield from self._at_somebody(views, scene)

    def found(self, box: Box, stage: Stage, *, read: bool) -> None:
        """Keep in mind where a code was read, or else where one was seen."""
        if box.shortest >= SMALLEST_PX and (read or self._track is None or not self._track.read):
            self._track = _Track(box, stage, read)

    def ended(self, *, read: bool) -> None:
        """The frame is done."""
        if self._stirring:
            self._misses = 0 if read else self._misses + 1

    def _at_first_sight(self, views: Views) -> Iterator[Look]:
        """The first frame of a stream, or the only picture there is: where it may hold a code, all look."""
        yield from ((stage, views) for stage in self._stages[:1])
        spots = spots_in(views)
        strong = views.full.size < SMALLEST_WITH_SPOTS_PX or any(spot.strong for spot in spots)
        small = [_place(views, spot.box) for spot in spots if spot.box.area < SMALL * views.full.size]
        for part in small if strong else small[:1]:
            yield from self._within_budget(self._stages, part)
        yield from self._within_budget(self._stages[:1], views.mirrored)
        if not strong:
            return
        wide = self._config.wide_stages if small else (*self._config.stages, *self._config.extras)
        yield from self._within_budget([stage for stage in self._stages if stage.name in wide], views)
        for part in small:
            yield from self._within_budget(self._extras, part)
        yield from self._within_budget([extra for extra in self._extras if extra.name in wide], views)

    def _at_somebody(self, views: Views, scene: Scene) -> Iterator[Look]:
        # A wide look now and then, for what stirs so little that it is taken for the gate itself.
        wide = scene.region is None or self._misses % WIDE_EVERY == WIDE_EVERY - 1
        part = views if wide or scene.region is None else views.cut(scene.region)
        yield from ((stage, part) for stage in self._stages[:1])
        spot = self._chosen(spots_in(part))
        arriving = spot is not None and spot.at_edge and not self._rests(spot, part)
        arriving = arriving and self._misses < ARRIVES_WITHIN
        nearly = self._track if self._track is not None and not self._track.read else None
        arriving = arriving and nearly is None
        if spot is not None and (nearly is None or nearly.box.shared(spot.box.moved(*part.at))):
            part = _place(part, spot.box)
        elif nearly is not None:
            part = _place(views, nearly.box)
        elif not wide:
            return
        yield from self._in_turn(TURNS if arriving else len(self._stages), part)
        turn, odd = divmod(self._misses + 1, self._config.extra_every)
        if self._extras and not odd and not arriving:
            yield self._extras[(turn - 1) % len(self._extras)], part

    def _chosen(self, spots: Sequence[Spot]) -> Spot | None:
        if not spots:
            return None
        turn, odd = divmod(self._misses + 1, OTHER_SPOT_EVERY)
        return spots[0] if odd else spots[turn % len(spots)]

    def _rests(self, spot: Spot, part: Views) -> bool:
        """Whether a spot is where it was; remembers it."""
        now = spot.box.moved(*part.at)
        before, self._last_spot = self._last_spot, now
        return before is not None and before.shared(now) > STILL * max(before.area, now.area)

    def _in_turn(self, most: int, part: Views) -> Iterator[Look]:
        """The stages behind the first, from where the last frame left off, so that a slow machine starves none."""
        others = self._stages[1:]
        if most >= len(others) and not self._cut_short:
            self._resume_at = 0
        self._cut_short = False
        for _ in others[:most]:
            if not self._budget.left:
                self._cut_short = True
                return
            self._resume_at = (self._resume_at + 1) % len(others)
            yield others[self._resume_at - 1], part

    def _within_budget(self, stages: Sequence[Stage], part: Views) -> Iterator[Look]:
        for stage in stages:
            if not self._budget.left:
                return
            yield stage, part

    def _at_rest(self, views: Views) -> Iterator[Look]:
        """Nobody is there, as far as motion shows; look all the same, but not at every frame.

        At every frame only where a code was seen and not yet read: somebody may hold it very still.
        """
        nearly = self._track
        if nearly is not None and not nearly.read:
            part = _place(views, nearly.box)
            yield nearly.stage, part
            yield from self._in_turn(1, part)
        turn, odd = divmod(self._rested, self._config.rest_every)
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


def _place(views: Views, box: Box) -> Views:
    """A part to look at more closely; where the frame's edge may cut a code in it, a mirror stands there."""
    return views.cut(box).mirrored


def about(corners: tuple[Corner, ...], shape: tuple[int, ...]) -> Box:
    """Where a code with these corners may be in the next frame, of shape (H, W)."""
    return Box.about(shape, corners, TRACK_MARGIN)
