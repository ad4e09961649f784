"""Why an image can't be built, as far as that is known before an hour's work; each answer a sentence, or empty."""

import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from firmware_tools.image.recipe import Recipe
from firmware_tools.manifest import Fits

TOOLS: Final = {
    "mmdebstrap": "mmdebstrap",
    "unshare": "util-linux",
    "sfdisk": "fdisk",
    "mksquashfs": "squashfs-tools",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.vfat": "dosfstools",
    "mcopy": "mtools",
    "systemctl": "systemd",
}
"""What an image is built with, and Debian's package of it."""
ROOM_BYTES: Final = 6_000_000_000
PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
_EMULATORS: Final = Path("/proc/sys/fs/binfmt_misc")


def not_root(user: int) -> str:
    """An image's files belong to root, and only root can give them away."""
    return (
        ""
        if user == 0
        else "found an ordinary user, wanted root: the files of an image belong to root; run it with sudo"
    )


def no_tools(tools: Mapping[str, str] = TOOLS) -> str:
    """Which tools are missing, and where they come from."""
    missing = [tool for tool in tools if shutil.which(tool, path=PATH) is None]
    if not missing:
        return ""
    packages = " ".join(tools[tool] for tool in missing)
    return f"found no {', '.join(missing)} here, wanted Debian with them: apt install {packages}"


def foreign(recipe: Recipe) -> str:
    """Whether the image's own programs run here; some must, while it is made."""
    if platform.machine() == recipe.machine or (_EMULATORS / f"qemu-{recipe.machine}").exists():
        return ""
    return (
        f"this machine is {platform.machine()} and can't run what an image for {recipe.arch} is built with; "
        "build it on such a machine, or: apt install qemu-user-static binfmt-support"
    )


def misfit(bundle: str, fits: Fits, recipe: Recipe) -> str:
    """Whether a release is for what the recipe makes."""
    if (fits.arch, fits.python) == (recipe.machine, recipe.python):
        return ""
    return (
        f"{bundle} is for {fits.arch} with Python {fits.python}, and the image would be {recipe.machine} with "
        f"{recipe.python}; build the release on such a machine"
    )


def no_room(folder: Path, wanted_bytes: int = ROOM_BYTES) -> str:
    """Whether a folder, which need not be there yet, has room."""
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free >= wanted_bytes:
        return ""
    return f"found {free / 1e9:.1f} GB free in {there}, wanted {wanted_bytes / 1e9:.0f}; make room, or name another place with --work"


def moved_on(found: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """Whether the archive gives other packages than an earlier image has."""
    changed = [
        f"{name} {wanted.get(name, 'none')} -> {found.get(name, 'none')}"
        for name in sorted({*found, *wanted})
        if found.get(name) != wanted.get(name)
    ]
    if not changed:
        return ""
    return (
        f"{len(changed)} packages are not those of the earlier image ({'; '.join(changed[:3])}); "
        "name the archive of its day with --mirror, such as snapshot.debian.org has them, or leave --same-as"
    )
