"""Outside the rig: what its camera is shown, and whether what it saw is right.

python -m tests.rig.show FOLDER           JPEG files of a pass held up
python -m tests.rig.show --check FOLDER   what watch.py left there; exit code 1 if it is wrong
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np

from agent.frames import Frame
from agent.vision import Reader
from hw.sim.film import still

PASS = "M1" + "ABC123XYZ:" * 11 + "ABCDEF"
SIZE_PX = (720, 1280)


def show(folder: Path) -> None:
    for seed in range(4):
        cv2.imwrite(
            str(folder / f"{seed}.jpg"),
            cv2.cvtColor(still(PASS, seed=seed, size_px=SIZE_PX), cv2.COLOR_GRAY2BGR),
        )


def wrong(folder: Path) -> list[str]:
    """A sentence for each promise of the camera driver that was not kept."""
    said = json.loads((folder / "said.json").read_text().splitlines()[-1])
    frame = Frame(np.load(folder / "luma.npy"), np.load(folder / "half.npy"), 0.0)
    read = [sighting.text for sighting in Reader().read(frame)]
    wanted = {"frames": 20, "shapes": [[720, 1280], [360, 640]], "lent": True, "in_order": True}
    return [
        f"{run}: found {said[run]}, wanted {wanted}" for run in ("first", "again") if said[run] != wanted
    ] + [f"read {read}, wanted the pass that was shown"] * (read != [PASS])


def main(arguments: list[str]) -> int:
    if arguments[0] != "--check":
        show(Path(arguments[0]))
        return 0
    faults = wrong(Path(arguments[1]))
    print(
        "\n".join(faults)
        or "rig: 2 x 20 frames lent by the real picamera2, in order, and the pass in them read"
    )
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
