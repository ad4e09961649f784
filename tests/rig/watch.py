"""Run inside the rig: take frames from the gate's own camera driver, reopen it, and say what came.

watch.py FOLDER     leaves luma.npy and half.npy of one frame there; prints one JSON object
"""

import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import numpy as np  # noqa: E402
import off_a_pi  # noqa: E402, F401

from hw.cameras import CameraConfig, open_camera  # noqa: E402

FRAMES = 20


def watched(folder: Path) -> dict[str, object]:
    shapes, lent, taken = set(), True, []
    camera = open_camera(CameraConfig(kind="picamera2"))
    for frame in camera.frames():
        if frame is None:
            continue
        shapes.add((frame.luma.shape, frame.half.shape))
        lent &= not frame.luma.flags.owndata
        taken.append(frame.taken_mono)
        if len(taken) == 1:
            np.save(folder / "luma.npy", frame.luma)
            np.save(folder / "half.npy", frame.half)
        if len(taken) == FRAMES:
            camera.close()
    (shape,) = shapes
    return {"frames": len(taken), "shapes": shape, "lent": lent, "in_order": taken == sorted(taken)}


first = watched(Path(sys.argv[1]))
second = watched(Path(sys.argv[1]))  # the device was really let go of
print(json.dumps({"first": first, "again": second}))
