"""A code that no frame shows whole, joined from several: each frame votes on each module.

A lamp mirrored in a screen covers other modules in the next frame, and grain is another each time. A decoder
that fails its checksum still says where the code lies and of which version it is; so the modules of each such
frame are laid over those before, and the sum is drawn as a code and shown to the decoder. What comes out of it
the decoder has read whole, checksum and all; nothing is pieced together from texts.

A code that changes, a rotating pass or another person's, must never be joined with what it was. Half of its
data modules differ then: a vote that disagrees so much goes to a ballot of its own, and a ballot that nobody
adds to is forgotten. So a guess at a wrong version, or a poster in sight, spoils no other code's votes either.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

from agent.core.sighting import Corner
from agent.frames import Grey
from agent.vision.stages.stage import Found
from agent.vision.stages.zxing import LIBRARY, QR_ONLY, strain_of, version_of
from agent.vision.views import Views

LARGEST_VERSION: Final = 12
"""Passes are of versions 5 to 7; a decoder's guess at more is most often wrong."""
ANOTHER: Final = 0.25
"""A vote that disagrees in more of the modules that were decided is on another code. Under grain and glare the
same code reached .10; of 199 steps of a rotating pass none differed from the one before in less than .32 of all
modules, and the mean is .39."""
MOST_CODES: Final = 3
DECIDED: Final = 0.15
"""The least mean vote, of 1, that decides a module."""
FORGOTTEN_AFTER: Final = 15
"""Frames without a vote; half a second of a quick camera."""
SAMPLES: Final = 4
"""Across a module, and down."""
AROUND_MODULES: Final = 9
"""Dark and light are told apart against the mean of what is around."""
DRAWN_PX: Final = 4
QUIET_MODULES: Final = 4

_Modules = NDArray[np.float32]


Seen: TypeAlias = tuple[Views, Found]
"""A code that a look saw and could not read, and what it looked at."""


class _Ballot:
    """The votes on one code."""

    def __init__(self, first: _Modules) -> None:
        self.cast = 1
        self.frames_since = 0
        self._sum = first.copy()

    def is_of(self, vote: _Modules) -> bool:
        """Whether a vote is on the same code, as far as the modules show that both have decided."""
        if vote.shape != self._sum.shape:
            return False
        decided = (np.abs(self._sum) > DECIDED * self.cast) & (np.abs(vote) > DECIDED)
        return bool(decided.any() and np.mean((vote > 0)[decided] != (self._sum > 0)[decided]) <= ANOTHER)

    def add(self, vote: _Modules) -> None:
        self.cast += 1
        self.frames_since = 0
        self._sum += vote

    def drawn(self) -> Grey:
        """The code that was voted for, as it is printed."""
        light = np.where(self._sum > 0, np.uint8(255), np.uint8(0))
        paper = 255 if _dark_on_light(self._sum) else 0
        light = np.pad(light, QUIET_MODULES, constant_values=paper)
        return np.ascontiguousarray(light.repeat(DRAWN_PX, axis=0).repeat(DRAWN_PX, axis=1))


class Votes:
    """On the codes of one stream that were seen and not read."""

    name: Final = "joined"
    library: Final = LIBRARY
    effort: Final = 0.9

    def __init__(self) -> None:
        self._ballots: list[_Ballot] = []

    @property
    def cast(self) -> tuple[int, ...]:
        """How many looks have voted on each code, the latest first."""
        return tuple(ballot.cast for ballot in self._ballots)

    def look(self, seen: Sequence[Seen]) -> Sequence[Found]:
        """Let a frame's looks vote, and read what they have voted on with those before.

        Returns:
            What the decoder read; corners are in the frame's pixels.
        """
        for ballot in self._ballots:
            ballot.frames_since += 1
        self._ballots = [ballot for ballot in self._ballots if ballot.frames_since <= FORGOTTEN_AFTER]
        read: list[Found] = []
        places = {id(ballot): place for place, ballot in filter(None, map(self._take, seen))}
        for ballot in self._ballots:
            if id(ballot) in places and ballot.cast > 1:
                read += _read(ballot.drawn(), places[id(ballot)])
        return read

    def _take(self, seen: Seen) -> tuple[tuple[Corner, ...], _Ballot] | None:
        """One look's vote: where in the frame its code is, and the ballot that it went to."""
        part, code = seen
        if not 1 <= code.version <= LARGEST_VERSION or len(code.corners) != 4:
            return None
        vote = _modules(part.full, code.corners, 17 + 4 * code.version)
        ballot = next((one for one in self._ballots if one.is_of(vote)), None)
        if ballot is None:
            ballot = _Ballot(vote)
        else:
            self._ballots.remove(ballot)
            ballot.add(vote)
        self._ballots = [ballot, *self._ballots][:MOST_CODES]
        return part.in_frame(code.corners), ballot


def _read(drawn: Grey, corners: tuple[Corner, ...]) -> Iterator[Found]:
    for code in zxingcpp.read_barcodes(drawn, formats=QR_ONLY, try_rotate=False, try_downscale=False):
        yield Found(code.bytes, corners, strain_of(code), version_of(code))


def _modules(luma: Grey, corners: tuple[Corner, ...], side: int) -> _Modules:
    """How light each module is against what is around it: (side, side), -1 dark to 1 light."""
    high = side * SAMPLES
    square = np.array([(0, 0), (high, 0), (high, high), (0, high)], np.float32)
    straight = cv2.warpPerspective(
        luma,
        cv2.getPerspectiveTransform(np.array(corners, np.float32), square),
        (high, high),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    light = cv2.resize(straight, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    light -= cv2.blur(light, (AROUND_MODULES, AROUND_MODULES))
    return np.asarray(np.clip(light / (1.5 * light.std() + 1e-3), -1, 1), np.float32)


def _dark_on_light(modules: _Modules) -> bool:
    """The outermost ring of a finder pattern says which: it is dark on paper."""
    return float(modules[0, :7].sum() + modules[:7, 0].sum()) < 0
