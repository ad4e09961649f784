"""The sending half of sync: the journal's events to the office, until the office has them.

It reads runs of signed events behind the acknowledged one, packs and publishes
them, and moves on only when an acknowledgement is signed by the office and
names the head that this gate's own journal has there. A broker's word counts
for nothing, and an old or foreign acknowledgement changes nothing. An office that
was restored from a backup asks for a rewind; that is signed too, and heeded once.

It knows the journal, the feed's wire form and the window. It refuses to know
what an event means, to write the journal, and to fail: a journal or a broker
that is not there yet, or no more, is logged and waited for.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

import structlog
import zstandard

from agent.core.feed import (
    MAX_LINES_BYTES,
    MAX_MESSAGE_BYTES,
    Ack,
    FeedFault,
    Rewind,
    ack_topic,
    answer,
    log_topic,
    pack_message,
)
from agent.core.keys import PublicKey
from agent.core.window import Window
from agent.ports import Broker
from agent.stores.journal_reader import JournalReader, Run
from agent.stores.pointer import Pointer, PointerStore

POLL_S: Final = 0.15  # how late a live event may leave, beyond the network's own time
REOPEN_S: Final = 1.0
SAVE_EVERY_S: Final = 60.0  # the pointer's file may lag: the office's acknowledgement makes up for it
_TELL_EVERY_S: Final = 60.0
_LEVEL: Final = 1  # of zstd: on lines that resemble each other 3 takes longer and packs worse
_MAX_ACKS: Final = 64

_log = structlog.get_logger("agent.uplink")


class Uplink:
    """Sends one gate's journal. Everything but the constructor belongs to one thread."""

    def __init__(  # noqa: PLR0913  the parts that wiring puts together, each by its name
        self,
        site: str,
        gate: str,
        *,
        broker: Broker,
        open_journal: Callable[[], JournalReader],
        open_pointer: Callable[[], PointerStore],
        ack_keys: Callable[[], tuple[PublicKey, ...]],
        keep_ack: Callable[[Ack | None], None] = lambda _ack: None,
        save_every_s: float = SAVE_EVERY_S,
    ) -> None:
        """Take the parts; nothing is opened before the first step.

        Args:
            broker: subscribed to the gate's ack topic.
            open_journal, open_pointer: called in the sending thread, again after each fault.
            ack_keys: the office's acknowledgement keys as they are now; empty while no list is
                there, and then nothing counts as acknowledged.
            keep_ack: leaves the newest acknowledgement for the gate, which purges by it; None takes it
                back, since an office that forgot must find at the gate what it asks for.
            save_every_s: how far pointer and kept acknowledgement may lag.
        """
        self._site, self._gate = site, gate
        self._log_topic, self._ack_topic = log_topic(site, gate), ack_topic(site, gate)
        self._broker, self._ack_keys, self._keep_ack = broker, ack_keys, keep_ack
        self._newest_ack: Ack | None = None
        self._save_every_s = save_every_s
        self._open_journal, self._open_pointer = open_journal, open_pointer
        self._journal: JournalReader | None = None
        self._pointers: PointerStore | None = None
        self._pointer: Pointer | None = None
        self._saved: Pointer | None = None
        self._window = Window()
        self._connection = 0
        self._acks: deque[Ack | Rewind] = deque(maxlen=_MAX_ACKS)  # not judged yet; the newest say most
        self._rewound_ms = -1  # when the office asked for the last rewind that was heeded
        self._ceiling: int | None = None  # after a rewind: the newest row sent since
        self._reopen_at = self._save_at = float("-inf")
        self._told: dict[str, tuple[float, int]] = {}
        self._zstd = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True)

    @property
    def acked(self) -> int:
        """The newest journal row that the office is known to keep."""
        return self._window.acked

    def serve(self, stop: threading.Event) -> None:
        """Send until stop is set; no fault of a broker, a disk or a message ends it."""
        wait_s = 0.0
        while not stop.is_set():
            try:
                arrived = self._broker.received(wait_s)
                wait_s = self.step(time.monotonic(), arrived)
            except Exception as fault:  # noqa: BLE001  the last line of defence of a process without a user
                self._tell("uplink.fault", time.monotonic(), found=repr(fault), exc_info=fault)
                stop.wait(REOPEN_S)
        self.close()

    def step(self, mono: float, arrived: Iterable[tuple[str, bytes]] = ()) -> float:
        """Take what arrived, and send what may be sent.

        Args:
            mono: monotonic seconds.
            arrived: (topic, payload) of messages received.
        Returns:
            Seconds after which to step again if nothing arrives before.
        """
        for topic, payload in arrived:
            if topic == self._ack_topic:
                self._take(payload, mono)
        try:
            if self._opened(mono):
                self._judge(mono)
                self._send(mono)
        except sqlite3.Error as fault:
            self._tell("uplink.journal_unreadable", mono, found=str(fault), next="tries again")
            self._let_go()
            self._reopen_at = mono + REOPEN_S
        self._save(mono)
        return POLL_S

    def close(self) -> None:
        """Remember how far the office is, and let go of the files; safe to call twice."""
        self._save(float("inf"))
        self._let_go()
        if self._pointers:
            self._pointers.close()
            self._pointers = None

    def _opened(self, mono: float) -> bool:
        """Whether there is a journal to read from; opens it when it appears or is exchanged."""
        if self._journal:
            if not self._journal.displaced():
                return True
            _log.warning("uplink.journal_displaced", next="reads the new one")
            self._let_go()
        if mono < self._reopen_at:
            return False
        self._journal = self._open_journal()
        self._window = Window(self._begin(self._journal, mono))
        _log.info("uplink.journal_opened", newest=self._journal.newest(), acked=self._window.acked)
        return True

    def _begin(self, journal: JournalReader, mono: float) -> int:
        """The acknowledged row, as far as the pointer says so about this very journal."""
        pointer = self._pointer or self._remembered(mono)
        if pointer is None:
            return 0
        found = journal.find(pointer.epoch, pointer.seq)
        if found is None or found[1] != pointer.head:
            _log.warning(
                "uplink.pointer_foreign",
                epoch=pointer.epoch,
                seq=pointer.seq,
                next="sends from the first event",
            )
            return 0
        self._pointer = pointer
        return found[0]

    def _remembered(self, mono: float) -> Pointer | None:
        try:
            if self._pointers is None:
                self._pointers = self._open_pointer()
            self._saved = self._pointers.load()
        except (sqlite3.Error, OSError) as fault:
            self._tell("uplink.pointer_unreadable", mono, found=str(fault), next="sends from the first event")
            return None
        return self._saved

    def _take(self, payload: bytes, mono: float) -> None:
        try:
            self._acks.append(answer(payload))
        except FeedFault as fault:
            self._tell("uplink.ack_malformed", mono, found=str(fault))

    def _judge(self, mono: float) -> None:
        """Go through the acknowledgements at hand; without keys they wait."""
        keys = self._ack_keys()
        while keys and self._acks:
            ack = self._acks.popleft()
            trouble, row = self._weighed(ack, keys)
            place = ack.checkpoint.place
            if not trouble and isinstance(ack, Rewind):
                trouble = self._rewind(ack, row)
                if not trouble:
                    continue
            if trouble:
                self._tell(trouble, mono, gate=place.gate, epoch=place.epoch, upto=place.seq)
            elif self._window.acknowledged(row, mono):
                self._pointer = Pointer(place.epoch, place.seq, ack.checkpoint.head)
                self._newest_ack = ack if isinstance(ack, Ack) else None
                _log.debug("uplink.acked", row=row, epoch=place.epoch, upto=place.seq)

    def _rewind(self, asked: Rewind, row: int) -> str:
        """Send from row on once more; what is wrong with the request, or ""."""
        if asked.at_ms <= self._rewound_ms:
            return "uplink.rewind_old"
        self._rewound_ms = asked.at_ms
        if row >= self._window.acked:
            return ""
        place = asked.checkpoint.place
        _log.warning("uplink.rewound", row=row, acked=self._window.acked, epoch=place.epoch, upto=place.seq)
        self._newest_ack = self._saved = None
        with suppress(OSError):
            self._keep_ack(None)
        # The broker may still hold what the office said before it forgot.
        self._window, self._ceiling = Window(row), row
        self._pointer = Pointer(place.epoch, place.seq, asked.checkpoint.head) if row else None
        return ""

    def _weighed(self, ack: Ack | Rewind, keys: tuple[PublicKey, ...]) -> tuple[str, int]:
        """What is wrong with an acknowledgement, or "" and the row that it speaks of."""
        place = ack.checkpoint.place
        if (place.site, place.gate) != (self._site, self._gate):
            return "uplink.ack_foreign", 0
        if not ack.holds(keys):
            return "uplink.ack_forged", 0
        found = self._journal.find(place.epoch, place.seq) if self._journal else None
        if found is None and isinstance(ack, Rewind):
            return "", 0  # from the oldest event there is
        if found is None:
            return "uplink.ack_unknown", 0  # events this journal never had: a second or a restored card
        row, head = found
        if head != ack.checkpoint.head:
            return "uplink.ack_forked", 0
        if self._ceiling is not None and row > self._ceiling and isinstance(ack, Ack):
            return "uplink.ack_beyond", 0
        return "", row

    def _send(self, mono: float) -> None:
        journal = self._journal
        if journal is None or not self._broker.online:
            return
        if self._connection != self._broker.connection:
            self._connection = self._broker.connection
            self._window.reconnected()
        newest = journal.newest()
        while (after := self._window.next_after(mono)) is not None and after < newest:
            run = journal.run_after(after)
            if run is None or not self._broker.publish(self._log_topic, self._packed(run, mono)):
                return
            self._window.sent(run.last_n, mono)
            if self._ceiling is not None:
                self._ceiling = max(self._ceiling, run.last_n)
            _log.debug(
                "uplink.sent", **{"from": run.first_n, "to": run.last_n}, in_flight=self._window.in_flight
            )

    def _packed(self, run: Run, mono: float) -> bytes:
        lines = b"\n".join(run.bodies)
        message = pack_message(run.header, self._zstd.compress(lines))
        if len(lines) > MAX_LINES_BYTES or len(message) > MAX_MESSAGE_BYTES:
            self._tell("uplink.oversized", mono, first=run.first_n, last=run.last_n, bytes=len(message))
        return message

    def _save(self, mono: float) -> None:
        if self._pointers is None or self._pointer in (None, self._saved) or mono < self._save_at:
            return
        self._save_at = mono + self._save_every_s
        try:
            self._pointers.save(self._pointer)
            if self._newest_ack:
                self._keep_ack(self._newest_ack)
        except (sqlite3.Error, OSError) as fault:
            self._tell("uplink.pointer_unsaved", mono, found=str(fault))
            return
        self._saved = self._pointer

    def _let_go(self) -> None:
        if self._journal:
            with suppress(sqlite3.Error):
                self._journal.close()
            self._journal = None

    def _tell(self, event: str, mono: float, **facts: object) -> None:
        """Log a trouble at most once a minute, with how often it came in between."""
        last, unsaid = self._told.get(event, (float("-inf"), 0))
        if mono - last < _TELL_EVERY_S:
            self._told[event] = (last, unsaid + 1)
            return
        self._told[event] = (mono, 0)
        _log.warning(event, **facts, unsaid=unsaid)
