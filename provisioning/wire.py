"""What the two ends say to each other: JSON-RPC 2.0, one object to a frame.

The one table of methods stands at the bottom. The bench calls by it and the
device serves by it, so neither can drift. Every field is bounded and of one
type; texts hold no control characters, because a technician's terminal shows
them. Nothing here opens a port or a file.

A later protocol may add methods, and fields to `hello`; anything else is a
new protocol number.
"""

import hashlib
import json
import struct
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, Literal, TypeAlias, TypeVar

from pydantic import (
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from agent.core.allowlist import NAME
from provisioning.framing import MAX_PAYLOAD

PROTOCOL: Final = 1
MAX_CHUNK: Final = 2048
"""Bytes of a file in one `enrol.put`: with base64 and the envelope it fits a frame."""

MAX_PART: Final = 64 * 1024
"""Bytes that one `read.part` may ask for: about 6 s at 115,200 baud."""
MAX_READ: Final = 4 * 1024 * 1024
"""Bytes that a kiosk gives in one reading: the newest of a longer record."""

FileName: TypeAlias = Literal[
    "gate.toml",
    "root.json",
    "broker.password",
    "broker-ca.pem",
    "broker-cert.pem",
    "technicians.json",
    "fellows.key",
]
MAX_FILE: Final[dict[FileName, int]] = {
    "gate.toml": 64 * 1024,
    "root.json": 256 * 1024,
    "broker.password": 1024,
    "broker-ca.pem": 64 * 1024,
    "broker-cert.pem": 16 * 1024,
    "technicians.json": 16 * 1024,
    "fellows.key": 1024,
}
"""Bytes that a file of an enrolment may have."""
Readable: TypeAlias = Literal[
    "gate.toml",
    "root.json",
    "broker-ca.pem",
    "technicians.json",
    "sessions",
    "log",
    "doctor",
    "support",
    "inside",
]
"""What a bench may read from a kiosk: no file that holds a secret."""

Id: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,32}$")]
Name: TypeAlias = Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]
Text: TypeAlias = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
When: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9T:.Z+-]{20,32}$")]
Transfer: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Sha256: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Key: TypeAlias = Annotated[str, StringConstraints(pattern=r"^ed25519:[0-9a-f]{64}$")]
Nonce: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Signature: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]
Handle: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]
Note: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z]{0,10}$")]
Step: TypeAlias = Literal[
    "light-red",
    "light-green",
    "light-white",
    "tone",
    "lock",
    "exit",
    "door",
    "tamper",
    "fire",
    "camera",
    "card",
    "clock",
    "disk",
    "network",
    "broker",
    "list",
]
Size: TypeAlias = Annotated[int, Field(ge=0, le=max(MAX_FILE.values()))]


class Code:
    """Error codes: JSON-RPC's own, then ours. The sentence beside them is for people."""

    UNREADABLE: Final = -32700
    NOT_A_REQUEST: Final = -32600
    NO_SUCH_METHOD: Final = -32601
    BAD_PARAMS: Final = -32602
    PROTOCOL: Final = 1  # the ends speak different protocols
    HELLO_FIRST: Final = 2  # the device has restarted, or the bench was hasty
    SEALED: Final = 3  # it is enrolled already
    NO_TRANSFER: Final = 4  # nothing was begun under that name: begin again
    NOT_WHOLE: Final = 5  # bytes are missing, or are not those that were announced
    CHECK: Final = 6  # the configuration has faults; data.faults lists them
    DISK: Final = 7  # the device could not write
    WRONG_KEY: Final = 8  # a technician's proof that does not hold, or comes too soon after such
    CANNOT: Final = 9  # not on this kiosk: no such radio, no right to set the clock


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


# --- envelopes (jsonrpc.org/specification) -----------------------------------


class Request(_Strict):
    """A call. A repeated id is the same call again, and gets the same answer."""

    jsonrpc: Literal["2.0"] = "2.0"
    id: Id
    method: Annotated[str, StringConstraints(max_length=40)]
    params: dict[str, Any] = {}


class Answer(_Strict):
    """A call's result."""

    jsonrpc: Literal["2.0"] = "2.0"
    id: Id
    result: dict[str, Any]


class ErrorFacts(_Strict):
    """Why a call was refused."""

    code: int
    message: Text
    data: dict[str, Any] = {}


