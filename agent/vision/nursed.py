"""The nursery as the gate has it: a process that has loaded the decoders and bears eyes.

Loads the standard library alone, so that a gate can start it first thing and load its own parts meanwhile.
Knows how to ask; refuses to know what is looked at. See agent.vision.nursery for the process.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

MODULE: Final = ["agent.vision.nursery"]
"""What is started; a list, so that a test may start another in its place."""
END_S: Final = 2.0

# Threads are of no use to a process that forks, and each would have a stack.
_ALONE: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class Nursery:
    """A nursery that is being started; nothing waits for it.

    Raises:
        OSError: no process can be started.
    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *MODULE],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env={**os.environ, **_ALONE},
            )
        self._socket = ours

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def bear(self, how: Mapping[str, object], room: int) -> socket.socket:
        """Ask for an eye, in place of the one before, which is killed for certain.

        Args:
            how: what the nursery is told, as JSON; see agent.vision.nursery.
            room: descriptor of the memory where the frames will be.

        Returns:
            The gate's end of the eye's socket. It closes at the other end when the eye is gone, or can't be born.

        Raises:
            OSError: the nursery is gone, or does not listen.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                socket.send_fds(
                    self._socket, [json.dumps(how).encode()], [theirs.fileno(), room], socket.MSG_DONTWAIT
                )
            except OSError:
                ours.close()
                raise
        return ours

    def close(self) -> None:
        """End it, and with it its eye; safe to call twice."""
        self._socket.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it for certain; the kernel ends its eye."""
        self._socket.close()
        self._process.kill()
        self._process.wait()
