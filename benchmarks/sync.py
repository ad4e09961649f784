"""Events from a gate to its office, against what a plain MQTT client and a bridged broker do.

    python -m benchmarks.sync            (make bench-sync)

Side by side in one run, with real processes on loopback: Mosquitto without
persistence, `menshen-agent sync`, `menshen-office ingest`, PostgreSQL with its
flushes on. A rate is events from the first look that finds some to the last,
divided by that time; start-up counts for nobody. The peers store into a database with the same
durability, one transaction for whatever has arrived, and acknowledge no more
than MQTT does: what a broker forgets, they have lost.

    BENCH_EVENTS=100000   for each drain
    BENCH_PEER=10000      for each peer
    BENCH_ROUNDS=3        of everything; medians are compared
"""

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

import psycopg

from agent.core.moments import Moment
from agent.device_key import load_signer
from agent.stores.journal import JournalStore
from benchmarks.mqtt_peers import LISTENS, NOON, TOPIC, event
from benchmarks.processes import cpu_s, resident_mb
from office.database import SETTING
from tests import brokers, postgres
from tests.drill.site import Site

EVENTS: Final = int(os.environ.get("BENCH_EVENTS", "100000"))
PEER: Final = int(os.environ.get("BENCH_PEER", "10000"))
ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "3"))
_PATIENCE_S: Final = 900.0
_BRIDGES_S: Final = 1.5  # a bridge connects
_LEAST_TIMED: Final = 0.5  # of the events; with less the rate would say little
PAHO: Final = "paho, 1 a message, window 100"
BRIDGE: Final = "mosquitto bridge, 1 a message"
_BROKER: Final = "max_queued_messages 0\nmax_inflight_messages 100"


Measured: TypeAlias = tuple[float, dict[str, float]]
"""Events a second; and what else was measured, by its name with its unit."""


def main() -> None:
    rates: dict[str, list[float]] = defaultdict(list)
    beside: dict[tuple[str, str], list[float]] = defaultdict(list)
    for number in range(1, ROUNDS + 1):
        print(f"bench-sync: round {number} of {ROUNDS}", flush=True)
        for into in ("sqlite", "postgresql"):
            for name in RUNS:
                # In a process of its own: Django takes its database once.
                said = subprocess.check_output(
                    [sys.executable, "-m", "benchmarks.sync", name, into], text=True
                )
                rate, more = json.loads(said.split("\n")[-2])
                rates[f"{name}, {into}"].append(rate)
                for what, found in more.items():
                    beside[into, what].append(found)
                print(f"  {name}, {into}: {rate:,.0f}/s", flush=True)
    print(f"\n{'events a second, median of ' + str(ROUNDS):44}{'':>12}{'of paho':>9}{'of bridge':>11}")
    for name, some in rates.items():
        into = name.rpartition(", ")[2]
        base, bridge = (statistics.median(rates[f"{peer}, {into}"]) for peer in (PAHO, BRIDGE))
        rate = statistics.median(some)
        print(f"{name:44}{rate:12,.0f}{rate / base:8.1f}x{rate / bridge:10.1f}x")
    print(
        f"\nmenshen while draining {EVENTS:,}: µs of processor time an event, and memory over idle; medians"
    )
    for (into, what), some in beside.items():
        print(f"  {into:12}{what:20}{statistics.median(some):8.1f}")


def drain(folder: Path, stack: ExitStack, on_postgres: bool) -> Measured:
    """The gate's journal is full; sync starts, and the office takes it all."""
    site = Site(folder, stack, ingesters=1, on_postgres=on_postgres, durable=True)
    ingester, sync = site.parts["ingester-1"], site.parts["sync"]
    ingester.start()
    until(lambda: "ingest.listening" in (folder / "ingester-1.log").read_text())
    sync.start()
    fill(site, 1)
    count = counter(stack, site.home / "office.db", site.environment.get(SETTING, ""), "office_event")
    until(lambda: count() >= 1)
    time.sleep(1.0)
    idle_mb = resident_mb(pids(site)["sync"])
    sync.stop()
    fill(site, EVENTS)
    memory: list[float] = []
    begun = count()
    sync.start()
    parts = pids(site)
    rate, used = timed(
        count, begun, EVENTS, parts=parts, meanwhile=lambda: memory.append(resident_mb(parts["sync"]))
    )
    return rate, {"sync grew MB": max(memory) - idle_mb, **used}


def pids(site: Site) -> dict[str, int]:
    """The process ids of the parts that run, by name."""
    processes = {name: getattr(part, "process", None) for name, part in site.parts.items()}
    return {name: process.pid for name, process in processes.items() if process}


