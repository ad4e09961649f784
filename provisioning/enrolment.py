"""A kiosk's enrolment on its own disk: staged, verified, then switched to in one step.

    ETC/gate.toml, root.json, broker.*           links that never change, through `enrolled`
    ETC/enrolled                                 a link to the enrolment in force
    ETC/enrolments/<transfer>/                   its files, and enrolment.json
    ETC/enrolments/<transfer>.part/              one being received

All files change together, because the rename of one link is the moment of
enrolment: before it the old one is in force (or none), after it the new one,
and there is no between for a pulled cable or a power cut. This module knows
files and refuses to know the line; a refusal is a value, and OSError is the
disk's.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypeAlias

from provisioning import durable, root_of_trust
from provisioning.check import Checker
from provisioning.sealing import TECHNICIANS, technicians
from provisioning.wire import MAX_FILE, BeginParams, Code, FileName, plain, transfer_of

CURRENT: Final = "enrolled"
_SHELF: Final = "enrolments"
_NOTE: Final = "enrolment.json"
_MODE: Final[dict[FileName, int]] = {
    "gate.toml": 0o644,
    "root.json": 0o644,
    "broker.password": 0o640,
    "broker-ca.pem": 0o644,
    "broker-cert.pem": 0o644,
    "technicians.json": 0o644,
    "fellows.key": 0o640,
}
_NEEDED: Final[tuple[FileName, ...]] = ("gate.toml", "root.json")


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The enrolment in force, as noted beside its files."""

    transfer: str
    site: str
    gate: str
    at: str
    by: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why the device will not, for a person; faults are the configuration's."""

    code: int
    why: str
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Receiving:
    """An enrolment on its way: nothing of it counts yet."""

    transfer: str
    announced: BeginParams
    by: str


Begun: TypeAlias = Receiving | Enrolled | Refused


