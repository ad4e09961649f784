"""An epoch's hash chain with accepted gaps in it: torn where events are missing, and taken up again behind them."""

from collections.abc import Iterable
from typing import NamedTuple

from agent.core.chain import extend
from office.models import Gap


class Hole(NamedTuple):
    """What one epoch lacks of an accepted gap: the events behind `after`, up to `to`, and the head there."""

    after: int
    to: int
    head: bytes


def holes(gaps: Iterable[Gap], epoch: str) -> tuple[Hole, ...]:
    """The accepted gaps that end in an epoch, as that epoch's events see them.

    One that only begins there leaves nothing to step over: what is kept of the epoch ends with it.
    """
    return tuple(
        Hole(gap.after_seq if gap.after_epoch == epoch else 0, gap.to_seq, bytes(gap.to_head))
        for gap in gaps
        if gap.to_epoch == epoch
    )


class Chain:
    """A head that is carried on from event to event of one epoch.

    Where events are missing it is worth nothing, until the end of a hole: the gate signed for the
    head there. A hole that was filled later is hashed through like anything else.
    """

    def __init__(self, seq: int, head: bytes, holes: Iterable[Hole]) -> None:
        """Begin behind event seq, with the head there."""
        self.seq, self.head = seq, head
        self._ends = {hole.to: hole.head for hole in holes}
        self._torn = False

    def take(self, seq: int, body: bytes) -> None:
        """Go on with the next event that is kept."""
        self.stand(seq - 1)
        self.head, self.seq = extend(self.head, body), seq

    def stand(self, seq: int) -> None:
        """Be at an event that need not be kept."""
        self._torn |= seq > self.seq
        if self._torn and seq in self._ends:
            self.head, self._torn = self._ends[seq], False
        self.seq = seq
