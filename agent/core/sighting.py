"""A sighting: a text that a decoder read, whole, in one frame."""

from dataclasses import dataclass

Corner = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Sighting:
    """One code seen in one frame.

    Args:
        text: the payload, one character per byte (Latin-1), so that binary survives; never trusted.
        corners: the code's four corners, (x, y) in pixels of the full frame, clockwise from its
            own top left; empty when the decoder does not say.
        stage: which stage of the reader read it, such as `A`, `B`, `b` or `pyzbar`.
        effort: how hard it was, 0 (first stage, sharp) to 1 (last resort); worn cards score high.
        took_ms: the reader's time on this frame up to this read.
    """

    text: str
    corners: tuple[Corner, ...] = ()
    stage: str = ""
    effort: float = 0.0
    took_ms: float = 0.0