class Enrolments:
    """The enrolments of one kiosk, of which at most one is in force and one on its way."""

    def __init__(self, etc: Path, checker: Checker, *, unsealed: bool = False) -> None:
        self._etc = etc
        self._shelf = etc / _SHELF
        self._checker = checker
        self._unsealed = unsealed
        self._receiving: Receiving | None = None

    @property
    def sealed(self) -> bool:
        """Whether another enrolment will be refused."""
        return not self._unsealed and self.current() is not None

    def current(self) -> Enrolled | None:
        """The enrolment in force."""
        try:
            note = json.loads((self._etc / CURRENT / _NOTE).read_bytes())
            return Enrolled(**note)
        except (OSError, ValueError, TypeError):
            if not os.path.lexists(self._etc / CURRENT):
                return None
            # A note that is lost or damaged must not unseal a kiosk.
            return Enrolled(transfer="", site="unknown", gate="unknown", at="", by="")

    @property
    def folder(self) -> Path:
        """The directory in which the gate's configuration belongs."""
        return self._etc

    def files(self) -> list[FileName]:
        """The files of the enrolment in force."""
        return [name for name in MAX_FILE if (self._etc / CURRENT / name).is_file()]

    def begin(self, announced: BeginParams, by: str, *, proved: bool = False) -> Begun:
        """Make room for an enrolment, or find what is here of it already.

        Args:
            proved: a technician's proof stands, so that a seal does not matter.
        """
        transfer = transfer_of(announced)
        current = self.current()
        if current and current.transfer == transfer:
            return current
        if self._receiving and self._receiving.transfer == transfer:
            return self._receiving
        refused = self._unwelcome(current, proved=proved) or _unfit(announced) or self._kept(announced)
        if refused:
            return refused
        self._tidy(keep=transfer)
        part = self._part(transfer)
        durable.make_directory(part)
        for name in announced.files:
            (part / name).touch(mode=0o600)
        for name in announced.keep:
            durable.write(part / name, (self._etc / CURRENT / name).read_bytes(), 0o600)
        self._receiving = Receiving(transfer, announced, by)
        return self._receiving

    def have(self) -> dict[FileName, int]:
        """Bytes received so far, by file."""
        if not self._receiving:
            return {}
        part = self._part(self._receiving.transfer)
        return {name: (part / name).stat().st_size for name in self._receiving.announced.files}

    def announced(self) -> int:
        """Bytes that the enrolment on its way has in all."""
        files = self._receiving.announced.files.values() if self._receiving else ()
        return sum(facts.size for facts in files)

    def put(self, transfer: str, name: FileName, offset: int, data: bytes) -> int | Refused:
        """Add bytes to the end of a staged file; what is here already is not written again.

        Returns:
            How many bytes of the file are here now, which is where the sender goes on.
        """
        receiving = self._received(transfer)
        if isinstance(receiving, Refused):
            return receiving
        facts = receiving.announced.files.get(name)
        if facts is None:
            return Refused(Code.NOT_WHOLE, f"{name} was not announced; begin again")
        if offset + len(data) > facts.size:
            return Refused(Code.NOT_WHOLE, f"{name} was announced with {facts.size} bytes; begin again")
        path = self._part(transfer) / name
        with path.open("r+b") as file:
            have = file.seek(0, os.SEEK_END)
            if offset <= have:
                fresh = data[have - offset :]
                file.write(fresh)
                have += len(fresh)
        return have

    def whole(self, transfer: str) -> Refused | None:
        """None when every byte of a staged enrolment is here, as it was announced."""
        receiving = self._received(transfer)
        if isinstance(receiving, Refused):
            return receiving
        part = self._part(transfer)
        for name, facts in receiving.announced.files.items():
            data = (part / name).read_bytes()
            if len(data) < facts.size:
                return Refused(Code.NOT_WHOLE, f"{name}: {len(data)} of {facts.size} bytes are here; send on")
            if hashlib.sha256(data).hexdigest() != facts.sha256:
                os.truncate(part / name, 0)
                return Refused(Code.NOT_WHOLE, f"{name} is not what was announced; send it again")
        return None

    def check(self, transfer: str) -> Refused | None:
        """None when a staged, whole enrolment agrees with itself and the gate's own check accepts it."""
        receiving = self._received(transfer)
        if isinstance(receiving, Refused):
            return receiving
        part = self._part(transfer)
        faults = _inconsistencies(part, receiving.announced) or self._checker.faults(part / "gate.toml")
        if faults:
            self._receiving = None  # a refused enrolment leaves nothing behind, no password least of all
            shutil.rmtree(part)
            return Refused(Code.CHECK, "the kiosk's own check refuses this configuration", faults)
        return None

    def commit(self, transfer: str) -> Enrolled | Refused:
        """Put a verified enrolment in force."""
        receiving = self._received(transfer)
        if isinstance(receiving, Refused):
            return receiving
        announced = receiving.announced
        note = Enrolled(transfer, announced.site, announced.gate, announced.at, receiving.by)
        part, whole = self._part(transfer), self._shelf / transfer
        names = [*announced.files, *announced.keep]
        for name in names:
            os.chmod(part / name, _MODE[name])  # noqa: PTH101  Path.chmod would follow a link
            durable.give_to_owner_of(part / name, self._etc)
            durable.sync(part / name)
        durable.write(part / _NOTE, json.dumps(asdict(note)).encode(), 0o600)
        self._receiving = None  # should the disk fail from here on, the bench begins again
        part.rename(whole)
        durable.sync(self._shelf)
        for name in names:
            if not (self._etc / name).is_symlink():
                durable.link(self._etc / name, f"{CURRENT}/{name}")
        durable.link(self._etc / CURRENT, f"{_SHELF}/{transfer}")  # the moment
        with contextlib.suppress(OSError):  # else at the next begin
            self._tidy()
            for name in MAX_FILE.keys() - set(names):
                (self._etc / name).unlink(missing_ok=True)
        return note

    def wipe(self) -> None:
        """Forget every enrolment: the links first, so that no gate starts on what is left."""
        for name in (*MAX_FILE, CURRENT):
            path = self._etc / name
            if path.is_symlink():
                path.unlink()
        durable.sync(self._etc)
        self._receiving = None
        for path in self._shelf.iterdir() if self._shelf.is_dir() else ():
            for secret in path.iterdir():
                durable.shred(secret)
            shutil.rmtree(path)

    def _kept(self, announced: BeginParams) -> Refused | None:
        """None when the files to be kept are those of the enrolment in force."""
        if not announced.keep:
            return None
        current = self.current()
        if current is None or announced.base != current.transfer or not current.transfer:
            return Refused(
                Code.NOT_WHOLE, "another configuration has come into force meanwhile; read it and begin again"
            )
        missing = set(announced.keep) - set(self.files())
        return Refused(Code.BAD_PARAMS, f"there is no {min(missing)} here to keep") if missing else None

    def _unwelcome(self, current: Enrolled | None, *, proved: bool) -> Refused | None:
        if current and not self._unsealed and not proved:
            since = f" since {current.at}" if current.at else ""
            return Refused(
                Code.SEALED,
                f"this kiosk is sealed: it is gate {current.gate} of site {current.site}{since}; "
                "to change it, run this again with --technician-key and a key that its site has named",
            )
        for name in MAX_FILE:
            path = self._etc / name
            if path.exists() and not path.is_symlink():
                return Refused(
                    Code.SEALED, f"{path} was put there by hand; move it away, then enrol the kiosk again"
                )
        return None

    def _received(self, transfer: str) -> Receiving | Refused:
        if self._receiving and self._receiving.transfer == transfer:
            return self._receiving
        return Refused(Code.NO_TRANSFER, "no such enrolment is on its way here; begin again")

    def _part(self, transfer: str) -> Path:
        return self._shelf / f"{transfer}.part"

    def _tidy(self, keep: str = "") -> None:
        """Remove what lost its turn: older enrolments and half of others."""
        current = self.current()
        kept = {f"{keep}.part", current.transfer if current else ""}
        for path in self._shelf.iterdir() if self._shelf.is_dir() else ():
            if path.name not in kept:
                shutil.rmtree(path)


