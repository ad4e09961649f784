"""The site's enrolment file: what every gate of a site shares, written by its office.

A TOML file; paths are relative to it, and `{gate}` in any text stands for the
gate's name:

    site = "garden"
    root = "root.json"                    # the root of trust, from the office

    [broker]                              # goes to the gate as it stands, except
    host = "mqtt.example.org"             # that the files it names travel with it
    port = 8883
    username = "{gate}"
    password_file = "secrets/{gate}.password"
    tls_ca = "broker-ca.pem"              # who signed the broker's certificate

    [list]
    source = "dir:/srv/menshen/garden"

    [camera]
    kind = "usb"

    [board]
    name = "reference"

    [door]
    open_s = 5.0

    [fellows]                             # gates that tell each other who passed; goes as it stands
    lan = true
    key_file = "fellows.key"              # from `menshen-office fellows-key`; travels with it

    [gate]                                # whatever else belongs in gate.toml

    [identity]                            # certificates for the broker, see `menshen-provision ca`
    authority = "enrolment"               # the folder that `ca make` made
    days = 400                            # how long a gate's certificate is good
    by = "bench"                          # or "office": the bench writes requests, the office signs

    [technicians]                         # whose keys open a sealed kiosk, see `technician`
    ana = "ed25519:…"

The tables after `root` are all optional. What the technician says (gate,
direction, zone) and what the kiosk says (its state directory) come on
top. Only this file's shape is checked here; whether a gate can work with the
result is for the gate's own check, on the kiosk.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from provisioning import root_of_trust
from provisioning.authority import GATE_DAYS
from provisioning.identity import BROKER_KEY
from provisioning.root_of_trust import RootFacts
from provisioning.wire import MAX_FILE, FileName, Key, Name

Direction: TypeAlias = Literal["in", "out", "both"]
_LARGEST: Final = 64 * 1024


class SiteFault(Exception):
    """The site's file, or one that it names, is not as it should be; one line to a fault."""


class BrokerFacts(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", frozen=True)

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    username: str | None = None
    password_file: str | None = None
    tls_ca: str | None = None


class FellowsFacts(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", frozen=True)

    key_file: str | None = None


class IdentityFacts(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    authority: str
    days: Annotated[int, Field(ge=1, le=825)] = GATE_DAYS
    by: Literal["bench", "office"] = "bench"


class SiteFacts(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    site: Name
    root: str
    broker: BrokerFacts | None = None
    list: dict[str, Any] = {}
    camera: dict[str, Any] = {}
    board: dict[str, Any] = {}
    door: dict[str, Any] = {}
    fellows: FellowsFacts | None = None
    gate: dict[str, Any] = {}
    identity: IdentityFacts | None = None
    technicians: dict[Name, Key] = {}

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.identity and not (self.broker and self.broker.tls_ca):
            raise ValueError("identity is set without broker.tls_ca; name who signed the broker's own")
        return self


@dataclass(frozen=True, slots=True)
class GatePlan:
    """What the technician asks for."""

    gate: str
    direction: Direction
    zone: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """A site's file, read and sound, with the root of trust that it names."""

    facts: SiteFacts
    folder: Path
    root: bytes
    root_facts: RootFacts

    @property
    def authority_folder(self) -> Path | None:
        """Where the site's enrolment authority is; None if its gates have no certificates."""
        return self.folder / self.facts.identity.authority if self.facts.identity else None

    def compose(
        self, plan: GatePlan, state_dir: str, certificate: bytes | None = None
    ) -> dict[FileName, bytes]:
        """The files of one gate's enrolment.

        Args:
            state_dir: the kiosk's, as it says itself.
            certificate: PEM, for the key that the kiosk has made.
        Raises:
            SiteFault: a password file that cannot be read, or a value that TOML has no form for.
        """
        facts = self.facts
        gate = dict(facts.gate)
        files: dict[FileName, bytes] = {"root.json": self.root}
        shared = {"camera": facts.camera, "board": facts.board, "door": facts.door, "list": facts.list}
        gate = _merged(gate, {name: table for name, table in shared.items() if table})
        if facts.broker:
            broker = facts.broker.model_dump(exclude_none=True)
            if facts.broker.password_file:
                files["broker.password"] = self._password(_filled(facts.broker.password_file, plan.gate))
                broker["password_file"] = "broker.password"  # noqa: S105  a file's name
            if facts.broker.tls_ca:
                files["broker-ca.pem"] = _read(self.folder / facts.broker.tls_ca, MAX_FILE["broker-ca.pem"])
                broker["tls_ca"] = "broker-ca.pem"
            if certificate:
                files["broker-cert.pem"] = certificate
                broker |= {"tls_cert": "broker-cert.pem", "tls_key": f"{state_dir}/{BROKER_KEY}"}
            gate = _merged(gate, {"broker": broker})
        if facts.fellows:
            fellows = facts.fellows.model_dump(exclude_none=True)
            if facts.fellows.key_file:
                key = self.folder / facts.fellows.key_file
                files["fellows.key"] = _read(key, MAX_FILE["fellows.key"])
                fellows["key_file"] = "fellows.key"
            gate = _merged(gate, {"fellows": fellows})
        if facts.technicians:
            files["technicians.json"] = (json.dumps(facts.technicians, sort_keys=True) + "\n").encode()
        own = {
            "site": facts.site,
            "gate": plan.gate,
            "direction": plan.direction,
            "zone": plan.zone,
            "root": "root.json",
            "state": state_dir,
        }
        text = tomli_w.dumps({**own, **_merged(_filled(gate, plan.gate), own)})
        files["gate.toml"] = text.encode()
        return files

    def _password(self, name: str) -> bytes:
        path = self.folder / name
        password = _read(path, MAX_FILE["broker.password"]).strip()
        if not password:
            raise SiteFault(f"{path}: found no password; write it on the first line")
        return password


def read(path: Path) -> Site:
    """Read a site's file and its root of trust.

    Raises:
        SiteFault: with every fault of the file, one to a line.
    """
    try:
        table = tomllib.loads(_read(path, _LARGEST).decode())
        facts = SiteFacts.model_validate(table)
    except ValidationError as fault:
        raise SiteFault("\n".join(f"{path}: {line}" for line in _lines(fault))) from fault
    except (ValueError, RecursionError) as fault:
        raise SiteFault(f"{path}: {fault}") from fault
    root_path = path.parent / facts.root
    root = _read(root_path, MAX_FILE["root.json"])
    try:
        return Site(facts, path.parent, root, root_of_trust.inspect(root))
    except ValueError as fault:
        raise SiteFault(f"{root_path}: {fault}") from fault


def _read(path: Path, largest: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except OSError as fault:
        raise SiteFault(f"{path}: {fault.strerror or fault}") from fault
    if len(data) > largest:
        raise SiteFault(f"{path}: found more than {largest} bytes; this is another kind of file")
    return data


def _lines(fault: ValidationError) -> Iterator[str]:
    for one in fault.errors(include_url=False, include_input=False):
        yield f"{'.'.join(str(step) for step in one['loc']) or 'file'}: {one['msg']}"


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        result[key] = _merged(below, value) if both else value  # type: ignore[arg-type]  # both says so
    return result


def _filled(value: Any, gate: str) -> Any:
    if isinstance(value, str):
        return value.replace("{gate}", gate)
    if isinstance(value, dict):
        return {key: _filled(one, gate) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, gate) for one in value]
    return value
