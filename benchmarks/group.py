"""A group of sites as it would stand on several machines, on one: how much it takes in, what it costs, how soon it shows.

    make bench-group                    (SITES=4 GATES=3 EVENTS=10000 BROWSERS=10)

PostgreSQL with a database for each site, Mosquitto sharded by site, two `menshen-office ingest` that share the work,
two `menshen-office serve` for browsers that are spread over sites and doors. Gates really sign, and send until they are
answered. Nothing is believed: at the end each site's events are held against what its gates have sent.
"""

import http
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from agent.core.chain import GENESIS, Checkpoint, extend_all
from agent.core.events import Place, body
from agent.core.feed import MAX_EVENTS, Ack, FeedFault, Header, ack_topic, log_topic, pack_message
from agent.core.keys import Alg, PublicKey
from benchmarks.mqtt_peers import event
from benchmarks.processes import cpu_s
from tests import brokers, postgres

SITES: Final = int(os.environ.get("SITES", "4"))
GATES: Final = int(os.environ.get("GATES", "3"))
EVENTS: Final = int(os.environ.get("EVENTS", "10000"))
BROWSERS: Final = int(os.environ.get("BROWSERS", "10"))
SECONDS: Final = float(os.environ.get("SECONDS", "20"))
_EPOCH: Final = "00000000000000a1"
_WINDOW: Final = 4
_AGAIN_S: Final = 2.0
_OPENING: Final = (
    b'{"specversion":"1.0","type":"menshen.journal.opened","time":"2026-03-01T12:00:00.000Z","data":{}}'
)


@dataclass
class Feeder:
    """One gate: journals, sends a window of messages, and goes back to where the office has come."""

    site: str
    gate: str
    port: int
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    lines: list[bytes] = field(default_factory=list)
    upto: int = 0

    def __post_init__(self) -> None:
        self._heard = threading.Condition()
        self._heads = [GENESIS]
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"{self.site}-{self.gate}", protocol=mqtt.MQTTv311
        )
        self._client.on_connect = lambda client, *_: client.subscribe(ack_topic(self.site, self.gate), 1)
        self._client.on_message = lambda _client, _data, message: self._acked(bytes(message.payload))

    @property
    def public(self) -> str:
        return str(PublicKey(Alg.ED25519, self.key.public_key().public_bytes_raw()))

    def journal(self, events: int) -> None:
        for _ in range(events):
            n = len(self.lines) + 1
            line = body(event(n), Place(self.site, self.gate, _EPOCH, n)) if n > 1 else _OPENING
            self.lines.append(line)
            self._heads.append(extend_all(self._heads[-1], [line]))

    def connect(self) -> None:
        self._client.connect(brokers.LOOPBACK, self.port)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def send_all(self) -> None:
        """Until the office has answered for everything that is journaled."""
        sent, asked = self.upto, time.monotonic()
        while self.upto < len(self.lines):
            while sent < len(self.lines) and sent - self.upto < _WINDOW * MAX_EVENTS:
                last = min(sent + MAX_EVENTS, len(self.lines))
                self._client.publish(log_topic(self.site, self.gate), self._message(sent + 1, last), 1)
                sent, asked = last, time.monotonic()
            with self._heard:
                before = self.upto
                self._heard.wait_for(lambda: self.upto != before or self.upto >= len(self.lines), 0.25)  # noqa: B023  it is called here
            if self.upto == before and time.monotonic() - asked > _AGAIN_S:
                sent = self.upto

    def _message(self, first: int, last: int) -> bytes:
        signature = self.key.sign(
            Checkpoint(Place(self.site, self.gate, _EPOCH, last), self._heads[last]).signed_by_gate()
        )
        header = Header(
            Place(self.site, self.gate, _EPOCH, first),
            last,
            self._heads[first - 1],
            self._heads[last],
            signature,
        )
        return pack_message(header, zstandard.compress(b"\n".join(self.lines[first - 1 : last]), 3))

    def _acked(self, payload: bytes) -> None:
        try:
            upto = Ack.from_bytes(payload).checkpoint.place.seq
        except FeedFault:
            return
        with self._heard:
            self.upto = max(self.upto, upto)
            self._heard.notify_all()


