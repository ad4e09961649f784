"""gate's side of a list: believe nothing that sync stored, then use it.

The gate runs the same verification as sync, from the same installed root,
with a memory of its own: sync stands on the network, and whoever takes it
over can write anything into the store. So the TUF client runs again over the
stored files (not its rule set alone: the client also walks root rotations
and remembers versions), and every part is hashed once before the list is
used. After that each lookup hashes what it reads, so of the next list only
the parts that are new are hashed beforehand.
"""

import hashlib
import sqlite3
from typing import TYPE_CHECKING

from agent.core.allowlist import Allowlist, ListFault, parts_of
from agent.core.moments import Moment
from agent.core.notices import ListRefused
from agent.stores.anchor import Anchor
from agent.stores.lists import ListReader, View
from agent.stores.sources import Source, SourceFault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def load(
    reader: ListReader, anchor: Anchor, now: Moment, in_use: Allowlist | None = None
) -> Allowlist | ListRefused:
    """Verify the stored list whole and make it ready for lookups.

    Args:
        anchor: the gate's own; sync can't write its state.
        now: floored by the caller; a list expired by then is not loaded.
        in_use: the list that load gave before; the parts it shares are not hashed again.
    Returns:
        A list whose fetch reads through the reader, whatever thread called load.
    """
    try:
        with reader.pinned() as view:
            files = view.files()
            if not files:
                return ListRefused("no list has arrived yet")
            return _load(view, files, reader, anchor, now, in_use)
    except FileNotFoundError:
        return ListRefused("no list has arrived yet")
    except ListFault as fault:
        return ListRefused(str(fault))
    except (sqlite3.Error, OSError) as fault:
        return ListRefused(f"the list store can't be read: {fault}; see that sync runs and shares its group")


def _load(  # noqa: PLR0913, PLR0917  load's, and what it opened
    view: View,
    files: "Mapping[str, bytes]",
    reader: ListReader,
    anchor: Anchor,
    now: Moment,
    in_use: Allowlist | None,
) -> Allowlist | ListRefused:
    from agent.stores.trust import Distrust, verify  # noqa: PLC0415  a quarter of a second, when first needed

    try:
        verified = verify(_Stored(files), anchor, now)
    except Distrust as fault:
        return ListRefused(str(fault))

    def whole(digest: bytes) -> bytes:
        data = view.part(digest)
        if data is None or hashlib.sha256(data).digest() != digest:
            raise ListFault(
                f"part {digest.hex()[:12]} of list {verified.head.number} is missing or damaged in the store; "
                "restart sync to fetch it again"
            )
        return data

    checked = _parts_of(in_use, whole)
    for digest in parts_of(verified.head, whole):
        if digest not in checked:
            whole(digest)
    return Allowlist(
        verified.head, verified.expires_utc, reader.part, verified.renewed_utc, verified.denials.denied
    )


def _parts_of(in_use: Allowlist | None, whole: "Callable[[bytes], bytes]") -> set[bytes]:
    """What was hashed when the list in use was loaded; a lookup hashes it again anyway."""
    if in_use is None:
        return set()
    try:
        return set(parts_of(in_use.head, whole))
    except ListFault:
        return set()  # the store has lost it; then everything is looked at


class _Stored(Source):
    """The stored files as a Source."""

    def __init__(self, files: "Mapping[str, bytes]") -> None:
        self._files = files

    def fetch(self, path: str, max_bytes: int) -> bytes | None:
        data = self._files.get(path)
        if data is not None and len(data) > max_bytes:
            raise SourceFault(f"the stored {path} has {len(data)} bytes, more than {max_bytes}")
        return data
