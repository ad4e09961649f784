"""The gate's ear for its fellows: takes what sync has left, believes what is signed, and tells the gatekeeper.

Sync has verified it too, but the gate believes only itself and its list.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from agent.core.feed import MAX_MESSAGE_BYTES, FeedFault
from agent.core.fellows import Heard, unfold
from agent.core.hearsay import believe
from agent.core.keys import PublicKey
from agent.core.notices import FalseWord, Notice, Told
from agent.ports import Clock
from agent.stores.box import BoxReader
from agent.stores.heard import HeardStore

LOOK_EVERY_S: Final = 0.1
_MOST_AT_ONCE: Final = 2
"""A run of 200 events takes the smallest Pi some 20 ms, and people wait at the camera meanwhile."""
NOBODY: Final = "?"


class Hearing:
    """One gate's ear. Belongs to the gate's thread.

    Args:
        keys: the journal keys of the site's gates, by the list in use.
    """

    def __init__(  # noqa: PLR0913  the parts that wiring puts together, each by its name
        self,
        site: str,
        gate: str,
        *,
        reader: BoxReader,
        store: HeardStore,
        keys: Callable[[], Mapping[str, PublicKey]],
        clock: Clock,
    ) -> None:
        self._site, self._gate, self._reader, self._store = site, gate, reader, store
        self._keys, self._clock = keys, clock
        upto, self._recalled = store.recall()
        self._heard = Heard(dict(upto))
        self._look_at = float("-inf")

    def close(self) -> None:
        self._store.close()

    def recalled(self) -> Sequence[Notice]:
        """What was heard before this start."""
        if not self._recalled:
            return ()
        last = next(iter(self._heard.upto.values()))
        told, self._recalled = Told(None, last, self._recalled), ()
        return (told,)

    def news(self) -> Sequence[Notice]:
        """What was told since the last call; cheap enough for every frame."""
        now = self._clock.now()
        if now.mono < self._look_at:
            return ()
        self._look_at = now.mono + LOOK_EVERY_S
        if not (keys := self._keys()):
            return ()
        heard = [self._weigh(message, keys, now.mono) for message, _ in self._reader.new(_MOST_AT_ONCE)]
        return [notice for notice in heard if notice is not None]

    def _weigh(self, message: bytes, keys: Mapping[str, PublicKey], mono: float) -> Told | FalseWord | None:
        if len(message) > MAX_MESSAGE_BYTES:
            return FalseWord(NOBODY, f"more than {MAX_MESSAGE_BYTES} bytes")
        try:
            header, bodies = unfold(message)
        except FeedFault as fault:
            return FalseWord(NOBODY, str(fault))
        if header.first.gate == self._gate:
            return None
        told = believe(header, bodies, keys, self._site)
        if isinstance(told, str):
            return FalseWord(header.first.gate, told)
        if not self._heard.take(told, mono):
            return None
        self._store.keep(told, self._heard.upto.get(told.upto.gate, told.upto))
        return told
