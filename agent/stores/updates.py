"""sync's side of a list: fetch, verify, store, switch.

Every fault of a repository, a transport or a disk is answered with ListRefused
and a sentence, and the list before stays in use. Nothing is fetched that a
signature or a hash has not announced, and nothing larger than its layout.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from agent.core.allowlist import DIGEST_BYTES, RECORD_BYTES, SHARDS_PER_INDEX, Head, ListFault, parts_of
from agent.core.moments import Moment
from agent.core.notices import ListRefused
from agent.stores.anchor import Anchor
from agent.stores.lists import MAX_PART_BYTES, Current, ListStore
from agent.stores.sources import Source, SourceFault, Unreachable

if TYPE_CHECKING:
    from agent.stores.trust import Verified

MAX_LIST_BYTES: Final = 256 * 1024 * 1024
_TIMESTAMP: Final = "timestamp.json"
_MAX_TIMESTAMP_BYTES: Final = 16 * 1024
_BATCH_BYTES: Final = 1024 * 1024
_EMPTY: Final = hashlib.sha256().digest()


@dataclass(frozen=True, slots=True)
class Switched:
    """A newer list is in the store.

    Args:
        parts, moved_bytes: how many parts were fetched for it, and their bytes.
    """

    number: int
    issued_utc: float
    expires_utc: float
    parts: int
    moved_bytes: int


@dataclass(frozen=True, slots=True)
class Renewed:
    """The same list under newer signatures."""

    number: int
    expires_utc: float


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing new."""

    number: int


@dataclass(frozen=True, slots=True)
class Missed(ListRefused):
    """Nobody answered: nothing was offered, and nothing was refused."""


Outcome: TypeAlias = Switched | Renewed | Unchanged | ListRefused


def update(store: ListStore, source: Source, anchor: Anchor, now: Moment) -> Outcome:
    """Bring the store to the repository's list.

    Args:
        source: the repository; hostile until verified.
        anchor: sync's own.
        now: floored by the caller; decides expiry.
    """
    try:
        current = store.current()
        ours = current is not None and current.anchor == anchor.name
        if current and ours and now.utc < current.expires_utc and _same_timestamp(store, source):
            # The usual answer, every few seconds: one small file, no signature to check.
            _fetch_parts(store, source, Head.from_bytes(current.head))
            return Unchanged(current.number)
        from agent.stores.trust import Distrust, verify  # noqa: PLC0415  a quarter of a second, when first needed

        try:
            verified = verify(source, anchor, now)
        except Distrust as fault:
            return ListRefused(str(fault))
        if current and ours and verified.head.number == current.number:
            return _take_again(store, source, current, verified)
        return _take(store, source, anchor, current, verified)
    except Unreachable as fault:
        return Missed(str(fault))
    except (SourceFault, ListFault) as fault:
        return ListRefused(str(fault))
    except sqlite3.Error as fault:
        return ListRefused(
            f"the list store can't be used: {fault}; is the disk full? It may be deleted and is filled again"
        )


def _same_timestamp(store: ListStore, source: Source) -> bool:
    return source.fetch(_TIMESTAMP, _MAX_TIMESTAMP_BYTES) == store.files().get(_TIMESTAMP)


def _take_again(store: ListStore, source: Source, current: Current, verified: "Verified") -> Outcome:
    """The list that is there already, perhaps under newer signatures."""
    if verified.head_bytes != current.head:
        return ListRefused(
            f"list {current.number} was changed without a new number; ask the office to publish again"
        )
    _fetch_parts(store, source, verified.head)
    if verified.files == store.files():
        return Unchanged(current.number)
    store.renew(verified.expires_utc, verified.files)
    return Renewed(current.number, verified.expires_utc)


def _take(
    store: ListStore, source: Source, anchor: Anchor, current: Current | None, verified: "Verified"
) -> Outcome:
    """Another list than the one that is there."""
    head = verified.head
    fetched, moved_bytes = _fetch_parts(store, source, head)
    keep = [*parts_of(head, _stored(store))]
    if current:
        keep += _parts_before(store, current)
    generation = current.generation + 1 if current else 1
    new = Current(generation, head.number, verified.head_bytes, verified.expires_utc, anchor.name)
    store.switch(new, verified.files, keep)
    return Switched(head.number, head.issued_utc, verified.expires_utc, fetched, moved_bytes)


def _parts_before(store: ListStore, current: Current) -> list[bytes]:
    try:
        return [*parts_of(Head.from_bytes(current.head), _stored(store))]
    except (ListFault, SourceFault):
        return []  # damaged before it was replaced: nothing worth keeping


def _stored(store: ListStore) -> Callable[[bytes], bytes]:
    def index(digest: bytes) -> bytes:
        data = store.part(digest)
        if data is None or hashlib.sha256(data).digest() != digest:
            raise ListFault(
                f"sub-index {digest.hex()[:12]} is damaged in the store; restart sync to fetch it again"
            )
        return data

    return index


def _fetch_parts(store: ListStore, source: Source, head: Head) -> tuple[int, int]:
    """Fetch what the store lacks of a list; each part is durable as soon as its batch is, so that
    a broken download goes on where it stopped.

    Returns:
        How many parts, and their bytes.
    """
    per_index = min(1 << head.shard_bits, SHARDS_PER_INDEX) * DIGEST_BYTES
    moved = [0, 0]
    budget = MAX_LIST_BYTES

    def fetched(digests: Sequence[bytes], largest: int, unit: int) -> None:
        nonlocal budget
        batch: list[bytes] = []
        lacking = store.missing(digests)
        source.ahead([f"al/{digest.hex()}" for digest in lacking if digest != _EMPTY], largest)
        for digest in lacking:
            data = _part(source, digest, min(largest, budget), unit)
            budget -= len(data)
            batch.append(data)
            if sum(map(len, batch)) >= _BATCH_BYTES:
                store.add_parts(batch)
                batch.clear()
            moved[0] += 1
            moved[1] += len(data)
        if batch:
            store.add_parts(batch)

    fetched(head.indexes, per_index, per_index)
    index = _stored(store)
    for digest in head.indexes:
        data = index(digest)
        fetched(
            [data[at : at + DIGEST_BYTES] for at in range(0, len(data), DIGEST_BYTES)],
            MAX_PART_BYTES,
            RECORD_BYTES,
        )
    return moved[0], moved[1]


def _part(source: Source, digest: bytes, largest: int, unit: int) -> bytes:
    if digest == _EMPTY:
        return b""  # a shard nobody lies in; a retained message can't be empty, so it may not be offered
    path = f"al/{digest.hex()}"
    data = source.fetch(path, largest)
    if data is None:
        raise SourceFault(
            f"the repository has no {path}; the copy is incomplete, the next update tries again"
        )
    if hashlib.sha256(data).digest() != digest:
        raise SourceFault(
            f"{path} is damaged: {len(data)} bytes of another hash; copy the repository again, whole"
        )
    if len(data) % unit:
        raise ListFault(
            f"{path} has {len(data)} bytes, not a multiple of {unit}; ask the office to publish again"
        )
    return data
