"""A workbench for the provisioning tests: a site's folder, a kiosk, and a cable between real ttys."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root

from provisioning import site_file, wire
from provisioning.bench import Bench
from provisioning.check import Checker
from provisioning.device import Kiosk
from provisioning.enrolment import Enrolments
from provisioning.link import Link
from provisioning.machine import Machine
from provisioning.service import Service
from provisioning.site_file import GatePlan

NORTH = GatePlan("north", "in", "main", "North gate")
SOUTH = GatePlan("south", "both", "main")
ANNOUNCED = {"site": "garden", "gate": "north", "at": "2026-03-01T08:00:00.000Z"}
PASSWORD = "correct horse battery"


def make_root() -> bytes:
    """A root of trust, 2 of 3 keys."""
    signers = [CryptoSigner.generate_ed25519() for _ in range(3)]
    root = Root(expires=datetime.now(UTC).replace(microsecond=0) + timedelta(days=365))
    for signer in signers:
        root.add_key(signer.public_key, Root.type)
    root.roles[Root.type].threshold = 2
    metadata = Metadata(root)
    for signer in signers[:2]:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()


def make_site(folder: Path) -> Path:
    """A site's enrolment file, and what it names."""
    (folder / "secrets").mkdir(parents=True)
    (folder / "root.json").write_bytes(make_root())
    for gate in ("north", "south"):
        (folder / "secrets" / f"{gate}.password").write_text(PASSWORD + "\n")
    path = folder / "garden.toml"
    path.write_text(
        """
        site = "garden"
        root = "root.json"
        [broker]
        host = "127.0.0.1"
        port = 1883
        username = "{gate}"
        password_file = "secrets/{gate}.password"
        [board]
        name = "simulator"
        pins = "mock"
        [gate.door]
        open_s = 4.0
        """
    )
    return path


@dataclass
class Room:
    """One kiosk's directories, and the ends of its cable."""

    folder: Path
    near: Path = field(init=False)
    far: Path = field(init=False)
    etc: Path = field(init=False)
    state: Path = field(init=False)

    def __post_init__(self) -> None:
        for name in ("near", "far", "etc", "state"):
            setattr(self, name, self.folder / name)
        for directory in (self.etc, self.state):
            directory.mkdir()

    def kiosk(
        self, check: tuple[str, ...] = ("true",), *, unsealed: bool = False, machine: Machine | None = None
    ) -> Kiosk:
        enrolments = Enrolments(self.etc, Checker(check), unsealed=unsealed)
        return Kiosk(self.state, enrolments, time.time, machine)

    @contextlib.contextmanager
    def serving(self, kiosk: Kiosk) -> Iterator[Kiosk]:
        """The kiosk at the far end, in a thread as on the device."""
        stop = threading.Event()
        service = Service(kiosk, str(self.far), look_again_s=0.02)
        thread = threading.Thread(target=service.run, args=(stop,))
        thread.start()
        try:
            yield kiosk
        finally:
            stop.set()
            thread.join()

    def bench(self) -> Bench:
        return Bench(Link(str(self.near)), "ana")

    def in_force(self) -> dict[str, bytes]:
        """The files that a gate started now would find."""
        return {path.name: path.read_bytes() for path in self.etc.iterdir() if path.is_file()}

    def expected(self, site: site_file.Site, plan: GatePlan = NORTH) -> dict[str, bytes]:
        return dict(site.compose(plan, str(self.state)))


class Told:
    """Progress, kept."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.share = 0.0

    def say(self, words: str) -> None:
        self.words.append(words)

    def sent(self, done: int, whole: int) -> None:
        self.share = done / whole


def ask(kiosk, method, number, **params):
    """One request, straight to the kiosk, as if the line were perfect."""
    request = wire.Request(id=f"test.{number}", method=method, params=params)
    return wire.unpack(kiosk.answer(wire.pack(request)))


def greeted(kiosk):
    ask(kiosk, "hello", "hello", protocol=1, bench="test", who="ana")
    return kiosk


def stage(kiosk, files):
    """Announce and send all the files, as a bench would on a perfect line."""
    facts = {name: {"size": len(data), "sha256": sha256(data).hexdigest()} for name, data in files.items()}
    begun = ask(kiosk, "enrol.begin", "b", **ANNOUNCED, files=facts).result
    for name, data in files.items():
        for at in range(begun["have"][name], len(data), wire.MAX_CHUNK):
            put(kiosk, begun["transfer"], name, at, data[at : at + wire.MAX_CHUNK])
    return begun["transfer"]


def put(kiosk, transfer, name, at, data):
    piece = wire.PutParams.model_construct(transfer=transfer, file=name, offset=at, data=data)
    ask(kiosk, "enrol.put", f"{name}.{at}", **piece.model_dump(mode="json"))
