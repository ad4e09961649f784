"""The nursery: a process that loads the decoders once, and forks an eye whenever the gate asks for one.

    python -m agent.vision.nursery                  the asking socket is standard input

It never sees a picture but one that it draws itself. An eye sees them all, and may die of one; then the gate
asks for the next, which is there in some milliseconds, because nothing has to be loaded. Each ask brings JSON

    {"reader": {…}, "note": PATH}                   as agent.vision.config.ReaderConfig has it; the crash note

and two descriptors: the new eye's socket, and the room where frames will lie. The eye before is killed first. When
the gate is gone, the eye may finish its look, and both end. Signals other than SIGKILL do not move the nursery.

An eye opens its crash note, maps its room, gives up everything else, and then looks
(agent.vision.confined). Whether the decoders can look with so little is tried once, by an eye on trial before a
drawn code, so that a library that can't costs the filter and not the gate's sight.
"""

import gc
import json
import mmap
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final, cast

import cv2
import numpy as np

from agent.frames import Grey
from agent.vision import handing
from agent.vision.confined import confine, die_with
from agent.vision.crash_note import CrashNote
from agent.vision.reader import Reader
from agent.vision.stages import STAGES, StageAbsent
from agent.vision.views import Views

if TYPE_CHECKING:
    from agent.vision.config import ReaderConfig

ASK_BYTES: Final = 16384
FINISHES_WITHIN_S: Final = 1.0
TRIED_WITHIN_S: Final = 10.0
DRAWN: Final = "A DRAWN CODE"


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(1)  # threads do not outlive a fork
    gate = socket.socket(fileno=os.dup(0))
    ours = os.getpid()
    filtered: bool | None = None
    eye, ended = 0, None
    while True:
        message, files, _, _ = socket.recv_fds(gate, ASK_BYTES, 2)
        if eye:
            ended = _end(eye, FINISHES_WITHIN_S if not message else 0.0)
        if not message or len(files) != 2:
            return
        asked = json.loads(message)
        config = _config(asked["reader"])
        if filtered is None:
            filtered = _tried(config)
            gc.freeze()  # what is here stays, and is shared with every eye
        eye = _forked(partial(_be_an_eye, files, config, asked["note"], ended, ours, filtered=filtered))
        for file in files:
            os.close(file)


def _be_an_eye(  # noqa: PLR0913  what it is born with
    files: list[int], config: "ReaderConfig", note: str, ended: int | None, parent: int, *, filtered: bool
) -> None:
    die_with(parent)
    wire, room = files
    noted = CrashNote(Path(note))
    reader = Reader(config, noted)
    memory: Grey = np.frombuffer(mmap.mmap(room, 0, prot=mmap.PROT_READ), np.uint8)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for own in (0, 1, 2):
        os.dup2(nowhere, own)
    os.dup2(wire, 3)
    os.closerange(4, 1 << 16)  # the maps stay; of descriptors it has its socket, and three to nowhere
    gate = socket.socket(fileno=3)
    confine(filtered=filtered)
    gate.send(handing.Born(os.getpid(), ended, filtered, noted.blamed).packed())
    look(gate, memory, reader)


def look(gate: socket.socket, memory: Grey, reader: Reader) -> None:
    """Read frame after frame until the gate is gone."""
    while told := gate.recv(handing.PACKET_BYTES):
        number, frame = handing.taken(told, memory)
        for sighting in reader.read(frame):
            gate.send(handing.seen(number, sighting))
        gate.send(handing.done(number))


def _config(asked: dict[str, object]) -> "ReaderConfig":
    """The gate has checked it; what pydantic would take here is 9 MB and a tenth of the start."""
    return cast("ReaderConfig", SimpleNamespace(**asked))


def _tried(config: "ReaderConfig") -> bool:
    """Look in every way: in a child, in case that crashes; then here, so that whatever a look loads is loaded;
    then as an eye will.

    Returns:
        Whether it could behind the filter.
    """
    stages = list(_stages(config))

    def in_a_child(prepared: Callable[[], None]) -> bool:
        def look() -> None:
            prepared()
            if not _look_in_every_way(stages, config):
                raise LookupError("the drawn code was not read")

        return _end(_forked(look), TRIED_WITHIN_S) == 0

    if not in_a_child(lambda: None):
        return False
    _look_in_every_way(stages, config)
    return in_a_child(lambda: confine(filtered=True))


def _stages(config: "ReaderConfig") -> list[Callable[[Views], object]]:
    made: list[Callable[[Views], object]] = []
    for name in (*config.stages, *config.extras):
        try:
            made.append(STAGES[name]().look)
        except StageAbsent:
            continue
    return made


def _look_in_every_way(stages: list[Callable[[Views], object]], config: "ReaderConfig") -> bool:
    """Whether a drawn code is read by the cascade, and no stage breaks."""
    code = np.asarray(cv2.QRCodeEncoder.create().encode(DRAWN), np.uint8)
    picture = np.pad(code, 8, constant_values=255).repeat(6, axis=0).repeat(6, axis=1)
    for stage in stages:
        stage(Views(picture))
    return any(sighting.text == DRAWN for sighting in Reader(config).read(picture))


def _forked(live: Callable[[], None]) -> int:
    """A child that does this and nothing else; its process id."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            live()
            code = 0
        except Exception as fault:  # noqa: BLE001  whatever it is, this process must not go on as the nursery
            sys.stderr.write(f"{fault!r}\n")
            sys.stderr.flush()
        finally:
            os._exit(code)
    return child


def _end(child: int, within_s: float) -> int:
    """Wait so long for a child's end, then bring it about; its return code, as subprocess has it."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main()
    os._exit(0)  # nothing is left to be done, and a gate waits
