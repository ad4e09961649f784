"""A whole small site on disk: offline keys, an office's keyring, a published list, and gates enrolled at it.

Everything is made by the product's own parts, as at a real site; only the
serial cable is left out.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import time

import tomli_w
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from agent.config import GateConfig, load
from agent.core import passes
from agent.core.allowlist import Grant, Head, PassKind, Status, pack
from agent.core.keys import Alg
from agent.wiring.sync import refresh_once
from firmware_tools.ceremony import make_keys, sign_trust, write_trust
from firmware_tools.key_files import OfficePublic
from office.keyring import Keyring
from office.repository import publish
from tests.core.builders import DAY, ed25519, id_of, public

SITE = "willow-court"
PASSPHRASE = b"a long passphrase for a test"


@dataclass(slots=True)
class House:
    """A site; grant people, publish, enrol gates.

    Args:
        keyring: the office's keys, if there is an office already.
    """

    folder: Path
    number: int = 0
    grants: dict[str, Grant] = field(default_factory=dict)
    keyring: Keyring | None = None

    def __post_init__(self) -> None:
        self.keyring = self.keyring or Keyring.make(self.folder / "office-keys")
        make_keys(self.folder / "offline", PASSPHRASE)
        office = OfficePublic.model_validate(self.keyring.office_public(SITE))
        write_trust(self.trust, *sign_trust(self.folder / "offline", office, PASSPHRASE, datetime.now(UTC)))

    @property
    def trust(self) -> Path:
        return self.folder / "trust"

    @property
    def published(self) -> Path:
        return self.folder / "published"

    def grant(self, name: str, *, phone: bool = False, **terms) -> None:
        """Put a person on the next list: a phone of their own name, or a card."""
        now = int(time()) // 60 * 60
        standing = {
            "kind": PassKind.RESIDENT if phone else PassKind.VISITOR,
            "status": Status.LIVE,
            "zones": 0b11,
            "schedule": 0,
            "not_before_utc": now - DAY,
            "not_after_utc": now + 29 * DAY,
        }
        holder = public(ed25519(name)) if phone else None
        self.grants[name] = Grant(pass_id=id_of(name), holder=holder, **{**standing, **terms})

    def publish(self, **fields) -> None:
        """Sign and write the next list."""
        self.number += 1
        indexes, parts = pack(self.grants.values(), 0)
        head = Head(
            site=SITE,
            number=self.number,
            issued_utc=int(time()),
            soft_ttl_s=DAY,
            zones=("main", "garage"),
            shard_bits=0,
            indexes=indexes,
            issuers={self.keyring.issuer.key_id: self.keyring.issuer.public},
            ack_keys=(self.keyring.ack.public,),
        )
        head = dataclasses.replace(head, **fields)
        publish(self.published, self.trust, self.keyring, head, parts, time())

    def card(self, name: str, **terms) -> str:
        """The text on a person's card."""
        granted = self.grants[name]
        standing = {
            "pass_id": granted.pass_id,
            "uses": 0,
            "key_id": self.keyring.issuer.key_id,
            "zones": granted.zones,
            "not_before_utc": granted.not_before_utc,
            "not_after_utc": granted.not_after_utc,
        }
        body = passes.static_body(**{**standing, **terms})
        return passes.compose(body, self.keyring.issuer.sign(passes.to_be_signed(Alg.ED25519, SITE, body)))

    def phone_key(self, name: str) -> Path:
        """The file with a person's phone's key, for a simulated phone."""
        path = self.folder / f"{name}.pem"
        path.write_bytes(_pem(ed25519(name)))
        return path

    def enrol(self, gate: str, **settings) -> "EnrolledGate":
        """A gate with a key, a configuration and the root of trust; its list is not yet there."""
        folder = self.folder / gate
        (folder / "state" / "keys" / "gate").mkdir(parents=True)
        (folder / "root.json").write_bytes((self.trust / "1.root.json").read_bytes())
        key = Ed25519PrivateKey.generate()
        pem = folder / "state" / "keys" / "gate" / "journal.pem"
        pem.write_bytes(_pem(key))
        pem.chmod(0o600)
        standing = {
            "site": SITE,
            "gate": gate,
            "direction": "in",
            "state": "state",
            "camera": {"kind": "sim", "width_px": 640, "height_px": 480, "fps": 15.0},
            "board": {"name": "simulator", "pins": "mock"},
            "list": {"source": f"dir:{self.published}", "refresh_s": 0.5},
            "clock": {"trust": "synced"},
        }
        (folder / "gate.toml").write_text(tomli_w.dumps({**standing, **settings}))
        return EnrolledGate(folder, key)


@dataclass(frozen=True, slots=True)
class EnrolledGate:
    """One gate's files."""

    folder: Path
    key: Ed25519PrivateKey

    @property
    def toml(self) -> Path:
        return self.folder / "gate.toml"

    @property
    def config(self) -> GateConfig:
        return load(self.toml)

    def bring_list(self) -> None:
        """What `menshen-agent sync --once` does."""
        refresh_once(self.config)

    def script(self, *approaches: dict) -> None:
        """What the camera will see: write the film's script and name it in the configuration."""
        script = self.folder / "film.toml"
        script.write_text(tomli_w.dumps({"approach": list(approaches)}))
        settings = load(self.toml)
        camera = {**json.loads(settings.camera.model_dump_json(exclude_none=True)), "script": str(script)}
        rest = json.loads(settings.model_dump_json(exclude_none=True))
        self.toml.write_text(tomli_w.dumps({**rest, "camera": camera}))


def _pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
