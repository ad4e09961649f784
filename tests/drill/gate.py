"""A gate's journal in a process of its own, to be killed at any byte: python -m tests.drill.gate gate.toml."""

import random
import sys
import time
from pathlib import Path

from agent.config import load
from agent.core.events import Event, Kind
from agent.core.moments import Moment
from agent.device_key import load_signer
from agent.stores.journal import JournalStore


def main(toml: Path) -> None:
    config = load(toml)
    config.journal_file.parent.mkdir(parents=True, exist_ok=True)
    journal = JournalStore(config.journal_file, config.site, config.gate, load_signer(config.journal_key))
    journal.begin_epoch(Moment(time.time(), time.monotonic()))
    while True:
        now = Moment(time.time(), time.monotonic())
        journal.append(Event(Kind.EXIT, now, {"i": i}) for i in range(random.randint(1, 12)))
        time.sleep(random.uniform(0.0, 0.04))


main(Path(sys.argv[1]))
