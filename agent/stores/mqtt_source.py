"""A repository on a broker's retained topics. Only sync opens one.

Nothing rests on the broker: what arrives is checked against signatures and
hashes, as from any source. But a broker has habits. It drops most of what a
wildcard over thousands of retained topics would bring, so each file's topic is
asked for by its name, some at a time. It answers a question about a topic that
does not exist with silence. And it tells of a new timestamp by itself, so
nobody needs to poll.

    site/<site>/list/<path>       one file of the repository, such as timestamp.json or al/<64 hex>
    site/<site>/list/hint         the number of the newest root, so that nobody waits for the next
"""

import re
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from agent.ports import Mailbox
from agent.stores.sources import SAFE_PATH, Source, SourceFault, Unreachable

HINT: Final = "hint"
BATCH: Final = 128
_STAMP: Final = "timestamp.json"
_ROOT: Final = re.compile(r"([1-9][0-9]{0,8})\.root\.json")
_LOOK_S: Final = 0.5
_MAX_HELD_BYTES: Final = 16 * 1024 * 1024


def list_prefix(site: str) -> str:
    """What the topics of a site's list begin with."""
    return f"site/{site}/list/"


class MqttSource(Source):
    """The topics below a site's prefix, through a connection that comes and goes.

    Args:
        mailbox: of list_prefix(site); used by one thread.
        silence_s: how long without a message until a topic counts as missing.
    """

    def __init__(self, mailbox: Mailbox, site: str, silence_s: float = 5.0) -> None:
        self._mailbox, self._prefix, self._silence_s = mailbox, list_prefix(site), silence_s
        self._connection = 0
        self._standing: dict[str, bytes] = {}  # the two topics that change, as they were last told
        self._news = False
        self._ahead: deque[str] = deque()
        self._batch = 1
        self._held: dict[str, bytes] = {}

    def fetch(self, path: str, max_bytes: int) -> bytes | None:
        """See agent.stores.sources.Source; a file that does not come is None only for a root."""
        if not SAFE_PATH.fullmatch(path):
            raise SourceFault(f"found the path {path[:80]!r}, wanted one inside the repository")
        self._connect()
        if path == _STAMP:
            data = self._told(_STAMP)
            if data is None:
                raise Unreachable("the broker has no list of this site; does `menshen-office mirror` run?")
        elif root := _ROOT.fullmatch(path):
            data = self._ask_for(path, max_bytes) if int(root[1]) <= self._newest_root() else None
        else:
            data = self._ask_for(path, max_bytes)
            if data is None:
                raise SourceFault(
                    f"{path} did not come from the broker within {self._silence_s:g} s; is its mirror complete?"
                )
        return None if data is None else _small(path, data, max_bytes)

    def ahead(self, paths: Sequence[str], max_bytes: int) -> None:
        """See Source; they are asked for in batches when the first is fetched."""
        self._batch = max(1, min(BATCH, _MAX_HELD_BYTES // max(1, max_bytes)))
        self._ahead = deque(paths)
        self._held.clear()

    def wait(self, stop: threading.Event, wait_s: float) -> None:
        """See Source: until a timestamp comes."""
        ends = time.monotonic() + wait_s
        while not stop.is_set() and not self._news and (left_s := ends - time.monotonic()) > 0:
            self._stand()
            self._receive(min(_LOOK_S, left_s))
        self._news = False

    def _connect(self) -> None:
        ends = time.monotonic() + self._silence_s
        while not self._mailbox.online:
            if time.monotonic() > ends:
                raise Unreachable("the broker can't be reached; the list in use stays")
            time.sleep(0.05)
        self._stand()

    def _stand(self) -> None:
        """Ask for what changes, anew at each connection."""
        connection = self._mailbox.connection
        if connection != self._connection and self._mailbox.subscribe(
            [self._prefix + _STAMP, self._prefix + HINT]
        ):
            self._connection = connection

    def _receive(self, wait_s: float) -> dict[str, bytes]:
        """What came, by path; the standing topics are noted here."""
        came: dict[str, bytes] = {}
        for topic, payload in self._mailbox.received(wait_s):
            path = topic.removeprefix(self._prefix)
            if path in {_STAMP, HINT}:
                self._news |= path == _STAMP and payload != self._standing.get(_STAMP)
                self._standing[path] = payload
            elif payload:  # an empty one is a topic that was cleared
                came[path] = payload
        return came

    def _told(self, path: str) -> bytes | None:
        """A standing topic, waited for if it was never told."""
        ends = time.monotonic() + self._silence_s
        self._receive(0)
        while not self._standing.get(path) and (left_s := ends - time.monotonic()) > 0:
            self._stand()
            self._receive(min(_LOOK_S, left_s))
        self._news = False
        return self._standing.get(path) or None

    def _newest_root(self) -> int:
        """As the broker says; one that lies can only hold a root back, as any source can."""
        hint = self._told(HINT) or b""
        return int(hint) if len(hint) < 10 and hint.isdigit() else 1 << 30

    def _ask_for(self, path: str, max_bytes: int) -> bytes | None:
        if path not in self._held:
            self._held = self._together(self._next_batch(path), max_bytes)
        return self._held.pop(path, None)

    def _next_batch(self, path: str) -> list[str]:
        """A file, and what will be asked for after it."""
        if not self._ahead or self._ahead[0] != path:
            return [path]
        return [self._ahead.popleft() for _ in range(min(self._batch, len(self._ahead)))]

    def _together(self, paths: Sequence[str], max_bytes: int) -> dict[str, bytes]:
        """Those of some files that come before the broker falls silent."""
        missing, came = set(paths), dict[str, bytes]()
        asked_on = 0
        silent_since = time.monotonic()
        while missing and (left_s := silent_since + self._silence_s - time.monotonic()) > 0:
            self._stand()
            connection = self._mailbox.connection
            if connection != asked_on and self._mailbox.subscribe(
                [self._prefix + p for p in sorted(missing)]
            ):
                asked_on = connection
            for path, payload in self._receive(min(_LOOK_S, left_s)).items():
                if path in missing:
                    missing.discard(path)
                    came[path] = _small(path, payload, max_bytes)
                    silent_since = time.monotonic()
        self._mailbox.unsubscribe([self._prefix + path for path in paths])
        return came


def _small(path: str, data: bytes, max_bytes: int) -> bytes:
    if len(data) > max_bytes:
        raise SourceFault(f"{path} is larger than the {max_bytes} bytes allowed")
    return data
