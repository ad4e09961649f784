"""What a stage is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.core.sighting import Corner
from agent.vision.views import Views


class StageAbsent(Exception):
    """A stage that this machine can't run; its message is a sentence for the technician."""


@dataclass(frozen=True, slots=True)
class Found:
    """One code that a native decoder read whole, or saw and could not read.

    Args:
        payload: the bytes in the code, before any charset; None when it was not read whole.
        corners: (x, y) in pixels of the full frame, clockwise from the code's own top left.
        strain: 0 when no error had to be corrected, to 1 when the code could bear no more.
        version: of the code (ISO/IEC 18004, 5.3.1), 1 to 40; 0 where the decoder does not say.
    """

    payload: bytes | None
    corners: tuple[Corner, ...] = ()
    strain: float = 0.0
    version: int = 0


class Stage(Protocol):
    """One way of looking at a frame."""

    @property
    def name(self) -> str: ...

    @property
    def library(self) -> str:
        """The native library that it looks with: if that crashes in two stages, all of its stages sit out."""
        ...

    @property
    def effort(self) -> float:
        """0 for the first and cheapest look, to 1 for the last resort."""
        ...

    def look(self, views: Views) -> Sequence[Found]:
        """Read all codes that this way of looking shows; whatever it raises costs only this look.

        Corners are in pixels of views.full, which may be a cutting.
        """
        ...
