"""menshen-agent with decoders that abort: what `tests/decoder_drill.py` starts in a gate's place.

    POISONED=a,s python -m tests.poisoned_gate gate --config gate.toml

The named stages call abort(3) once they have read a code, as a native library does whose heap a
picture has spoilt. All else is the gate's own.
"""

import os
from collections.abc import Sequence

from agent.cli import main
from agent.vision.stages import STAGES, Found, Stage
from agent.vision.views import Views


class Poisoned:
    """A stage whose decoder every picture of a code kills."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.name, self.library, self.effort = stage.name, stage.library, stage.effort

    def look(self, views: Views) -> Sequence[Found]:
        seen = self._stage.look(views)
        if any(found.payload is not None for found in seen):
            os.abort()
        return seen


if __name__ == "__main__":
    for name in os.environ["POISONED"].split(","):
        STAGES[name] = lambda made=STAGES[name]: Poisoned(made())
    main()
