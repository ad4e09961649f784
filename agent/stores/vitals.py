"""The gate's health, gathered where it happens and left in a small file for sync.

The camera and the reader are watched from outside: each is handed on in a
wrapper that counts. A thread writes the file when something of weight has
changed, and otherwise now and then; a card that refuses it costs nothing else.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from agent.core.health import MAX_BYTES, GateHealth
from agent.core.sighting import Sighting
from agent.ports import Camera, Decoder, DecoderLost

if TYPE_CHECKING:
    from agent.frames import Frame, Grey

LOOK_EVERY_S: Final = 1.0
WRITE_EVERY_S: Final = 30.0
FIRST_AFTER_S: Final = 5.0
"""The first word is before the first picture; the second comes sooner."""
_log = structlog.get_logger("agent.stores.vitals")


class Pulse:
    """Counts frames, the time it takes to look through them, and decoders lost; one writer, one reader."""

    def __init__(self) -> None:
        self.lost = 0
        self._frames = self._reads = 0
        self._read_s = self._most_s = 0.0
        self._since = time.monotonic()

    def camera(self, camera: Camera) -> Camera:
        """The same camera, counted."""
        return _CountedCamera(camera, self)

    def reader(self, reader: Decoder) -> Decoder:
        """The same reader, timed."""
        return _TimedReader(reader, self)

    def framed(self) -> None:
        self._frames += 1

    def looked(self, took_s: float) -> None:
        self._reads += 1
        self._read_s += took_s
        self._most_s = max(self._most_s, took_s)

    def taken(self) -> tuple[float, float, float]:
        """Frames a second, mean and longest milliseconds a frame, since the last call."""
        now = time.monotonic()
        fps = self._frames / max(now - self._since, 1e-3)
        mean_ms = 1000 * self._read_s / self._reads if self._reads else 0.0
        most_ms = 1000 * self._most_s
        self._since, self._frames, self._reads, self._read_s, self._most_s = now, 0, 0, 0.0, 0.0
        return round(fps, 1), round(mean_ms, 1), round(most_ms, 1)


class _CountedCamera:
    def __init__(self, camera: Camera, pulse: Pulse) -> None:
        self._camera, self._pulse = camera, pulse

    def frames(self) -> "Iterator[Frame | None]":
        for frame in self._camera.frames():
            if frame is not None:
                self._pulse.framed()
            yield frame

    def close(self) -> None:
        self._camera.close()


class _TimedReader:
    def __init__(self, reader: Decoder, pulse: Pulse) -> None:
        self._reader, self._pulse = reader, pulse

    def read(self, frame: "Frame | Grey") -> tuple[Sighting, ...]:
        began = time.perf_counter()
        try:
            return self._reader.read(frame)
        except DecoderLost:
            self._pulse.lost += 1
            raise
        finally:
            self._pulse.looked(time.perf_counter() - began)


class HealthFile:
    """Writes what `ask` says, in a thread of its own.

    Args:
        ask: the gate's health now, but for the figures of the pulse, which are added when it is
            told that a new half minute begins.
    """

    def __init__(self, path: Path, ask: Callable[[bool], GateHealth]) -> None:
        self._path, self._ask = path, ask
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        due, weight, every_s = 0.0, None, FIRST_AFTER_S
        while True:
            try:
                anew = time.monotonic() >= due
                health = self._ask(anew)
                seen = (
                    health.door,
                    health.lockdown,
                    health.list,
                    health.list_state,
                    health.clock,
                    health.journal,
                )
                if anew or seen != weight:
                    write(self._path, health)
                    weight = seen
                    if anew:
                        due, every_s = time.monotonic() + every_s, WRITE_EVERY_S
            except Exception as fault:  # noqa: BLE001  nothing here may cost the gate anything
                _log.warning("health.unwritten", found=repr(fault))
                due = time.monotonic() + WRITE_EVERY_S
            if self._stop.wait(LOOK_EVERY_S):
                return


def write(path: Path, health: GateHealth) -> None:
    """Exchange the file whole; not flushed, since a power cut makes it worthless anyway.

    Raises:
        OSError: the card refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(health.to_bytes())
    beside.replace(path)


def age_s(path: Path) -> float | None:
    """How long ago a file was written; None if it is not there.

    Raises:
        PermissionError: this user may not look.
    """
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except PermissionError:
        raise
    except OSError:
        return None


def read(path: Path) -> GateHealth:
    """What the gate last said; nothing but defaults if it has not, or not in this form."""
    with contextlib.suppress(OSError, ValueError, TypeError), path.open("rb") as file:
        return GateHealth.from_bytes(file.read(MAX_BYTES + 1))
    return GateHealth()
