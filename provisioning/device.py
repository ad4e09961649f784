"""The kiosk's end of the link: answers a bench, one request at a time.

Nothing that comes over the cable is believed: frames and messages are bounded
and typed before they get here, a request that repeats is answered from memory,
and the configuration in force changes in one place only (see `enrolment`). No
exception leaves `answer`.
"""

import contextlib
import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from pydantic import BaseModel, ValidationError

from agent.core.moments import iso
from provisioning import identity, wire
from provisioning.decommission import Decommissioning
from provisioning.enrolment import CURRENT, Enrolled, Enrolments, Refused
from provisioning.identity import KeyFault
from provisioning.inspection import Inspection
from provisioning.machine import Cannot, Machine
from provisioning.sealing import PROVED_FOR_S, Seal, TooSoon
from provisioning.sessions import Sessions
from provisioning.wire import Code, Method

_REMEMBERED: Final = 64
_INSPECTED_WITHIN_S: Final = 1800.0
_FAULT_BYTES: Final = 2500
"""Of a check's faults in one answer, so that it fits a frame."""
Say: TypeAlias = Callable[[wire.Message], None]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who says to be at the other end."""

    who: str
    bench: str


class Kiosk:
    """Serves the table of methods.

    Args:
        state: the state directory, which must exist.
        enrolments: those of this kiosk.
        utc: the wall clock; may be wrong here.
        machine: what of the machine a technician may see and set.
    """

    def __init__(
        self, state: Path, enrolments: Enrolments, utc: Callable[[], float], machine: Machine | None = None
    ) -> None:
        self.device_id = identity.device_id(state)
        self._state = state
        self._enrolments = enrolments
        self._utc = utc
        self.line_faults = 0  # frames that the link has dropped
        self._machine = machine or Machine()
        self._seal = Seal(self.device_id, enrolments.folder, state)
        self._ending = Decommissioning(self.device_id, state, enrolments)
        self._inspection = Inspection(self.device_id, state, enrolments, self._machine)
        self._inspected_until_mono = 0.0
        self._reading: tuple[str, bytes] = ("", b"")
        self._sessions = Sessions(state)
        self._visitor: Visitor | None = None
        self._answered: OrderedDict[str, tuple[bytes, bytes]] = OrderedDict()
        self._handlers: dict[str, Callable[[Any, Say], BaseModel | Refused]] = {
            wire.HELLO.name: self._hello,
            wire.IDENTIFY.name: self._identify,
            wire.ENROL_BEGIN.name: self._begin,
            wire.ENROL_PUT.name: self._put,
            wire.ENROL_COMMIT.name: self._commit,
            wire.STATUS.name: self._status,
            wire.CHALLENGE.name: self._challenge,
            wire.PROVE.name: self._prove,
            wire.CSR.name: self._csr,
            wire.READ_OPEN.name: self._read_open,
            wire.READ_PART.name: self._read_part,
            wire.TIME_SET.name: self._time_set,
            wire.NETWORK_GET.name: self._network_get,
            wire.NETWORK_WIFI.name: self._network_wifi,
            wire.DECOMMISSION.name: self._decommission,
            wire.TEST_STEP.name: self._test_step,
            wire.TEST_END.name: self._test_end,
        }

    def banner(self) -> str:
        """What a plain terminal shows."""
        current = self._enrolments.current()
        now = f"gate {current.gate} of site {current.site}" if current else "not enrolled yet"
        return (
            f"\r\nmenshen kiosk {self.device_id}, {now}.\r\n"
            "This port is for `menshen-provision`; run it on this machine (`menshen-provision --help`).\r\n"
        )

    def hang_up(self) -> None:
        """The cable came out: whoever comes next says hello first, and proves again who it is."""
        self._visitor = None
        self._seal.forget()

    def answer(self, payload: bytes, say: Say = lambda _: None) -> bytes | None:
        """The answer to one payload, or None where none is due.

        Args:
            payload: what came, of any content.
            say: sends a notification while the answer is still being made.
        """
        request = wire.unpack(payload)
        if isinstance(request, wire.Unreadable):
            return wire.pack(_failure(None, Code.NOT_A_REQUEST, f"not a request: {request.why}"))
        if not isinstance(request, wire.Request):
            return None  # an echo of our own, or of another bench
        digest = hashlib.sha256(payload).digest()
        if request.id in self._answered:
            asked, answer = self._answered[request.id]
            if asked != digest:
                return wire.pack(
                    _failure(
                        request.id,
                        Code.NOT_A_REQUEST,
                        f"id {request.id} was another request's; take a new one",
                    )
                )
            return answer
        answer = wire.pack(self._serve(request, say))
        self._answered[request.id] = (digest, answer)
        while len(self._answered) > _REMEMBERED:
            self._answered.popitem(last=False)
        return answer

    def _serve(self, request: wire.Request, say: Say) -> wire.Answer | wire.Failure:
        method = wire.METHODS.get(request.method)
        if method is None:
            known = ", ".join(wire.METHODS)
            return _failure(request.id, Code.NO_SUCH_METHOD, f"found method {request.method}, know {known}")
        if self._visitor is None and method is not wire.HELLO:
            return _failure(request.id, Code.HELLO_FIRST, "say hello first: this kiosk has just started")
        try:
            return self._call(request, method, say)
        except ValidationError as fault:
            return _failure(request.id, Code.BAD_PARAMS, f"{method.name}: {wire.first_fault(fault)}")
        except KeyFault as fault:
            return _failure(request.id, Code.DISK, str(fault))
        except Cannot as fault:
            return _failure(request.id, Code.CANNOT, str(fault))
        except OSError as fault:
            why = fault.strerror or str(fault)
            where = f" ({Path(str(fault.filename)).name})" if fault.filename else ""
            return _failure(
                request.id,
                Code.DISK,
                f"the kiosk could not use its disk: {why}{where}; put that right and try again",
            )

    def _call(self, request: wire.Request, method: Method[Any, Any], say: Say) -> wire.Answer | wire.Failure:
        params = method.params.model_validate(request.params)
        if method.proof and not self._may(method):
            return _failure(
                request.id,
                Code.SEALED,
                "this kiosk is sealed; run this again with --technician-key and a key that its site has named",
            )
        result = self._handlers[method.name](params, say)
        if isinstance(result, Refused):
            return _failure(request.id, result.code, result.why, result.faults)
        return wire.Answer(id=request.id, result=result.model_dump(mode="json"))

    # --- methods -------------------------------------------------------------

    def _hello(self, params: wire.HelloParams, say: Say) -> wire.HelloResult | Refused:
        del say
        if params.protocol != wire.PROTOCOL:
            older = "kiosk" if params.protocol > wire.PROTOCOL else "bench"
            return Refused(
                Code.PROTOCOL,
                f"the bench ({params.bench}) speaks protocol {params.protocol}, this kiosk "
                f"({identity.software()}) {wire.PROTOCOL}; update the {older}",
            )
        self._visitor = Visitor(params.who, params.bench)
        self._seal.forget()
        self._inspection.forget()
        self._note("session.opened", bench=params.bench)  # a full disk may still be looked at
        return wire.HelloResult(
            protocol=wire.PROTOCOL, device_id=self.device_id, software=identity.software()
        )

    def _identify(self, params: wire.Nothing, say: Say) -> wire.IdentifyResult:
        del params, say
        current = self._enrolments.current()
        key = identity.journal_key(self._state)
        return wire.IdentifyResult(
            device_id=self.device_id,
            model=identity.model(),
            software=identity.software(),
            state_dir=str(self._state),
            enrolled=current is not None,
            sealed=self._enrolments.sealed,
            site=current.site if current else None,
            gate=current.gate if current else None,
            enrolled_at=(current.at or None) if current else None,
            journal_key=str(key) if key else None,
            transfer=(current.transfer or None) if current else None,
            files=self._enrolments.files(),
            proved=self._seal.technician or None,
        )

    def _begin(self, params: wire.BeginParams, say: Say) -> wire.BeginResult | Refused:
        del say
        begun = self._enrolments.begin(params, self._who, proved=bool(self._seal.technician))
        if isinstance(begun, Refused):
            self._note("enrol.refused", gate=params.gate, site=params.site, why=begun.why)
            return begun
        committed = isinstance(begun, Enrolled)
        if not committed:
            self._sessions.record("enrol.begun", who=self._who, site=params.site, gate=params.gate)
        return wire.BeginResult(
            transfer=begun.transfer, committed=committed, have={} if committed else self._enrolments.have()
        )

    def _put(self, params: wire.PutParams, say: Say) -> wire.PutResult | Refused:
        del say
        have = self._enrolments.put(params.transfer, params.file, params.offset, params.data)
        return have if isinstance(have, Refused) else wire.PutResult(have=have)

    def _commit(self, params: wire.CommitParams, say: Say) -> wire.CommitResult | Refused:
        done = self._enrolments.current()
        if done is None or done.transfer != params.transfer:
            refused = self._enrolments.whole(params.transfer)
            if refused:
                return refused
            say(wire.Notification(params={"stage": "the kiosk checks the configuration"}))
            key = identity.make_journal_key(self._state)  # first, because the check looks for it
            refused = self._enrolments.check(params.transfer)
            if refused:
                self._note("enrol.refused", why=refused.why)
                return refused
            outcome = self._enrolments.commit(params.transfer)
            if isinstance(outcome, Refused):
                return outcome
            done = outcome
            self._inspected_until_mono = time.monotonic() + _INSPECTED_WITHIN_S
            self._note("enrol.committed", site=done.site, gate=done.gate, journal_key=str(key))
        known = identity.journal_key(self._state)
        if known is None:  # a new one would be a new gate, which nobody put on record
            return Refused(
                Code.DISK, "this kiosk has lost its journal key; decommission it, then enrol it anew"
            )
        return wire.CommitResult(
            site=done.site,
            gate=done.gate,
            device_id=self.device_id,
            software=identity.software(),
            journal_key=str(known),
            enrolled_at=done.at,
        )

    def _status(self, params: wire.Nothing, say: Say) -> wire.StatusResult:
        del params, say
        return wire.StatusResult(
            enrolled=self._enrolments.current() is not None,
            received=sum(self._enrolments.have().values()),
            announced=self._enrolments.announced(),
            line_faults=self.line_faults,
            clock=iso(self._utc()),
        )

    def _challenge(self, params: wire.Nothing, say: Say) -> wire.ChallengeResult | Refused:
        del params, say
        nonce = self._seal.challenge()
        return _too_soon(nonce) if isinstance(nonce, TooSoon) else wire.ChallengeResult(nonce=nonce)

    def _prove(self, params: wire.ProveParams, say: Say) -> wire.ProveResult | Refused:
        del say
        proved = self._seal.prove(params.technician, bytes.fromhex(params.signature))
        if isinstance(proved, TooSoon):
            return _too_soon(proved)
        self._note("seal.proved" if proved else "seal.wrong", technician=params.technician)
        if not proved:
            return Refused(
                Code.WRONG_KEY, f"this kiosk's site has no technician {params.technician} with this key"
            )
        return wire.ProveResult(for_s=PROVED_FOR_S)

    def _csr(self, params: wire.CsrParams, say: Say) -> wire.CsrResult | Refused:
        del say
        current = self._enrolments.current()
        # What it is already it may always ask to be: a bench that was cut off goes on.
        as_it_is = current and (current.site, current.gate) == (params.site, params.gate)
        if self._enrolments.sealed and not as_it_is and not self._seal.technician:
            return Refused(Code.SEALED, "this kiosk is sealed; run this again with --technician-key")
        return wire.CsrResult.model_construct(
            csr=identity.request_certificate(self._state, params.site, params.gate)
        )

    def _read_open(self, params: wire.ReadParams, say: Say) -> wire.ReadResult | Refused:
        del say
        if params.what == "log":
            data = self._machine.system_log()
        elif params.what == "doctor":
            data = self._machine.examined(self._enrolments.folder / "gate.toml")
        elif params.what == "support":
            data = self._machine.packed(self._enrolments.folder / "gate.toml")
        elif params.what == "inside":
            data = self._machine.mustered(self._enrolments.folder / "gate.toml")
        elif params.what == "sessions":
            data = self._sessions.read()[-wire.MAX_READ :]
        elif params.what in self._enrolments.files():
            data = (self._enrolments.folder / CURRENT / params.what).read_bytes()
        else:
            gate = self._enrolments.current()
            why = f"this kiosk has no {params.what}" if gate else "this kiosk is no gate yet; enrol it first"
            return Refused(Code.CANNOT, why)
        self._note("read", read=params.what)
        self._reading = (secrets.token_hex(4), data)
        return wire.ReadResult(
            handle=self._reading[0], size=len(data), sha256=hashlib.sha256(data).hexdigest()
        )

    def _read_part(self, params: wire.PartParams, say: Say) -> wire.PartResult | Refused:
        handle, data = self._reading
        if params.handle != handle:
            return Refused(Code.NO_TRANSFER, "another reading was opened since; begin again")
        until = min(len(data), params.offset + params.count)
        for at in range(params.offset, until, wire.MAX_PIECE):
            piece = data[at : min(until, at + wire.MAX_PIECE)]
            say(wire.Piece(bytes.fromhex(handle), at, piece))
        return wire.PartResult(sent=max(0, until - params.offset))

    def _time_set(self, params: wire.TimeParams, say: Say) -> wire.TimeResult:
        del say
        off_s = self._utc() - params.utc
        self._machine.set_clock(params.utc)
        self._note("time.set", off_s=f"{off_s:.1f}")
        return wire.TimeResult(off_s=round(off_s, 3), now=iso(self._utc()))

    def _network_get(self, params: wire.Nothing, say: Say) -> wire.NetworkResult:
        del params, say
        return self._machine.network()

    def _network_wifi(self, params: wire.WifiParams, say: Say) -> wire.WifiResult:
        del say
        told = self._machine.join(params)
        self._note("network.wifi", ssid=wire.plain(params.ssid))
        return wire.WifiResult(told=told)

    def _decommission(self, params: wire.DecommissionParams, say: Say) -> wire.DecommissionRecord | Refused:
        stage = wire.Notification(params={"stage": "the kiosk destroys its keys and its data"})
        record = self._ending.run(params, self._seal.technician or self._who, lambda: say(stage))
        if not isinstance(record, Refused):
            self._seal.forget()
            self._note("decommissioned", gate=params.gate)
        return record

    def _may(self, method: Method[Any, Any]) -> bool:
        """Whether this session may do what a sealed kiosk wants a proof for.

        Whoever has just enrolled it stands before it, and may inspect it.
        """
        return (
            not self._enrolments.sealed
            or bool(self._seal.technician)
            or (method in (wire.TEST_STEP, wire.TEST_END) and time.monotonic() < self._inspected_until_mono)
        )

    def _test_step(self, params: wire.TestStepParams, say: Say) -> wire.TestStepResult | Refused:
        now = wire.Notification(params={"stage": wire.NOW})
        return self._inspection.step(params, lambda: say(now))

    def _test_end(self, params: wire.TestEndParams, say: Say) -> wire.InspectionRecord | Refused:
        del say
        record = self._inspection.end(params, self._seal.technician or self._who)
        if not isinstance(record, Refused):
            self._note("inspected", passed=str(record.passed).lower())
        return record

    @property
    def _who(self) -> str:
        return self._visitor.who if self._visitor else ""

    def _note(self, what: str, **facts: str) -> None:
        """Record what happens anyway: a full disk does not stop or undo it."""
        with contextlib.suppress(OSError):
            self._sessions.record(what, who=self._who, **facts)


def _too_soon(soon: TooSoon) -> Refused:
    return Refused(Code.WRONG_KEY, f"too many wrong answers; this kiosk listens again in {soon.wait_s} s", ())


def _failure(request_id: str | None, code: int, why: str, faults: Iterable[str] = ()) -> wire.Failure:
    told: list[str] = []
    room = _FAULT_BYTES
    for fault in map(wire.plain, faults):
        room -= len(fault.encode()) + _FAULT_BYTES // 50
        if room < 0:
            told.append("… and more")
            break
        told.append(fault)
    facts = wire.ErrorFacts(code=code, message=wire.plain(why), data={"faults": told} if told else {})
    return wire.Failure(id=request_id, error=facts)
