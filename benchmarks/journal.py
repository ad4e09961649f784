"""The journal beside a bare SQLite table: what durability, the chain and the signature cost.

    python -m benchmarks.journal [FOLDER]

The folder should be on the disk that is meant; each figure is a ratio of medians of
runs that take turns, in one process, on the same file system.
"""

import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.core.events import Event, Kind, Place, body
from agent.core.keys import Alg, PublicKey
from agent.core.moments import Moment
from agent.stores.journal import JournalStore
from agent.stores.journal_check import check_file
from agent.stores.journal_reader import JournalReader
from agent.stores.writer import JournalWriter, open_journal

SITE, GATE = "willow-court", "north"
NOON = 1772452800.0
ROUNDS = 1500
MANY = int(os.environ.get("MENSHEN_BENCH_EVENTS", "1000000"))
PASSES = 5_000


class Noon:
    def now(self) -> Moment:
        return Moment(NOON, time.monotonic())


def admission(n: int) -> Event:
    """What a gate writes most."""
    return Event(
        Kind.ADMITTED,
        Moment(NOON + n, float(n)),
        {
            "pass": f"{(n % PASSES + 1) * 0x9E3779B97F4A7C15 & (1 << 64) - 1:016x}",
            "kind": "resident",
            "direction": "in",
            "zone": "main",
            "list": 17,
            "effort": 0.07,
            "step": 118160000 + n,
        },
    )


def bare(folder: Path) -> tuple[Callable[[int], object], Callable[[], None]]:
    """One INSERT and COMMIT of the same line, with the same settings."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
    connection.execute("CREATE TABLE event (n INTEGER PRIMARY KEY, body TEXT NOT NULL)")

    def append(n: int) -> None:
        line = body(admission(n), Place(SITE, GATE, "0123456789abcdef", n + 1)).decode()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO event (body) VALUES (?)", (line,))
        connection.execute("COMMIT")

    return append, connection.close


def stored(folder: Path, key: Ed25519PrivateKey) -> tuple[Callable[[int], object], Callable[[], None]]:
    """The store alone: chain, signature, use."""
    store = JournalStore(folder / "store.db", SITE, GATE, key.sign)
    store.begin_epoch(Noon().now())
    return lambda n: store.append([admission(n)]), store.close


def journaled(folder: Path, key: Ed25519PrivateKey) -> tuple[Callable[[int], object], Callable[[], None]]:
    """The whole way, as the gate's loop goes it: through the writer's thread and back."""
    writer = JournalWriter(lambda: open_journal(folder / "writer.db", SITE, GATE, key.sign), Noon(), 2.0)
    return lambda n: writer.append(admission(n)), writer.close


def appending(folder: Path, key: Ed25519PrivateKey) -> None:
    ways = {
        "bare SQLite commit": bare(folder),
        "JournalStore": stored(folder, key),
        "JournalWriter": journaled(folder, key),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    for n in range(ROUNDS):
        turn = n % len(ways)  # nobody always comes after the same one
        for name, (append, _) in [*ways.items()][turn:] + [*ways.items()][:turn]:
            began = time.perf_counter()
            append(n)
            took[name].append(time.perf_counter() - began)
    floor = statistics.median(took["bare SQLite commit"])
    print(f"append one event durably, {ROUNDS} each, taking turns")
    for name, (_, close) in ways.items():
        close()
        median = statistics.median(took[name])
        print(f"  {name:<20} {1e6 * median:8.0f} µs  {median / floor:5.2f}x")


def keeping(folder: Path, key: Ed25519PrivateKey) -> None:
    path = folder / "many.db"
    with closing(JournalStore(path, SITE, GATE, key.sign)) as store:
        store.begin_epoch(Noon().now())
        for first in range(1, MANY, 1000):
            store.append([admission(n) for n in range(first, min(first + 1000, MANY))])
    size = path.stat().st_size
    line = len(body(admission(MANY), Place(SITE, GATE, "0" * 16, MANY)))
    print(f"{MANY} events, lines of {line} bytes: {size / MANY:.0f} bytes an event on disk")
    public = PublicKey(Alg.ED25519, key.public_key().public_bytes_raw())

    def rate(name: str, work: Callable[[], object]) -> None:
        began, began_cpu = time.perf_counter(), time.process_time()
        work()
        wall, cpu = time.perf_counter() - began, time.process_time() - began_cpu
        print(f"  {name:<34} {MANY / wall:10,.0f} /s   {MANY / cpu:10,.0f} a second of processor time")

    rate("verify", lambda: _whole(path, public))
    rate("read in runs of 200, as sync does", lambda: _in_runs(path))
    rate("only parse its JSON, for comparison", lambda: _parsed(path))


def _whole(path: Path, public: PublicKey) -> None:
    found = check_file(path, public)
    if found.flaw or found.events != MANY:
        raise SystemExit(f"the journal should be whole: {found}")


def _in_runs(path: Path) -> None:
    with closing(JournalReader(path)) as reader:
        row = 0
        while run := reader.run_after(row):
            row = run.last_n


def _parsed(path: Path) -> None:
    with closing(JournalReader(path)) as reader:
        for _, line in reader.bodies():
            json.loads(line)


def main() -> None:
    key = Ed25519PrivateKey.generate()
    within = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(prefix="menshen-bench-", dir=within) as folder:
        appending(Path(folder), key)
        keeping(Path(folder), key)


if __name__ == "__main__":
    main()
