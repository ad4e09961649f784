"""Boards: which pin does what, as one TOML file each.

Knows the shape of a board file and how to say all that is wrong with one, with
hw.header's rules for the pins. Refuses to know how a pin is driven, and what a
gate does with one.
"""

import reprlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, ValidationError, model_validator

from hw.header import pin_faults

BOARDS: Final = Path(__file__).parent / "boards"
PULSE_CEILING_MAX_S: Final = 30.0
FILE_MAX_BYTES: Final = 8 * 1024

Pin = Annotated[StrictInt, Field(description="a GPIO (BCM) number, 2 to 27 without 14 and 15")]
Level = Annotated[Literal["high", "low"], Field(description='"high" or "low"')]


class BoardFault(ValueError):
    """A board that can't be used.

    Args:
        where: the file or the name.
        faults: one sentence each, all of them.
    """

    def __init__(self, where: str, faults: tuple[str, ...]) -> None:
        super().__init__(f"board {where}: " + "; ".join(faults))
        self.where = where
        self.faults = faults


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RelayPart(_Part):
    """The lock's release. Energised means released, whichever way the lock fails."""

    pin: Pin
    active: Level
    pulse_ceiling_s: float = Field(
        gt=0, le=PULSE_CEILING_MAX_S, strict=True, description="seconds, more than 0, at most 30"
    )


class LampPart(_Part):
    pin: Pin
    active: Level = "high"


class LampsPart(_Part):
    """Red and green answer; white lights the code, and a board may do without."""

    red: LampPart
    green: LampPart
    white: LampPart | None = None


class BuzzerPart(_Part):
    """A piezo that plays tones, or (tone = false) a buzzer that is on or off."""

    pin: Pin
    active: Level = "high"
    tone: StrictBool = Field(default=True, description="true or false")


class InputPart(_Part):
    """One wire in; active is the level that means what agent.core.notices.Wire says."""

    pin: Pin
    active: Level
    pull: Literal["up", "down", "none"] = Field(description='"up", "down" or "none"')
    debounce_ms: int = Field(
        default=50,
        ge=0,
        le=200,
        strict=True,
        description="milliseconds, 0 to 200 (400 ms must still be seen)",
    )


class InputsPart(_Part):
    """Whichever of these the board has."""

    exit: InputPart | None = None
    door: InputPart | None = None
    tamper: InputPart | None = None
    fire: InputPart | None = None
    second: InputPart | None = None
    lock: InputPart | None = None


class Board(_Part):
    """A whole board that passed every check.

    Raises:
        ValidationError: on construction; check_board says the same in sentences.
    """

    name: str = Field(pattern=r"^[a-z0-9-]{1,32}$", description="1 to 32 of a-z, 0-9 and -")
    title: str = Field(min_length=1, max_length=120, description="1 to 120 characters")
    relay: RelayPart
    lamps: LampsPart
    buzzer: BuzzerPart
    inputs: InputsPart = InputsPart()

    @model_validator(mode="after")
    def _holds_together(self) -> "Board":
        if faults := pin_faults(self.model_dump()):
            raise ValueError("; ".join(faults))
        return self


def board_names() -> tuple[str, ...]:
    """The boards that come with menshen, in alphabetical order."""
    return tuple(sorted(path.stem for path in BOARDS.glob("*.toml")))


def load_board(name_or_path: str | Path) -> Board:
    """Read one board: a name from board_names(), or the path of a TOML file.

    Raises:
        BoardFault: with every sentence that can be said against it.
    """
    raw = _read(name_or_path)
    if faults := check_board(raw):
        raise BoardFault(str(name_or_path), faults)
    return Board.model_validate(raw)


def check_board(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Every fault of a board as TOML gave it, each a sentence with key, value and what is allowed.

    Pure; never stops at the first; empty for a good board.
    """
    shape: tuple[str, ...] = ()
    try:
        Board.model_validate(raw)
    except ValidationError as fault:
        shape = tuple(_sentence(error) for error in fault.errors(include_url=False) if error["loc"])
    return shape + pin_faults(raw)


def _read(name_or_path: str | Path) -> dict[str, Any]:
    """The file's table, with `name` filled in from the file's own name."""
    text = str(name_or_path)
    if text in board_names():
        path = BOARDS / f"{text}.toml"
    elif isinstance(name_or_path, Path) or text.endswith(".toml") or "/" in text:
        path = Path(name_or_path)
    else:
        known = ", ".join(board_names())
        raise BoardFault(
            text, (f"there is no board of that name; known are {known}, or give the path of a .toml file",)
        )
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX_BYTES + 1)
        if len(content) > FILE_MAX_BYTES:
            raise BoardFault(text, (f"the file is larger than {FILE_MAX_BYTES} bytes; is it a board?",))
        raw = tomllib.loads(content.decode())
    except OSError as fault:
        raise BoardFault(text, (f"{path} can't be read ({fault.strerror}); check the path",)) from fault
    except (ValueError, RecursionError) as fault:
        raise BoardFault(text, (f"{path} is not TOML ({fault}); correct that line",)) from fault
    raw.setdefault("name", path.stem)
    return raw


def _sentence(error: Mapping[str, Any]) -> str:
    """One pydantic error as `key = value …; allowed: …`."""
    path = error["loc"]
    key = ".".join(str(step) for step in path)
    fields, allowed = _model_at(path)
    match error["type"]:
        case "extra_forbidden":
            return f"{key} = {reprlib.repr(error['input'])} is not a key of a board; allowed here: {', '.join(fields)}"
        case "missing":
            return f"{key} is missing; allowed: {allowed}"
        case _:
            return f"{key} = {reprlib.repr(error['input'])} is not allowed; allowed: {allowed}"


def _model_at(path: tuple[str | int, ...]) -> tuple[tuple[str, ...], str]:
    """The keys beside the last step of path, and what that step allows."""
    model: type[BaseModel] = Board
    allowed = "nothing"
    for step in path:
        fields = model.model_fields
        field = fields.get(str(step))
        if field is None:
            return tuple(fields), allowed
        inner = next((part for part in _types(field.annotation) if issubclass(part, BaseModel)), None)
        allowed = field.description or (f"a table with {', '.join(inner.model_fields)}" if inner else "text")
        if inner is None or step == path[-1]:
            return tuple(fields), allowed
        model = inner
    return tuple(model.model_fields), allowed


def _types(annotation: Any) -> tuple[type, ...]:
    """The classes in `X` or `X | None`."""
    inside = getattr(annotation, "__args__", (annotation,))
    return tuple(part for part in inside if isinstance(part, type))
