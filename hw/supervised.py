"""The lock's relay as the gate has it: hw.supervisor, asked over a socket, and watched in turn.

Knows how to ask, and how to notice that the one who is asked is gone, hung or
can't. Refuses to know the pin. A supervisor that was lost is killed for
certain and started again, at rest; a pulse that was running is not resumed, a
hold is.
"""

import collections
import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Final

import structlog

from agent.core.notices import RelayBack, RelayLost
from hw.board import RelayPart
from hw.pins import PinsFault
from hw.supervisor import WORD_BYTES
from hw.telling import Teller

PAT_S: Final = 0.1
ANSWER_S: Final = 0.1
"""How long unlock waits to be told that the lock is released; for the order of what is told, not more."""
HUNG_S: Final = 3.0
START_S: Final = 15.0
RETRY_S: Final = 1.0

_log = structlog.get_logger("hw.supervised")


class SupervisedRelay:
    """A relay in a process of its own; see hw.outputs.LockRelay.

    Starting takes a while, and nothing waits for it until ready() is called.

    Args:
        part: the board's relay.
        line: `lgpio`, or `file:PATH` for a simulated one.
        teller: told of `relay`, True and False.
    """

    def __init__(self, part: RelayPart, line: str, teller: Teller) -> None:
        self._line = f"lgpio:{part.pin}:{part.active}" if line == "lgpio" else line
        self._ceiling_s = part.pulse_ceiling_s
        self._teller = teller
        self._changed = threading.Condition()
        self._released = False
        self._hold = ""  # "hold", "fire" or nothing
        self._asking = threading.Lock()  # so that no hold is said again after its end
        self._serving = False
        self._fault = ""  # what was last wrong with it; nothing while it serves
        self._news: collections.deque[RelayLost | RelayBack] = collections.deque(maxlen=16)
        self._closed = False
        self._begin()
        self._thread = threading.Thread(target=self._attend, name="supervised", daemon=True)
        self._thread.start()

    @property
    def released(self) -> bool:
        return self._released

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._process.pid

    def ready(self) -> None:
        """Wait until the supervisor has its line.

        Raises:
            PinsFault: it can't have it, or does not start; says why.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._serving or self._fault, START_S)
            if not self._serving:
                raise PinsFault(f"the lock's relay can't be had: {self._fault or 'its supervisor is silent'}")

    def notices(self) -> Sequence[RelayLost | RelayBack]:
        """Take what became of the supervisor since the last call; never blocks."""
        news: list[RelayLost | RelayBack] = []
        with contextlib.suppress(IndexError):
            while True:
                news.append(self._news.popleft())
        return news

    def unlock(self, for_s: float) -> None:
        """Release for for_s seconds; see hw.relay.Relay.unlock.

        Raises:
            PinsFault: nobody is there to be asked.
        """
        if for_s > 0 and not self._hold:
            self._ask(f"pulse {time.monotonic() + for_s!r}")
            self._wait_until(released=True)

    def hold(self, *, fire: bool = False) -> None:
        """Release until rest(); if for fire, even when this process hangs meanwhile.

        Raises:
            PinsFault: nobody is there to be asked; it is asked as soon as it is.
        """
        with self._asking:
            self._hold = "fire" if fire else "hold"
            self._ask(self._hold)
        self._wait_until(released=True)

    def rest(self) -> None:
        """Let the lock fall shut, now. A supervisor that is away leaves it at rest when it comes."""
        with contextlib.suppress(PinsFault):
            with self._asking:
                self._hold = ""
                self._ask("rest")
            self._wait_until(released=False)

    def close(self) -> None:
        """Rest, and end the supervisor; safe to call twice."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
        self._thread.join(2 * PAT_S + 1.0)
        self._end()

    def _wait_until(self, *, released: bool) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._released is released, ANSWER_S)

    def _ask(self, words: str) -> None:
        if self._fault:
            raise PinsFault(f"the lock's supervisor is away ({self._fault}); it is being started again")
        try:
            self._socket.send(words.encode(), socket.MSG_DONTWAIT)
        except OSError as fault:
            raise PinsFault(
                f"the lock's supervisor does not answer ({fault}); it is being started again"
            ) from fault

    # --- the process ---------------------------------------------------------

    def _begin(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(PAT_S)
        self._socket = ours
        with theirs:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                [sys.executable, "-m", "hw.supervisor", self._line, repr(self._ceiling_s)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
            )
        self._answered = time.monotonic()

    def _end(self) -> None:
        self._socket.close()
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    # --- the thread that pats and listens ------------------------------------

    def _attend(self) -> None:
        while not self._closed:
            fault = self._pat() or self._listen()
            if fault:
                self._lost(fault)

    def _pat(self) -> str:
        """Say that this process lives; returns what is wrong, if anything is."""
        if self._serving:
            try:
                with self._asking:
                    for word in filter(None, (self._hold, "pat")):
                        self._socket.send(word.encode(), socket.MSG_DONTWAIT)
            except (BlockingIOError, TimeoutError):
                return ""  # it has not read for a while; _listen judges that
            except OSError as fault:
                return f"its socket broke: {fault.strerror}"
        return ""

    def _listen(self) -> str:
        """Take answers for as long as a pat's interval; returns what is wrong, if anything is."""
        until = time.monotonic() + PAT_S
        while (left_s := until - time.monotonic()) > 0:
            self._socket.settimeout(left_s)
            try:
                word = self._socket.recv(WORD_BYTES).decode(errors="replace")
            except TimeoutError:
                break
            except OSError as fault:
                return f"its socket broke: {fault.strerror}"
            if not word:
                return "it ended"
            if word.startswith("cannot "):
                return word.removeprefix("cannot ")
            self._heard(word)
        quiet_s = time.monotonic() - self._answered
        patience_s = HUNG_S if self._serving else START_S
        return f"it has not answered for {quiet_s:.1f} s" if quiet_s > patience_s else ""

    def _heard(self, word: str) -> None:
        self._answered = time.monotonic()
        with self._changed:
            was = self._released
            if word == "ready":
                self._serving = True
                if self._fault:
                    self._news.append(RelayBack())
                self._fault = ""
            else:
                self._released = word == "on"
            self._changed.notify_all()
        if was is not self._released:
            self._teller.post("relay", self._released)

    def _lost(self, why: str) -> None:
        """Bring the supervisor to a certain end, and begin with a new one."""
        with self._changed:
            served, self._serving = self._serving, False
            if not self._fault:
                self._news.append(RelayLost(why))
                _log.error("relay.lost", why=why)
            self._fault = why
            was, self._released = self._released, False
            self._changed.notify_all()
        self._process.kill()  # one that only hangs might wake beside its successor
        self._end()
        if was:
            self._teller.post("relay", value=False)
        if not served:
            time.sleep(RETRY_S)
        if not self._closed:
            self._begin()
