"""The supervisor of the lock: a process that holds one line and can do nothing else.

    python -m hw.supervisor LINE CEILING_S          the asking socket is standard input

The gate asks it for pulses and must go on asking to be heard: whatever becomes
of the gate, the line rests.

    what happens                            the line rests
    the pulse is over, or the ceiling met   at that moment
    the gate says nothing (stopped, hung)   0.4 s after its last word
    the gate is gone (killed, crashed)      at once; and the supervisor ends

A hold for fire is the one that silence does not end: a hung gate must not lock
people in. LINE is `lgpio:PIN:high`, `lgpio:PIN:low` (the level that releases)
or `file:PATH`. One message each way is one word or two:

    gate asks   pulse UNTIL (monotonic seconds, so that a late ask opens no longer) · hold · fire · rest · pat
    it answers  ready · cannot WHY · on · off

Once it has its line it can open no file and start no process. Signals other
than SIGKILL do not move it: it ends when the gate does.
"""

import contextlib
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
from typing import Final

from hw.relay import Line, Relay

SILENCE_S: Final = 0.4
WORD_BYTES: Final = 256
_HAD: Final = threading.Event()
_HAD.set()


class _Answering:
    """Tells the gate of each change; a gate that does not listen is not waited for."""

    def __init__(self, gate: socket.socket) -> None:
        self._gate = gate

    def post(self, name: str, value: bool | int) -> threading.Event:  # noqa: ARG002  there is one relay
        self.say("on" if value else "off")
        return _HAD

    def wait(self, had: threading.Event) -> None:
        """Nothing to wait for: post has sent it."""

    def say(self, word: str) -> None:
        with contextlib.suppress(OSError):
            self._gate.send(word.encode()[:WORD_BYTES], socket.MSG_DONTWAIT)


def serve(gate: socket.socket, relay: Relay, answering: _Answering) -> None:
    """Do as the gate asks until it is gone."""
    fire = False
    ear = select.poll()
    ear.register(gate, select.POLLIN)
    heard = time.monotonic()
    while True:
        silent_s = time.monotonic() - heard
        waiting = relay.released and not fire
        if waiting and silent_s >= SILENCE_S:
            relay.rest()
            waiting = False
        if not ear.poll(max(1.0, (SILENCE_S - silent_s) * 1000) if waiting else None):
            continue
        try:
            ask = gate.recv(WORD_BYTES)
        except ConnectionResetError:  # it went without reading the last answer
            return
        if not ask:
            return
        heard = time.monotonic()
        word, _, value = ask.decode("ascii", "replace").partition(" ")
        fire = word == "fire" or (fire and word in {"pat", "pulse"})
        match word:
            case "pulse":
                with contextlib.suppress(ValueError):
                    relay.unlock(float(value) - heard)
            case "hold" | "fire":
                relay.hold()
            case "rest":
                relay.rest()
        if word == "pat":
            answering.say("on" if relay.released else "off")


def open_line(named: str) -> Line:
    """The line that LINE names, at rest.

    Raises:
        OSError, PinsFault, lgpio.error: it can't be had.
    """
    kind, _, rest = named.partition(":")
    if kind == "file":
        from hw.sim.line import SimulatedLine  # noqa: PLC0415

        return SimulatedLine(rest)
    from gpiozero import DigitalOutputDevice  # type: ignore[import-untyped]  # noqa: PLC0415

    from hw.pins import pin_factory  # noqa: PLC0415

    pin, _, active = rest.partition(":")
    line: Line = DigitalOutputDevice(
        int(pin), active_high=active == "high", initial_value=False, pin_factory=pin_factory("lgpio")
    )
    return line


def confine() -> None:
    """Give up every right but those already in hand: no file, no process, no memory dump, for good."""
    next_free = os.dup(0)
    os.close(next_free)
    for what, limit in (
        (resource.RLIMIT_NOFILE, next_free),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, limit))


def main(named: str, ceiling_s: float) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    gate = socket.socket(fileno=os.dup(0))
    answering = _Answering(gate)
    try:
        relay = Relay(open_line(named), ceiling_s, answering)
    except Exception as fault:  # noqa: BLE001  lgpio's and gpiozero's errors share no closer parent
        answering.say(f"cannot {fault}")
        return
    try:
        confine()
        answering.say("ready")
        serve(gate, relay, answering)
    finally:
        relay.close()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
