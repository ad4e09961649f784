"""File systems and partitions, in one file. The same trees and time give the same base system, bit for bit.

1  menshen-boot     FAT    systemd-boot, and a kernel for each base system
2  menshen-base-a   squashfs, read-only
3  menshen-base-b   empty, for the next base system
4  menshen-data     ext4, grows at the first start
"""

import shutil
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware_tools.device.bases import INSIDE, KERNEL, entry_text
from firmware_tools.image.recipe import MIB, ImageFault, Recipe

KERNEL_OPTIONS: Final = "rootfstype=squashfs ro quiet panic=10 fsck.repair=yes systemd.gpt_auto=no"
"""fstab says what is mounted, and nothing else is."""
_SECTOR: Final = 512
_CHUNK: Final = MIB
_ESP: Final = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
_LINUX: Final = "0fc63daf-8483-4772-8e79-3d69d8477de4"


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition: bytes from the beginning of the image; sha256 of all of it, empty for one that holds nothing."""

    name: str
    start: int
    bytes: int
    sha256: str = ""


def boot_tree(recipe: Recipe, root: Path, boot: Path, version: str) -> None:
    """Put the kernel where firmware looks, and where an update of the base system finds it.

    Args:
        version: of the base system.
    """
    (kernel,) = (root / "boot").glob("vmlinuz-*")
    (initrd,) = (root / "boot").glob("initrd.img-*")
    kept = root / INSIDE
    kept.mkdir(parents=True)
    for name, path in zip(KERNEL, (kernel, initrd), strict=True):
        shutil.copy2(path, kept / name)
    (kept / "options").write_text(f"{KERNEL_OPTIONS}\n")
    loader = f"usr/lib/systemd/boot/efi/systemd-boot{recipe.loader}.efi"
    for source, target in (
        (root / loader, f"EFI/BOOT/BOOT{recipe.loader.upper()}.EFI"),
        *((kept / name, f"menshen-base-a/{name}") for name in KERNEL),
    ):
        (boot / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, boot / target)
    entries = boot / "loader/entries"
    entries.mkdir(parents=True)
    (boot / "loader/loader.conf").write_text("timeout 0\neditor no\ndefault menshen-base-*\n")
    (entries / "menshen-base-a.conf").write_text(entry_text("a", 1, version, KERNEL_OPTIONS))


def squashed(root: Path, target: Path, built_utc: int) -> None:
    """The base system as one read-only file system."""
    _run(
        ["mksquashfs", root, target, "-noappend", "-quiet", "-no-progress", "-comp", "zstd", "-xattrs"],
        built_utc,
    )


def data_disk(data: Path, target: Path, size: int, identity: uuid.UUID, built_utc: int) -> None:
    """The data partition, with the first slot in it."""
    with target.open("wb") as file:
        file.truncate(size)
    _run(
        ["mkfs.ext4", "-q", "-F", "-L", "menshen-data", "-U", identity, "-m", "1",
         "-E", f"hash_seed={identity},root_owner=0:0,nodiscard,lazy_itable_init=0,lazy_journal_init=0", "-d", data, target],
        built_utc,
    )  # fmt: skip


def boot_disk(boot: Path, target: Path, size: int, identity: uuid.UUID, built_utc: int) -> None:
    """What firmware reads."""
    with target.open("wb") as file:
        file.truncate(size)
    volume = identity.hex[:8]
    _run(["mkfs.vfat", "--invariant", "-F", "32", "-n", "MENSHEN", "-i", volume, target], built_utc)
    for path in sorted(boot.rglob("*")):
        if path.is_dir():
            _run(["mmd", "-i", target, f"::{path.relative_to(boot)}"], built_utc)
        else:
            _run(["mcopy", "-m", "-i", target, path, f"::{path.relative_to(boot)}"], built_utc)


def laid_out(recipe: Recipe) -> list[Partition]:
    """The partitions, one after the other."""
    sizes = {
        "menshen-boot": recipe.boot_bytes,
        "menshen-base-a": recipe.base_bytes,
        "menshen-base-b": recipe.base_bytes,
        "menshen-data": recipe.data_bytes,
    }
    found, start = [], MIB
    for name, size in sizes.items():
        found.append(Partition(name, start, size))
        start += size
    return found


def assemble(image: Path, partitions: Sequence[tuple[Partition, Path | None]], identity: uuid.UUID) -> None:
    """Write the table and what each partition holds.

    Raises:
        ImageFault: something does not fit.
    """
    last = partitions[-1][0]
    with image.open("wb") as file:
        file.truncate(last.start + last.bytes + MIB)
    lines = [f"label: gpt\nlabel-id: {identity}\nunit: sectors\nsector-size: {_SECTOR}"]
    for one, _ in partitions:
        kind = _ESP if one.name == "menshen-boot" else _LINUX
        lines.append(
            f"start={one.start // _SECTOR}, size={one.bytes // _SECTOR}, type={kind}, name={one.name}, "
            f"uuid={uuid.uuid5(identity, one.name)}"
        )
    _run(["sfdisk", "--quiet", image], 0, "\n".join(lines) + "\n")
    with image.open("r+b") as file:
        for one, source in partitions:
            if source is None:
                continue
            if (size := source.stat().st_size) > one.bytes:
                raise ImageFault(
                    f"{one.name} would need {size // MIB + 1} MiB, and the recipe gives it {one.bytes // MIB}; "
                    "raise it in recipe.toml"
                )
            file.seek(one.start)
            with source.open("rb") as held:
                while chunk := held.read(_CHUNK):
                    if chunk.count(0) == len(chunk):
                        file.seek(len(chunk), 1)
                    else:
                        file.write(chunk)


def _run(command: Sequence[object], built_utc: int, given: str = "") -> None:
    """Run a tool that must end well.

    Raises:
        ImageFault: it did not; with its last line.
    """
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": str(built_utc),
        "E2FSPROGS_FAKE_TIME": str(built_utc),
    }
    done = subprocess.run(
        [*map(str, command)],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        input=given,
        env=environment,
    )
    if done.returncode:
        lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise ImageFault(
            f"{command[0]} failed: {lines[-1][:300] if lines else f'it ended with {done.returncode}'}"
        )