def _unfit(announced: BeginParams) -> Refused | None:
    for name in _NEEDED:
        if name not in announced.files and name not in announced.keep:
            return Refused(Code.BAD_PARAMS, f"an enrolment without {name} makes no gate; add it")
    if double := announced.files.keys() & set(announced.keep):
        return Refused(Code.BAD_PARAMS, f"{min(double)} is both sent and kept; do one of them")
    for name, facts in announced.files.items():
        if not 0 < facts.size <= MAX_FILE[name]:
            return Refused(Code.BAD_PARAMS, f"{name}: found {facts.size} bytes, wanted 1 to {MAX_FILE[name]}")
    return None


def _inconsistencies(part: Path, announced: BeginParams) -> tuple[str, ...]:
    """What the files say otherwise than the announcement, before the gate's own check."""
    faults = []
    try:
        gate = tomllib.loads((part / "gate.toml").read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as fault:
        faults.append(plain(f"gate.toml: {fault}"))
    else:
        for key, wanted in (("site", announced.site), ("gate", announced.gate)):
            if gate.get(key) != wanted:
                faults.append(plain(f"gate.toml: found {key} = {gate.get(key)!r}, wanted {wanted!r}"))
    try:
        root_of_trust.inspect((part / "root.json").read_bytes())
    except ValueError as fault:
        faults.append(plain(f"root.json: {fault}"))
    if (part / TECHNICIANS).exists() and not technicians(part / TECHNICIANS):
        faults.append(f"{TECHNICIANS}: found no technician's key, wanted names and ed25519: keys")
    return tuple(faults)
