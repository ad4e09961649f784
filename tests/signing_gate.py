"""A gate that really signs, and an office's desk to hand its messages to."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection, connections

from agent.core.chain import GENESIS, Checkpoint, extend_all
from agent.core.events import Event, Kind, Place, body
from agent.core.feed import Ack, Header, Purged, Rewind, ack_topic, answer, log_topic, pack_message
from agent.core.keys import Alg, PublicKey
from agent.core.moments import Moment
from office import home as homes
from office.home import prepare

prepare()

from office import models, registry  # noqa: E402
from office.ingest.intake import Intake, Reply  # noqa: E402
from office.keyring import Keyring  # noqa: E402

SITE = "harbour"
NOON = 1772366400.0


@dataclass
class SigningGate:
    """A gate as the feed knows it: a key, an epoch, and a journal that can be sent from anywhere."""

    name: str = "north"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    epoch: str = "00000000000000a1"
    bodies: list[bytes] = field(default_factory=list)

    @property
    def public(self) -> PublicKey:
        return PublicKey(Alg.ED25519, self.key.public_key().public_bytes_raw())

    @property
    def topic(self) -> str:
        return log_topic(SITE, self.name)

    def journal(self, kind: Kind, **facts: Any) -> None:
        place = Place(SITE, self.name, self.epoch, len(self.bodies) + 1)
        self.bodies.append(body(Event(kind, Moment(NOON + place.seq, 0.0), facts), place))

    def opened(self, after: "SigningGate | None" = None) -> "SigningGate":
        link = {}
        if after is not None:
            link = {
                "prev_epoch": after.epoch,
                "prev_seq": len(after.bodies),
                "prev_head": after.head(len(after.bodies)).hex(),
            }
        self.journal(Kind.JOURNAL_OPENED, **link)
        return self

    def busy(self, events: int) -> "SigningGate":
        for number in range(events):
            self.journal(Kind.REFUSED, reason="expired", **{"pass": f"{number:016x}"})
        return self

    def restarted(self, epoch: str) -> "SigningGate":
        return SigningGate(self.name, self.key, epoch).opened(after=self)

    def head(self, upto: int) -> bytes:
        return extend_all(GENESIS, self.bodies[:upto])

    def gone(self, upto: int) -> Purged:
        """The gate's word that it has let go of everything up to one of its events."""
        point = Checkpoint(Place(SITE, self.name, self.epoch, upto), self.head(upto))
        return Purged(point, self.key.sign(point.signed_as_purged()))

    def message(
        self, first: int, last: int, packed: bytes | None = None, gone: Purged | None = None
    ) -> bytes:
        checkpoint = Checkpoint(Place(SITE, self.name, self.epoch, last), self.head(last))
        header = Header(
            Place(SITE, self.name, self.epoch, first),
            last,
            self.head(first - 1),
            checkpoint.head,
            self.key.sign(checkpoint.signed_by_gate()),
            gone,
        )
        lines = b"\n".join(self.bodies[first - 1 : last])
        return pack_message(header, zstandard.compress(lines) if packed is None else packed)


@dataclass
class Desk:
    """An office with its home, used from the test's own thread."""

    home: Path
    keys: Keyring
    mono: float = 0.0

    def __post_init__(self) -> None:
        self.intake = self.ingester()

    def ingester(self, hold_s: float = 0.0) -> Intake:
        return Intake(SITE, self.keys.ack.sign, hold_s=hold_s, clock=lambda: self.mono)

    def knows(self, gate: SigningGate, *, replace: bool = False) -> None:
        record = {"site": SITE, "gate": gate.name, "device_id": "d", "journal_key": str(gate.public)}
        registry.add_gate(record, replace=replace, by="chen")

    def takes(self, gate: SigningGate, *messages: bytes) -> list[tuple[str, int]]:
        """Hand messages in as one batch; the (epoch, upto) acknowledged, each signature checked."""
        return [
            (ack.checkpoint.place.epoch, ack.checkpoint.place.seq)
            for ack in self.hears(self.intake.take([(gate.topic, message) for message in messages]), gate)
            if isinstance(ack, Ack)
        ]

    def hears(self, replies: list[Reply], gate: SigningGate) -> list[Ack | Rewind]:
        """What the office answers, each signature checked."""
        heard = []
        for topic, payload, retain in replies:
            assert topic == ack_topic(SITE, gate.name)
            one = answer(payload)
            assert one.holds([self.keys.ack.public])
            assert not (retain and isinstance(one, Rewind))
            heard.append(one)
        return heard

    def keeps(self) -> list[tuple[str, int]]:
        return list(models.Event.objects.order_by("pk").values_list("epoch", "seq"))

    def alerts(self) -> dict[str, int]:
        return dict(models.Alert.objects.values_list("kind", "count"))


def empty_home(path: Path) -> Path:
    """An office without gates, to copy: making the tables takes longer than most tests."""
    home = homes.use(path, create=True)
    registry.make_site(SITE, ["main"], 480)
    Keyring.make(home.keys)
    connections.close_all()
    return home.path


@contextmanager
def desk_in(home: Path, empty: Path) -> Iterator[Desk]:
    """A desk in a copy of an empty office; on PostgreSQL, at the emptied tables."""
    shutil.copytree(empty, home)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE office_alert, office_event, office_gate RESTART IDENTITY CASCADE")
    yield Desk(home, Keyring.load(homes.use(home).keys))
    connections.close_all()