class Failure(_Strict):
    """A refused call; id is None when the request could not be read far enough to know it."""

    jsonrpc: Literal["2.0"] = "2.0"
    id: Id | None
    error: ErrorFacts


class Notification(_Strict):
    """Said without being asked, never answered: `progress` with a `stage`."""

    jsonrpc: Literal["2.0"] = "2.0"
    method: Literal["progress"] = "progress"
    params: dict[str, Text]


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a reading, as they are: `01`, handle 4, offset 4, data; big-endian. Never answered."""

    handle: bytes
    offset: int
    data: bytes


Message: TypeAlias = Request | Answer | Failure | Notification | Piece
_MESSAGE: Final[TypeAdapter[Request | Answer | Failure | Notification]] = TypeAdapter(
    Request | Answer | Failure | Notification
)
_PIECE: Final = b"\x01"
_PIECE_HEAD: Final = struct.Struct(">c4sI")
MAX_PIECE: Final = MAX_PAYLOAD - _PIECE_HEAD.size


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A whole frame that holds no message of ours, and why in a few words."""

    why: str


def pack(message: Message) -> bytes:
    """The payload of a frame.

    Raises:
        ValueError: it does not fit one.
    """
    if isinstance(message, Piece):
        payload = _PIECE_HEAD.pack(_PIECE, message.handle, message.offset) + message.data
    else:
        payload = message.model_dump_json().encode()
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"found a message of {len(payload)} bytes, wanted at most {MAX_PAYLOAD}")
    return payload


def unpack(payload: bytes) -> Message | Unreadable:
    """Read a payload; never raises."""
    if payload.startswith(_PIECE) and len(payload) > _PIECE_HEAD.size:
        _, handle, offset = _PIECE_HEAD.unpack_from(payload)
        return Piece(handle, offset, payload[_PIECE_HEAD.size :])
    try:
        return _MESSAGE.validate_json(payload)
    except ValidationError as fault:
        return Unreadable(first_fault(fault))


def first_fault(fault: ValidationError) -> str:
    """The first thing that was wrong, in one line, without the value: it might be a secret."""
    first = fault.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(step) for step in first["loc"])[:80]
    words = f"{where}: {first['msg']}" if where else first["msg"]
    return plain(words)


def plain(text: str, longest: int = 200) -> str:
    """The text as the wire allows it: on one line, no control characters, at most longest characters."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


# --- parameters and results --------------------------------------------------


class Nothing(_Strict):
    """No parameters."""


class HelloParams(_Strict):
    """Strict in nothing but its known fields, so that an older end can still say that it is older."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    protocol: Annotated[int, Field(ge=1, le=9999)]
    bench: Text
    who: Text


class HelloResult(_Strict):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    protocol: Annotated[int, Field(ge=1, le=9999)]
    device_id: Text
    software: Text


class IdentifyResult(_Strict):
    """What stands on the label and what a technician must know; no secrets.

    Args:
        sealed: an enrolment will be refused.
        state_dir: where its gate keeps its state; goes into the configuration.
        journal_key: the public half, once there is one.
    """

    device_id: Text
    model: Text
    software: Text
    state_dir: Text
    enrolled: bool
    sealed: bool
    site: Name | None = None
    gate: Name | None = None
    enrolled_at: When | None = None
    journal_key: Key | None = None
    transfer: Transfer | None = None
    files: list[FileName] = []
    proved: Name | None = None


class ChallengeResult(_Strict):
    nonce: Nonce


class ProveParams(_Strict):
    """Args: signature: Ed25519 over `challenge_text`, by the key that the site's file names."""

    technician: Name
    signature: Signature


class ProveResult(_Strict):
    """Args: for_s: how long this session may change a sealed kiosk."""

    for_s: Annotated[int, Field(ge=1)]


class CsrParams(_Strict):
    site: Name
    gate: Name


class CsrResult(_Strict):
    """Args: csr: PKCS #10, DER, for this kiosk's P-256 key."""

    csr: Annotated[Base64Bytes, Field(strict=False, min_length=1, max_length=1024)]


class ReadParams(_Strict):
    what: Readable


class ReadResult(_Strict):
    """A reading that stands still while it is fetched, until the next is opened."""

    handle: Handle
    size: Annotated[int, Field(ge=0, le=MAX_READ)]
    sha256: Sha256


