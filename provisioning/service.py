"""Keeps a kiosk's end of the link alive: opens the port, answers, and waits when it goes.

A cable is pulled and put back, a gadget appears late: the port may be missing
at any time, and that is no fault. One worker serves one port.
"""

import threading
import time
from typing import Any, Final

import structlog

from provisioning import wire
from provisioning.device import Kiosk
from provisioning.link import BAUD, Link, LinkLost

_BANNER_EVERY_S: Final = 5.0
_LONGEST_TYPING: Final = 200


class Service:
    """Serves a kiosk on one port until it is told to stop.

    Args:
        look_again_s: how long to wait before a missing port is looked for again.
    """

    def __init__(self, kiosk: Kiosk, path: str, baud: int = BAUD, look_again_s: float = 0.5) -> None:
        self._kiosk = kiosk
        self._path = path
        self._baud = baud
        self._look_again_s = look_again_s
        self._log: Any = structlog.get_logger()
        self._banner_mono = 0.0

    def run(self, stop: threading.Event) -> None:
        """Serve; returns soon after stop is set."""
        missing = False
        while not stop.is_set():
            try:
                with Link(self._path, self._baud) as link:
                    missing = False
                    self._log.info("link.open", port=self._path)
                    self._serve(link, stop)
            except LinkLost as fault:
                if not missing:  # once, not twice a second
                    self._log.warning("link.lost", port=self._path, why=str(fault))
                missing = True
                self._kiosk.hang_up()
                stop.wait(self._look_again_s)

    def _serve(self, link: Link, stop: threading.Event) -> None:
        def say(message: wire.Message) -> None:
            if not link.hears_fragments or isinstance(message, wire.Piece):
                link.send(wire.pack(message))

        self._greet(link)
        heard = link.heard
        while not stop.is_set():
            payloads = link.receive(0.2)
            self._kiosk.line_faults = link.faults.total
            for payload in payloads:
                answer = self._kiosk.answer(payload, say)
                if answer is not None:
                    link.send(answer, small=link.hears_fragments)
            if link.heard != heard and _is_typing(link.pending):
                self._greet(link)
            heard = link.heard

    def _greet(self, link: Link) -> None:
        # Seldom, lest two ends that echo talk to each other for ever.
        now = time.monotonic()
        if not self._banner_mono or now - self._banner_mono > _BANNER_EVERY_S:
            self._banner_mono = now
            link.write(self._kiosk.banner().encode())


def _is_typing(pending: bytes) -> bool:
    """Whether a person at a terminal has just pressed Enter: a frame begins with 00, and text has none."""
    if not pending.endswith((b"\r", b"\n")) or len(pending) > _LONGEST_TYPING:
        return False
    return pending.decode("ascii", errors="replace").strip().isprintable()
