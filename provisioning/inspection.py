"""A gate's inspection: each part tried, a person asked where only a person can tell, a signed record.

The parts are the gate's own: each step is a command of the agent, run as a child, so
that the link itself touches neither camera nor pin. The record is left in
STATE/gate/inspections for the gate process, which alone writes the journal and takes
it from there to the office's feed.
"""

import hashlib
import json
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from provisioning import durable, identity
from provisioning.check import beside_this_one
from provisioning.enrolment import Enrolments, Refused
from provisioning.machine import Machine
from provisioning.wire import (
    Code,
    InspectedStep,
    InspectionRecord,
    Note,
    Step,
    TestEndParams,
    TestStepParams,
    TestStepResult,
    inspection_text,
    plain,
    within_s,
)

SPOOL: Final = "gate/inspections"
_STARTS_WITHIN_S: Final = 40.0
_OF_SYNC: Final = frozenset({"network", "broker", "list"})
_MOST: Final = 20
_LONGEST: Final = 60
_COMPLAINT_BYTES: Final = 64 * 1024


class _Said(BaseModel):
    """The last line of a step's output; one before it with `now` says that the part is lit, heard or watched."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    ok: bool | None = None
    found: str = ""
    now: bool = False


class Inspection:
    """Of one kiosk, in one session; steps may be tried again, the last try counts."""

    def __init__(self, device_id: str, state: Path, enrolments: Enrolments, machine: Machine) -> None:
        self._device_id = device_id
        self._state = state
        self._enrolments = enrolments
        self._machine = machine
        self._found: dict[tuple[Step, Note], TestStepResult] = {}

    def forget(self) -> None:
        """Whoever comes now begins anew: what was left half done is not signed with it."""
        self._found.clear()

    def step(
        self, params: TestStepParams, now: Callable[[], None] = lambda: None
    ) -> TestStepResult | Refused:
        """Try one part.

        Args:
            now: called when the part is lit, heard or watched, for the person who must look, listen or act.
        """
        if self._enrolments.current() is None:
            return Refused(Code.CANNOT, "this kiosk is no gate yet; enrol it first, then test it")
        if len(self._found) == _MOST and (params.step, params.note) not in self._found:
            return Refused(Code.BAD_PARAMS, f"an inspection has at most {_MOST} steps; end this one")
        said = self._tried(params.step, now)
        result = TestStepResult(ok=said.ok, found=plain(said.found))
        self._found[params.step, params.note] = result
        return result

    def end(self, params: TestEndParams, by: str) -> InspectionRecord | Refused:
        """Sign what was found, and leave it for the gate.

        Raises:
            OSError: the disk's reason.
            KeyFault: the journal key is missing or damaged.
        """
        current = self._enrolments.current()
        if current is None or not self._found:
            return Refused(Code.CANNOT, "nothing was tried yet; begin with a step")
        steps = [
            InspectedStep(
                step=step,
                note=note,
                ok=params.answers.get(step, False) if result.ok is None else result.ok,
                found=_short(result.found),
            )
            for (step, note), result in self._found.items()
        ]
        record = InspectionRecord(
            device_id=self._device_id,
            site=current.site,
            gate=current.gate,
            at=params.at,
            by=by,
            software=identity.software(),
            journal_key=str(identity.journal_key(self._state) or ""),
            passed=all(step.ok for step in steps),
            steps=steps,
            signature="0" * 128,
        )
        signature = identity.sign_as_kiosk(self._state, inspection_text(record)).hex()
        record = record.model_copy(update={"signature": signature})
        data = json.dumps(record.model_dump(), sort_keys=True).encode()
        spool = self._state / SPOOL
        durable.make_directory(spool)
        durable.give_to_owner_of(spool, spool.parent)
        kept = spool / f"{hashlib.sha256(data).hexdigest()}.json"
        durable.write(kept, data)
        durable.give_to_owner_of(kept, spool.parent)
        self._found.clear()
        # A change in this directory is what starts the gate's processes anew, and they take the record.
        touched = self._enrolments.folder / ".inspected"
        touched.touch()
        touched.unlink()
        return record

    def _tried(self, step: Step, now: Callable[[], None]) -> _Said:
        name, *words = self._machine.try_sync if step in _OF_SYNC else self._machine.try_gate
        config = self._enrolments.folder / "gate.toml"
        for_s = within_s(step)
        command = [beside_this_one(name), *words, step, "--config", str(config), "--for", str(for_s)]
        with tempfile.TemporaryFile() as complaints:
            try:
                child = subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=complaints, stdin=subprocess.DEVNULL
                )
            except OSError as fault:
                return _Said(ok=False, found=f"could not run `{name}`: {fault.strerror}")
            late = threading.Timer(for_s + _STARTS_WITHIN_S, child.kill)
            late.start()
            try:
                with child:
                    said = _said(child.stdout or (), now)
            finally:
                late.cancel()
            if said:
                return said
            if child.returncode == -signal.SIGKILL:
                return _Said(ok=False, found=f"no answer within {for_s + _STARTS_WITHIN_S:.0f} s")
            complaints.seek(0)
            why = complaints.read(_COMPLAINT_BYTES).decode(errors="replace").strip().splitlines()[-1:]
            return _Said(ok=False, found=why[0] if why else f"`{name}` ended with code {child.returncode}")


def _said(lines: Iterable[bytes], now: Callable[[], None]) -> _Said | None:
    """What a step found; None if it never said so."""
    last = None
    for line in lines:
        try:
            said = _Said.model_validate_json(line)
        except ValidationError:
            continue
        if said.now:
            now()
        else:
            last = said
    return last


def _short(words: str) -> str:
    """As the record allows it: one line of ASCII."""
    return "".join(c if " " <= c <= "~" else "?" for c in words)[:_LONGEST]
