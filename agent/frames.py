"""What a camera gives: one picture, as luma."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Grey: TypeAlias = NDArray[np.uint8]
"""(H, W) uint8 luma, 0 black to 255 white; may be strided or read-only; never modified."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture from a camera.

    Args:
        luma: (H, W) uint8, the full picture.
        half: (H // 2, W // 2) uint8, the same picture at half size when the camera's hardware
            scaler made one; else None and the reader makes its own.
        taken_mono: monotonic seconds at capture.
        gain: of this picture's exposure against the camera's usual one; 1 unless it alternates.
    """

    luma: Grey
    half: Grey | None
    taken_mono: float
    gain: float = 1.0
