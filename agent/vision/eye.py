"""The gate's reader: an eye in a process of its own, and another one when it is gone.

A picture may crash a native decoder, hang it, or worse, take its process over. So the gate hands each frame over in
shared memory and takes sightings back (agent.vision.handing); the decoders are in the eye, and neither
the journal's key nor the pins are. Whatever becomes of an eye costs one frame: the nursery bears the next one, and the
look that the last one did not come back from sits out (agent.vision.crash_note).

Knows nothing of codes, and never waits long: the caller has a door to mind.
"""

import contextlib
import signal
import socket
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from agent.core.sighting import Sighting
from agent.frames import Frame, Grey
from agent.ports import DecoderLost
from agent.vision.handing import PACKET_BYTES, Born, Malformed, Room, answer, bytes_of
from agent.vision.nursed import Nursery

if TYPE_CHECKING:
    from agent.vision.config import ReaderConfig

TICK_S: Final = 0.1
"""How long a frame is waited for; the caller's clock must go on ticking, as it does without frames."""
DEADLINE_S: Final = 4.0
"""An eye that takes longer for a frame hangs. The longest read took .05 s of processor time at 1280x720 and .2 s at 12
million pixels; a Pi Zero 2 W, some ten times that (docs/vision.md)."""
START_S: Final = 30.0
"""How long a nursery may take until its first eye is there."""
RESTLESS: Final = 4
WITHIN_S: Final = 10.0
REST_S: Final = 0.5
LONGEST_REST_S: Final = 5.0
"""When so many eyes were born in ten seconds, the next one waits a little, and longer where none comes to see: nobody
is helped by a processor that only bears eyes."""
BLIND_S: Final = 2.0
"""After so long without an eye it is told that there is none."""
RENEWED_AFTER_S: Final = 3600.0
"""So long an eye may live: one that was taken over and does not show it is gone then."""

_log = structlog.get_logger("agent.vision.eye")


