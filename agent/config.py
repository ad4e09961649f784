"""A gate's configuration: one TOML file, into frozen values.

Units stand in the keys. Every fault is found at once and named with its key,
what stands there and what is allowed. Paths are relative to the file.
"""

import copy
import difflib
import json
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticUndefined

from agent.brokers.config import BrokerConfig
from agent.core.allowlist import NAME
from agent.core.door import Timing
from agent.core.judge import Post
from agent.core.rules import Purpose, Rules
from agent.vision import ReaderConfig
from hw.board import Board, BoardFault, load_board
from hw.cameras.config import CameraConfig

MAX_FILE_BYTES: Final = 256 * 1024
_ON_A_GATE: Final = Path("/var/lib/menshen")


def _named(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError("1 to 32 of a-z, 0-9 and -, the first not a -")
    return text


Name = Annotated[str, AfterValidator(_named)]


def _source(text: str) -> str:
    if text and text != "mqtt" and not text.startswith(("dir:", "http://", "https://")):
        raise ValueError("mqtt, dir:/path, http://… or https://…")
    return text


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BoardConfig(_Section):
    """Which board (a name from hw/boards or a path), and which pins drive it."""

    name: str = "reference"
    pins: Literal["lgpio", "mock"] = "lgpio"


class DoorConfig(_Section):
    """What the gate does with a pass that holds, and when its door raises an alarm.

    Args:
        purpose: `access` opens; `attendance` and `check-in` only note, and have no door.
        open_s: how long a grant releases the lock.
        held_after_s: when an open leaf is held open.
        grace_s: how long after the lock is told to rest an opening is no force.
        free_schedule: number of the list's schedule in which the lock stays released; 0 is never.
        free_after_first: only once somebody has been admitted in it.
        interlock: nobody is let in while the other door, on the board's `second` input, stands open.
        most_inside: how many may be inside; 0 is any number. For gates used both ways.
    """

    purpose: Literal["access", "attendance", "check-in"] = "access"
    open_s: float = Field(default=5.0, ge=0.2, le=30.0)
    held_after_s: float = Field(default=30.0, ge=1.0, le=3600.0)
    grace_s: float = Field(default=1.0, ge=0.0, le=10.0)
    free_schedule: int = Field(default=0, ge=0, le=254)
    free_after_first: bool = False
    interlock: bool = False
    most_inside: int = Field(default=0, ge=0, le=100_000)


class VoiceConfig(_Section):
    """Spoken answers, where there is a loudspeaker: languages, one after another, and the prompts' folder.

    `python -m hw.voice FOLDER` makes the prompts. Without a sound device there is silence.
    """

    languages: tuple[Literal["zh", "en"], ...] = ("zh", "en")
    prompts: Path = Path("/usr/local/share/menshen/prompts")


class JournalConfig(_Section):
    """How long a decision waits for the card, and how long events stay after the office has them."""

    patience_s: float = Field(default=1.0, ge=0.05, le=2.0)
    keep_days: int = Field(default=180, ge=1, le=3650)


class HealthConfig(_Section):
    """What sync tells of the gate besides its events.

    Args:
        home_assistant: the prefix under which to announce the gate to Home Assistant, usually
            `homeassistant`; "" announces nothing. The broker must let this gate write there.
    """

    home_assistant: str = Field(default="", max_length=64, pattern=r"^[A-Za-z0-9_/-]*$")


class ListConfig(_Section):
    """Where sync finds the published list, how often it looks, and how often the gate does."""

    source: Annotated[str, AfterValidator(_source)] = Field(default="", max_length=1024)
    refresh_s: float = Field(default=30.0, ge=0.2, le=3600.0)


def _address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError("HOST:PORT")
    return text


class FellowsConfig(_Section):
    """How this gate and the other gates of its site tell each other who passed, so that each knows.

    Args:
        used_codes: `refuse` a rotating code that has opened another gate; `take` it at a door that
            stands a few steps behind another.
        broker: tell each other through the broker.
        lan: tell each other over the local network as well, so that it works without the broker.
        port: UDP; the same at all gates that hear one group.
        group: the multicast group; "" for none, where a network carries no multicast.
        interface: the address of the network interface to use; "" lets the system choose.
        others: HOST:PORT of gates to tell one by one.
        key_file: the key that the site's gates share; see `menshen-office fellows-key`.
    """

    used_codes: Literal["refuse", "take"] = "refuse"
    broker: bool = True
    lan: bool = False
    port: int = Field(default=7683, ge=1024, le=65535)
    group: str = Field(default="239.255.77.83", pattern=r"^(|239\.(\d{1,3})\.(\d{1,3})\.(\d{1,3}))$")
    interface: str = Field(default="", pattern=r"^(|(\d{1,3}\.){3}\d{1,3})$")
    others: tuple[Annotated[str, AfterValidator(_address)], ...] = ()
    key_file: Path = Path("fellows.key")

    @model_validator(mode="after")
    def _has_somebody_to_tell(self) -> Self:
        if self.lan and not self.group and not self.others:
            raise ValueError("lan = true with a group or with others, so that there is somebody to tell")
        return self


class UpdateConfig(_Section):
    """Where releases come from, and how far the gate goes with them by itself; for `menshen-firmware update`.

    Args:
        source: dir:/path, http://… or https://… of what `menshen-firmware release publish` filled;
            "" looks where the list comes from, unless that is mqtt.
        automatic: `fetch` only brings the release that is due, `stage` builds the other slot as well,
            and `switch` also puts it on trial.
    """

    source: str = Field(default="", max_length=1024, pattern=r"^(|(dir:|https?://).*)$")
    automatic: Literal["fetch", "stage", "switch"] = "switch"


class ClockConfig(_Section):
    """How the clock's trust is found; anything but `auto` is for benches."""

    trust: Literal["auto", "synced", "holdover", "unknown"] = "auto"


class GateConfig(_Section):
    """One gate."""

    site: Name
    gate: Name
    direction: Literal["in", "out", "both"] = "both"
    zone: Name = "main"
    root: Path = Path("root.json")
    state: Path = _ON_A_GATE
    camera: CameraConfig = Field(default_factory=CameraConfig)
    reader: ReaderConfig = Field(default_factory=ReaderConfig)
    board: BoardConfig = Field(default_factory=BoardConfig)
    door: DoorConfig = Field(default_factory=DoorConfig)
    voice: VoiceConfig = Field(default_factory=VoiceConfig)
    journal: JournalConfig = Field(default_factory=JournalConfig)
    broker: BrokerConfig | None = None
    list: ListConfig = Field(default_factory=ListConfig)
    clock: ClockConfig = Field(default_factory=ClockConfig)
    health: HealthConfig = Field(default_factory=HealthConfig)
    fellows: FellowsConfig = Field(default_factory=FellowsConfig)
    update: UpdateConfig = Field(default_factory=UpdateConfig)

    # Where things lie under `state`, for both processes alike.

    @property
    def journal_file(self) -> Path:
        return self.state / "gate" / "journal.db"

    @property
    def vows_file(self) -> Path:
        """What was ordered until further notice."""
        return self.state / "gate" / "vows.json"

    @property
    def simulated_relay(self) -> Path:
        """The relay's line of a simulated board; see hw.sim.line."""
        return self.state / "gate" / "relay.line"

    @property
    def simulated_wires(self) -> Path:
        """The wires into a simulated board; see hw.sim.wires."""
        return self.state / "gate" / "wires"

    @property
    def health_file(self) -> Path:
        """What the gate tells sync of how it does.

        A power cut makes it worthless, so on a gate it is in memory, where menshen-gate.service lets sync read it.
        """
        folder = Path("/run/menshen-gate") if self.state == _ON_A_GATE else self.state / "gate"
        return folder / "health.json"

    @property
    def running_file(self) -> Path:
        """Stands while a gate runs; see agent.stores.running."""
        return self.state / "gate" / "running"

    @property
    def order_folder(self) -> Path:
        """The office's orders, as sync received them."""
        return self.state / "sync" / "orders"

    @property
    def told_folder(self) -> Path:
        """What the site's other gates tell, as sync received it: in memory on a gate, since it is told again."""
        return (Path("/run/menshen-sync") if self.state == _ON_A_GATE else self.state / "sync") / "told"

    @property
    def heard_file(self) -> Path:
        """What the gate believed of it."""
        return self.state / "gate" / "heard.db"

    @property
    def ack_file(self) -> Path:
        """The office's newest acknowledgement, as sync received it."""
        return self.state / "sync" / "ack.json"

    @property
    def gate_trust(self) -> Path:
        """The gate's own memory of the versions it has seen."""
        return self.state / "gate" / "trust"

    @property
    def sync_trust(self) -> Path:
        return self.state / "sync" / "trust"

    @property
    def list_file(self) -> Path:
        return self.state / "sync" / "list.db"

    @property
    def link_file(self) -> Path:
        """Whether sync reaches the broker; see agent.stores.link."""
        return self.state / "sync" / "link.json"

    @property
    def pointer_file(self) -> Path:
        return self.state / "sync" / "uplink.db"

    @property
    def journal_key(self) -> Path:
        return self.state / "keys" / "gate" / "journal.pem"


class ConfigFault(Exception):
    """A configuration that cannot be used; one sentence for each fault."""

    def __init__(self, path: Path, faults: tuple[str, ...]) -> None:
        super().__init__(f"{path}: {len(faults)} fault{'s' if len(faults) != 1 else ''}")
        self.faults = faults


def load(path: Path, *, with_broker: bool = True) -> GateConfig:
    """Read and check a configuration.

    Args:
        with_broker: as for examine.
    Raises:
        ConfigFault: it cannot be used; names every fault.
    """
    config, faults = examine(path, with_broker=with_broker)
    if config is None or faults:
        raise ConfigFault(path, faults)
    return config


def examine(path: Path, *, with_broker: bool = True) -> tuple[GateConfig | None, tuple[str, ...]]:
    """Read a configuration and name all that is wrong with it.

    Args:
        with_broker: whether this user must be able to read the files that sign in to the broker: they are
            sync's, and hidden from the gate.
    Returns:
        The configuration, None if its shape is wrong; and a sentence for each fault.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
        if len(text) > MAX_FILE_BYTES:
            return None, (f"file: found more than {MAX_FILE_BYTES} bytes, wanted a configuration",)
        fields = tomllib.loads(text.decode())
    except OSError as fault:
        return None, (f"file: cannot be read: {fault.strerror}",)
    except (ValueError, RecursionError) as fault:
        return None, (f"file: cannot be read as TOML: {fault}",)
    try:
        config = GateConfig.model_validate(fields)
    except ValidationError as fault:
        return None, (*_shape_faults(fault), *_further_faults(fields, fault, path.resolve().parent))
    config = _beside(config, path.resolve().parent)
    return config, tuple(_meaning_faults(config, with_broker=with_broker))


_Model = TypeVar("_Model", bound=BaseModel)


def _beside(config: _Model, folder: Path) -> _Model:
    """The same configuration with every relative path made one beside the file."""
    changes: dict[str, Any] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, Path):
            changes[name] = folder / value
        elif isinstance(value, BaseModel):
            changes[name] = _beside(value, folder)
    if isinstance(config, ListConfig) and config.source.startswith("dir:"):
        changes["source"] = f"dir:{folder / config.source.removeprefix('dir:')}"
    if isinstance(config, BoardConfig) and config.name.endswith(".toml"):
        changes["name"] = str(folder / config.name)
    return config.model_copy(update=changes)


def _shape_faults(fault: ValidationError) -> Iterator[str]:
    for error in fault.errors(include_url=False):
        key = ".".join(map(str, error["loc"])) or "file"
        found, wanted = repr(error["input"])[:80], error["msg"]
        for prefix in ("Input should be ", "Value error, ", "String should "):
            wanted = wanted.removeprefix(prefix)
        for long, short in (("greater than or equal to", "at least"), ("less than or equal to", "at most")):
            wanted = wanted.replace(long, short)
        match error["type"]:
            case "extra_forbidden":
                yield f"{key}: unknown key; allowed here: {_allowed(error['loc'])}"
            case "missing":
                yield f"{key}: missing; it has no default"
            case _:
                yield f"{key}: found {found}, allowed: {wanted}"


def _further_faults(fields: dict[str, Any], fault: ValidationError, folder: Path) -> Iterator[str]:
    """What else is wrong, as far as it shows with the keys of a wrong shape left out."""
    fields = {"site": "unnamed", "gate": "unnamed", **copy.deepcopy(fields)}
    wrong = [tuple(map(str, error["loc"])) for error in fault.errors()]
    for *sections, key in wrong:
        section: Any = fields
        for name in sections:
            section = section.get(name, {}) if isinstance(section, dict) else {}
        if isinstance(section, dict):
            section.pop(key, None)
    fields = {"site": "unnamed", "gate": "unnamed", **fields}
    try:
        config = GateConfig.model_validate(fields)
    except ValidationError as still:  # a section cannot stand without the key that is wrong
        lame = {str(error["loc"][0]) for error in still.errors() if error["loc"]}
        config = GateConfig.model_validate({key: value for key, value in fields.items() if key not in lame})
    config = _beside(config, folder)
    named = {".".join(loc) for loc in wrong}
    yield from (sentence for sentence in _meaning_faults(config) if sentence.split(":")[0] not in named)


def _allowed(loc: tuple[int | str, ...]) -> str:
    """The keys a section may have, the nearest to the unknown one first."""
    section: type[BaseModel] = GateConfig
    for part in loc[:-1]:
        inner = section.model_fields[str(part)].annotation if str(part) in section.model_fields else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            section = inner
        elif part == "broker":
            section = BrokerConfig
    names = list(section.model_fields)
    near = difflib.get_close_matches(str(loc[-1]), names, n=1)
    return ", ".join([*(f"{n} (did you mean this?)" for n in near), *(n for n in names if n not in near)])


def _meaning_faults(config: GateConfig, *, with_broker: bool = True) -> Iterator[str]:
    """What only shows when the parts are seen together, or with the files they name."""
    try:
        board = board_of(config)
    except BoardFault as fault:
        yield from (f"board.name: found {config.board.name!r}: {sentence}" for sentence in fault.faults)
    else:
        ceiling_s = board.relay.pulse_ceiling_s
        if config.door.open_s > ceiling_s:
            yield (
                f"door.open_s: found {config.door.open_s}, allowed: at most {ceiling_s},"
                f" the pulse ceiling of board {config.board.name}"
            )
        if config.door.interlock and board.inputs.second is None:
            yield (
                f"door.interlock: found true, allowed: only false; board {config.board.name} has no inputs.second"
            )
        if config.board.pins == "mock" and not board.name.startswith("simulator"):
            yield (
                f"board.pins: found 'mock' with board {board.name}, allowed: only with simulator, or with a file"
                " named simulator-….toml"
            )
    if config.door.most_inside and config.direction != "both":
        yield (
            f"door.most_inside: found {config.door.most_inside}, allowed: only 0 at a gate with direction"
            f" {config.direction}, which sees nobody go both ways"
        )
    files = {"root": config.root}
    if config.broker and with_broker:
        files |= {
            f"broker.{key}": path
            for key in ("password_file", "tls_ca", "tls_cert", "tls_key")
            if (path := getattr(config.broker, key)) is not None
        }
    for key, path in files.items():
        if not os.path.isfile(path) or not os.access(path, os.R_OK):  # noqa: PTH113  Path's raises where it may not look
            yield f"{key}: found {path}, wanted a file that this user can read"


def board_of(config: GateConfig) -> Board:
    """The board that the configuration names.

    Raises:
        BoardFault: it is unknown, or faulty.
    """
    return load_board(config.board.name)


def relay_line(config: GateConfig) -> str:
    """The lock's line, as hw.supervised names it: the board's pin, or a simulated one in a file."""
    return f"file:{config.simulated_relay}" if config.board.pins == "mock" else "lgpio"


def post_of(config: GateConfig) -> Post:
    """Where the gate stands."""
    return Post(config.site, config.gate, config.zone, config.direction)


def timing_of(config: GateConfig) -> Timing:
    """The door's times."""
    return Timing(config.door.open_s, config.door.held_after_s, config.door.grace_s)


def rules_of(config: GateConfig, board: Board) -> Rules:
    """What the gate does beyond opening for a pass."""
    return Rules(
        purpose=Purpose(config.door.purpose),
        free_schedule=config.door.free_schedule,
        free_after_first=config.door.free_after_first,
        interlock=config.door.interlock,
        most_inside=config.door.most_inside,
        lock_monitored=board.inputs.lock is not None,
        used_codes=config.fellows.used_codes == "refuse",
    )


def defaults() -> Iterator[str]:
    """Every setting with its default, as the lines of a TOML file; those without one are commented."""
    yield from _section_lines(GateConfig, "")


def _section_lines(section: type[BaseModel], title: str) -> Iterator[str]:
    tables: list[tuple[str, type[BaseModel]]] = []
    if title:
        yield f"\n[{title}]"
    for name, field in section.model_fields.items():
        inner = next(
            (one for one in (field.annotation, *get_args(field.annotation)) if _is_section(one)), None
        )
        if inner is not None:
            tables.append((name, inner))
            continue
        default = field.get_default(call_default_factory=True)
        if default is PydanticUndefined or default is None:
            yield f"# {name} ="
        else:
            shown = default if isinstance(default, int | float | str | tuple) else str(default)
            yield f"{name} = {json.dumps(shown)}"
    for name, inner in tables:
        yield from _section_lines(inner, f"{title}.{name}" if title else name)


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