@contextmanager
def _program(words: list[str], log: Path, ready: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A program until the end; with the number that stands after `ready` in what it prints, if that is wanted."""
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "office.cli", *words], stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            port = 0
            if ready and process.stdout:
                found = re.search(rf"{ready}(\d+)", process.stdout.readline())
                if found is None:
                    raise SystemExit(f"it did not start: {log.read_text()[-1000:]}")
                port = int(found[1])
            yield process, port
        finally:
            process.terminate()
            process.wait(60)


def _memory_mb(pids: list[int]) -> float:
    """What processes and all below them hold, shared pages counted once (proportional set size)."""
    total = 0
    for pid in pids:
        try:
            told = Path(f"/proc/{pid}/smaps_rollup").read_text()
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            continue
        found = re.search(r"^Pss:\s+(\d+) kB", told, re.MULTILINE)
        total += int(found[1]) * 1024 if found else 0
        total += int(_memory_mb([int(child) for child in children]) * 1e6)
    return total / 1e6


def _found(path: Path, server: postgres.Server, ports: list[int]) -> dict[str, list[Feeder]]:
    """The group, with its databases, its gates and one clerk for all sites."""
    import psycopg  # noqa: PLC0415
    from django.db import connections  # noqa: PLC0415  it is set up here
    from django.test.utils import override_settings  # noqa: PLC0415

    from office import home as homes  # noqa: PLC0415

    homes.prepare()
    from office import registry  # noqa: PLC0415
    from office.group import FILE, Group  # noqa: PLC0415
    from office.keyring import Keyring  # noqa: PLC0415
    from office.web import accounts  # noqa: PLC0415
    from office.web.roles import Role  # noqa: PLC0415
    from tests.office_pages.desk import PASSWORD  # noqa: PLC0415

    names = [f"site-{n}" for n in range(SITES)]
    with psycopg.connect(server.address, autocommit=True) as admin:
        for name in ("riverside", *names):
            admin.execute(f'CREATE DATABASE "{name}"')

    def address(name: str) -> str:
        return server.address.replace("@/office", f"@/{name}")

    Group.make(path, "riverside")
    text = [f'name = "riverside"\ndatabase = "{address("riverside")}"\n']
    for n, name in enumerate(names):
        broker = f"{brokers.LOOPBACK}:{ports[n % len(ports)]}"
        text.append(f'[sites.{name}]\ndatabase = "{address(name)}"\nbroker = "{broker}"\n')
    (path / FILE).write_text("\n".join(text))
    (path / "keys").mkdir()
    homes.use(path, whole=True, create=True)
    registry.make_site("riverside", ["main"], 480)
    feeders: dict[str, list[Feeder]] = {}
    with override_settings(SECRET_KEY="x" * 50):
        for n, name in enumerate(names):
            home = homes.use(path, name, create=True)
            Keyring.make(home.keys)
            registry.make_site(name, ["main"], 480)
            feeders[name] = [Feeder(name, f"gate-{g}", ports[n % len(ports)]) for g in range(GATES)]
            for one in feeders[name]:
                record = {"site": name, "gate": one.gate, "device_id": "d", "journal_key": one.public}
                registry.add_gate(record, replace=False, by="bench")
            if n:
                accounts.appoint("chen", Role.AUDITOR, by="bench")
            else:
                accounts.add("chen", Role.AUDITOR, PASSWORD, by="bench")
    connections.close_all()
    return feeders


def _signed_in(port: int) -> str:
    """The cookies of somebody who has signed in at a door."""
    from tests.office_group.group import Browser  # noqa: PLC0415

    browser = Browser(port).signed_in("chen")
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


@dataclass
class Page:
    """A live page that is open: which door's, whose events, and how late they came."""

    door: int
    site: str
    cookie: str
    delays_ms: list[float] = field(default_factory=list)


def _browse(page: Page, sent: list[float], stop: threading.Event) -> None:
    """One page's stream: how long after it was journaled each event of the site's first gate is there."""
    link = http.client.HTTPConnection("127.0.0.1", page.door, timeout=30)
    path = f"/site/{page.site}/live/stream?after={1 << 40}"
    link.request("GET", path, headers={"Cookie": page.cookie})
    answer = link.getresponse()
    if answer.status != http.HTTPStatus.OK:
        raise SystemExit(f"the stream answers {answer.status}")
    seen: set[str] = set()
    while not stop.is_set():
        line = answer.readline()
        if not line.startswith(b"data: "):
            continue
        now = time.monotonic()
        for row in reversed(re.findall(r'<tr id="([^"]+)"', json.loads(line[6:]).get("rows", ""))):
            if row not in seen and len(seen) < len(sent):
                page.delays_ms.append(1000 * (now - sent[len(seen)]))
                seen.add(row)
    link.close()


def _backlog(feeders: dict[str, list[Feeder]]) -> float:
    """Everybody sends everything; seconds."""
    everybody = [one for gates in feeders.values() for one in gates]
    for one in everybody:
        one.journal(EVENTS)
        one.connect()
    begun = time.monotonic()
    threads = [threading.Thread(target=one.send_all) for one in everybody]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - begun


def _live(feeders: dict[str, list[Feeder]], doors: list[int]) -> list[float]:
    """One gate of each site journals ten events a second; ms until they are on each page."""
    stop = threading.Event()
    sent: dict[str, list[float]] = {site: [] for site in feeders}
    cookie, sites = _signed_in(doors[0]), list(feeders)  # signed in at one door is signed in at the other
    pages = [Page(doors[n % len(doors)], sites[n % len(sites)], cookie) for n in range(BROWSERS)]
    browsers = [
        threading.Thread(target=_browse, args=(page, sent[page.site], stop), daemon=True) for page in pages
    ]
    for one in browsers:
        one.start()
    time.sleep(3)

    def journal(site: str) -> None:
        gate, until = feeders[site][0], time.monotonic() + SECONDS
        while time.monotonic() < until:
            gate.journal(1)
            sent[site].append(time.monotonic())
            gate.send_all()
            time.sleep(0.1)

    gates = [threading.Thread(target=journal, args=(site,)) for site in sites]
    for one in gates:
        one.start()
    for one in gates:
        one.join()
    time.sleep(2)
    stop.set()
    return sorted(delay for page in pages for delay in page.delays_ms)


def _settle(path: Path, feeders: dict[str, list[Feeder]], within_s: float = 120.0) -> None:
    """Until the totals of the pages have followed the backlog."""
    from django.db.models import Max  # noqa: PLC0415

    from office import home as homes  # noqa: PLC0415
    from office.models import Event  # noqa: PLC0415
    from office.web.models import Progress  # noqa: PLC0415

    give_up = time.monotonic() + within_s
    for site in feeders:
        homes.use(path, site)
        newest = Event.objects.aggregate(newest=Max("pk"))["newest"]
        while not Progress.objects.filter(event__gte=newest).exists() and time.monotonic() < give_up:
            time.sleep(0.5)


def _flaws(path: Path, feeders: dict[str, list[Feeder]]) -> list[str]:
    """What each site keeps against what its gates have journaled."""
    from office import home as homes  # noqa: PLC0415
    from office.models import Alert, Event  # noqa: PLC0415

    flaws = []
    for site, gates in feeders.items():
        homes.use(path, site)
        for one in gates:
            kept = Event.objects.filter(gate__name=one.gate).order_by("seq").values_list("body", flat=True)
            if list(map(bytes, kept)) != one.lines:
                flaws.append(f"{site}/{one.gate}: {len(kept)} of {len(one.lines)}")
        expected = sum(len(one.lines) for one in gates)
        if Event.objects.count() != expected or Alert.objects.exists():
            flaws.append(f"{site}: {Event.objects.count()} of {expected}, {Alert.objects.count()} alerts")
    return flaws


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="menshen-group-") as folder, ExitStack() as stack:
        here = Path(folder)
        server = stack.enter_context(postgres.server(durable=True))
        both = [stack.enter_context(brokers.mosquitto(here / f"broker-{n}")) for n in range(2)]
        feeders = _found(here / "g", server, [one.port for one in both])
        home = ["--home", str(here / "g")]
        ingesters = [
            stack.enter_context(_program(["ingest", "--share", *home], here / f"ingest-{n}.log", ""))[0].pid
            for n in range(2)
        ]
        served = [
            stack.enter_context(
                _program(["serve", "--port", "0", *home], here / f"serve-{n}.log", "pages.listening port=")
            )
            for n in range(2)
        ]
        doors = [one[0].pid for one in served]
        time.sleep(5)
        print(
            f"{SITES} sites, {GATES} gates each; 2 brokers, 2 ingesters, 2 servers of pages, one PostgreSQL"
        )
        idle = cpu_s(doors)
        time.sleep(10)
        print(f"one server of pages, nobody looking: {(cpu_s(doors) - idle) / 10 / 2 * 100:.1f} % of a core")
        print(
            f"memory of a server of pages: {_memory_mb(doors) / 2:.0f} MB, of an ingester: {_memory_mb(ingesters) / 2:.0f} MB"
        )
        parts = {
            "ingesters": ingesters,
            "PostgreSQL": [server.process.pid] if server.process else [],
            "Mosquitto": [one.process.pid for one in both if one.process],
            "servers of pages": doors,
        }
        before = {name: cpu_s(pids) for name, pids in parts.items()}
        took_s = _backlog(feeders)
        total = SITES * GATES * EVENTS
        print(f"backlog: {total} events in {took_s:.1f} s, {total / took_s:.0f} events/s")
        for name, pids in parts.items():
            print(f"  {name:18} {1e6 * (cpu_s(pids) - before[name]) / total:6.1f} µs of processor an event")
        _settle(here / "g", feeders)
        delays = _live(feeders, [one[1] for one in served])
        if not delays:
            raise SystemExit("no page showed an event; the machine is too busy for this")
        print(
            f"live: {BROWSERS} pages on {SITES} sites and 2 doors, {len(delays)} sights; ms from the journal to "
            f"the page: median {statistics.median(delays):.0f}, 95 % {delays[int(0.95 * len(delays))]:.0f}, "
            f"most {delays[-1]:.0f}"
        )
        for gates in feeders.values():
            for one in gates:
                one.close()
        flaws = _flaws(here / "g", feeders)
    print(
        "\n".join(f"WRONG {one}" for one in flaws) or "each site has its own events, each once, and no others"
    )
    return bool(flaws)


if __name__ == "__main__":
    sys.exit(main())