class Eye:
    """Satisfies agent.ports.Decoder; one thread asks it.

    Args:
        config: the cascade.
        note: the crash note's file.
        nursery: one that is being started already; this takes it over.
        wait_s: how long read() waits; a recording, none of whose frames may be missed, is waited for to the deadline.
        deadline_s: when an eye that has not done with a frame is given up.
        rest_s: between births, when there are too many.
        renewed_after_s: how long an eye lives at most.

    Attributes:
        lost: how many eyes have died, hung or talked rubbish.
    """

    def __init__(  # noqa: PLR0913
        self,
        config: "ReaderConfig",
        note: Path,
        nursery: Nursery | None = None,
        *,
        wait_s: float = TICK_S,
        deadline_s: float = DEADLINE_S,
        rest_s: float = REST_S,
        renewed_after_s: float = RENEWED_AFTER_S,
    ) -> None:
        self._how = {"reader": config.model_dump(mode="json"), "note": str(note)}
        self._most = config.max_codes
        self._wait_s, self._deadline_s = wait_s, deadline_s
        self._rest_s, self._renewed_after_s = rest_s, renewed_after_s
        self.lost = 0
        self._room = Room()
        self._nursery = nursery
        self._socket: socket.socket | None = None
        self._born: Born | None = None
        self._births: deque[float] = deque(maxlen=RESTLESS)
        self._asked_mono = 0.0  # for an eye, then for a frame
        self._patience_s = START_S
        self._number = 0
        self._pending = False
        self._seen: list[Sighting] = []
        self._why, self._lost_mono = "", 0.0
        self._unborn = 0
        self._told_unfiltered = False
        self._ask_for_an_eye()

    @property
    def pid(self) -> int:
        """The eye's process id; 0 while there is none."""
        return self._born.pid if self._born else 0

    @property
    def filtered(self) -> bool:
        """Whether there is an eye, behind its filter; see agent.vision.confined."""
        return self._born is not None and self._born.filtered

    @property
    def nursery_pid(self) -> int:
        return self._nursery.pid if self._nursery else 0

    def ready(self, within_s: float = START_S) -> bool:
        """Wait until there is an eye; False if none came in time, and the gate must do without for now."""
        until = time.monotonic() + within_s
        while self._born is None and time.monotonic() < until:
            with contextlib.suppress(DecoderLost):
                self._there()
        return self._born is not None

    def read(self, frame: Frame | Grey) -> tuple[Sighting, ...]:
        """Have a frame read; see agent.vision.Reader.read.

        What is read later than within wait_s comes with a later call; a frame that comes while the eye is busy
        is not read.

        Raises:
            DecoderFault: it is no frame.
            DecoderLost: the eye died, hung or talked rubbish; says which, and what was done.
        """
        size = bytes_of(frame)
        if not self._there():
            return ()
        if self._pending:
            late = self._answers()
            if late or self._pending:
                return late
        if size > self._room.size:
            self._room.close()
            self._room = Room(size)
            self._ask_for_an_eye()
            if not self._there():
                return ()
        elif time.monotonic() - self._births[-1] > self._renewed_after_s:
            self._ask_for_an_eye()
            if not self._there():
                return ()
        self._hand(frame)
        return self._answers()

    def close(self) -> None:
        """End the eye and the nursery; safe to call twice."""
        if self._pending:
            with contextlib.suppress(DecoderLost):
                self._answers()  # its look is finished, so that none is blamed
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._born, self._pending = None, False
        if self._nursery is not None:
            self._nursery.close()
        self._room.close()

    # --- frames ----------------------------------------------------------------

    def _hand(self, frame: Frame | Grey) -> None:
        self._number = (self._number + 1) % (1 << 32)
        self._seen, self._pending, self._asked_mono = [], True, time.monotonic()
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it is gone; _answers tells
                self._socket.send(self._room.put(self._number, frame), socket.MSG_DONTWAIT)

    def _answers(self) -> tuple[Sighting, ...]:
        """What the eye says of the frame it has, if it has done with it within wait_s; else nothing yet."""
        until = time.monotonic() + self._wait_s
        try:
            while (packet := self._heard(until)) is not None:
                sighting = answer(packet, self._number)
                if sighting is None:
                    self._pending = False
                    return tuple(self._seen)
                self._seen.append(sighting)
                if len(self._seen) > self._most:
                    return self._lose(f"answered with more than {self._most} sightings of a frame")
        except EOFError:
            return self._lose("died")
        except Malformed as fault:
            return self._lose(f"answered with {fault}")
        quiet_s = time.monotonic() - self._asked_mono
        return self._lose(f"was not done after {quiet_s:.1f} s") if quiet_s > self._deadline_s else ()

    def _heard(self, until: float) -> bytes | None:
        """One packet; None if none comes until then.

        Raises:
            EOFError: the eye is gone.
        """
        if self._socket is None:
            raise EOFError
        try:
            self._socket.settimeout(max(0.0, until - time.monotonic()))
            packet = self._socket.recv(PACKET_BYTES)
        except (TimeoutError, BlockingIOError):
            return None
        except OSError as fault:
            raise EOFError from fault
        if not packet:
            raise EOFError
        return packet

    # --- eyes ------------------------------------------------------------------

    def _there(self) -> bool:
        """Whether there is an eye; waits for one as for a frame, but no less than TICK_S.

        Raises:
            DecoderLost: there is one again, or there has been none for long.
        """
        if self._born is not None:
            return True
        until = time.monotonic() + max(TICK_S, self._wait_s)
        if self._socket is None:
            time.sleep(min(self._rest_left_s(), TICK_S))
            if not self._rest_left_s():
                self._ask_for_an_eye()
        if self._socket is not None:
            self._await_birth(until)
        self._tell_if_blind()
        return self._born is not None

    def _await_birth(self, until: float) -> None:
        try:
            word = self._heard(until)
            if word is not None:
                self._welcome(Born.of(word))
                return
        except (EOFError, Malformed):
            self._unborn += 1
            self._lose("was not born", waiting=False)
            return
        waited_s = time.monotonic() - self._asked_mono
        if waited_s > self._patience_s:
            self._lose(f"was not born within {waited_s:.0f} s", waiting=False)
            self._give_up_nursery()

    def _tell_if_blind(self) -> None:
        """Once for each time without an eye."""
        if self._born is None and self._why and time.monotonic() - self._lost_mono > BLIND_S:
            self._lost_mono = float("inf")
            raise DecoderLost(f"the reading process {self._why}, and the next one is not there yet")

    def _welcome(self, born: Born) -> None:
        self._born, self._patience_s, self._unborn = born, self._deadline_s, 0
        _log.info("eye.born", pid=born.pid, filtered=born.filtered)
        if not born.filtered and not self._told_unfiltered:
            self._told_unfiltered = True
            _log.warning(
                "eye.unfiltered",
                why="the decoders can't look behind a filter of system calls here; limits alone confine the eye",
            )
        if self._why:
            why, self._why = self._why, ""
            how = _how(born.ended) if why == "died" else ""
            look = f" in {born.blamed}, which sits out" if born.blamed else ""
            raise DecoderLost(f"the reading process {why}{how}{look}; another one reads on")

    def _ask_for_an_eye(self) -> None:
        """Have the nursery bear one, and begin with a new nursery if there is none."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._born, self._pending = None, None, False
        now = time.monotonic()
        self._births.append(now)
        self._asked_mono = now
        if self._nursery is not None and not self._nursery.alive:
            self._give_up_nursery()
        try:
            self._nursery = self._nursery or Nursery()
            self._socket = self._nursery.bear(self._how, self._room.file)
        except OSError as fault:
            _log.error("eye.unborn", why=str(fault))
            self._give_up_nursery()

    def _give_up_nursery(self) -> None:
        if self._nursery is not None:
            self._nursery.kill()
        self._nursery, self._patience_s = None, START_S

    def _lose(self, why: str, *, waiting: bool = True) -> tuple[Sighting, ...]:
        """Do without this eye.

        Args:
            waiting: for the next one, as long as a tick.

        Returns:
            What is read of a frame that was lost: nothing.

        Raises:
            DecoderLost: the next one is there.
        """
        self.lost += 1
        if not self._why:
            self._why, self._lost_mono = why, time.monotonic()
        _log.error("eye.lost", why=why, times=self.lost)
        if self._socket is not None:
            self._socket.close()
        self._socket, self._born, self._pending = None, None, False
        if waiting and not self._rest_left_s():
            self._there()
        return ()

    def _rest_left_s(self) -> float:
        now = time.monotonic()
        if len(self._births) < RESTLESS or now - self._births[0] > WITHIN_S:
            return 0.0
        rest_s = min(LONGEST_REST_S, self._rest_s * 2.0 ** min(self._unborn, 8))
        return max(0.0, self._births[-1] + rest_s - now)


def _how(ended: int | None) -> str:
    """A return code in words."""
    if ended is None:
        return ""
    with contextlib.suppress(ValueError):
        return f" of {signal.Signals(-ended).name}"
    return f" with code {ended}"
