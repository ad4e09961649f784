"""The base system's files: Debian's packages, menshen's units, the first slot, and nothing of the machine that made it.

Everything is done to a folder. What has to run inside it runs as in a container of its own, without
a network, whose mounts end with it.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from firmware_tools import bundle as bundles
from firmware_tools.device.guard import Slots
from firmware_tools.image.recipe import ImageFault, Recipe
from firmware_tools.manifest import LOCK, BundleFault

DATA: Final = "var/lib/menshen"
"""Where the data partition is mounted: what lies there goes to it, and not into the base system."""
_INSIDE: Final = """
mount --make-rprivate /
mount -t proc proc "$1/proc"
mount -t tmpfs -o mode=0755,size=16M dev "$1/dev"
for node in null zero full random urandom; do touch "$1/dev/$node"; mount --bind "/dev/$node" "$1/dev/$node"; done
root=$1; shift
exec chroot "$root" "$@"
"""
# What no two machines may share, and what only the making left behind.
_GONE: Final = (
    "etc/machine-id", "var/lib/dbus/machine-id", "etc/hostname", "etc/resolv.conf", "etc/ssh/ssh_host_*", "etc/.pwd.lock",
    "etc/*-", "var/lib/systemd/random-seed", "var/lib/systemd/catalog/database", "var/lib/apt/*", "var/cache/*", "var/log/*",
    "var/lib/dpkg/*-old", "var/lib/ucf/*", "etc/apt/sources.list", "etc/apt/sources.list.d/*", "root/.*", "tmp/*", "run/*",
    "dev/*", "boot/initrd.img*", "boot/vmlinuz*", "boot/System.map*", "initrd.img*", "vmlinuz*",
)  # fmt: skip
_NEVER_STARTED: Final = (
    "getty@.service", "serial-getty@.service", "console-getty.service", "getty.target", "systemd-firstboot.service",
    "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "dpkg-db-backup.timer", "NetworkManager-wait-online.service",
)  # fmt: skip


def bootstrap(recipe: Recipe, root: Path, mirror: str | None, built_utc: int, log: Path) -> None:
    """Bring Debian's packages into an empty folder.

    Raises:
        ImageFault: the archive can't be reached, or lacks something.
    """
    command = [
        "mmdebstrap", "--quiet", "--mode=root", "--variant=essential", "--format=directory",
        f"--architectures={recipe.arch}", f"--include={','.join(recipe.packages)}",
        "--aptopt=APT::Install-Recommends false", "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        recipe.suite, str(root), *recipe.sources(mirror),
    ]  # fmt: skip
    with log.open("w") as said:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=_environment(built_utc),
        )
    if done.returncode:
        faults = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("E:")]
        why = faults[0][:300] if faults else f"mmdebstrap ended with {done.returncode}"
        raise ImageFault(f"Debian's packages did not come: {why}; {log} has the rest")


def packages(root: Path) -> dict[str, str]:
    """Each package that was installed, and its version."""
    asked = [
        "dpkg-query",
        f"--admindir={root}/var/lib/dpkg",
        "-W",
        "-f=${Package}:${Architecture} ${Version}\n",
    ]
    lines = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.splitlines()
    return dict(sorted(line.split(" ", 1) for line in lines))


def furnish(recipe: Recipe, root: Path, units: Path, guard: Path, version: str) -> None:
    """Lay our files and units over it, and decide what never starts.

    Args:
        units: the folder systemd/, whose install.sh says what of it goes where.
        guard: the program that decides between slots; a part of the base system.
        version: of the base system, which it says itself.
    """
    for source in sorted(path for path in recipe.files.rglob("*") if path.is_file()):
        _put(source, root / source.relative_to(recipe.files))
    for folder in ("etc/menshen", "media/base", "etc/NetworkManager/system-connections", DATA):
        (root / folder).mkdir(parents=True, exist_ok=True)
    _ours(["sh", str(units / "install.sh"), "kiosk", str(root), str(guard)])
    _ours(["systemctl", f"--root={root}", "mask", *_NEVER_STARTED])
    with (root / "usr/lib/os-release").open("a") as file:
        file.write(f'IMAGE_ID="{recipe.family}"\nIMAGE_VERSION="{version}"\n')


def keyed(recipe: Recipe, root: Path, certificate: bytes) -> None:
    """Let the base system take others of its family, if they are signed by this certificate's key.

    Source: RAUC's manual, "System Configuration File".
    """
    folder = root / "etc/rauc"
    folder.mkdir(exist_ok=True)
    (folder / "keyring.pem").write_bytes(certificate)
    slots = "".join(
        f"\n[slot.base.{number}]\ndevice=/dev/disk/by-partlabel/menshen-base-{name}\ntype=raw\nbootname={name}\n"
        for number, name in enumerate(("a", "b"))
    )
    (folder / "system.conf").write_text(
        f"[system]\ncompatible={recipe.family}\nbootloader=custom\nbundle-formats=verity\nmountprefix=/run/rauc/mnt\n"
        f"data-directory=/{DATA}/base\n\n[keyring]\npath=/etc/rauc/keyring.pem\n\n"
        f"[handlers]\nbootloader-custom-backend=/usr/lib/menshen/bases.py\n{slots}"
    )


def first_slot(root: Path, bundle: Path, built_utc: int, log: Path) -> None:
    """Build slot a from a bundle, inside.

    The release's own `menshen-firmware` does it, from an environment that is thrown away afterwards.

    Raises:
        ImageFault: the bundle is not whole, or does not install.
    """
    making = root / "tmp/making"
    making.mkdir(parents=True)
    inside = f"/{making.relative_to(root)}"
    try:
        bundles.unpack(bundle, making / "bundle", sha256(bundle))
        shutil.copyfile(bundle, making / "bundle.tar")
        (pip,) = (making / "bundle/wheels").glob("pip-*.whl")
    except BundleFault as fault:
        raise ImageFault(str(fault)) from fault
    except ValueError as fault:
        raise ImageFault("found no pip in the bundle; build it from all of requirements/gate.txt") from fault
    python = f"{inside}/venv/bin/python"
    wheels = f"{inside}/bundle/wheels"
    for command in (
        ["systemd-sysusers"],
        ["/usr/bin/python3", "-m", "venv", "--without-pip", f"{inside}/venv"],
        ["/usr/bin/python3", f"{wheels}/{pip.name}/pip", "--python", python, "--isolated", "--no-input", "--quiet", "install",
         "--no-compile", "--no-index", "--no-cache-dir", "--no-deps", "--require-hashes", "--find-links", wheels,
         "-r", f"{inside}/bundle/{LOCK}"],
        [f"{inside}/venv/bin/menshen-firmware", "update", "first", f"{inside}/bundle.tar", "--slots", f"/{DATA}/slots"],
        # By content and not by time: times are made equal below, and a slot never changes.
        ["/usr/bin/python3", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash",
         f"/{DATA}/slots/a/venv/bin", f"/{DATA}/slots/a/venv/lib"],
        ["systemd-tmpfiles", "--create", "--prefix=/var/lib/menshen", "--prefix=/etc/menshen"],
    ):  # fmt: skip
        run_inside(root, command, built_utc, log)
    shutil.rmtree(making)
    _same_history(Slots(root / DATA / "slots"), built_utc)


def tidy(root: Path, data: Path, built_utc: int) -> None:
    """Take away what belongs to one machine or to the making, and part the data from the base system."""
    no_keys(root / DATA)
    no_passwords(root)
    (root / DATA).rename(data)
    sysimage = root / "usr/lib/sysimage"
    sysimage.mkdir(exist_ok=True)
    shutil.move(root / "var/lib/dpkg", sysimage / "dpkg")
    for pattern in (*_GONE, "var/lib/dpkg"):
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    (root / "etc/machine-id").touch()
    (root / "etc/machine-id").chmod(0o444)
    (root / "etc/hostname").write_text("menshen\n")
    _link("/run/NetworkManager/resolv.conf", root / "etc/resolv.conf")
    # The clock of a machine without a battery begins here, and not in 1970.
    (root / "usr/lib/clock-epoch").touch()
    os.utime(root / "usr/lib/clock-epoch", (built_utc, built_utc))
    for folder in (root / "var").iterdir():
        if not folder.is_symlink():
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()


def run_inside(root: Path, command: Sequence[str], built_utc: int, log: Path) -> None:
    """Run a program in the base system, without a network.

    Raises:
        ImageFault: it failed; with its last line.
    """
    whole = [
        "unshare",
        "--mount",
        "--pid",
        "--net",
        "--ipc",
        "--uts",
        "--fork",
        "--kill-child",
        "sh",
        "-euc",
        _INSIDE,
        "sh",
        str(root),
    ]
    done = subprocess.run(
        [*whole, *command], check=False, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
        env=_environment(built_utc),
    )  # fmt: skip
    with log.open("a") as file:
        file.write(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}")
    if done.returncode:
        lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        why = lines[-1][:300] if lines else f"it ended with {done.returncode}"
        raise ImageFault(f"inside the image, {Path(command[0]).name} failed: {why}; {log} has the rest")


def _environment(built_utc: int) -> dict[str, str]:
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/nonexistent",
        "DEBIAN_FRONTEND": "noninteractive",
        "SOURCE_DATE_EPOCH": str(built_utc),
        "PYTHONHASHSEED": "0",
        "PIP_CONFIG_FILE": os.devnull,
        **{
            name: value
            for name, value in os.environ.items()
            if name.lower() in {"http_proxy", "https_proxy", "no_proxy"}
        },
    }


def _same_history(slots: Slots, built_utc: int) -> None:
    """What the guard remembers of the first slot happened when the image is said to have been made."""
    state = slots.state()
    state = replace(state, history=tuple({**entry, "at": built_utc} for entry in state.history))
    (slots.root / "state.json").write_bytes(state.to_bytes())


def no_keys(data: Path) -> None:
    """Keys are made by the machine itself, at its first start.

    Raises:
        ImageFault: there are some.
    """
    if found := [path for path in (data / "keys").rglob("*") if path.is_file()]:
        raise ImageFault(
            f"found the key {found[0].relative_to(data)} in the image, wanted none; every copy would have it"
        )


def no_passwords(root: Path) -> None:
    """Nobody logs in by a password.

    Raises:
        ImageFault: somebody could.
    """
    for line in (root / "etc/shadow").read_text().splitlines():
        name, password = line.split(":")[:2]
        if not password.startswith(("!", "*")):
            raise ImageFault(f"found a password for {name} in the image, wanted none")


def _ours(command: Sequence[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=_environment(0))
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line]
        raise ImageFault(f"{' '.join(command[:3])} failed: {lines[-1] if lines else done.returncode}")


def _put(source: Path, target: Path, mode: int = 0o644) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def _link(to: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(to)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
