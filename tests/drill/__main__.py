"""The rounds, and what must be true after them."""

import argparse
import contextlib
import os
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from agent.core.chain import GENESIS, extend_all
from agent.stores.journal_reader import JournalReader
from tests.drill.cluster import BROKERS
from tests.drill.meddler import Meddler
from tests.drill.site import GATE, SITE, Site

_OUTAGE_EVERY = 25


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drill", description=__doc__)
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("DRILL_ROUNDS", "500")))
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument(
        "--broker",
        choices=["mosquitto", *BROKERS],
        default=os.environ.get("DRILL_BROKER", "mosquitto"),
        help="the latter two are clusters of three nodes, which are killed one at a time",
    )
    asked = parser.parse_args()
    cluster = asked.broker if asked.broker in BROKERS else ""
    random.seed(asked.seed)
    print(
        f"drill: {asked.rounds} rounds on {asked.database} and {asked.broker}, seed {asked.seed}", flush=True
    )
    with tempfile.TemporaryDirectory(prefix="menshen-drill-") as folder, ExitStack() as stack:
        site = Site(
            Path(folder),
            stack,
            on_postgres=asked.database == "postgresql",
            cluster=cluster,
            ingesters=1 if cluster else 2,  # neither of these clusters knows shared subscriptions
        )
        meddler = Meddler(site.broker_port, SITE, GATE)
        stack.callback(meddler.close)
        site.start()
        killed = rounds(site, asked.rounds)
        site.parts["gate"].stop()
        flaws = settled(site)
        print("drill: killed " + ", ".join(f"{name} {count}" for name, count in sorted(killed.items())))
        print(f"drill: {meddler.said} messages said again by the meddler")
    for flaw in flaws:
        print(f"drill: WRONG {flaw}")
    print("drill: failed" if flaws else "drill: nothing lost, nothing twice, in order, and the chain holds")
    return bool(flaws)


def rounds(site: Site, how_many: int) -> Counter[str]:
    """Kill one part at random, round by round; now and then the broker stays away for a while."""
    killed: Counter[str] = Counter()
    for number in range(1, how_many + 1):
        time.sleep(random.uniform(0.1, 0.9))
        outage = number % _OUTAGE_EVERY == 0
        name = random.choice(site.nodes if outage else list(site.parts))
        site.parts[name].kill()
        killed[name] += 1
        time.sleep(3.0 if outage else random.uniform(0.0, 0.2))
        site.parts[name].start()
        if number % 50 == 0:
            print(f"drill: round {number}", flush=True)
    return killed


def settled(site: Site, within_s: float = 180.0) -> list[str]:
    """Wait until the office has as much as the journal, and say what differs."""
    from django.db import DatabaseError, connection  # noqa: PLC0415  the site has set Django up

    from office.models import Event  # noqa: PLC0415

    config = site.gate.config
    journal = JournalReader(config.journal_file)
    lines = [line for _, line in journal.bodies()]
    journal.close()
    give_up = time.monotonic() + within_s
    while time.monotonic() < give_up:
        connection.close()
        with contextlib.suppress(DatabaseError):
            if Event.objects.count() >= len(lines):
                break
        time.sleep(0.2)
    flaws = differences(lines)
    connection.close()
    for log in sorted(site.folder.glob("*.log")):
        if "Traceback" in log.read_text():
            flaws.append(f"a traceback in {log.name}: {log.read_text()[-1500:]}")
    return flaws


def differences(lines: list[bytes]) -> list[str]:
    """What the office keeps, against the journal's lines."""
    from office.models import Alert, Epoch, Event  # noqa: PLC0415

    kept = [bytes(body) for body in Event.objects.order_by("pk").values_list("body", flat=True).iterator()]
    print(f"drill: {len(lines)} events journaled, {len(kept)} kept, {Epoch.objects.count()} epochs")
    flaws = []
    if lost := len(set(lines) - set(kept)):
        flaws.append(f"{lost} events lost")
    if twice := len(kept) - len(set(kept)):
        flaws.append(f"{twice} events kept twice")
    if kept != lines:
        flaws.append("not in the order of the journal")
    for epoch in Epoch.objects.all():
        bodies = Event.objects.filter(epoch=epoch.name).order_by("seq").values_list("body", flat=True)
        if extend_all(GENESIS, map(bytes, bodies)) != bytes(epoch.head):
            flaws.append(f"the chain of epoch {epoch.name} does not hold")
    return flaws + [f"alert {one.kind}: {one.detail}" for one in Alert.objects.all()]


if __name__ == "__main__":
    sys.exit(main())
