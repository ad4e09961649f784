"""The lock's relay, and the thread that ends every pulse.

Knows one deadline and one ceiling. Refuses to know who may pass. The end of a
pulse is the business of a thread that does nothing else, on the monotonic
clock: whatever becomes of the caller, the lock rests. Standard library only,
since hw.supervisor is this class and a line to be asked by.
"""

import contextlib
import math
import sys
import threading
import time
from typing import Final, Protocol

RETRY_S: Final = 0.05
_NOTHING: Final = threading.Event()
_NOTHING.set()


class Line(Protocol):
    """One output line, at rest from the moment it is had."""

    def on(self) -> None: ...
    def off(self) -> None: ...
    def close(self) -> None: ...


class Tell(Protocol):
    """Where changes are told; hw.telling.Teller is one."""

    def post(self, name: str, value: bool | int) -> threading.Event: ...
    def wait(self, had: threading.Event) -> None: ...


class Relay:
    """The relay on one line; at rest from before the constructor until the first unlock.

    Args:
        line: what it is on; closed with the relay.
        ceiling_s: no stretch of pulses lasts longer.
        teller: told of `relay`, True and False.
    """

    def __init__(self, line: Line, ceiling_s: float, teller: Tell) -> None:
        self._ceiling_s = ceiling_s
        self._teller = teller
        self._device = line
        self._changed = threading.Condition()
        self._since: float | None = None  # monotonic; None while at rest
        self._until = 0.0  # monotonic; infinite while held
        self._closed = False
        self._failing = False
        self._thread = threading.Thread(target=self._end_pulses, name="relay-end", daemon=True)
        self._thread.start()

    @property
    def released(self) -> bool:
        return self._since is not None

    def unlock(self, for_s: float) -> None:
        """Release for for_s seconds from now, but never longer than the ceiling in one stretch.

        Asking again while released moves the end, within the ceiling of the whole
        stretch: a caller gone mad can't keep the lock open. A time that is not
        positive, or not a number, releases nothing.
        """
        if not for_s > 0:
            return
        with self._changed:
            now = time.monotonic()
            since = now if self._since is None else self._since
            if self._until == math.inf:  # held: a pulse neither ends nor shortens that
                return
            told = self._release(min(now + for_s, since + self._ceiling_s))
        self._teller.wait(told)

    def hold(self, *, fire: bool = False) -> None:  # noqa: ARG002  whoever supervises this one asks
        """Release until rest()."""
        with self._changed:
            told = self._release(math.inf)
        self._teller.wait(told)

    def rest(self) -> None:
        """Let the lock fall shut, now."""
        with self._changed:
            told = self._rest()
        self._teller.wait(told)

    def ready(self) -> None:
        """It is here; there is nothing to wait for."""

    def notices(self) -> tuple[()]:
        """Nothing becomes of it but with its process."""
        return ()

    def close(self) -> None:
        """Rest and let go of the pin; safe to call twice."""
        self.rest()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(1.0)
        self._device.close()

    def _release(self, until: float) -> threading.Event:
        if self._closed:
            return _NOTHING
        self._until = until
        self._changed.notify_all()  # the thread learns of the end whatever the pin does now
        if self._since is not None:
            return _NOTHING
        self._since = time.monotonic()
        self._device.on()
        return self._teller.post("relay", value=True)

    def _rest(self) -> threading.Event:
        """Drive the rest level, whatever was believed before; if the pin refuses, the thread tries on."""
        if self._closed:
            return _NOTHING
        self._until = 0.0
        try:
            self._device.off()
        except Exception as fault:  # noqa: BLE001  each factory has its own errors; the thread must outlive them all
            self._since = self._since or time.monotonic()
            self._changed.notify_all()
            if not self._failing:  # once, not twenty times a second
                self._failing = True
                with contextlib.suppress(Exception):  # a full log must not end the one who ends pulses
                    print(f"level=warning event=relay.rest_failed why={fault!r}", file=sys.stderr, flush=True)
            return _NOTHING
        self._failing = False
        if self._since is None:
            return _NOTHING
        self._since = None
        return self._teller.post("relay", value=False)

    def _end_pulses(self) -> None:
        while True:
            told = _NOTHING
            with self._changed:
                if self._closed:
                    return
                if self._since is None:
                    self._changed.wait()
                elif (left_s := self._until - time.monotonic()) > 0:
                    self._changed.wait(min(left_s, threading.TIMEOUT_MAX))
                else:
                    told = self._rest()
                    if self._since is not None:
                        self._changed.wait(RETRY_S)
            self._teller.wait(told)
