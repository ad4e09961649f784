"""How soon an event is on the live pages: ten browsers' streams while 200 events a second arrive.

    make bench-live                    (BROWSERS=10 SECONDS=20 RATE=200)

Events are stored as an ingester stores them; the pages are those of `menshen-office serve`. The floor, in the same
run, is a client that does nothing but ask the database for its newest event as often as the pages look.
"""

import http
import http.client
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.processes import cpu_s
from office.home import prepare

prepare()

from django.db import connections  # noqa: E402
from django.db.models import Max  # noqa: E402

from office.models import Event, Gate  # noqa: E402
from office.web.hub import LOOK_S  # noqa: E402
from tests.office_pages.desk import Desk  # noqa: E402
from tests.office_pages.serving import served_at  # noqa: E402

BROWSERS: Final = int(os.environ.get("BROWSERS", "10"))
SECONDS: Final = float(os.environ.get("SECONDS", "20"))
RATE: Final = int(os.environ.get("RATE", "200"))
_BATCH_S: Final = 0.05
_HOLDERS: Final = 200
_SETTLE_S: Final = 3.0


class Arrivals:
    """When something first knew of which event: pairs of an event's number and monotonic seconds."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float]] = []

    def saw(self, number: int) -> None:
        self.seen.append((number, time.monotonic()))

    def delays_ms(self, stored: Sequence[tuple[int, float]]) -> list[float]:
        """How long each batch took to be seen; seconds without a sight count as endless."""
        delays, place = [], 0
        for number, at in stored:
            while place < len(self.seen) and self.seen[place][0] < number:
                place += 1
            delays.append(1000 * (self.seen[place][1] - at) if place < len(self.seen) else float("inf"))
        return delays


def _browse(port: int, cookie: str, arrivals: Arrivals, stop: threading.Event) -> None:
    """One browser's stream, read to the end of each message."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    link.request("GET", "/live/stream?after=0", headers={"Cookie": cookie, "Host": "localhost"})
    answer = link.getresponse()
    if answer.status != http.HTTPStatus.OK:
        raise SystemExit(f"the stream answers {answer.status}")
    number = 0
    while not stop.is_set():
        line = answer.readline()
        if line.startswith(b"id: "):
            number = int(line[4:])
        elif line.startswith(b"data: ") and number:
            json.loads(line[6:])  # all of it, as a page would
            arrivals.saw(number)
    link.close()


def _look(arrivals: Arrivals, stop: threading.Event) -> None:
    """The floor."""
    while not stop.wait(LOOK_S):
        arrivals.saw(Event.objects.aggregate(newest=Max("pk"))["newest"] or 0)
    connections.close_all()


def _store(desk: Desk, gate: Gate, held: Sequence[str]) -> list[tuple[int, float]]:
    """Events at the rate, a transaction for each batch; the number of each batch's last and when it was stored."""
    stored: list[tuple[int, float]] = []
    size, begun = max(1, round(RATE * _BATCH_S)), time.monotonic()
    while (now := time.monotonic()) - begun < SECONDS:
        rows = []
        for n in range(size):
            desk.seq += 1
            pass_id = held[desk.seq % len(held)]
            facts = {"pass": pass_id, "direction": "in"}
            line = {"type": "menshen.pass.admitted", "time": "2026-03-01T00:00:00Z", "data": facts}
            rows.append(
                Event(
                    gate=gate,
                    epoch="00000000000000a1",
                    seq=desk.seq,
                    at_utc=time.time() + n / 1000,
                    kind="pass.admitted",
                    pass_id=pass_id,
                    body=json.dumps(line).encode(),
                )
            )
        Event.objects.bulk_create(rows)
        newest = Event.objects.aggregate(newest=Max("pk"))["newest"]
        stored.append((newest, time.monotonic()))
        time.sleep(max(0.0, now + _BATCH_S - time.monotonic()))
    return stored


def _told(name: str, delays: list[float]) -> float:
    delays.sort()
    median = statistics.median(delays)
    print(f"{name:28} {median:8.0f} {delays[int(0.95 * len(delays))]:8.0f} {delays[-1]:8.0f}")
    return median


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="menshen-live-") as folder:
        desk = Desk(Path(folder) / "home")
        desk.found()
        gate = desk.gate()
        held = [desk.holder(f"Person {n}").pass_id for n in range(_HOLDERS)]
        cookie = f"sessionid={desk.browser('chen').cookies['sessionid'].value}"
        pages, floor = [Arrivals() for _ in range(BROWSERS)], Arrivals()
        stop = threading.Event()
        with served_at(desk) as served:
            threads = [
                threading.Thread(target=_browse, args=(served.port, cookie, one, stop), daemon=True)
                for one in pages
            ]
            threads.append(threading.Thread(target=_look, args=(floor, stop), daemon=True))
            for thread in threads:
                thread.start()
            time.sleep(_SETTLE_S)
            used = cpu_s([served.pid])
            stored = _store(desk, gate, held)
            used = cpu_s([served.pid]) - used
            time.sleep(_SETTLE_S)
            stop.set()
        count = desk.seq
        print(
            f"{BROWSERS} browsers, {count / SECONDS:.0f} events a second for {SECONDS:.0f} s; ms after the commit"
        )
        print(f"{'':28} {'median':>8} {'95 %':>8} {'most':>8}")
        least = _told("a bare look at the database", floor.delays_ms(stored))
        slowest = _told(
            "the slowest browser", max((one.delays_ms(stored) for one in pages), key=statistics.median)
        )
        _told("all browsers", [delay for one in pages for delay in one.delays_ms(stored)])
        print(f"slowest browser / bare look   {slowest / least:.1f}")
        print(f"processor of the server       {100 * used / SECONDS:.0f} % of one core")
        connections.close_all()


if __name__ == "__main__":
    main()
