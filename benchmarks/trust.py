"""Lists of a million passes: what a change moves, how soon gates know, what lookups and processes cost.

    make bench-trust            # PASSES=1000000; minutes

All in one run on this machine, over a Mosquitto with its defaults. Bytes are
payloads; times are from the call that publishes to the list being in use in
the gate's follower.
"""

import contextlib
import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

import structlog
from rich.console import Console
from rich.table import Table

from agent.brokers.config import BrokerConfig
from agent.brokers.paho import PahoBroker
from agent.core.allowlist import RECORD_BYTES, Allowlist, parts_of
from agent.core.notices import ListRefused, ListSwitched
from agent.refresher import Refresher
from agent.stores.anchor import Anchor
from agent.stores.follower import ListFollower
from agent.stores.lists import ListReader, open_store
from agent.stores.mqtt_source import MqttSource, list_prefix
from benchmarks import verify
from benchmarks.trust_site import SITE, LargeSite, mosquitto
from hw.clocks import FlooredClock, SystemClock

CHANGES: Final = 5
LOOKUPS: Final = 20_000
TURN: Final = 100
Row = tuple[str, str, str]


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    passes = int(os.environ.get("PASSES", "1000000"))
    console = Console()
    with tempfile.TemporaryDirectory(prefix="menshen-bench-") as name:
        folder = Path(name)
        with console.status(f"laying out {passes:,} passes"):
            site = LargeSite.make(folder / "site", passes)
            site.publish()
        table = Table("what", "measured", "wanted", title=f"{passes:,} passes")
        with mosquitto(folder) as port, console.status("measuring"):
            site.mirror(port)
            for rows in (
                _memory(site, folder, port),
                _changes(site, folder, port),
                _lookups(site),
                _verify(),
            ):
                for row in rows:
                    table.add_row(*row)
    console.print(table)


# --- memory --------------------------------------------------------------------


def _memory(site: LargeSite, folder: Path, port: int) -> Iterator[Row]:
    began = time.monotonic()
    peak = _child("sync", folder / "cold", site.root, str(port))
    took_s = time.monotonic() - began
    yield "sync process at a cold sync, peak", f"{peak:.0f} MB (in {took_s:.0f} s)", "80 MB"
    empty = LargeSite.make(folder / "empty", 0, shard_bits=0)
    empty.publish()
    small = _child("gate", folder / "small", empty.root, f"dir:{empty.repo}")
    large = _child("gate", folder / "cold", site.root, "")
    yield "gate process, more than with an empty list", f"{large - small:.0f} MB ({large:.0f})", "25 MB"


def _child(what: str, state: Path, root: Path, where: str) -> float:
    """Run a process until it has its list, and give its peak of resident memory in MB."""
    words = [sys.executable, "-m", "benchmarks.trust", what, str(state), str(root), where]
    told = subprocess.run(words, capture_output=True, text=True, check=False)
    if told.returncode:
        raise SystemExit(f"the {what} process failed: {told.stdout[-500:]} {told.stderr[-2000:]}")
    return float(told.stdout.split()[-1])


def _play(what: str, state: Path, root: Path, where: str) -> None:
    """In the child: be a sync or a gate until the list is there."""
    clock = FlooredClock(SystemClock("synced"), 0.0)
    if what == "sync":
        import agent.wiring.sync  # noqa: PLC0415  all that the process holds

        with _refresher(state, root, int(where), clock) as refresher:
            outcome = refresher.once()
        if isinstance(outcome, ListRefused):
            raise SystemExit(outcome.why)
    else:
        import agent.wiring.gate  # noqa: F401, PLC0415

        if where:
            from agent.stores.sources import DirectorySource  # noqa: PLC0415

            source = DirectorySource(Path(where.removeprefix("dir:")))
            anchor = Anchor(root.read_bytes(), SITE, state / "sync-trust")
            state.mkdir(exist_ok=True)
            Refresher(lambda: open_store(state / "list.db"), source, anchor, clock).once()
        anchor = Anchor(root.read_bytes(), SITE, state / "gate-trust")
        with contextlib.closing(ListFollower(state / "list.db", anchor, clock)) as follower:
            if (listed := follower.first()) is None:
                raise SystemExit("the gate has no list")
            for n in range(2000):
                listed.find(n.to_bytes(8))
    print(_peak_mb())


def _peak_mb() -> float:
    with Path("/proc/self/status").open(encoding="ascii") as lines:
        return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


@contextlib.contextmanager
def _refresher(state: Path, root: Path, port: int, clock: FlooredClock) -> Iterator[Refresher]:
    state.mkdir(parents=True, exist_ok=True)
    config = BrokerConfig(host="127.0.0.1", port=port)
    name = f"gate-{state.name}"
    with contextlib.closing(
        PahoBroker(config, client_id=name, status_topic=f"site/{SITE}/gate/{name}/status")
    ) as broker:
        source = MqttSource(broker.mailbox(list_prefix(SITE)), SITE)
        anchor = Anchor(root.read_bytes(), SITE, state / "sync-trust")
        yield Refresher(lambda: open_store(state / "list.db"), source, anchor, clock)


