"""The technician's end of the link: asks, waits, and asks again.

A request keeps its id however often it is sent, so that a lost answer costs
time and nothing else. What comes back is no more trusted than what a kiosk
hears: bounded, typed, and free of anything that could move a terminal.
"""

import hashlib
import itertools
import secrets
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from pydantic import BaseModel, ValidationError

from provisioning import identity, wire
from provisioning.link import Link
from provisioning.technician import Technician
from provisioning.wire import Code, Method

P = TypeVar("P", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)

_ANSWER_BYTES: Final = 400  # an answer's share of the time on the line
_NOISE: Final = 3  # broken frames after which small ones are tried first
_FRUITLESS: Final = 12
_SMALLEST_PART: Final = 64
_NEXT_PIECE_S: Final = 1.0
_MOST_PIECES: Final = 4 * wire.MAX_PART // wire.MAX_PIECE  # of one part, however small a kiosk cuts them


class BenchFault(Exception):
    """It did not work; the sentence is for the technician.

    Args:
        faults: what the kiosk's own check said, one to a line.
    """

    def __init__(self, why: str, faults: tuple[str, ...] = ()) -> None:
        super().__init__(why)
        self.faults = faults


class NoAnswer(BenchFault):
    """The kiosk was asked again and again, and no answer came whole."""


class Refusal(BenchFault):
    """The kiosk answered, and will not."""

    def __init__(self, code: int, why: str, faults: tuple[str, ...] = ()) -> None:
        super().__init__(why, faults)
        self.code = code


