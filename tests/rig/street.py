"""What stands outside a kiosk: a network of its own, a broker, an office, a web server, and a technician.

The network is a kernel's, with nobody else in it: it is this process's alone and ends with it. The kiosk's
end of it is a tap, on which its kernel hangs. Everything else is the product's own commands.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import tomli_w

from agent.demo.cast import Person
from agent.demo.commands import run
from agent.demo.site import DemoSite

HERE = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
US, THEM = "10.77.0.1", "10.77.0.2"
GATE = "north"
PEOPLE = (
    Person("Zhao Min", "visitor", ("main",)),
    Person("Tang Wei", "courier", ("main",)),
    Person("Sun Yue", "visitor", ("main",), from_days=-9, until_days=-2),
)
# Big segments are cut up on this side: the kiosk's network card would throw them away, and a release took an hour.
_NETWORK = f"""
ip link set lo up
ip tuntap add dev kiosk mode tap
ip addr add {US}/24 dev kiosk
ip link set kiosk gso_max_segs 1 up
echo ready
exec sleep infinity
"""
_BROKER = "listener 1883\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0\n"


class Street:
    """A site's side of things.

    Args:
        folder: for keys, office, published list and logs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._network = subprocess.Popen(
            ["unshare", "--net", "sh", "-euc", _NETWORK], stdout=subprocess.PIPE, text=True
        )
        assert self._network.stdout.readline() == "ready\n", "no network of our own can be made here"
        self.parts: dict[str, Part] = {}
        self.site = _Site(folder, 1883, lambda _step: None)

    @property
    def within(self) -> tuple[str, ...]:
        """In front of a command that is to run in this network."""
        return ("nsenter", f"--net=/proc/{self._network.pid}/ns/net")

    def open(self) -> None:
        """Found the site, issue the passes, and start broker, office and web server."""
        self.site.found()
        self.site.passes = {person.name: self.site._issue(person) for person in PEOPLE}
        (self.folder / "mosquitto.conf").write_text(_BROKER)
        (self.folder / "published").mkdir()
        self.site._site_file()
        self.start("broker", "mosquitto", "-c", "mosquitto.conf")
        self.start("office", BIN / "menshen-office", "ingest", "--broker", f"{US}:1883", "--home", "office")
        self.start(
            "web", sys.executable, "-m", "http.server", "8000", "--bind", US, "--directory", "published"
        )

    def start(self, name: str, *command: object) -> None:
        part = self.parts[name] = self.parts.get(name) or Part(name, self, tuple(map(str, command)))
        part.start()

    def passes(self, name: str) -> str:
        """The text in somebody's code."""
        return self.site.passes[name].text

    def events(self) -> list[dict]:
        """What the office has, in the order in which it came in."""
        return [json.loads(line) for line in self.site.office("feed", "--format", "jsonl")]

    def wait_for(self, true, within_s: float = 60.0) -> dict:
        """The first event that is so.

        Raises:
            AssertionError: it did not come.
        """
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            for event in self.events():
                if true(event):
                    return event
            time.sleep(0.5)
        kinds = [event["kind"] for event in self.events()][-20:]
        raise AssertionError(f"it never reached the office; it has: {kinds}")

    def menshen(self, command: str, *arguments: object) -> list[str]:
        return run(command, *map(str, arguments), cwd=self.folder)

    def close(self) -> None:
        for part in self.parts.values():
            part.stop()
        self._network.kill()
        self._network.wait()
        self._network.stdout.close()


class _Site(DemoSite):
    """The demonstration's site, with gates that are machines."""

    def _site_file(self) -> None:
        facts = {
            "site": "garden",
            "root": "trust/1.root.json",
            "broker": {"host": US, "port": self.port, "retry_first_s": 0.2, "retry_most_s": 2.0},
            "list": {"source": f"http://{US}:8000", "refresh_s": 2.0},
            "camera": {"kind": "usb", "device": "0", "width_px": 640, "height_px": 480, "fps": 10.0},
            "board": {"name": "/var/lib/menshen/rig-board.toml"},
            "door": {"open_s": 1.0},
            # The rig has no time server, and its clock is this machine's.
            "gate": {"clock": {"trust": "synced"}},
        }
        (self.folder / "site.toml").write_text(tomli_w.dumps(facts))


@dataclass
class Part:
    """One program of the street, which may be stopped and started again."""

    name: str
    street: Street
    command: tuple[str, ...]
    process: subprocess.Popen | None = field(default=None)

    def start(self) -> None:
        with (self.street.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.street.within, *self.command],
                cwd=self.street.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": str(HERE)},
            )  # fmt: skip

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(15)
        self.process.kill()
        self.process.wait()
        self.process = None