def fill(site: Site, events: int) -> None:
    """Journal some events, as the gate would in the course of a month; one epoch."""
    config = site.gate.config
    config.journal_file.parent.mkdir(parents=True, exist_ok=True)
    journal = JournalStore(config.journal_file, config.site, config.gate, load_signer(config.journal_key))
    with closing(journal):
        journal.begin_epoch(Moment(NOON, 0.0))
        for first in range(1, events, 1000):
            journal.append([event(number) for number in range(first, min(first + 1000, events))])


def paho(folder: Path, stack: ExitStack, on_postgres: bool) -> Measured:
    """One event a message, 100 in flight, to one broker."""
    broker = stack.enter_context(brokers.mosquitto(folder / "broker", settings=_BROKER))
    return peer(folder, stack, broker.port, broker.port, on_postgres=on_postgres)


def bridge(folder: Path, stack: ExitStack, on_postgres: bool) -> Measured:
    """The same to a broker on the gate, which forwards to the office's."""
    theirs = stack.enter_context(brokers.mosquitto(folder / "office", settings=_BROKER))
    link = f"connection office\naddress 127.0.0.1:{theirs.port}\ntopic {TOPIC} out 1"
    ours = stack.enter_context(brokers.mosquitto(folder / "gate", settings=f"{_BROKER}\n{link}"))
    return peer(folder, stack, ours.port, theirs.port, on_postgres=on_postgres)


def peer(folder: Path, stack: ExitStack, send_to: int, take_from: int, *, on_postgres: bool) -> Measured:
    file, where = folder / "peer.db", ""
    if on_postgres:
        where = stack.enter_context(postgres.server(durable=True)).address
    store = _started(stack, "store", str(take_from), where or f"sqlite:{file}")
    if store.stdout is None or store.stdout.readline().strip() != LISTENS:
        sys.exit("bench-sync: the peer's store does not listen")
    time.sleep(_BRIDGES_S)
    _started(stack, "publish", str(send_to), str(PEER))
    # Looked at from the first event on: what is there before the first look is not in the rate.
    return timed(counter(stack, file, where, "peer"), 0, PEER)


def _started(stack: ExitStack, *words: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.mqtt_peers", *words], stdout=subprocess.PIPE, text=True
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


RUNS: Final[dict[str, Callable[[Path, ExitStack, bool], Measured]]] = {
    PAHO: paho,
    BRIDGE: bridge,
    "menshen, 200 a message": drain,
}


def counter(stack: ExitStack, file: Path, address: str, table: str) -> Callable[[], int]:
    """How many rows there are: ids have no gaps here."""
    query = f"SELECT coalesce(max(id), 0) FROM {table}"  # noqa: S608  our own tables
    link: psycopg.Connection | sqlite3.Connection
    if address:
        link = psycopg.connect(address, autocommit=True)
    else:
        link = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)
    stack.callback(link.close)

    def count() -> int:
        with suppress(sqlite3.OperationalError, psycopg.errors.UndefinedTable):
            for (rows,) in link.execute(query):
                return int(rows)
        return 0

    return count


def timed(
    count: Callable[[], int],
    before: int,
    events: int,
    *,
    parts: Mapping[str, int] = MappingProxyType({}),
    meanwhile: Callable[[], object] = lambda: None,
) -> tuple[float, dict[str, float]]:
    """Events a second, from the first look that finds some to the last, and what each part used of the processor.

    Args:
        parts: process ids by name.
    """
    until(lambda: count() > before)
    begun, at = count(), time.monotonic()
    used = {name: cpu_s([pid]) for name, pid in parts.items()}

    def all_there() -> bool:
        meanwhile()
        return count() - before >= events

    until(all_there)
    took_s, timed_events = time.monotonic() - at, before + events - begun
    if timed_events < _LEAST_TIMED * events:
        sys.exit(
            f"bench-sync: {events - timed_events:,} of {events:,} were there at the first look; take more"
        )
    cpu_us = {f"{name} µs": 1e6 * (cpu_s([parts[name]]) - used[name]) / timed_events for name in parts}
    return timed_events / took_s, cpu_us


def until(true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + _PATIENCE_S
    while not true():
        if time.monotonic() > give_up:
            sys.exit("bench-sync: it never arrived")
        time.sleep(0.01)


def one(name: str, into: str) -> None:
    """One measurement; its last line is what was measured."""
    with tempfile.TemporaryDirectory(prefix="menshen-bench-") as folder, ExitStack() as stack:
        measured = RUNS[name](Path(folder), stack, into == "postgresql")
    print(json.dumps(measured))


if __name__ == "__main__":
    one(*sys.argv[1:]) if sys.argv[1:] else main()
