"""Runs a decoder in a child process, so that one that aborts costs one picture and not the run."""

import multiprocessing
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final

from agent.frames import Grey
from benchmarks.peers import PEERS

PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a decoder made of one picture.

    Args:
        texts: what it read; None when it died.
        cpu_ms: processor time; 0 when it died.
    """

    texts: list[str] | None
    cpu_ms: float


class Child:
    """One decoder in its own process, started again after each death."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._start()

    def _start(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._line, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(self._peer, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, luma: Grey) -> Answer:
        try:
            self._line.send(luma)
            if self._line.poll(PATIENCE_S):
                answer: Answer = self._line.recv()
                return answer
        except (EOFError, OSError):
            pass
        self.close()
        self._start()
        return Answer(None, 0.0)

    def close(self) -> None:
        self._line.close()
        self._process.kill()
        self._process.join()
        self._process.close()


def _serve(peer: str, line: Connection) -> None:
    decode = PEERS[peer]()
    while True:
        try:
            luma = line.recv()
        except EOFError:
            return
        started = time.process_time()
        try:
            texts = decode(luma)
        except Exception:  # noqa: BLE001  a peer that raises has read nothing
            texts = []
        line.send(Answer(texts, (time.process_time() - started) * 1000))
