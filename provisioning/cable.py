"""A simulated cable: two ptys and a thread that carries the bytes between them.

Both ends are real ttys, found by names that stay the same when the cable is
pulled and put back, as udev's by-id links do. For trying the tools on one
machine (`menshen-provision cable`) and for the tests, which spoil what it
carries.
"""

import contextlib
import os
import random
import select
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Final

_READ_BYTES: Final = 1024
_HELD_BYTES: Final = 64 * 1024
_TICK_S: Final = 0.002
_SAVED_S: Final = 0.02


def noise(rate: float, seed: int = 1) -> Callable[[bytes], bytes]:
    """A `spoil` function: of all bytes, this share is changed, lost or added to, a third each."""
    chance = random.Random(seed)  # noqa: S311  weather, not a secret

    def spoil(data: bytes) -> bytes:
        spoiled = bytearray()
        for byte in data:
            luck = chance.random() * 3 / rate if rate else 3.0
            if luck >= 3:
                spoiled.append(byte)
            elif luck >= 2:
                spoiled.append(chance.randrange(256))
            elif luck >= 1:
                spoiled += bytes((byte, chance.randrange(256)))
        return bytes(spoiled)

    return spoil


class Unplugged(Exception):
    """Raised by a `spoil` function: the cable comes out here, and back after a while."""


class Cable:
    """A cable between two names.

    Args:
        near, far: where the two ends appear; symbolic links to ptys.
        spoil: what becomes of each piece carried, called in the cable's thread.
        back_after_s: how long the cable stays out when it is pulled.
        bytes_per_s: what a line carries in each direction; 11,520 at 115,200 baud. 0 is no limit.
    """

    def __init__(
        self,
        near: Path,
        far: Path,
        spoil: Callable[[bytes], bytes] = bytes,
        back_after_s: float = 0.1,
        bytes_per_s: float = 0.0,
    ) -> None:
        self._names = (near, far)
        self._spoil = spoil
        self._back_after_s = back_after_s
        self._bytes_per_s = bytes_per_s
        self._may = [0.0, 0.0]  # bytes that each direction may still carry
        self._looked_mono = time.monotonic()
        self._stop = threading.Event()
        self._masters: tuple[int, ...] = ()
        self._slaves: tuple[int, ...] = ()  # kept open, so that an end that closes does not hang up
        self._plug_in()
        self._thread = threading.Thread(target=self._carry, name="cable", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take the cable away; safe to call twice."""
        self._stop.set()
        self._thread.join()
        self._pull_out()

    def _plug_in(self) -> None:
        pairs = [os.openpty() for _ in self._names]
        self._masters = tuple(master for master, _ in pairs)
        self._slaves = tuple(slave for _, slave in pairs)
        for name, slave in zip(self._names, self._slaves, strict=True):
            tty.setraw(slave)
            name.unlink(missing_ok=True)
            name.symlink_to(os.ttyname(slave))
        for master in self._masters:
            os.set_blocking(master, False)

    def _pull_out(self) -> None:
        for name in self._names if self._masters else ():
            name.unlink(missing_ok=True)
        for descriptor in (*self._masters, *self._slaves):
            os.close(descriptor)
        self._masters = self._slaves = ()

    def _carry(self) -> None:
        held = (bytearray(), bytearray())  # on the way to near, to far
        while not self._stop.is_set():
            try:
                self._carry_some(held)
            except Unplugged:
                self._pull_out()
                for one in held:
                    one.clear()
                time.sleep(self._back_after_s)
                self._plug_in()

    def _carry_some(self, held: tuple[bytearray, bytearray]) -> None:
        to_near, to_far = held
        near, far = self._masters
        ways = ((near, to_far, far), (far, to_near, near))
        may = self._allowed()
        readable = [
            source
            for (source, waiting, _), share in zip(ways, may, strict=True)
            if share and len(waiting) < _HELD_BYTES
        ]
        writable = [sink for _, waiting, sink in ways if waiting]
        reads, writes, _ = select.select(readable, writable, (), _TICK_S if 0 in may else 0.05)
        for number, (source, waiting, sink) in enumerate(ways):
            if source in reads:
                data = os.read(source, min(_READ_BYTES, may[number]))
                self._may[number] -= len(data)
                waiting.extend(self._spoil(data))
            if sink in writes:
                with contextlib.suppress(BlockingIOError):
                    del waiting[: os.write(sink, waiting)]

    def _allowed(self) -> list[int]:
        """Bytes that each direction may carry now: a line saves up no more than a few milliseconds' worth."""
        if not self._bytes_per_s:
            return [_READ_BYTES, _READ_BYTES]
        now = time.monotonic()
        earned = (now - self._looked_mono) * self._bytes_per_s
        self._looked_mono = now
        most = self._bytes_per_s * _SAVED_S
        self._may = [min(most, share + earned) for share in self._may]
        return [int(share) for share in self._may]
