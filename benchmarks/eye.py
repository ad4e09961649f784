"""What it costs that the decoders are in a process of their own: handing over, a death, and memory.

    python -m benchmarks.eye [FRAMES]

Frames of 1280x720 with a sensor's grain, an empty gate and a held card, read by a Reader in this process and by
an Eye, in turn. Told are the processor's milliseconds a frame (of both processes, for the eye), the wall's, and
both as a share of what pyzbar takes for the empty one.
"""

import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from pyzbar import pyzbar  # type: ignore[import-untyped]

from agent.frames import Frame, Grey
from agent.ports import DecoderLost
from agent.vision import Reader, ReaderConfig
from agent.vision.eye import Eye
from agent.vision.handing import Room
from hw.sim.codes import flat

PASS = "M1" + "ABC123XYZ:" * 11 + "ABCDEF"
ROUNDS = 5
Look: TypeAlias = Callable[[Frame], object]
DEATHS = 20


def grainy(picture: Grey, count: int) -> list[Frame]:
    """The same picture as a camera gives it again and again, with the scaler's half."""
    chance = np.random.default_rng(0)
    grain = chance.normal(0, 6.0, (1000, 1600)).astype(np.float32)
    frames = []
    for _ in range(count):
        row, column = chance.integers(0, 256, 2)
        piece = grain[row : row + picture.shape[0], column : column + picture.shape[1]]
        luma = cv2.add(np.asarray(picture, np.float32), piece, dtype=cv2.CV_8U)
        half = cv2.resize(luma, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        frames.append(Frame(np.asarray(luma, np.uint8), np.asarray(half, np.uint8), 0.0))
    return frames


def cpu_s(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def timed(
    read: Callable[[Frame], object], frames: Sequence[Frame], count: int, pid: int
) -> tuple[float, float]:
    """Processor's and wall's milliseconds a frame, of this process and another (0: none)."""
    own, theirs, began = time.process_time(), cpu_s(pid) if pid else 0.0, time.perf_counter()
    for number in range(count):
        read(frames[number % len(frames)])
    wall_s = time.perf_counter() - began
    spent_s = time.process_time() - own + (cpu_s(pid) - theirs if pid else 0.0)
    return 1000 * spent_s / count, 1000 * wall_s / count


def reborn(eye: Eye, frame: Frame) -> tuple[float, float]:
    """Kill an eye; milliseconds until the next one is there, and until it has read."""
    os.kill(eye.pid, signal.SIGKILL)
    began, there_s = time.perf_counter(), 0.0
    while not there_s:
        try:
            eye.read(frame)
        except DecoderLost:
            there_s = time.perf_counter() - began
    while not eye.read(frame):
        pass
    return 1000 * there_s, 1000 * (time.perf_counter() - began)


def main(count: int = 400) -> None:
    wall = np.full((720, 1280), 128, np.uint8)
    code = flat(PASS, module_px=6)
    card = wall.copy()
    card[100 : 100 + code.shape[0], 400 : 400 + code.shape[1]] = code
    empty, held = grainy(wall, 40), grainy(card, 40)
    began = time.process_time()
    for frame in empty[:20]:
        pyzbar.decode(frame.luma, symbols=[pyzbar.ZBarSymbol.QRCODE])
    peer_ms = 1000 * (time.process_time() - began) / 20
    room = Room()
    copied_ms, _ = timed(lambda frame: room.put(1, frame), empty, count, 0)
    print(f"pyzbar {peer_ms:.1f} ms a frame; a copy into the room {copied_ms:.3f}")
    with tempfile.TemporaryDirectory() as folder:
        eye = Eye(ReaderConfig(), Path(folder, "looking"), wait_s=10.0, rest_s=0.0)
        began = time.perf_counter()
        eye.ready()
        print(f"the first eye is there after {1000 * (time.perf_counter() - began):.0f} ms")
        for title, frames in (("nobody there", empty), ("a card held", held)):
            readers: dict[str, tuple[Look, int]] = {"Reader": (Reader().read, 0), "Eye": (eye.read, eye.pid)}
            rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in readers}
            for look, pid in readers.values():
                timed(look, frames, len(frames), pid)
            for _ in range(ROUNDS):
                for name, (look, pid) in readers.items():
                    rounds[name].append(timed(look, frames, count, pid))
            for name, figures in rounds.items():
                cpu_ms, wall_ms = map(statistics.median, zip(*figures, strict=True))
                share = cpu_ms / peer_ms
                print(f"{title:14}{name:8} CPU {cpu_ms:.3f} ms, of pyzbar's {share:.3f}; wall {wall_ms:.3f}")
        deaths = [reborn(eye, held[0]) for _ in range(DEATHS)]
        titles = ("until the next eye is there", "until it has read")
        for title, took_ms in zip(titles, zip(*deaths, strict=True), strict=True):
            print(f"{title}, ms: {statistics.median(took_ms):.1f} ({min(took_ms):.1f} to {max(took_ms):.1f})")
        eye.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
