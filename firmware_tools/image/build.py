"""From a recipe and a bundle to an image: in order, and not begun where it can't end."""

import contextlib
import hashlib
import os
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from firmware_tools import bundle as bundles
from firmware_tools.image import account, base, carried, contents, packing, ready
from firmware_tools.image.recipe import ImageFault, Recipe
from firmware_tools.manifest import BundleFault, Manifest

_SPACE: Final = uuid.UUID("6d656e73-6865-4e21-8000-696d61676573")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for.

    Args:
        bundle: the release of the first slot.
        units, guard: the folder systemd/, and firmware_tools/device/guard.py.
        out: the folder for NAME.img, NAME.json and NAME.contents.
        built_utc: nothing in the image is newer, Unix seconds; None is when the bundle was built.
        mirror: in place of the recipe's archives, such as a snapshot.
        same_as: an account whose packages, versions and all, must be the ones that come.
        work: where to build; some 6 GB.
        certificate: PEM, whose key signs later base systems for it; None is an image that takes none.
    """

    bundle: Path
    units: Path
    guard: Path
    out: Path
    built_utc: int | None = None
    mirror: str | None = None
    same_as: Path | None = None
    work: Path = Path("/var/tmp")  # noqa: S108  the place for large things; a folder of our own is made in it
    certificate: Path | None = None


def build(recipe: Recipe, order: Order, say: Say = lambda _step: None) -> tuple[Path, account.Account]:
    """Build an image.

    Returns:
        Where it is, and what it says of itself.
    Raises:
        ImageFault: and nothing is left of it but a log.
    """
    manifest = _ready(recipe, order)
    built_utc = order.built_utc or manifest.built_utc
    base_version = f"{datetime.fromtimestamp(built_utc, UTC):%Y.%m.%d.%H%M}"
    certificate = carried.certificate(order.certificate) if order.certificate else b""
    wanted = account.read(order.same_as).packages if order.same_as else None
    bundle_sha256 = base.sha256(order.bundle)
    name = f"menshen-{manifest.version}-{recipe.suite}-{recipe.arch}"
    image, log = order.out / f"{name}.img", order.out / f"{name}.log"
    try:
        order.out.mkdir(parents=True, exist_ok=True)
        with _workshop(order.work) as work:
            root, data, boot = work / "base", work / "data", work / "boot"
            say(
                f"Debian {recipe.suite} for {recipe.arch}: {len(recipe.packages)} packages and what they want"
            )
            base.bootstrap(recipe, root, order.mirror, built_utc, log)
            packages = base.packages(root)
            _unless(ready.moved_on(packages, wanted) if wanted else "")
            say(f"{len(packages)} packages; menshen's units, and slot a from {order.bundle.name}")
            base.furnish(recipe, root, order.units, order.guard, base_version)
            if certificate:
                base.keyed(recipe, root, certificate)
            base.first_slot(root, order.bundle, built_utc, log)
            boot.mkdir()
            packing.boot_tree(recipe, root, boot, base_version)
            base.tidy(root, data, built_utc)
            trees = {"base": root, "data": data, "boot": boot}
            for tree in trees.values():
                contents.clamp(tree, built_utc)
            lines = contents.listed(trees)
            (order.out / f"{name}.contents").write_text("\n".join(lines) + "\n", encoding="utf-8")
            say(f"{len(lines)} files; packing them")
            made = _packed(recipe, work, image, built_utc, contents.digest(lines))
        said = account.Account(
            format=1,
            recipe=recipe.suite,
            arch=recipe.arch,
            version=manifest.version,
            bundle=bundle_sha256,
            built_utc=built_utc,
            contents=contents.digest(lines),
            partitions=tuple(
                account.Held(name=p.name, start=p.start, bytes=p.bytes, sha256=p.sha256) for p in made
            ),
            packages=packages,
            base_version=base_version,
            takes=hashlib.sha256(certificate).hexdigest() if certificate else "",
        )
        account.write(image.with_suffix(".json"), said)
    except OSError as fault:
        image.unlink(missing_ok=True)
        raise ImageFault(
            f"the image can't be built: {fault.filename or order.out}: {fault.strerror}"
        ) from fault
    except ImageFault:
        image.unlink(missing_ok=True)
        raise
    return image, said


def _packed(recipe: Recipe, work: Path, image: Path, built_utc: int, hashed: str) -> list[packing.Partition]:
    identity = uuid.uuid5(_SPACE, hashed)
    layout = packing.laid_out(recipe)
    sizes = {one.name: one.bytes for one in layout}
    packing.squashed(work / "base", work / "base.squashfs", built_utc)
    packing.data_disk(work / "data", work / "data.img", sizes["menshen-data"], identity, built_utc)
    packing.boot_disk(work / "boot", work / "boot.img", sizes["menshen-boot"], identity, built_utc)
    held = {"menshen-boot": "boot.img", "menshen-base-a": "base.squashfs", "menshen-data": "data.img"}
    packing.assemble(
        image, [(one, work / held[one.name] if one.name in held else None) for one in layout], identity
    )
    return [account.held(image, one) if one.name in held else one for one in layout]


def _ready(recipe: Recipe, order: Order) -> Manifest:
    """See that it can be done, before anything is.

    Raises:
        ImageFault: it can't.
    """
    _unless(ready.not_root(os.geteuid()), ready.no_tools(), ready.foreign(recipe))
    try:
        manifest = bundles.inspect(order.bundle)
    except BundleFault as fault:
        raise ImageFault(str(fault)) from fault
    _unless(
        ready.misfit(order.bundle.name, manifest.fits, recipe),
        ready.no_room(order.work),
        ready.no_room(order.out),
    )
    return manifest


def _unless(*reasons: str) -> None:
    for why in filter(None, reasons):
        raise ImageFault(why)


@contextlib.contextmanager
def _workshop(where: Path) -> Iterator[Path]:
    where.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="menshen-image-", dir=where))
    try:
        yield work
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", str(work)], check=False)
