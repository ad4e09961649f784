"""Sync's part in what gates tell each other: carries the own journal to the fellows, and theirs to the gate.

What happens is told at once, once more half a second later in case that was
lost, and the newest event again now and then, so that whoever missed it
notices. How far each fellow has been heard only the gate itself knows; when it
stays behind what the fellow is known to have, sync asks the fellow for the rest.
And it asks whoever has not spoken since its own start: what is copied at one gate
is shown at the next in seconds, and a gate that has just come up must know by then.

A carrier is a network (agent.brokers.lan) or the broker (agent.brokers.told);
all carry the same, and what comes twice is dropped here.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import structlog

from agent.core.events import Place
from agent.core.feed import MAX_MESSAGE_BYTES, FeedFault, Header, Rewind
from agent.core.fellows import MAX_ASK_BYTES, Ask, fold, unfold
from agent.core.keys import PublicKey
from agent.ports import Carrier, Letter
from agent.stores.box import Box
from agent.stores.journal_reader import JournalReader, Run

LOOK_EVERY_S: Final = 0.1
ONCE_MORE_S: Final = 0.5
STILL_HERE_S: Final = 30.0
COMPARE_EVERY_S: Final = 5.0
ANSWER_AGAIN_S: Final = 4.0
RUNS_AN_ANSWER: Final = 25
NEWCOMERS_GET: Final = 5000
"""Events: about a day of a busy gate, which is all that matters to somebody who knows nothing yet."""
_REOPEN_S: Final = 1.0
_MOST_SEEN: Final = 512
_MOST_FELLOWS: Final = 256
_log: Final = structlog.get_logger("agent.fellows")


class Fellows:
    """One gate's mouth and post box. Everything but the constructor belongs to one thread.

    Args:
        open_journal: called again after each fault.
        open_box: where the gate takes what it is told.
        keys: the journal keys of the site's gates, by the stored list; empty without one.
        upto: how far the gate has heard each fellow.
    """

    def __init__(  # noqa: PLR0913  the parts that wiring puts together, each by its name
        self,
        site: str,
        gate: str,
        *,
        carriers: Sequence[Carrier],
        open_journal: Callable[[], JournalReader],
        open_box: Callable[[], Box],
        keys: Callable[[], Mapping[str, PublicKey]],
        upto: Callable[[], Mapping[str, Place]],
    ) -> None:
        self._site, self._gate, self._carriers = site, gate, carriers
        self._open_journal, self._open_box, self._keys, self._upto = open_journal, open_box, keys, upto
        self._journal: JournalReader | None = None
        self._box: Box | None = None
        self._told_n: int | None = None  # None: the next look begins with the newest event
        self._newest = b""
        self._again: deque[tuple[float, bytes]] = deque()
        self._said_at = self._compare_at = self._reopen_at = float("-inf")
        self._seen: dict[bytes, None] = {}
        self._known: dict[str, Place] = {}  # the newest event that each fellow is known to have
        self._behind: dict[str, Place] = {}
        self._answered: dict[str, float] = {}

    def serve(self, stop: threading.Event) -> None:
        """Carry until stop is set; no fault ends it."""
        while not stop.is_set():
            try:
                self.step(time.monotonic(), LOOK_EVERY_S)
            except Exception as fault:  # noqa: BLE001  the last line of defence of a process without a user
                _log.warning("fellows.fault", found=repr(fault))
                self._let_go(time.monotonic())
                stop.wait(LOOK_EVERY_S)
        self._let_go(0.0)

    def step(self, mono: float, wait_s: float = 0.0) -> None:
        """Tell what is new, take what is told, ask for what is missing.

        Args:
            mono: monotonic seconds.
            wait_s: for something to come.
        """
        keys = self._keys()
        if not keys:
            # No list is loaded yet. What the fellows say meanwhile waits where it came in,
            # and who is greeted before it could understand the answer would not be greeted again.
            time.sleep(wait_s)
            return
        for carrier in self._carriers:
            carrier.know([gate for gate in keys if gate != self._gate])
        try:
            self._tell(mono)
        except sqlite3.Error as fault:
            _log.info("fellows.journal_unreadable", found=str(fault))
            self._let_go(mono)
        for n, carrier in enumerate(self._carriers):
            for letter in carrier.received(0.0 if n else wait_s):
                with suppress(FeedFault):  # what is no word of a gate of ours is noise
                    self._take(carrier, letter, keys, mono)
        if mono >= self._compare_at:
            self._compare_at = mono + COMPARE_EVERY_S
            self._ask_for_the_rest()
            self._ask_the_silent(keys)

    # --- telling -------------------------------------------------------------------

    def _tell(self, mono: float) -> None:
        journal = self._reader(mono)
        if journal is None:
            return
        newest = journal.newest()
        if self._told_n is None or self._told_n > newest:
            self._told_n = max(0, newest - 1)
        while self._told_n < newest and (run := journal.run_after(self._told_n)):
            self._told_n = run.last_n
            self._newest = _folded(run)
            self._say(self._newest, mono)
            self._again.append((mono + ONCE_MORE_S, self._newest))
        while self._again and self._again[0][0] <= mono:
            self._say(self._again.popleft()[1], mono)
        if self._newest and mono - self._said_at >= STILL_HERE_S:
            self._say(self._newest, mono)

    def _say(self, message: bytes, mono: float) -> None:
        self._said_at = mono
        for carrier in self._carriers:
            carrier.send(message)

    # --- hearing -------------------------------------------------------------------

    def _take(self, carrier: Carrier, letter: Letter, keys: Mapping[str, PublicKey], mono: float) -> None:
        message = letter.message
        if len(message) <= MAX_ASK_BYTES and b"\n" not in message:
            self._answer(carrier, letter, Ask.from_bytes(message), mono)
            return
        if len(message) > MAX_MESSAGE_BYTES:
            raise FeedFault("too long")
        header, bodies = unfold(message)
        place = header.first
        key = keys.get(place.gate)
        if (
            place.site != self._site
            or place.gate == self._gate
            or key is None
            or header.signature in self._seen
        ):
            return
        if why := header.checked(bodies, key):
            _log.warning("fellows.false_word", gate=place.gate, found=why)
            return
        if place.gate not in self._known:
            self._greet(place.gate)
        self._note(header)
        if self._box is None:
            self._box = self._open_box()
        self._box.put(message)

    def _greet(self, gate: str) -> None:
        """Make oneself known to a fellow that is heard for the first time, and ask who passed before."""
        for carrier in self._carriers:
            if self._newest:
                carrier.send(self._newest)
        if gate not in self._upto():
            self._ask(Rewind.beginning(self._site, gate).place)

    def _note(self, header: Header) -> None:
        self._seen[header.signature] = None
        for signature in list(self._seen)[:-_MOST_SEEN]:
            del self._seen[signature]
        last = header.checkpoint.place
        known = self._known.get(last.gate)
        if known is None or known.epoch != last.epoch or known.seq < last.seq:
            self._known[last.gate] = last

    def _answer(self, carrier: Carrier, letter: Letter, ask: Ask, mono: float) -> None:
        after = ask.after
        if (after.site, after.gate) != (self._site, self._gate) or ask.by == self._gate:
            return
        if mono - self._answered.get(ask.by, float("-inf")) < ANSWER_AGAIN_S:
            return
        self._answered[ask.by] = mono
        for by in list(self._answered)[:-_MOST_FELLOWS]:
            del self._answered[by]
        journal = self._reader(mono)
        if journal is None:
            return
        found = journal.find(after.epoch, after.seq)
        n = found[0] if found else max(0, journal.newest() - NEWCOMERS_GET)
        for _ in range(RUNS_AN_ANSWER):
            run = journal.run_after(n)
            if run is None:
                return
            carrier.send(_folded(run), letter.sender)
            n = run.last_n

    def _ask_for_the_rest(self) -> None:
        """Ask each fellow that has stayed ahead of what the gate has heard since the last look."""
        upto = self._upto()
        behind = {
            gate: upto.get(gate) or Rewind.beginning(self._site, gate).place
            for gate, known in self._known.items()
            if upto.get(gate) != known
        }
        for gate, after in behind.items():
            if self._behind.get(gate) == after:
                # What was dropped as seen may have been lost on the way to the gate.
                self._seen.clear()
                self._ask(after)
        self._behind = behind

    def _ask_the_silent(self, gates: Iterable[str]) -> None:
        upto = self._upto()
        for gate in gates:
            if gate != self._gate and gate not in self._known:
                self._ask(upto.get(gate) or Rewind.beginning(self._site, gate).place)

    def _ask(self, after: Place) -> None:
        question = Ask(self._gate, after).to_bytes()
        for carrier in self._carriers:
            carrier.send(question)

    # --- the journal ---------------------------------------------------------------

    def _reader(self, mono: float) -> JournalReader | None:
        if self._journal is None or self._journal.displaced():
            if mono < self._reopen_at:
                return None
            self._let_go(mono)
            self._journal = self._open_journal()
        return self._journal

    def _let_go(self, mono: float) -> None:
        journal, self._journal = self._journal, None
        self._reopen_at = mono + _REOPEN_S
        if journal:
            with suppress(sqlite3.Error):
                journal.close()


def _folded(run: Run) -> bytes:
    return fold(run.header, run.bodies)
