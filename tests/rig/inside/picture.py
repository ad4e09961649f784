"""Inside the machine, with the running slot's Python: codes before a camera, as the camera's own format.

picture.py FOLDER TEXT...      FOLDER/0.bgr, 1.bgr, …: 640x480, three bytes a pixel, as OpenCV asks V4L2 for
"""

import sys
from pathlib import Path

import numpy as np

from hw.sim.film import still

SIZE_PX = (480, 640)


def main(folder: str, *texts: str) -> None:
    for number, text in enumerate(texts):
        luma = still(text, seed=1, size_px=SIZE_PX)
        (Path(folder) / f"{number}.bgr").write_bytes(np.repeat(luma[:, :, None], 3, axis=2).tobytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
