"""How much a gate writes on its card, at the card itself, and what ten years of that come to.

    sudo python -m benchmarks.wear

Each way writes on an ext4 file system of its own, on a loop device whose sectors are counted by the
kernel, so that the file system's own journal is in the figure. Events come seconds apart at a gate, so the
card is flushed as often as it would be there: nothing is merged that would not be.
"""

import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.core.chain import Checkpoint
from agent.core.events import Place, body
from agent.core.feed import Ack
from agent.core.memory import Use, Way
from agent.core.moments import Moment
from agent.core.notices import Passage, Told
from agent.stores import acknowledged
from agent.stores.heard import WRITE_EVERY_S, HeardStore, upto_of
from agent.stores.journal import JournalStore
from agent.stores.pointer import Pointer, PointerStore
from agent.uplink import SAVE_EVERY_S
from benchmarks.journal import GATE, NOON, PASSES, SITE, admission, bare

EVENTS: Final = int(os.environ.get("BENCH_EVENTS", "2000"))
SIZE_MB: Final = 256
A_DAY: Final = (500, 5_000, 20_000)
YEARS: Final = 10
CARD_GB: Final = 32
GATES: Final = 12
BUSY_H: Final = 14
DIRTY_S: Final = 30.0
"""vm.dirty_expire_centisecs, as Linux comes."""
_SECTOR: Final = 512
_DAY_S: Final = 86_400


class Card:
    """An empty ext4 file system, and how much has been written on it."""

    def __init__(self, folder: Path, device: str) -> None:
        self.folder, self._device = folder, device
        self._began = self._sectors()

    def flush(self) -> None:
        subprocess.run(["sync", "--file-system", self.folder], check=True)

    def written(self) -> int:
        """Bytes since the last call."""
        self.flush()
        now = self._sectors()
        written, self._began = (now - self._began) * _SECTOR, now
        return written

    def _sectors(self) -> int:
        # Documentation/admin-guide/iostats.rst: the seventh field is sectors written.
        return int(Path("/sys/block", self._device, "stat").read_text().split()[6])


@contextlib.contextmanager
def card(folder: Path, name: str) -> Iterator[Card]:
    image, at = folder / f"{name}.img", folder / name
    at.mkdir()
    with image.open("wb") as file:
        file.truncate(SIZE_MB * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0", image], check=True)
    found = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True, text=True)
    device = found.stdout.strip()
    try:
        subprocess.run(["mount", "-o", "noatime", device, at], check=True)
        try:
            yield Card(at, Path(device).name)
        finally:
            subprocess.run(["umount", at], check=True)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def per_event(on: Card, append: Callable[[int], object], flush_every: int = 1) -> float:
    """Bytes for an event, once the files have found their shape.

    Args:
        flush_every: how many come before the kernel writes by itself what nobody flushes.
    """
    for n in range(200):
        append(n)
    on.written()
    for n in range(200, 200 + EVENTS):
        append(n)
        if n % flush_every == 0:
            on.flush()
    return on.written() / EVENTS


def a_table(folder: Path) -> float:
    with card(folder, "bare") as on:
        append, close = bare(on.folder)
        try:
            return per_event(on, append)
        finally:
            close()


def the_journal(folder: Path, key: Ed25519PrivateKey) -> tuple[float, float]:
    """Bytes for an event, and for letting go of one later."""
    with (
        card(folder, "journal") as on,
        contextlib.closing(JournalStore(on.folder / "journal.db", SITE, GATE, key.sign)) as store,
    ):
        store.begin_epoch(Moment(NOON, 0.0))
        each = per_event(on, lambda n: store.append([admission(n)]))
        store.close_day(Moment(NOON + 2 * _DAY_S, 0.0), 0)
        on.written()
        gone, tip = 0, store.tip
        while tip and (step := store.purge_step(tip.n, NOON + 9 * _DAY_S)):
            gone += step
            on.flush()
        return each, on.written() / max(gone, 1)


def a_fellows_word(folder: Path) -> float:
    """What the gate keeps of one passage at another gate, if no second one comes within seconds."""
    with card(folder, "heard") as on:
        store = HeardStore(on.folder / "heard.db", write_every_s=0.0)
        store.recall()
        try:

            def hear(n: int) -> None:
                use = Use(0, 118160000 + n, Way.IN, NOON + n)
                upto = Place(SITE, "south", "0" * 16, n + 1)
                pass_id = (n % PASSES + 1).to_bytes(8)
                store.keep(Told(None, upto, (Passage("south", pass_id, "main", use, sure=True),), ()), upto)
                while upto_of(on.folder / "heard.db").get("south") != upto:
                    time.sleep(0.002)

            return per_event(on, hear, round(DIRTY_S / WRITE_EVERY_S))
        finally:
            store.close()


def sync_beside_it(folder: Path, key: Ed25519PrivateKey) -> float:
    """What sync writes where each event is acknowledged by itself: as it is on a live link."""
    with card(folder, "sync") as on, contextlib.closing(PointerStore(on.folder / "uplink.db")) as pointers:
        signature = key.sign(b"")

        def acknowledge(n: int) -> None:
            head = n.to_bytes(32)
            acknowledged.keep(
                on.folder / "ack.json", Ack(Checkpoint(Place(SITE, GATE, "0" * 16, n), head), signature)
            )
            pointers.save(Pointer("0" * 16, n, head))

        return per_event(on, acknowledge)


def main() -> int:
    if os.getuid():
        print("wants root, to make and mount file systems of its own", file=sys.stderr)
        return 2
    key = Ed25519PrivateKey.generate()
    line = len(body(admission(1), Place(SITE, GATE, "0" * 16, 1)))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        floor = a_table(folder)
        journal, purge = the_journal(folder, key)
        heard = a_fellows_word(folder)
        sync = sync_beside_it(folder, key)
    print(
        f"written on the card, {EVENTS} times each; a line has {line} bytes; SQLite {sqlite3.sqlite_version}"
    )
    for name, each in (
        ("a bare SQLite table", floor),
        ("the journal, an event", journal),
        ("letting go of it later", purge),
        (f"sync, at most each {SAVE_EVERY_S:.0f} s", sync),
        (f"fellows, at most each {WRITE_EVERY_S:.0f} s", heard),
    ):
        print(f"  {name:<28} {each / 1024:7.1f} kB  {each / floor:5.2f}x")
    print(f"{YEARS} years of a gate whose site has {GATES} gates, its events within {BUSY_H} hours of a day")
    for events in A_DAY:
        seconds = BUSY_H * 3600
        a_day = (
            events * (journal + purge)
            + min(events, seconds / SAVE_EVERY_S) * sync
            + min(events * (GATES - 1), seconds / WRITE_EVERY_S) * heard
        )
        written_gb = a_day * 365 * YEARS / 1e9
        print(
            f"  {events:>6} events a day: {a_day / 1e6:5.0f} MB a day, {written_gb:5.0f} GB:"
            f" a card of {CARD_GB} GB {written_gb / CARD_GB:.0f} times over"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
