"""What a bench does to a gate that stands: one setting, a backup, a restoration.

Each is an enrolment as any other: announced whole, staged, judged by the gate's
own check, and in force in one step. Secrets do not travel for it: files that stay
as they are stay on the kiosk.
"""

import time
import tomllib
from pathlib import Path
from typing import Any, Final, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError

from agent.core.moments import iso
from provisioning import durable, wire
from provisioning.bench import Bench, BenchFault
from provisioning.credentials import Credentials
from provisioning.enrol import Progress, facts_of, install
from provisioning.identity import BROKER_KEY
from provisioning.site_file import GatePlan, Site
from provisioning.wire import FileName, Name

_FIXED: Final = ("site", "gate", "state", "root")
_LARGEST_BACKUP: Final = 2 * 1024 * 1024
_Kept = Literal["gate.toml", "root.json", "broker-ca.pem", "technicians.json"]
_KEPT_IN_BACKUP: Final[tuple[_Kept, ...]] = ("gate.toml", "root.json", "broker-ca.pem", "technicians.json")
_SECRETS: Final[tuple[FileName, ...]] = ("broker.password", "broker-cert.pem", "fellows.key")


class Backup(BaseModel):
    """A gate's configuration as one JSON file; no key and no password is in it."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    menshen_backup: int = 1
    device_id: str
    site: Name
    gate: Name
    at: str
    files: dict[FileName, str]

    def write(self, path: Path) -> None:
        """Keep it.

        Raises:
            OSError: the disk's reason.
        """
        durable.write(path, (self.model_dump_json(indent=2) + "\n").encode(), 0o600)


def read_backup(path: Path) -> Backup:
    """Read a backup.

    Raises:
        BenchFault: it is none of ours.
        OSError: the disk's reason.
    """
    with path.open("rb") as file:
        data = file.read(_LARGEST_BACKUP + 1)
    try:
        backup = Backup.model_validate_json(data)
    except ValidationError as fault:
        raise BenchFault(f"{path} is no backup of ours: {wire.first_fault(fault)}") from fault
    if backup.menshen_backup != 1:
        raise BenchFault(f"{path} is a backup of form {backup.menshen_backup}, wanted 1; use a newer bench")
    return backup


def config(bench: Bench) -> str:
    """The configuration in force, as TOML; it names secrets by file and holds none."""
    return bench.read("gate.toml").decode(errors="replace")


def picked(text: str, key: str) -> str:
    """One setting, or section, of a configuration, as TOML.

    Raises:
        BenchFault: it is not set there.
    """
    found: Any = tomllib.loads(text)
    for step in key.split("."):
        if not isinstance(found, dict) or step not in found:
            raise BenchFault(
                f"{wire.plain(key, 60)} is not set on this gate; `menshen-agent check` has defaults"
            )
        found = found[step]
    return tomli_w.dumps(found if isinstance(found, dict) else {key.rpartition(".")[2]: found})


def set_config(bench: Bench, settings: dict[str, Any], progress: Progress) -> wire.CommitResult:
    """Change settings of the configuration in force.

    Args:
        settings: dotted keys, such as `door.open_s`; None takes a setting out.
    Raises:
        BenchFault: a key that cannot be set so, or the kiosk's own check refuses the result.
    """
    kiosk = bench.call(wire.IDENTIFY, wire.Nothing())
    if not (kiosk.site and kiosk.gate and kiosk.transfer):
        raise BenchFault("this kiosk is no gate yet; enrol it first")
    try:
        table = tomllib.loads(config(bench))
    except tomllib.TOMLDecodeError as fault:
        raise BenchFault(f"the kiosk's gate.toml is damaged: {fault}; enrol it anew") from fault
    for key, value in settings.items():
        _put(table, key, value)
    files: dict[FileName, bytes] = {"gate.toml": tomli_w.dumps(table).encode()}
    announced = wire.BeginParams(
        site=kiosk.site,
        gate=kiosk.gate,
        at=iso(time.time()),
        files=facts_of(files),
        base=kiosk.transfer,
        keep=[name for name in kiosk.files if name not in files],
    )
    return install(bench, announced, files, progress)


def back_up(bench: Bench) -> Backup:
    """All of a gate's configuration that holds no secret."""
    kiosk = bench.call(wire.IDENTIFY, wire.Nothing())
    if not (kiosk.site and kiosk.gate):
        raise BenchFault("this kiosk is no gate yet, so there is nothing to back up")
    files: dict[FileName, str] = {
        name: bench.read(name).decode(errors="replace") for name in _KEPT_IN_BACKUP if name in kiosk.files
    }
    return Backup(
        device_id=kiosk.device_id, site=kiosk.site, gate=kiosk.gate, at=iso(time.time()), files=files
    )


def restore(
    bench: Bench, backup: Backup, site: Site, held: Credentials, progress: Progress
) -> wire.CommitResult:
    """Make a kiosk, this or another, the gate of a backup.

    Args:
        site: the site's file, which has the secrets that the backup has not.
    Raises:
        BenchFault, SiteFault, AuthorityFault: as in an enrolment.
    """
    if backup.site != site.facts.site:
        raise BenchFault(f"the backup is of site {backup.site}, the site's file of {site.facts.site}")
    kiosk = bench.call(wire.IDENTIFY, wire.Nothing())
    certificate = None
    if site.facts.identity:
        names = wire.CsrParams(site=backup.site, gate=backup.gate)
        certificate = held.certificate(site, backup.gate, bench.call(wire.CSR, names).csr)
    fresh = site.compose(GatePlan(backup.gate, "both", "main"), kiosk.state_dir, certificate)
    files: dict[FileName, bytes] = {name: text.encode() for name, text in backup.files.items()}
    files |= {name: fresh[name] for name in _SECRETS if name in fresh}
    try:
        table = tomllib.loads(backup.files["gate.toml"])
    except (KeyError, tomllib.TOMLDecodeError) as fault:
        raise BenchFault(f"the backup's gate.toml is missing or damaged: {fault}") from fault
    table["state"] = kiosk.state_dir
    if "tls_key" in table.get("broker", {}):
        table["broker"]["tls_key"] = f"{kiosk.state_dir}/{BROKER_KEY}"
    files["gate.toml"] = tomli_w.dumps(table).encode()
    announced = wire.BeginParams(
        site=backup.site, gate=backup.gate, at=iso(time.time()), files=facts_of(files)
    )
    return install(bench, announced, files, progress)


def parsed(words: tuple[str, ...]) -> dict[str, Any]:
    """`KEY=VALUE` words as settings: VALUE as in TOML, or a text if it is none; empty takes the key out.

    Raises:
        BenchFault: a word of another form.
    """
    settings: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise BenchFault(f"found {wire.plain(word, 40)!r}, wanted KEY=VALUE such as door.open_s=4.0")
        try:
            settings[key] = tomllib.loads(f"value = {value}")["value"] if value else None
        except tomllib.TOMLDecodeError:
            settings[key] = value
    return settings


def _put(table: dict[str, Any], key: str, value: object) -> None:
    *sections, last = key.split(".")
    if not sections and last in _FIXED:
        raise BenchFault(f"{last} is what the kiosk was enrolled as; enrol it anew to change that")
    for name in sections:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise BenchFault(f"{key}: {name} is a setting, not a section; see `menshen-provision config get`")
    if value is None:
        table.pop(last, None)
    else:
        table[last] = value
