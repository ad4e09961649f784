"""A site as processes that can be killed and started again, each by its own id."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from office.database import SETTING
from tests import brokers, postgres
from tests.core.builders import public
from tests.drill.cluster import BROKERS
from tests.house import SITE, House

GATE = "north"


class Part(Protocol):
    def start(self) -> None: ...
    def kill(self) -> None: ...
    def stop(self) -> object: ...


@dataclass
class Program:
    """One Python program."""

    words: list[str]
    log: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self.words], stdout=log, stderr=log, env=self.environment
            )

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(how)
            process.wait(20)


class Site:
    """All parts of one site with one gate; `parts` by name, in the order in which they start."""

    def __init__(
        self,
        folder: Path,
        stack: ExitStack,
        *,
        ingesters: int = 2,
        on_postgres: bool = True,
        durable: bool = False,
        cluster: str = "",
    ) -> None:
        """Make the parts; only database and broker run already.

        Args:
            cluster: the name of a clustered broker, see tests.drill.cluster; without it Mosquitto. Its
                nodes are the parts node-1 to node-3.
            durable: the database flushes to the disk, as in service.
        """
        self.folder = folder
        self.environment = dict(os.environ)
        self.parts: dict[str, Part] = {}
        if on_postgres:
            server = stack.enter_context(postgres.server(durable=durable))
            os.environ[SETTING] = self.environment[SETTING] = server.address
            self.parts["database"] = server
        self.house = House(folder / "house")
        self.house.publish()
        self.broker_port, self.nodes = self._broker(stack, cluster)
        link = {
            "host": brokers.LOOPBACK,
            "port": self.broker_port,
            "retry_first_s": 0.05,
            "retry_most_s": 0.4,
        }
        self.gate = self.house.enrol(GATE, broker=link)
        self.gate.bring_list()
        self.home = self._office()
        self.environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        address = f"{brokers.LOOPBACK}:{self.broker_port}"
        for number in range(1, ingesters + 1):
            words = ["office.cli", "ingest", "--broker", address, "--home", str(self.home)]
            words += ["--share"] if ingesters > 1 else []
            self._add(f"ingester-{number}", words)
        self._add("sync", ["agent.cli", "sync", "--config", str(self.gate.toml)])
        self._add("gate", ["tests.drill.gate", str(self.gate.toml)])
        for name in self.parts:
            stack.callback(self.parts[name].stop)

    def _broker(self, stack: ExitStack, cluster: str) -> tuple[int, tuple[str, ...]]:
        """Start it; the port that all know, and the names of the parts that it is made of."""
        if not cluster:
            broker = stack.enter_context(
                brokers.mosquitto(self.folder / "broker", settings="max_queued_messages 200")
            )
            self.parts["broker"] = broker
            return broker.port, ("broker",)
        nodes, balancer = stack.enter_context(BROKERS[cluster](self.folder / "broker"))
        named = {f"node-{number}": node for number, node in enumerate(nodes, 1)}
        self.parts |= named
        return balancer.port, tuple(named)

    def _office(self) -> Path:
        """An office whose keys are the house's, with the gate on record."""
        from office import home as homes  # noqa: PLC0415  the setting is read by the first import

        homes.prepare()
        from office import registry  # noqa: PLC0415

        home = self.folder / "home"
        homes.use(home, create=True)
        registry.make_site(SITE, ["main", "garage"], 480)
        (self.folder / "house" / "office-keys").rename(home / "keys")
        record = {"site": SITE, "gate": GATE, "device_id": "d", "journal_key": str(public(self.gate.key))}
        registry.add_gate(record, replace=False, by="chen")
        return home

    def _add(self, name: str, words: list[str]) -> None:
        self.parts[name] = Program(words, self.folder / f"{name}.log", self.environment)

    def start(self) -> None:
        for name, part in self.parts.items():
            if name not in {"database", *self.nodes}:
                part.start()
