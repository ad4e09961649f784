"""The manifest: what a bundle says of itself, and the file that comes first in it.

It lists every other file with its size and SHA-256, and says which machines
the release is for, below which version a gate must not go back afterwards,
and which forms of each store its code reads and writes. Unknown fields are
refused: what a gate does not understand, it does not install.
"""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from firmware_tools.versions import Version, order

MAX_BYTES: Final = 256 * 1024
MAX_FILES: Final = 400
MAX_UNPACKED_BYTES: Final = 1 << 30
"""Of everything that the wheels hold; today's release has about 250 MB."""
NAME: Final = "manifest.json"
LOCK: Final = "requirements.txt"
SBOM: Final = "sbom.cdx.json"
OWN_BOARD: Final = "own"
"""What stands for a board file that a site has written itself."""

_SEGMENT: Final = r"[A-Za-z0-9_][A-Za-z0-9._+@-]{0,120}"
_PATH: Final = re.compile(
    rf"{re.escape(LOCK)}|{re.escape(SBOM)}|wheels/{_SEGMENT}\.whl|(units|boards|migrations)(/{_SEGMENT}){{1,2}}"
)


class BundleFault(Exception):
    """A bundle that is not used; the text says what was found, what was wanted and what to do."""


def _in_the_bundle(path: str) -> str:
    if not _PATH.fullmatch(path):
        raise ValueError(
            f"found the path {path[:80]!r}, wanted one such as wheels/…, units/…, boards/… or migrations/…"
        )
    return path


class Strict(BaseModel):
    """Frozen, exact types, nothing unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Listed(Strict):
    """One file of the bundle."""

    bytes: Annotated[int, Field(ge=0, le=MAX_UNPACKED_BYTES)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Store(Strict):
    """Which forms of a store the release's code reads and which it writes.

    A change that older code of the same form can live with (a new table, a column with a default) is
    no new form.
    """

    writes: Annotated[int, Field(ge=1)]
    reads: Annotated[tuple[int, ...], Field(min_length=1, max_length=16, strict=False)]

    @model_validator(mode="after")
    def _reads_what_it_writes(self) -> Self:
        if self.writes not in self.reads:
            raise ValueError(f"writes form {self.writes} and can't read it")
        return self


class Fits(Strict):
    """Which machines a release is for.

    Args:
        boards: names from hw/boards; `own` for a site's own board file.
        arch: as `uname -m` says it.
        python: of the base system, such as 3.13.
    """

    boards: Annotated[tuple[str, ...], Field(min_length=1, max_length=64, strict=False)]
    arch: Literal["aarch64", "armv7l", "x86_64"]
    python: Annotated[str, Field(pattern=r"^3\.[0-9]{1,2}$")]

    def misfit(self, board: str, arch: str, python: str) -> str | None:
        """Why a machine can't have it, as a sentence; None if it can."""
        if arch != self.arch:
            return f"it is for {self.arch}, and this machine is {arch}"
        if python != self.python:
            return f"it is for Python {self.python}, and the base system has {python}"
        if board not in self.boards:
            return f"it is for {', '.join(self.boards)}, and this gate's board is {board}"
        return None


class Manifest(Strict):
    """manifest.json.

    Args:
        built_utc: Unix seconds; every file in the bundle carries it, so the same input makes the same bytes.
        floor: once this release has proved well, nothing older than this is installed any more.
        unpacked_bytes: of what the wheels hold, for the question whether there is room.
    """

    format: Literal[1]
    version: Version
    built_utc: Annotated[int, Field(ge=1735689600, lt=1 << 33)]
    fits: Fits
    floor: Version
    stores: Annotated[dict[str, Store], Field(max_length=16)]
    unpacked_bytes: Annotated[int, Field(ge=0, le=MAX_UNPACKED_BYTES)]
    files: Annotated[
        dict[Annotated[str, AfterValidator(_in_the_bundle)], Listed],
        Field(min_length=1, max_length=MAX_FILES),
    ]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if order(self.floor) > order(self.version):
            raise ValueError(f"the floor {self.floor} is above the version {self.version} itself")
        for needed in (LOCK, SBOM):
            if needed not in self.files:
                raise ValueError(f"lists no {needed}")
        return self

    def to_bytes(self) -> bytes:
        """The same for the same content."""
        return json.dumps(self.model_dump(), indent=1, sort_keys=True).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """Read it strictly.

        Raises:
            BundleFault: it is none, or says something that is not understood.
        """
        if len(data) > MAX_BYTES:
            raise BundleFault(f"found a manifest of {len(data)} bytes, wanted at most {MAX_BYTES}")
        try:
            return cls.model_validate(json.loads(data, object_pairs_hook=_each_once))
        except ValidationError as fault:
            raise BundleFault(f"the manifest is not understood: {sentences(fault)}") from fault
        except (ValueError, RecursionError) as fault:
            raise BundleFault(f"the manifest is not JSON: {fault}; the bundle is damaged") from fault


def sentences(fault: ValidationError) -> str:
    """What is wrong, place by place."""
    return "; ".join(
        f"{'.'.join(map(str, one['loc']))[:120] or 'the whole'}: "
        + (
            "unknown; a newer release of menshen-firmware may know it"
            if one["type"] == "extra_forbidden"
            else one["msg"].removeprefix("Value error, ")
        )
        for one in fault.errors(include_url=False)[:6]
    )


def keeps_going(stores: Mapping[str, Store], back: Mapping[str, Store]) -> str | None:
    """Whether one can go from one release to another *and back* with the same data.

    Args:
        stores: of the release to be tried.
        back: of the release that runs, and that takes over again if the trial fails.
    Returns:
        Why not, as a sentence; None if so.
    """
    for name, theirs in stores.items():
        ours = back.get(name)
        if ours is None:
            continue
        if ours.writes not in theirs.reads:
            return (
                f"it can't read form {ours.writes} of the {name}, which this gate has; take a release between"
            )
        if theirs.writes not in ours.reads:
            return (
                f"it writes form {theirs.writes} of the {name}, which the running release could not read after a "
                "rollback; take a release between that reads both"
            )
    return None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found
