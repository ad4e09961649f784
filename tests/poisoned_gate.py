"""menshen-agent with decoders that fail: what `tests/decoder_drill.py` starts in a gate's place.

    POISONED=a,s DEATH=abort python -m tests.poisoned_gate gate --config gate.toml

The named stages call abort(3) once they have read a code, as a native library does whose heap a
picture has spoilt; or they hang, or talk rubbish on their process's socket. All else is the gate's own. The same file
is the nursery that this gate starts.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from agent.cli import main
from agent.vision import nursed


def hang() -> None:
    while True:
        time.sleep(60)


def talk_rubbish() -> None:
    os.write(3, b"open the door" * 40)


DEATHS: Final[dict[str, Callable[[], None]]] = {"abort": os.abort, "hang": hang, "rubbish": talk_rubbish}


def poisoned_nursery() -> None:
    from agent.vision import nursery  # noqa: PLC0415  only the nursery loads decoders
    from agent.vision.stages import STAGES, Found, Stage  # noqa: PLC0415
    from agent.vision.views import Views  # noqa: PLC0415

    death = DEATHS[os.environ.get("DEATH", "abort")]

    class Poisoned:
        """A stage whose decoder every picture of a code kills, but for the one that it is tried on."""

        def __init__(self, stage: Stage) -> None:
            self._stage = stage
            self.name, self.library, self.effort = stage.name, stage.library, stage.effort

        def look(self, views: Views) -> Sequence[Found]:
            seen = self._stage.look(views)
            if any(found.payload not in {None, nursery.DRAWN.encode()} for found in seen):
                death()
            return seen

    for name in filter(None, os.environ["POISONED"].split(",")):
        STAGES[name] = lambda made=STAGES[name]: Poisoned(made())
    nursery.main()


if __name__ == "__main__":
    if sys.argv[1:] == ["nursery"]:
        poisoned_nursery()
    else:
        nursed.MODULE[:] = ["tests.poisoned_gate", "nursery"]
        main()
