"""Building the site: keys, office, people, passes, list, and two gates enrolled over a cable."""

import secrets
import shlex
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import tomli_w
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from agent.core.keys import Alg, PublicKey
from agent.demo.cast import COPIED_AFTER_S, GATES, PEOPLE, SHOWN_S, Person, Turn
from agent.demo.commands import background, heard, run

SITE: Final = "garden"
CLERK, APPROVER = "chen", "wang"
_DAY_S: Final = 86400
_AT_ONCE: Final = 4
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Issued:
    """A pass as its holder has it: a phone's key file, or a card's text."""

    pass_id: str
    key_file: Path | None = None
    text: str = ""


@dataclass(slots=True)
class DemoSite:
    """The site's folder, and what it takes to play at it.

    Args:
        port: of the broker, which runs already.
        say: told of each step.
    """

    folder: Path
    port: int
    say: Say
    passes: dict[str, Issued] = field(default_factory=dict)

    def found(self) -> None:
        """Make the office, its keys, and the root of trust that vouches for it."""
        self.say("the office of site garden, with its online keys")
        zone = time.strftime("%z")  # +0800: dates are this machine's
        self.office(
            *("site", SITE, "--zones", ",".join(dict.fromkeys(GATES.values()))),
            *("--utc-offset", f"{zone[:3]}:{zone[3:]}"),
        )
        self.say("the key ceremony: 3 root keys of which 2 must sign, 2 targets keys, 2 vendor keys")
        passphrase = self.folder / "passphrase"
        passphrase.touch(mode=0o600)
        passphrase.write_text(secrets.token_urlsafe(24))
        with_passphrase = ("--passphrase-file", passphrase)
        self._run("menshen-firmware", "keys", "make", "--out", "offline", *with_passphrase)
        self._run(
            *(
                "menshen-firmware",
                "keys",
                "sign",
                "--keys",
                "offline",
                "--office",
                "office/office-public.json",
            ),
            *("--out", "trust", *with_passphrase),
        )

    def office(self, *arguments: str | Path) -> list[str]:
        """Run one of the office's commands."""
        return self._run("menshen-office", *arguments, "--home", "office")

    def admit_people(self) -> None:
        """Draft and approve everybody's pass."""
        self.say(f"{len(PEOPLE)} passes, drafted by {CLERK} and approved by {APPROVER}")
        with ThreadPoolExecutor(_AT_ONCE) as clerks:
            self.passes = dict(zip(PEOPLE, clerks.map(self._issue, PEOPLE.values()), strict=True))

    def publish(self, configs: Iterable[Path]) -> None:
        """Sign the list of all passes and gates, and bring it to the gates."""
        self.say("the list is signed; it names the gates, too, so that each believes the others")
        self.office("publish", "--trust", "trust", "--out", "published")
        for config in configs:
            self._run("menshen-agent", "sync", "--once", "--config", config)

    def enrol_gates(self, films: dict[str, list[dict[str, Any]]]) -> dict[str, Path]:
        """Make each blank kiosk a gate, over a simulated USB cable.

        Args:
            films: what each gate's camera will see.
        Returns:
            Each gate's configuration file.
        """
        self._site_file()
        self.say(f"{len(GATES)} blank kiosks become gates, each over its serial cable")
        for gate, film in films.items():
            (self.folder / f"{gate}.film.toml").write_text(tomli_w.dumps({"approach": film}))
        with ThreadPoolExecutor(_AT_ONCE) as technicians:
            return dict(zip(GATES, technicians.map(self._enrol, GATES.items()), strict=True))

    def approach(self, at_s: float, number: int, turn: Turn) -> dict[str, Any]:
        """A turn as a row of the camera's film."""
        row = {
            "at_s": at_s,
            "seconds": SHOWN_S,
            "medium": turn.medium,
            "condition": turn.condition,
            "seed": number,
        }
        if turn.trick == "poster":
            return {**row, "text": f"https://example.com/menu/{number}"}
        if turn.trick == "unknown":
            stranger = Issued(secrets.token_hex(8), self._key_file("a stranger", _new_key("ed25519")))
            return {**row, "pass": self._on_phone(stranger)}
        issued = self.passes[turn.who]
        if turn.trick == "forged":
            forger = self._key_file("a forger", _new_key("ed25519"))
            return {**row, "pass": {**self._on_phone(issued), "key_file": str(forger)}}
        if turn.trick == "copied":
            return {**row, "pass": {**self._on_phone(issued), "clock_off_s": -COPIED_AFTER_S}}
        return {**row, "text": issued.text} if issued.text else {**row, "pass": self._on_phone(issued)}

    def _run(self, command: str, *arguments: str | Path) -> list[str]:
        return run(command, *arguments, cwd=self.folder)

    def _issue(self, person: Person) -> Issued:
        key = _new_key(person.key) if person.key else None
        day = [
            time.strftime("%Y-%m-%d", time.localtime(time.time() + d * _DAY_S))
            for d in (person.from_days, person.until_days)
        ]
        (pass_id,) = self.office(
            *("issue", "--kind", person.kind, "--person", person.name, "--from", day[0], "--until", day[1]),
            *(part for zone in person.zones for part in ("--zone", zone)),
            *(("--uses", str(person.uses)) if person.uses else ()),
            *(("--holder-key", str(_public(key))) if key else ()),
            *("--by", CLERK, "--why", "moved in"),
        )
        told = self.office("approve", pass_id, "--by", APPROVER)
        if person.then:
            self.office(person.then, pass_id, "--by", APPROVER, "--why", "reported lost")
        return Issued(pass_id, self._key_file(person.name, key)) if key else Issued(pass_id, text=told[0])

    def _key_file(self, name: str, key: Ed25519PrivateKey | EllipticCurvePrivateKey) -> Path:
        path = self.folder / f"phone of {name}.pem"
        path.touch(mode=0o600)
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return path

    def _on_phone(self, issued: Issued) -> dict[str, Any]:
        return {"id": issued.pass_id, "key_file": str(issued.key_file), "site": SITE}

    def _site_file(self) -> None:
        facts = {
            "site": SITE,
            "root": "trust/1.root.json",
            "broker": {"host": "127.0.0.1", "port": self.port, "retry_first_s": 0.2, "retry_most_s": 2.0},
            "list": {"source": f"dir:{self.folder / 'published'}", "refresh_s": 1.0},
            "camera": {
                "kind": "sim",
                "script": str(self.folder / "{gate}.film.toml"),
                "width_px": 960,
                "height_px": 540,
                "fps": 12.0,
            },
            "board": {"name": "simulator", "pins": "mock"},
            "door": {"open_s": 1.5},
            # A laptop without a time server must be able to play, too.
            "gate": {"clock": {"trust": "synced"}},
        }
        (self.folder / "site.toml").write_text(tomli_w.dumps(facts))

    def _enrol(self, gate_and_zone: tuple[str, str]) -> Path:
        gate, zone = gate_and_zone
        near, far = self.folder / f"{gate}.bench", self.folder / f"{gate}.kiosk"
        with ExitStack() as stack:
            cable = stack.enter_context(
                background("menshen-provision", "cable", near, far, cwd=self.folder, hears="stdout")
            )
            heard(cable, "a cable")
            stack.enter_context(
                background(
                    *("menshen-provision", "device", "--tty", far, "--check-command", _check_command()),
                    *("--etc", self.folder / gate / "etc", "--state", self.folder / gate / "state"),
                    cwd=self.folder,
                )
            )
            self._run(
                *("menshen-provision", "enrol", "--port", near, "--site-file", "site.toml", "--gate", gate),
                *("--zone", zone, "--direction", "in", "--record", f"{gate}.record.json"),
            )
        self.office("gate", "add", f"{gate}.record.json")
        return self.folder / gate / "etc" / "gate.toml"


def _check_command() -> str:
    return shlex.join([str(Path(sys.executable).parent / "menshen-agent"), "check"])


def _new_key(kind: str) -> Ed25519PrivateKey | EllipticCurvePrivateKey:
    return Ed25519PrivateKey.generate() if kind == "ed25519" else generate_private_key(SECP256R1())


def _public(key: Ed25519PrivateKey | EllipticCurvePrivateKey) -> PublicKey:
    if isinstance(key, Ed25519PrivateKey):
        return PublicKey(Alg.ED25519, key.public_key().public_bytes_raw())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return PublicKey(Alg.P256, point[1:], odd=point[0] == 3)