class PartParams(_Strict):
    handle: Handle
    offset: Annotated[int, Field(ge=0, le=MAX_READ)]
    count: Annotated[int, Field(ge=1, le=MAX_PART)]


class PartResult(_Strict):
    """Args: sent: bytes that went out in pieces before this answer."""

    sent: Annotated[int, Field(ge=0, le=MAX_PART)]


class TimeParams(_Strict):
    utc: Annotated[float, Field(ge=1_700_000_000, le=4_102_444_800)]


class TimeResult(_Strict):
    """Args: off_s: how far the kiosk's clock was ahead of the bench's before."""

    off_s: float
    now: When


class Interface(_Strict):
    name: Text
    up: bool
    addresses: list[Text]


class NetworkResult(_Strict):
    interfaces: list[Interface]
    wifi: Text | None = None


class WifiParams(_Strict):
    """Args: passphrase: 8 to 63 printable ASCII characters (WPA), or empty for an open network."""

    ssid: Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[^\x00-\x1f\x7f]*$")]
    passphrase: Annotated[str, StringConstraints(max_length=63, pattern=r"^([ -~]{8,63})?$")]


class WifiResult(_Strict):
    told: Text


class DecommissionParams(_Strict):
    """Args: gate: which it must be, so that the wrong kiosk is not wiped."""

    gate: Name
    at: When


class DecommissionRecord(_Strict):
    """What a kiosk says last, signed with the key that it then destroys.

    Args:
        certificate: serial number of its broker certificate, in hex, to be revoked; empty if none.
        signature: by journal_key over `decommission_text`.
    """

    device_id: Text
    site: Name
    gate: Name
    at: When
    by: Text
    journal_key: Key
    certificate: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{0,40}$")]
    signature: Signature


NOW: Final = "now"
"""The stage of a test step from which on the part is lit, heard or watched."""


def within_s(step: Step) -> float:
    """How long a step that waits for a person waits; a fire panel may be a walk away."""
    return 60.0 if step == "fire" else 20.0


class TestStepParams(_Strict):
    """Args: note: tells one of several tries apart, such as `near`."""

    step: Step
    note: Note = ""


class TestStepResult(_Strict):
    """Args: ok: None where the person must say."""

    ok: bool | None
    found: Text


class TestEndParams(_Strict):
    """Args: answers: what the person said, by step, where the kiosk could not know."""

    at: When
    answers: dict[Step, bool]


class InspectedStep(_Strict):
    step: Step
    note: Note
    ok: bool
    found: Annotated[str, StringConstraints(max_length=60, pattern=r"^[ -~]*$")]


class InspectionRecord(_Strict):
    """What an inspection found, signed by the kiosk.

    Args:
        signature: by journal_key over `inspection_text`.
    """

    device_id: Text
    site: Name
    gate: Name
    at: When
    by: Text
    software: Text
    journal_key: Key
    passed: bool
    steps: Annotated[list[InspectedStep], Field(max_length=20)]
    signature: Signature


class FileFacts(_Strict):
    size: Size
    sha256: Sha256


class BeginParams(_Strict):
    """Announce an enrolment, whole: a device writes nothing that was not announced.

    Args:
        base: the transfer in force of which `keep` are kept as they are; a device in which another
            one is in force refuses.
    """

    site: Name
    gate: Name
    at: When
    files: dict[FileName, FileFacts]
    base: Transfer | None = None
    keep: Annotated[list[FileName], Field(max_length=8)] = []


class BeginResult(_Strict):
    """What the device has of it already, so that a cut transfer goes on where it was cut."""

    transfer: Transfer
    committed: bool
    have: dict[FileName, Size]


class PutParams(_Strict):
    transfer: Transfer
    file: FileName
    offset: Size
    data: Annotated[Base64Bytes, Field(strict=False, min_length=1, max_length=MAX_CHUNK)]


class PutResult(_Strict):
    """How many bytes of the file it has now: send from there."""

    have: Size


class CommitParams(_Strict):
    transfer: Transfer


class CommitResult(_Strict):
    site: Name
    gate: Name
    device_id: Text
    software: Text
    journal_key: Key
    enrolled_at: When


