"""Events that come again: whether they are those that are kept, and which an accepted gap still lacks.

Heads are not kept one by one. Known are the one at an epoch's end, the one up to
which events were deleted on schedule, and those on both sides of an accepted
gap. A run that reaches one of them must hash to it. Between two of them it is
compared line by line, and hashed on to the next. What was let go of, and the
inside of a gap, can't be compared with anything: there the gate's signature is
all there is to go by.
"""

from typing import Final

from agent.core.chain import GENESIS, extend_all
from office.ingest.batch import Batch
from office.ingest.checked import Run
from office.models import Epoch
from office.torn import holes

_MAX_WALKS: Final = 64
_WALK: Final = 2000


class Again:
    """Judges runs that are kept already, it seems; one per ingester."""

    def __init__(self) -> None:
        """Begin without having seen any."""
        self._walks: dict[int, tuple[int, bytes]] = {}  # by epoch: how far it was sent again, as it is kept

    def is_as_kept(self, batch: Batch, run: Run, epoch: Epoch) -> bool:
        """Whether a run that ends within what is kept is no other history."""
        header = run.header
        first, last = header.first.seq, header.last_seq
        known = _known_heads(batch, run, epoch)
        head, proven = header.before, first - 1
        for seq in sorted(seq for seq in known if first - 1 <= seq <= last):
            head = extend_all(head, run.bodies[proven + 1 - first : seq + 1 - first])
            if head != known[seq]:
                return False
            proven = seq
        if proven == last or last <= epoch.let_go:
            return True
        begin = proven + 1
        kept, came = batch.kept(epoch, begin, last), dict(enumerate(run.bodies[begin - first :], begin))
        if _is_in_a_hole(batch, run, epoch, last):
            return kept.items() <= came.items()
        if kept != came:
            return False
        if proven in known:
            self._remember(run, epoch)
            return True
        return self._is_on_chain(batch, run, epoch, known)

    def _is_on_chain(self, batch: Batch, run: Run, epoch: Epoch, known: dict[int, bytes]) -> bool:
        """Whether a run of the kept events also has the head that the kept events have there.

        What is sent again comes in order, so mostly the head before it was found right a moment
        ago; else everything after it is hashed, up to the next head that is known.
        """
        header = run.header
        right = self._walks.get(epoch.pk) == (header.first.seq - 1, header.before)
        if not right:
            head, until = header.head, min(seq for seq in known if seq > header.last_seq)
            for first in range(header.last_seq + 1, until + 1, _WALK):
                head = extend_all(head, batch.kept(epoch, first, min(first + _WALK - 1, until)).values())
            right = head == known[until]
        if right:
            self._remember(run, epoch)
        return right

    def _remember(self, run: Run, epoch: Epoch) -> None:
        if len(self._walks) >= _MAX_WALKS:
            self._walks.clear()
        self._walks[epoch.pk] = run.header.last_seq, run.header.head


def lacking(batch: Batch, run: Run, epoch: Epoch) -> list[int]:
    """The sequence numbers of a run that lie in an accepted gap and are not kept; deleted ones stay deleted."""
    first, last = run.header.first.seq, run.header.last_seq
    inside = [
        seq
        for hole in holes(batch.gaps(run.gate), epoch.name)
        if hole.to > epoch.let_go
        for seq in range(max(first, hole.after + 1), min(last, hole.to) + 1)
    ]
    if not inside:
        return []
    kept = batch.kept(epoch, inside[0], inside[-1])
    return [seq for seq in inside if seq not in kept]


def _is_in_a_hole(batch: Batch, run: Run, epoch: Epoch, seq: int) -> bool:
    return any(hole.after < seq <= hole.to for hole in holes(batch.gaps(run.gate), epoch.name))


def _known_heads(batch: Batch, run: Run, epoch: Epoch) -> dict[int, bytes]:
    """By sequence number, those heads of an epoch of which the office is sure."""
    known = {0: GENESIS, epoch.let_go: bytes(epoch.let_go_head), epoch.upto: bytes(epoch.head)}
    for gap in batch.gaps(run.gate):
        if gap.after_epoch == epoch.name:
            known[gap.after_seq] = bytes(gap.after_head)
        if gap.to_epoch == epoch.name:
            known[gap.to_seq] = bytes(gap.to_head)
    return known
