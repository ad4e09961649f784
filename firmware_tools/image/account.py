"""What an image says of itself, in a file beside it, and whether an image or a card still holds it.

The account names the release, the base system and the hash of every partition. It is no signature: who
gives it away says how it travels, as for any download.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from firmware_tools.image.packing import Partition
from firmware_tools.image.recipe import MIB, ImageFault
from firmware_tools.manifest import sentences

_MAX_BYTES: Final = 1 << 20
_Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]


class Held(BaseModel):
    """A partition, in bytes from the image's beginning; no hash for one that is empty."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    name: str
    start: int
    bytes: int
    sha256: _Sha256


class Account(BaseModel):
    """NAME.json beside NAME.img.

    Args:
        built_utc: Unix seconds; nothing in the image is newer.
        contents: the hash of the list of all files; the same for the same inputs.
        packages: Debian's, each with its version.
        base_version: of the base system, as it says itself; empty in accounts of before there was one.
        takes: the hash of the certificate whose key signs later base systems for it; empty if it takes none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    format: Literal[1]
    recipe: str
    arch: str
    version: str
    bundle: _Sha256
    built_utc: int
    contents: _Sha256
    partitions: Annotated[tuple[Held, ...], Field(strict=False)]
    packages: Mapping[str, str]
    base_version: str = ""
    takes: _Sha256 = ""


def write(path: Path, account: Account) -> None:
    path.write_text(account.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> Account:
    """Read an account.

    Raises:
        ImageFault: there is none, or it says something that is not understood.
    """
    try:
        with path.open("rb") as file:
            return Account.model_validate_json(file.read(_MAX_BYTES))
    except OSError as fault:
        raise ImageFault(
            f"the image's account {path} can't be read: {fault.strerror}; it belongs beside the image, or name it with --account"
        ) from fault
    except ValidationError as fault:
        raise ImageFault(f"{path} is no account of an image: {sentences(fault)}") from fault


def held(image: Path, one: Partition) -> Partition:
    """A partition with the hash of what an image or a card holds there.

    Raises:
        ImageFault: it is too short, or can't be read.
    """
    try:
        with image.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if size < one.start + one.bytes:
                raise ImageFault(
                    f"found {size // MIB} MiB in {image}, wanted at least {(one.start + one.bytes) // MIB} for {one.name}; "
                    "copy the image again, whole"
                )
            file.seek(one.start)
            hashed, left = hashlib.sha256(), one.bytes
            while left and (chunk := file.read(min(left, MIB))):
                hashed.update(chunk)
                left -= len(chunk)
    except OSError as fault:
        raise ImageFault(f"{image} can't be read: {fault.strerror}") from fault
    return Partition(one.name, one.start, one.bytes, hashed.hexdigest())


def wrong(image: Path, account: Account) -> list[str]:
    """A sentence for each partition that is not what the account says; empty if all are.

    Raises:
        ImageFault: as for held.
    """
    faults = []
    for one in account.partitions:
        if one.sha256 and held(image, Partition(one.name, one.start, one.bytes)).sha256 != one.sha256:
            more = "; that is so once the card has started a gate" if one.name == "menshen-data" else ""
            faults.append(f"{one.name} is not what the account says{more}")
    return faults