class StatusResult(_Strict):
    """Args: received, announced: bytes of the transfer in progress; line_faults: frames dropped."""

    enrolled: bool
    received: Annotated[int, Field(ge=0)]
    announced: Annotated[int, Field(ge=0)]
    line_faults: Annotated[int, Field(ge=0)]
    clock: When


def transfer_of(params: BeginParams) -> str:
    """An enrolment's name: the same content is the same enrolment, however often it is begun."""
    named = {"site": params.site, "gate": params.gate}
    facts = {name: [facts.size, facts.sha256] for name, facts in params.files.items()}
    kept = [params.base, sorted(params.keep)] if params.keep else []
    canonical = json.dumps([named, facts, *kept], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def challenge_text(device_id: str, nonce: str) -> bytes:
    """What a technician's key signs; for one kiosk and one moment."""
    return f"menshen/technician/1\0{device_id}\0{nonce}".encode()


def decommission_text(record: DecommissionRecord) -> bytes:
    """What a decommissioned kiosk's key has signed: the record without its signature, as canonical JSON."""
    facts = record.model_dump(exclude={"signature"})
    return b"menshen/decommission/1\0" + json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()


def inspection_text(record: InspectionRecord) -> bytes:
    """What an inspected kiosk's key has signed: the record without its signature, as canonical JSON."""
    facts = record.model_dump(exclude={"signature"})
    return b"menshen/inspection/1\0" + json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()


# --- the table ---------------------------------------------------------------

P = TypeVar("P", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Method(Generic[P, R]):
    """One thing a bench may ask.

    Args:
        asks_again_s: how long a bench waits for the answer, beyond the bytes' time on the line,
            before it sends the same request again.
        gives_up_s: how long it keeps doing so.
        proof: a sealed kiosk wants a technician's proof first.
    """

    name: str
    params: type[P]
    result: type[R]
    asks_again_s: float = 0.5
    gives_up_s: float = 15.0
    proof: bool = False


HELLO: Final = Method("hello", HelloParams, HelloResult, asks_again_s=0.25, gives_up_s=6.0)
IDENTIFY: Final = Method("identify", Nothing, IdentifyResult)
ENROL_BEGIN: Final = Method("enrol.begin", BeginParams, BeginResult)
ENROL_PUT: Final = Method("enrol.put", PutParams, PutResult, asks_again_s=0.25)
ENROL_COMMIT: Final = Method("enrol.commit", CommitParams, CommitResult, asks_again_s=2.0, gives_up_s=60.0)
STATUS: Final = Method("status", Nothing, StatusResult)
CHALLENGE: Final = Method("seal.challenge", Nothing, ChallengeResult)
PROVE: Final = Method("seal.prove", ProveParams, ProveResult)
CSR: Final = Method("identity.csr", CsrParams, CsrResult)
READ_OPEN: Final = Method("read.open", ReadParams, ReadResult, asks_again_s=2.0, gives_up_s=90.0, proof=True)
READ_PART: Final = Method("read.part", PartParams, PartResult, proof=True)
TIME_SET: Final = Method("time.set", TimeParams, TimeResult, proof=True)
NETWORK_GET: Final = Method("network.get", Nothing, NetworkResult, asks_again_s=2.0)
NETWORK_WIFI: Final = Method(
    "network.wifi", WifiParams, WifiResult, asks_again_s=2.0, gives_up_s=30.0, proof=True
)
DECOMMISSION: Final = Method(
    "decommission", DecommissionParams, DecommissionRecord, asks_again_s=2.0, gives_up_s=60.0, proof=True
)
TEST_STEP: Final = Method(
    "test.step", TestStepParams, TestStepResult, asks_again_s=5.0, gives_up_s=120.0, proof=True
)
TEST_END: Final = Method("test.end", TestEndParams, InspectionRecord, asks_again_s=2.0, proof=True)

METHODS: Final[dict[str, Method[Any, Any]]] = {
    method.name: method
    for method in (
        *(HELLO, IDENTIFY, STATUS, CHALLENGE, PROVE),
        *(CSR, ENROL_BEGIN, ENROL_PUT, ENROL_COMMIT),
        *(READ_OPEN, READ_PART, TIME_SET, NETWORK_GET, NETWORK_WIFI, DECOMMISSION),
        *(TEST_STEP, TEST_END),
    )
}
