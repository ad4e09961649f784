"""The end of a gate: a signed record, then nothing of it is left on the kiosk.

The record is signed and on the disk before the first key goes, and the wipe is
finished at the next start if the plug was drawn in the middle. The record stays:
it holds nothing secret, and a bench whose cable was pulled asks for it again.
"""

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from provisioning import durable, identity
from provisioning.authority import serial_of
from provisioning.enrolment import CURRENT, Enrolled, Enrolments, Refused
from provisioning.wire import Code, DecommissionParams, DecommissionRecord, Key, decommission_text

RECORD: Final = "decommissioned.json"
_WIPING: Final = "decommissioning"
_DATA: Final = ("gate", "sync")
_KEYS: Final = "keys"


class Decommissioning:
    """Of one kiosk; finishes at once what was begun before it was made."""

    def __init__(self, device_id: str, state: Path, enrolments: Enrolments) -> None:
        self._device_id = device_id
        self._state = state
        self._enrolments = enrolments
        with contextlib.suppress(OSError):  # else at the next start
            if (state / _WIPING).exists():
                self._wipe()

    def run(
        self, params: DecommissionParams, by: str, begins: Callable[[], None]
    ) -> DecommissionRecord | Refused:
        """Sign the record, destroy keys and data, and give the record; again, if it was done before.

        Args:
            begins: told before the first thing is destroyed.
        Raises:
            OSError: the disk's reason.
            KeyFault: the journal key is damaged.
        """
        current = self._enrolments.current()
        if current is None:
            record = self._kept()
            if record and record.gate == params.gate:
                return record
            return Refused(Code.CANNOT, "this kiosk is no gate, so there is nothing to decommission")
        if current.gate not in (params.gate, "unknown"):
            return Refused(
                Code.BAD_PARAMS, f"this kiosk is gate {current.gate}, not {params.gate}; is it the right one?"
            )
        record = self._signed(current, params, by)
        begins()  # a cable that is out by now saves the gate
        durable.write(self._state / RECORD, record.model_dump_json().encode())
        durable.write(self._state / _WIPING, b"")
        self._wipe()
        return record

    def _signed(self, current: Enrolled, params: DecommissionParams, by: str) -> DecommissionRecord:
        key: Key = str(identity.make_journal_key(self._state))
        certificate = self._enrolments.folder / CURRENT / "broker-cert.pem"
        record = DecommissionRecord(
            device_id=self._device_id,
            site=current.site,
            gate=params.gate,
            at=params.at,
            by=by,
            journal_key=key,
            certificate=serial_of(certificate.read_bytes()) if certificate.is_file() else "",
            signature="0" * 128,
        )
        signature = identity.sign_as_kiosk(self._state, decommission_text(record))
        return record.model_copy(update={"signature": signature.hex()})

    def _wipe(self) -> None:
        keys = self._state / _KEYS
        for path in sorted(keys.rglob("*")) if keys.is_dir() else ():
            if path.is_file():
                durable.shred(path)  # the directories stay: each belongs to its process's user
        self._enrolments.wipe()
        for name in _DATA:
            for path in (self._state / name).iterdir() if (self._state / name).is_dir() else ():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    durable.shred(path)
        durable.sync(self._state)
        (self._state / _WIPING).unlink(missing_ok=True)
        durable.sync(self._state)

    def _kept(self) -> DecommissionRecord | None:
        try:
            return DecommissionRecord.model_validate_json((self._state / RECORD).read_bytes())
        except (OSError, ValidationError):
            return None
