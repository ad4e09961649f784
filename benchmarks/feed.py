"""What people ask of an office that keeps a million events, question by question.

    python -m benchmarks.feed sqlite|postgresql      (make bench-feed: both)

Eight gates journal a month, close each day, and send it; the office's own intake takes it in. Then
each question is asked as the commands and pages ask it, three times if that does not take long, and the
fastest counts: until the first answer is there and until the last, by the clock, and the processor time of this
process and of the database.

    BENCH_EVENTS=1000000
    BENCH_EXPLAIN=1       also prints how the database goes about each question
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.core.closing import local_day
from agent.core.events import Event, Fact, Kind
from agent.core.feed import log_topic, pack_message
from agent.core.moments import Moment
from agent.stores.journal import JournalStore
from agent.stores.journal_reader import JournalReader
from benchmarks.processes import cpu_s
from office.database import SETTING
from tests import postgres

if TYPE_CHECKING:
    from office.feed import Wish
    from office.ingest.intake import Intake

EVENTS: Final = int(os.environ.get("BENCH_EVENTS", "1000000"))
EXPLAIN: Final = bool(os.environ.get("BENCH_EXPLAIN"))
SITE: Final = "harbour"
GATES: Final = ("north", "south", "east", "west", "garage", "pier", "tower", "yard")
DAYS: Final = 30
PASSES: Final = 5000
MIDNIGHT: Final = 1_772_294_400.0  # of 1 March 2026, eight hours east
OFFSET_MIN: Final = 480
_DAY_S: Final = 86_400
_LONG_S: Final = 2.0
_REASONS: Final = ("expired", "replayed", "not_yet_valid", "wrong_zone")


def passage(n: int, at: Moment) -> Event:
    """Of ten events seven are admissions, one a refusal and two the door's; one in 20,000 is an alarm."""
    facts: dict[str, Fact] = {"pass": pass_id(n), "kind": "resident", "zone": "main", "list": 17}
    if n % 20_000 == 0:
        return Event(Kind.DOOR_FORCED, at)
    if n % 10 < 7:
        return Event(Kind.ADMITTED, at, {**facts, "direction": "in", "step": 118_160_000 + n})
    if n % 10 == 7:
        return Event(Kind.REFUSED, at, {**facts, "reason": _REASONS[n // 10 % 4]})
    return Event(Kind.DOOR_OPENED if n % 2 else Kind.DOOR_CLOSED, at)


def pass_id(n: int) -> str:
    return f"{(n * 7919 % PASSES + 1) * 0x9E3779B97F4A7C15 & (1 << 64) - 1:016x}"


def journal(path: Path, gate: str, key: Ed25519PrivateKey) -> None:
    """A month of one gate, day by day with its closing statements, as the gate writes it."""
    a_day = EVENTS // len(GATES) // DAYS
    with closing(JournalStore(path, SITE, gate, key.sign)) as store:
        store.begin_epoch(Moment(MIDNIGHT, 0.0))
        for day in range(DAYS):
            began = MIDNIGHT + day * _DAY_S
            store.close_day(Moment(began + 1.0, 0.0), OFFSET_MIN)
            for first in range(0, a_day, 1000):
                some = range(first, min(first + 1000, a_day))
                store.append(
                    passage(day * a_day + n + len(gate), Moment(began + 2 + n * 86_000 / a_day, 0.0))
                    for n in some
                )
        store.close_day(Moment(MIDNIGHT + DAYS * _DAY_S + 1.0, 0.0), OFFSET_MIN)


def messages(path: Path, gate: str) -> Iterator[tuple[str, bytes]]:
    pack = zstandard.ZstdCompressor(level=1, write_content_size=True).compress
    with closing(JournalReader(path)) as reader:
        row = 0
        while run := reader.run_after(row):
            row = run.last_n
            yield log_topic(SITE, gate), pack_message(run.header, pack(b"\n".join(run.bodies)))


def fill(folder: Path, keys: dict[str, Ed25519PrivateKey], intake: "Intake") -> None:
    """All gates' journals into the office, a few messages of each in turn."""
    ways = []
    for gate in GATES:
        path = folder / f"{gate}.db"
        journal(path, gate, keys[gate])
        ways.append(messages(path, gate))
    while some := [message for way in ways for message in islice(way, 4)]:
        intake.take(some)


def ask(name: str, servers: list[int], question: Callable[[], Iterable[object]]) -> None:
    found, best = 0, (0.0, 0.0, 0.0, 0.0)
    for _ in range(3):
        began, cpu, served = time.perf_counter(), time.process_time(), cpu_s(servers)
        answers = iter(question())
        found = 1 if next(answers, None) else 0
        first = time.perf_counter() - began
        found += sum(1 for _ in answers)
        took = time.perf_counter() - began, first, time.process_time() - cpu, cpu_s(servers) - served
        best = min(best, took) if any(best) else took
        if took[0] > _LONG_S:
            break
    whole, first, ours, theirs = (1e3 * seconds for seconds in best)
    print(f"{name:36}{found:>11,}{first:>11,.1f}{whole:>11,.1f}{ours:>11,.1f}{theirs:>11,.1f}", flush=True)


def questions() -> Iterator[tuple[str, Callable[[], Iterable[object]]]]:
    """What is asked, by the parts that the commands and pages are made of."""
    from office.feed import Wish, entries, newest  # noqa: PLC0415  Django is set up by now
    from office.reconcile import reconcile  # noqa: PLC0415
    from office.web import lookup  # noqa: PLC0415

    tenth = MIDNIGHT + 9 * _DAY_S
    day, noon = Wish(since_utc=tenth, until_utc=tenth + _DAY_S), tenth + _DAY_S / 2
    last = newest()
    wishes = {
        "": Wish(),
        "gate": Wish(gates=("pier",)),
        "kind, many": Wish(kinds=("pass.admitted",)),
        "kind, few": Wish(kinds=("door.forced",)),
        "kind, none": Wish(kinds=("fire.on",)),
        "result refused": Wish(result="refused"),
        "result expired": Wish(result="expired"),
        "pass": Wish(pass_id=pass_id(1)),
        "a day": day,
        "a day, gate": replace(day, gates=("pier",)),
        "a day, pass": replace(day, pass_id=pass_id(1)),
        "an hour, refused": Wish(result="refused", since_utc=noon, until_utc=noon + 3600),
    }

    def of(wish: "Wish", after: int = 0) -> Callable[[], Iterable[object]]:
        return lambda: entries(wish, after, last)

    def on_page(wish: "Wish", **terms: str | int) -> Callable[[], Iterable[object]]:
        return lambda: lookup.newest(wish, limit=lookup.SCREENFUL + 1, **terms)  # type: ignore[arg-type]

    for name, wish in wishes.items():
        yield f"feed {name}", of(wish)
        if EXPLAIN:
            print(_explained(wish))
    yield "follow: nothing new", lambda: [newest()]
    yield "follow: 200 new", of(Wish(), last - 200)
    yield "follow: 200 new, pass", of(wishes["pass"], last - 200)
    yield "page, newest", on_page(Wish())
    for name, wish in islice(wishes.items(), 1, None):
        yield f"page {name}", on_page(wish)
    yield "page, a pass as a person's", on_page(Wish(), person=pass_id(1))
    yield "page, an unknown person", on_page(Wish(), person="nobody")
    yield "page, refused, from the middle", on_page(wishes["result refused"], before=last // 2)
    yield "page, a person's last ten", lambda: lookup.newest_of([pass_id(1)])
    yield "reconcile a day", lambda: reconcile(SITE, local_day(tenth, OFFSET_MIN))


def _explained(wish: "Wish") -> str:
    found = wish.events().filter(pk__lte=1 << 40, pk__gt=0).order_by("pk")[:1000]
    return "    " + found.explain().replace("\n", "\n    ")


def main(into: str) -> None:
    with tempfile.TemporaryDirectory(prefix="menshen-bench-") as place, ExitStack() as stack:
        folder = Path(place)
        server = stack.enter_context(postgres.server(durable=True)) if into == "postgresql" else None
        if server:
            os.environ[SETTING] = server.address
        from office import home as homes  # noqa: PLC0415  the setting is read by the first import

        homes.prepare()
        from django.db import connection  # noqa: PLC0415

        from office import registry  # noqa: PLC0415
        from office.ingest.intake import Intake  # noqa: PLC0415

        homes.use(folder / "home", create=True)
        registry.make_site(SITE, ["main"], OFFSET_MIN)
        keys = {gate: Ed25519PrivateKey.generate() for gate in GATES}
        for gate, key in keys.items():
            public = f"ed25519:{key.public_key().public_bytes_raw().hex()}"
            record = {"site": SITE, "gate": gate, "device_id": "d", "journal_key": public}
            registry.add_gate(record, replace=False, by="bench")
        fill(folder, keys, Intake(SITE, Ed25519PrivateKey.generate().sign))
        servers = [server.process.pid] if server and server.process else []
        if server:
            with connection.cursor() as cursor:
                cursor.execute("VACUUM ANALYZE office_event")  # as autovacuum has done by then
        print(f"{into}, {EVENTS:,} events, milliseconds")
        print(f"{'':36}{'found':>11}{'first':>11}{'whole':>11}{'CPU':>11}{'database':>11}")
        for name, question in questions():
            ask(name, servers, question)
        connection.close()


if __name__ == "__main__":
    main(sys.argv[1])
