"""What every machine of the rig has: a hand inside, which runs what it is told to (inside/control.py).

Knows how to speak with it over a line. Refuses to know what carries the line and how the machine is started.
"""

import json
import select
import socket
import time
from dataclasses import dataclass


class RigFault(Exception):
    """The rig can't be had here, or the machine does not do as it should; says why."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a command inside the machine; code is None if it took too long."""

    code: int | None
    out: str
    err: str


class Hand:
    """The near end of the line; whoever starts the machine sets it, and takes it away again."""

    _wire: socket.socket | None = None
    _held = b""

    def run(self, *command: str, stdin: str = "", within_s: float = 60.0) -> Ran:
        """Run a command inside as root, and wait for its end.

        Raises:
            RigFault: the machine is off, or does not answer.
        """
        if self._wire is None:
            raise RigFault("the machine is off")
        ask = {"run": command, "stdin": stdin, "within_s": within_s}
        try:
            self._wire.sendall(json.dumps(ask).encode() + b"\n")
        except OSError as fault:
            raise RigFault(f"the machine went off ({fault.strerror})") from fault
        return Ran(**self._hear(within_s + 60.0))

    def sh(self, script: str, within_s: float = 60.0) -> str:
        """The output of a shell script inside that must succeed."""
        ran = self.run("sh", "-ec", script, within_s=within_s)
        if ran.code != 0:
            raise RigFault(f"inside, `{script}` ended with {ran.code}: {ran.err.strip()}")
        return ran.out

    def put(self, path: str, text: str, mode: str = "644") -> None:
        """Write a file inside."""
        ran = self.run(
            "sh", "-ec", f"cat >{path}.new; chmod {mode} {path}.new; mv {path}.new {path}; sync", stdin=text
        )
        if ran.code:
            raise RigFault(f"{path} can't be written inside: {ran.err}")

    def eventually(self, script: str, within_s: float = 120.0) -> str:
        """Wait until a shell script inside succeeds."""
        until = time.monotonic() + within_s
        while True:
            ran = self.run("sh", "-ec", script)
            if ran.code == 0:
                return ran.out
            if time.monotonic() > until:
                log = self.run("journalctl", "-b", "-n", "40", "--no-pager").out
                raise RigFault(f"inside, `{script}` never succeeded: {ran.out}{ran.err}\n{log}")
            time.sleep(1.0)

    def _hear(self, within_s: float) -> dict:
        """The next line from inside."""
        assert self._wire is not None
        until = time.monotonic() + within_s
        while b"\n" not in self._held:
            left_s = until - time.monotonic()
            if left_s <= 0 or not select.select([self._wire], [], [], left_s)[0]:
                raise RigFault(f"no answer from inside within {within_s:.0f} s")
            part = self._wire.recv(65536)
            if not part:
                raise RigFault("the machine went off")
            self._held += part
        line, _, self._held = self._held.partition(b"\n")
        return json.loads(line)