class Bench:
    """A conversation with whatever is on a port.

    Args:
        link: open; closed with this.
        who: the technician, as the kiosk shall record.
        heed: told of the kiosk's progress, in words.
    """

    def __init__(self, link: Link, who: str, heed: Callable[[str], None] = lambda _: None) -> None:
        self._link = link
        self._who = who
        self.heed = heed
        self._session = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._echoes = 0
        self._device_id = ""
        self.noisy = False
        self._pieces: list[wire.Piece] = []

    def hello(self) -> wire.HelloResult:
        """Begin; both ends now know that they speak the same protocol.

        Raises:
            NoAnswer, Refusal: here and in call.
        """
        answer = self.call(
            wire.HELLO,
            wire.HelloParams(protocol=wire.PROTOCOL, bench=identity.software(), who=wire.plain(self._who)),
        )
        if answer.protocol != wire.PROTOCOL:
            raise Refusal(
                Code.PROTOCOL,
                f"the kiosk ({answer.software}) speaks protocol {answer.protocol}, this bench {wire.PROTOCOL}; "
                "update the older one",
            )
        self._device_id = answer.device_id
        return answer

    def call(self, method: Method[P, R], params: P, gives_up_s: float | None = None, expected: int = 0) -> R:
        """Ask once, in as many tries as it takes; in small frames where the line is noisy.

        Args:
            gives_up_s: for this call, in place of the method's.
            expected: bytes that come before the answer.
        Raises:
            LinkLost: the port went away; the request may or may not have been served.
        """
        request_id = f"{self._session}.{next(self._numbers)}"
        request = wire.Request(id=request_id, method=method.name, params=params.model_dump(mode="json"))
        payload = wire.pack(request)
        patience_s = method.asks_again_s + 2 * self._link.takes_s(len(payload) + _ANSWER_BYTES + expected)
        until = time.monotonic() + max(patience_s, method.gives_up_s if gives_up_s is None else gives_up_s)
        tries = 0
        while time.monotonic() < until:
            small = self.noisy or tries % 2 == 1
            self._link.send(payload, small=small)
            answer = self._answer_to(request_id, patience_s)
            if answer is not None:
                self.noisy = small
                return _result(method, answer)
            tries += 1
            self.noisy = self.noisy or self._link.faults.total > _NOISE
        raise NoAnswer(self._silence(method.name))

    def prove(self, technician: Technician) -> None:
        """Show a sealed kiosk who is here; for this session.

        Raises:
            NoAnswer, Refusal: as in call; too many wrong answers are a refusal, too.
        """
        kiosk = self._device_id
        nonce = self.call(wire.CHALLENGE, wire.Nothing()).nonce
        signature = technician.key.sign(wire.challenge_text(kiosk, nonce)).hex()
        self.call(wire.PROVE, wire.ProveParams(technician=technician.name, signature=signature))

    def read(
        self, what: wire.Readable, sent: Callable[[int, int], None] = lambda _done, _whole: None
    ) -> bytes:
        """Fetch something that the kiosk keeps, whole and verified.

        Args:
            sent: told how many bytes of how many are here.
        Raises:
            NoAnswer, Refusal: as in call.
        """
        opened = self.call(wire.READ_OPEN, wire.ReadParams(what=what))
        handle, data = bytes.fromhex(opened.handle), bytearray()
        count, fruitless = wire.MAX_PART, 0
        while len(data) < opened.size:
            sent(len(data), opened.size)
            had, self._pieces = len(data), []
            count = min(count, opened.size - len(data))
            part = wire.PartParams(handle=opened.handle, offset=len(data), count=count)
            try:
                self.call(wire.READ_PART, part, gives_up_s=0.0, expected=count)
            except NoAnswer:
                if fruitless == _FRUITLESS:
                    raise
            for piece in self._pieces:  # what came in order stands; the rest is asked for again
                if piece.handle == handle and piece.offset == len(data):
                    data += piece.data
            whole = len(data) - had == count
            fruitless = 0 if len(data) > had else fruitless + 1
            count = min(wire.MAX_PART, count * 2) if whole else max(_SMALLEST_PART, count // 4)
        sent(len(data), opened.size)
        if hashlib.sha256(data).hexdigest() != opened.sha256:
            raise BenchFault(f"{what} came over other than the kiosk announced; read it again")
        return bytes(data)

    def _answer_to(self, request_id: str, wait_s: float) -> wire.Answer | wire.Failure | None:
        until = time.monotonic() + wait_s
        while (left := until - time.monotonic()) > 0:
            for payload in self._link.receive(left):
                message = wire.unpack(payload)
                if isinstance(message, wire.Piece):
                    if len(self._pieces) < _MOST_PIECES:
                        self._pieces.append(message)
                        until = max(until, time.monotonic() + _NEXT_PIECE_S)
                elif isinstance(message, wire.Notification):
                    self.heed(message.params.get("stage", ""))
                elif isinstance(message, wire.Request):
                    self._echoes += 1
                elif isinstance(message, (wire.Answer, wire.Failure)) and message.id == request_id:
                    return message
        return None

    def _silence(self, method: str) -> str:
        link = self._link
        if self._echoes:
            return (
                f"{link.path} sends back what it is sent: a loop or a terminal, not a kiosk; try another port"
            )
        if not link.heard:
            return f"nothing answers on {link.path}; check that the kiosk is on and that this is its port"
        if link.faults.total:
            return (
                f"{link.path}: no whole answer to {method} ({link.faults.total} broken frames); "
                "try another cable, the same baud rate at both ends, or another port"
            )
        return f"{link.path}: heard {link.heard} bytes and no answer to {method}; is this the kiosk's port?"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._link.close()


def _result(method: Method[Any, R], answer: wire.Answer | wire.Failure) -> R:
    if isinstance(answer, wire.Failure):
        told = answer.error.data.get("faults", ())
        faults = tuple(wire.plain(str(one)) for one in told) if isinstance(told, list) else ()
        raise Refusal(answer.error.code, answer.error.message, faults)
    try:
        return method.result.model_validate(answer.result)
    except ValidationError as fault:
        raise BenchFault(
            f"the kiosk's answer to {method.name} is not of protocol {wire.PROTOCOL} "
            f"({wire.first_fault(fault)}); update the older end"
        ) from fault
