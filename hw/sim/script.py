"""A film's script: a TOML file of approaches and mishaps.

    [[approach]]
    at_s = 2.0
    seconds = 3.0
    text = "M1..."                 # or, for a code that changes every 15 s:
    # pass = { id = "0123456789abcdef", key_file = "alice.pem", site = "demo" }
    # and in it certificate = "M1..." for a holder whom the gate's list does not name yet
    medium = "phone"               # card, dark-phone
    condition = "night"
    seed = 7
    aside = 0.2                    # to the right, of the frame's width; default 0
    distance_cm = 25.0             # held that far from the lens; default as the condition has it
    code_mm = 40.0                 # how wide the code is then, without its quiet zone

    [[fault]]
    at_s = 20.0
    seconds = 3.0
    kind = "vanish"                # or freeze

Key files are looked for beside the script.
"""

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from hw.sim.approach import Approach
from hw.sim.codes import MEDIA, matrix
from hw.sim.conditions import CONDITIONS
from hw.sim.holder import Holder, HolderFault

LARGEST_BYTES: Final = 4_000_000


class ScriptFault(ValueError):
    """A script that can't be played; says found, wanted and where."""


class FaultKind(StrEnum):
    """What may befall the camera."""

    VANISH = "vanish"  # unplugged: no frames
    FREEZE = "freeze"  # stuck: the same frame again and again


def _one_of(names: dict[str, object]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"found {name!r}, wanted one of {', '.join(names)}")
        return name

    return AfterValidator(check)


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    at_s: float = Field(ge=0, le=1_000_000)
    seconds: float = Field(gt=0, le=100_000)


class _Pass(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[0-9a-f]{16}$")
    key_file: Path
    site: str = Field(pattern=r"^[a-z0-9-]{1,32}$")
    clock_off_s: float = Field(default=0.0, ge=-1e9, le=1e9)
    certificate: str = Field(default="", max_length=4296)


class _Approach(_Row):
    seconds: float = Field(default=3.0, gt=0, le=100_000)
    text: str | None = Field(default=None, min_length=1, max_length=4296)
    rotating: _Pass | None = Field(default=None, alias="pass")
    medium: Annotated[str, _one_of(dict(MEDIA))] = "phone"
    condition: Annotated[str, _one_of(dict(CONDITIONS))] = "day"
    seed: int = Field(default=0, ge=0, le=2**31)
    aside: float = Field(default=0.0, ge=-1, le=1)
    distance_cm: float | None = Field(default=None, ge=1, le=1000)
    code_mm: float = Field(default=40.0, ge=1, le=1000)

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        if (self.text is None) == (self.rotating is None):
            raise ValueError("wanted either text or pass")
        if self.text is not None:
            matrix(self.text)
        return self


class _Fault(_Row):
    kind: FaultKind


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    approach: list[_Approach] = Field(default=[], max_length=10_000)
    fault: list[_Fault] = Field(default=[], max_length=1_000)


@dataclass(frozen=True, slots=True)
class Mishap:
    """A span of the film's time in which the camera fails."""

    kind: FaultKind
    starts_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Script:
    """What happens before the camera, and to it."""

    approaches: tuple[Approach, ...] = ()
    mishaps: tuple[Mishap, ...] = ()

    def fault_at(self, at_s: float) -> FaultKind | None:
        for mishap in self.mishaps:
            if mishap.starts_s <= at_s < mishap.starts_s + mishap.seconds:
                return mishap.kind
        return None


def read_script(path: Path) -> Script:
    """Read a script file.

    Raises:
        ScriptFault: not readable, not TOML, or a field that is not as wanted; names the first five.
    """
    try:
        data = _bytes_of(path)
        file = _File.model_validate(tomllib.loads(data.decode()))
        approaches = tuple(_approach(row, path.parent) for row in file.approach)
    except ScriptFault:
        raise
    except OSError as broken:
        raise ScriptFault(f"script {path}: {broken.strerror}; check the name and who may read it") from broken
    except ValidationError as wrong:
        first = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in wrong.errors()[:5]
        )
        raise ScriptFault(f"script {path}: {first}") from wrong
    except HolderFault as wrong:
        raise ScriptFault(f"script {path}: {wrong}") from wrong
    except (ValueError, RecursionError) as wrong:
        raise ScriptFault(f"script {path} is no TOML: {wrong}") from wrong
    mishaps = tuple(Mishap(row.kind, row.at_s, row.seconds) for row in file.fault)
    return Script(approaches, mishaps)


def _bytes_of(path: Path) -> bytes:
    data = path.read_bytes()
    if len(data) > LARGEST_BYTES:
        raise ScriptFault(f"script {path} has {len(data)} bytes; wanted at most {LARGEST_BYTES}")
    return data


def _approach(row: _Approach, beside: Path) -> Approach:
    held = row.rotating
    words = row.text or ""
    return Approach(
        words=words
        if held is None
        else Holder.from_file(
            bytes.fromhex(held.id), beside / held.key_file, held.site, held.clock_off_s, held.certificate
        ).text_at,
        medium=row.medium,
        condition=row.condition,
        starts_s=row.at_s,
        seconds=row.seconds,
        seed=row.seed,
        aside=row.aside,
        distance_cm=row.distance_cm,
        code_mm=row.code_mm,
    )