# --- changes -------------------------------------------------------------------


@dataclass(slots=True)
class _Gate:
    """A sync and a gate's follower in threads of this process, on what the cold sync stored."""

    follower: ListFollower

    def await_list(self, true: Callable[[Allowlist], bool]) -> float:
        """The moment (monotonic) at which a list for which this is true came into use."""
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up:
            for notice in self.follower.news():
                if isinstance(notice, ListSwitched) and true(notice.allowlist):
                    return time.monotonic()
            time.sleep(0.005)
        raise SystemExit("the gate never heard of it")


@contextlib.contextmanager
def _gate(site: LargeSite, folder: Path, port: int) -> Iterator[_Gate]:
    clock = FlooredClock(SystemClock("synced"), 0.0)
    stop = threading.Event()
    anchor = Anchor(site.root.read_bytes(), SITE, folder / "cold" / "gate-trust")
    with (
        _refresher(folder / "cold", site.root, port, clock) as refresher,
        contextlib.closing(ListFollower(folder / "cold" / "list.db", anchor, clock)) as follower,
    ):
        follower.first()
        thread = threading.Thread(target=refresher.serve, args=(stop, 30.0))
        thread.start()
        try:
            yield _Gate(follower)
        finally:
            stop.set()
            thread.join()


def _changes(site: LargeSite, folder: Path, port: int) -> Iterator[Row]:
    dice = Random(5)
    moved: list[int] = []
    took_s: list[float] = []
    hot_moved: list[int] = []
    hot_s: list[float] = []
    with _gate(site, folder, port) as gate:
        for _ in range(CHANGES):
            site.change_one(dice.choice(site.ids))
            began = time.monotonic()
            site.publish()
            moved.append(site.mirror(port).bytes)
            number = site.head.number
            took_s.append(gate.await_list(lambda listed, n=number: listed.head.number == n) - began)  # type: ignore[misc]
        for _ in range(CHANGES):
            gone = dice.choice(site.ids)
            began = time.monotonic()
            site.deny(gone)
            hot_moved.append(site.mirror(port).bytes)
            hot_s.append(gate.await_list(lambda listed, p=gone: p in listed.denied) - began)  # type: ignore[misc]
    yield "one change: bytes moved", f"{max(moved):,} B", "25,000 B"
    yield "one change: published to in use at the gate", _median_and_most(took_s), "2 s"
    yield "rv/hot: bytes moved", f"{max(hot_moved):,} B", "3,000 B"
    yield "rv/hot: published to refused at the gate", _median_and_most(hot_s), "2 s"


def _median_and_most(seconds: list[float]) -> str:
    return f"{median(seconds):.2f} s (at most {max(seconds):.2f})"


# --- lookups -------------------------------------------------------------------


def _lookups(site: LargeSite) -> Iterator[Row]:
    """The list's find beside a bare row table, turn by turn."""
    store = site.folder.parent / "cold" / "list.db"
    bare = _bare_table(site)
    cursor = bare.cursor()
    with contextlib.closing(ListReader(store)) as reader:
        listed = Allowlist(site.head, time.time() + 1e6, reader.part)
        chosen = Random(9).choices(site.ids, k=LOOKUPS)
        ours: list[float] = []
        theirs: list[float] = []
        for start in range(0, LOOKUPS, TURN):
            for pass_id in chosen[start : start + TURN]:
                began = time.perf_counter()
                cursor.execute("SELECT record FROM grants WHERE pass_id = ?", (pass_id,)).fetchone()
                theirs.append(time.perf_counter() - began)
            for pass_id in chosen[start : start + TURN]:
                began = time.perf_counter()
                found = listed.find(pass_id)
                ours.append(time.perf_counter() - began)
                if found is None:
                    raise SystemExit("a pass that is on the list was not found")
    bare.close()
    base, full = median(theirs) * 1e6, median(ours) * 1e6
    yield "bare SQLite primary key", f"{base:.1f} µs", ""
    yield "lookup, shard hashed again", f"{full:.1f} µs, {full / base:.1f}x", "3x"


def _bare_table(site: LargeSite) -> sqlite3.Connection:
    path = site.folder / "bare.db"
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE grants (pass_id BLOB PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID")
        indexes = set(site.head.indexes)
        for digest in parts_of(site.head, site.parts.__getitem__):
            if digest in indexes:
                continue
            shard = site.parts[digest]
            db.executemany(
                "INSERT INTO grants VALUES (?, ?)",
                (
                    (shard[at : at + 8], shard[at : at + RECORD_BYTES])
                    for at in range(0, len(shard), RECORD_BYTES)
                ),
            )
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)


def _verify() -> Iterator[Row]:
    for what, micros, times in verify.rows():
        bare = what.startswith("bare")
        yield what, f"{micros:.0f} µs" + ("" if bare else f", {times:.2f}x"), "" if bare else "1.5x"


if __name__ == "__main__":
    if len(sys.argv) == 5:
        _play(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
    else:
        main()
