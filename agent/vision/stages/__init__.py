"""The stages that a reader may be built of, by name.

A new stage is one class and one line in STAGES. A stage looks at one frame,
remembers nothing, and may fail: the reader survives it.
"""

from collections.abc import Callable
from typing import Final

from agent.vision.stages.bent import Bent
from agent.vision.stages.stage import Found, Stage, StageAbsent
from agent.vision.stages.zbar import Zbar
from agent.vision.stages.zxing import Full, Grown, Half, Pale, SharpHalf, Shrunk, Soft, SoftHalf

STAGES: Final[dict[str, Callable[[], Stage]]] = {
    "A": Half,
    "a": SoftHalf,
    "B": Full,
    "b": Soft,
    "s": SharpHalf,
    "third": lambda: Shrunk("third", 1 / 3),
    "double": lambda: Grown("double", 2.0),
    "pale": Pale,
    "bent": Bent,
    "pyzbar": Zbar,
}

__all__ = ["STAGES", "Found", "Stage", "StageAbsent"]
