"""The stages that a reader may be built of, by name.

A new stage is one line in STAGES, and a class if it does more than look at a view. A stage looks at one frame,
remembers nothing, and may fail: the reader survives it.
"""

from collections.abc import Callable
from typing import Final

from agent.vision.stages.bent import Bent
from agent.vision.stages.stage import Found, Stage, StageAbsent
from agent.vision.stages.zbar import Zbar
from agent.vision.stages.zxing import Grown, Pale, Plain

STAGES: Final[dict[str, Callable[[], Stage]]] = {
    # A quarter of the pixels, softened a little, finds most codes held to a gate.
    "a": lambda: Plain("a", 0.0, lambda views: views.soft_half),
    # Sharpened, for codes too near to a fixed lens.
    "s": lambda: Plain("s", 0.3, lambda views: views.sharp_half),
    # For codes that are small or far.
    "B": lambda: Plain("B", 0.3, lambda views: views.full),
    # Both: small, and smeared or out of focus.
    "S": lambda: Plain("S", 0.5, lambda views: views.sharp),
    # As the camera's scaler gives it.
    "A": lambda: Plain("A", 0.1, lambda views: views.half),
    # Through a Gaussian, for screens' pixel grids and noisy nights.
    "b": lambda: Plain("b", 0.5, lambda views: views.soft),
    # For codes that fill a large picture and for print dots.
    "third": lambda: Plain("third", 0.6, lambda views: views.shrunk(1 / 3)),
    "double": lambda: Grown("double", 2.0),
    "pale": Pale,
    "bent": Bent,
    "pyzbar": Zbar,
}

__all__ = ["STAGES", "Found", "Stage", "StageAbsent"]
