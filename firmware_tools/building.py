"""From wheels, units and boards to a bundle: what a release machine does.

Every wheel must be one that requirements/gate.txt pins by hash, or menshen's
own, or one that this machine built from a source pinned there, and is named
as such: some packages offer no wheel for every machine. The same inputs make the same bytes, wherever and whenever it is built:
the time in a bundle is given, never asked for.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from pydantic import ValidationError

from firmware_tools import bundle, sbom
from firmware_tools.manifest import (
    LOCK,
    OWN_BOARD,
    SBOM,
    BundleFault,
    Listed,
    Manifest,
    Store,
    sentences,
)
from firmware_tools.sbom import Wheel
from firmware_tools.versions import order

PRODUCT: Final = "menshen"
_PIN: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_FOR_READERS: Final = {"code", "migrations"}
"""What forms.toml says to those who change a store, and to no gate."""
_UNITS: Final = (
    "*.service", "*.path", "*.timer", "*.target", "*.socket", "*.mount", "*.slice", "*.conf", "*.d/*.conf", "udev/*.rules",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a bundle is made of.

    Args:
        wheels: the directory that `pip download` filled, menshen's own wheel among them.
        pins: requirements/gate.txt.
        units: the folder systemd/.
        boards: the folder hw/boards.
        forms: agent/stores/forms.toml.
        built_here: names of packages whose wheel was built from the pinned source.
    """

    wheels: Path
    pins: Path
    units: Path
    boards: Path
    forms: Path
    arch: str
    python: str
    floor: str
    built_utc: int
    built_here: frozenset[str] = frozenset()


def build(recipe: Recipe, out: Path) -> tuple[Path, Manifest]:
    """Write the bundle that a recipe makes.

    Args:
        out: the folder for it; the file's name says version, machine and Python.
    Raises:
        BundleFault: something is missing, unpinned or for another machine; nothing is left behind.
    """
    try:
        wheels = list(_wheels(recipe))
        version = next((one.version for one in wheels if one.name == PRODUCT), None)
        if version is None:
            raise BundleFault(
                f"found no wheel of {PRODUCT} in {recipe.wheels}; make one: pip wheel --no-deps ."
            )
        order(version)
        sources: dict[str, Path | bytes] = {f"wheels/{one.path.name}": one.path for one in wheels}
        sources |= {f"boards/{path.name}": path for path in sorted(recipe.boards.glob("*.toml"))}
        sources |= _units(recipe.units)
        sources["migrations/stores.toml"] = recipe.forms
        sources[LOCK] = _lock(wheels)
        sources[SBOM] = sbom.made_from(wheels, PRODUCT, version, recipe.built_utc)
        manifest = Manifest.model_validate(
            {
                "format": 1,
                "version": version,
                "built_utc": recipe.built_utc,
                "fits": {
                    "boards": [*sorted(path.stem for path in recipe.boards.glob("*.toml")), OWN_BOARD],
                    "arch": recipe.arch,
                    "python": recipe.python,
                },
                "floor": recipe.floor,
                "stores": {name: store.model_dump() for name, store in stores_in(recipe.forms).items()},
                "unpacked_bytes": sum(bundle.check_wheel(one.path) for one in wheels),
                "files": {path: _listed(source) for path, source in sources.items()},
            }
        )
        path = out / f"{PRODUCT}-{version}-{recipe.arch}-py{recipe.python}.tar"
        out.mkdir(parents=True, exist_ok=True)
        passing = path.with_name(f".{path.name}.new")
        try:
            with passing.open("wb") as file:
                bundle.write(file, manifest, sources)
            bundle.inspect(passing)
            passing.rename(path)
        finally:
            passing.unlink(missing_ok=True)
    except ValidationError as fault:
        raise BundleFault(f"that would make no bundle: {sentences(fault)}") from fault
    except OSError as fault:
        raise BundleFault(f"the bundle can't be built: {fault.filename}: {fault.strerror}") from fault
    except ValueError as fault:
        raise BundleFault(f"the bundle can't be built: {fault}") from fault
    return path, manifest


def _wheels(recipe: Recipe) -> Iterator[Wheel]:
    pins = recipe.pins.read_text(encoding="utf-8")
    pinned, here = set(_PIN.findall(pins)), {canonicalize_name(name) for name in recipe.built_here}
    names: dict[str, str] = {}
    for path in sorted(recipe.wheels.iterdir()):
        try:
            name, version, _, tags = parse_wheel_filename(path.name)
        except InvalidWheelFilename as fault:
            raise BundleFault(
                f"found {path.name} among the wheels, wanted wheels alone; nothing is built on a gate"
            ) from fault
        if names.setdefault(name, path.name) != path.name:
            raise BundleFault(f"found {names[name]} and {path.name}, wanted one of them")
        if not any(_for(tag, recipe) for tag in tags):
            raise BundleFault(
                f"{path.name} is not for {recipe.arch} with Python {recipe.python}; download the one that is"
            )
        listed = _listed(path)
        if name in here and f"\n{name}=={version} " in f"\n{pins}":
            pass
        elif name != PRODUCT and listed["sha256"] not in pinned:
            raise BundleFault(
                f"{path.name} is not what {recipe.pins.name} pins; download with --require-hashes from there, "
                "or name it with --built-here if it was made from the pinned source"
            )
        metadata = sbom.metadata_of(path)
        yield Wheel(
            path,
            canonicalize_name(name),
            str(version),
            str(listed["sha256"]),
            int(listed["bytes"]),
            sbom.licence_of(metadata),
            sbom.wants_of(metadata),
        )


def _for(tag: Tag, recipe: Recipe) -> bool:
    """Whether a wheel's tag may suit the machine; the trial installation has the last word."""
    major, minor = recipe.python.split(".")
    ours = {f"cp{major}{minor}", f"py{major}{minor}", f"py{major}", "py2.py3"}
    python = tag.interpreter in ours or (
        tag.abi == "abi3" and tag.interpreter.startswith("cp3") and int(tag.interpreter[3:]) <= int(minor)
    )
    return python and (tag.platform == "any" or tag.platform.endswith(f"_{recipe.arch}"))


def _lock(wheels: list[Wheel]) -> bytes:
    lines = (
        f"{one.name}=={one.version} --hash=sha256:{one.sha256}\n"
        for one in sorted(wheels, key=lambda w: w.name)
    )
    return "".join(lines).encode()


def _units(folder: Path) -> dict[str, Path | bytes]:
    found = {path for pattern in _UNITS for path in folder.glob(pattern) if path.is_file()}
    return {f"units/{path.relative_to(folder)}": path for path in sorted(found)}


def stores_in(forms: Path) -> Mapping[str, Store]:
    """The table of forms, without what only readers of the code want.

    Raises:
        ValueError: it is no such table.
    """
    fields = tomllib.loads(forms.read_text(encoding="utf-8"))
    return {
        name: Store.model_validate({key: value for key, value in one.items() if key not in _FOR_READERS})
        for name, one in fields.items()
    }


def _listed(source: Path | bytes) -> dict[str, int | str]:
    if isinstance(source, bytes):
        digest, size = hashlib.sha256(source), len(source)
    else:
        with source.open("rb") as file:
            digest, size = hashlib.file_digest(file, "sha256"), source.stat().st_size
    return Listed(bytes=size, sha256=digest.hexdigest()).model_dump()
