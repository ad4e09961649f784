"""Building the other slot from what the updater stored, and believing none of it before.

It runs without a network. The signatures are followed once more, from this
process's own root of trust and memory of versions; the bundle is hashed while
it is unpacked; the wheels are installed from the bundle alone, each held to
its hash. The slot's own `menshen-agent` must then start and accept this gate's
configuration. Last, everything is flushed, and only then does the slot say
that it is whole.
"""

import ctypes
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from agent.core.moments import Moment
from agent.stores.sources import DirectorySource, SourceFault
from agent.stores.tuf_client import Distrust
from firmware_tools import bundle
from firmware_tools.device.guard import GuardFault, Slots
from firmware_tools.device.offers import Release, asked_for, choose, offers
from firmware_tools.device.place import Place, UpdateFault, free_bytes
from firmware_tools.manifest import LOCK, BundleFault, Manifest, Store, keeps_going
from firmware_tools.private_files import sync_directory, write_new

_MANY: Final = 1.35
"""Room for a slot, in sizes of what the wheels hold: their bytecode, and blocks that are not full."""
_SPARE_BYTES: Final = 16 * 1024 * 1024
_LEAST_BYTES: Final = 1_000_000
"""For what is remembered of versions, before anything is built."""
_PIP_S: Final = 1800.0
_TRY_S: Final = 120.0
_QUIET: Final = ("--isolated", "--disable-pip-version-check", "--no-input", "--quiet")
_FROM_THE_BUNDLE: Final = (
    "--no-index", "--no-cache-dir", "--require-hashes", "--no-deps", "--only-binary=:all:", "--no-warn-script-location",
)  # fmt: skip


def stage(  # noqa: PLR0913  what a drill or a timer sets beside the gate
    place: Place,
    now: Moment,
    version: str | None = None,
    python: str = "/usr/bin/python3",
    step: Callable[[str], None] = lambda _name: None,
    *,
    anew: bool = True,
) -> Manifest:
    """Build the slot that does not run.

    Args:
        version: a certain one, not below the floor; None for the one that is due.
        python: the base system's.
        step: called between any two changes; for drills.
        anew: also if that slot holds the very release already.
    Raises:
        UpdateFault: and the slot that runs is untouched; the other says that it is not whole.
    """
    slots = place.slots
    try:
        slots.root.mkdir(mode=0o755, parents=True, exist_ok=True)
        if (free := free_bytes(slots.root)) < _LEAST_BYTES:
            raise UpdateFault(
                f"found {free // 1000} kB free on the data partition, wanted {_LEAST_BYTES // 1000} to begin with; "
                "make room there"
            )
        release = _verified(place, now, version)
        if not anew and (waiting := _waiting(slots, release)):
            return waiting
        with slots.alone():
            return _build(place, slots, release, python, step)
    except (GuardFault, BundleFault) as fault:
        raise UpdateFault(str(fault)) from fault
    except OSError as fault:
        why = "the data partition is full" if fault.errno == errno.ENOSPC else fault.strerror or str(fault)
        raise UpdateFault(f"the slot can't be built: {why}; what runs is untouched") from fault


def _verified(place: Place, now: Moment, version: str | None) -> Release:
    slots = place.slots
    state = slots.state()
    about = slots.about(slots.current() or state.good)
    running = str(about["version"]) if about else "0.0.0"
    if not place.updates.is_dir():
        raise UpdateFault("nothing was fetched yet; run: menshen-firmware update fetch")
    try:
        found = offers(DirectorySource(place.updates), place.anchor("slots"), now)
    except (Distrust, SourceFault) as fault:
        raise UpdateFault(f"what was fetched is not believed: {fault}") from fault
    if version is None:
        choice = choose(found, place, running, state.floor, state.failed)
        if choice.release is None:
            raise UpdateFault(
                "nothing is due: "
                + ("; ".join(f"{n}: {why}" for n, why in choice.why.items()) or "nothing was fetched")
            )
        return choice.release
    return asked_for(found, place, version, state.floor, "installed")


def _waiting(slots: Slots, release: Release) -> Manifest | None:
    """What the other slot holds, if it is whole and was built from this release."""
    other = slots.other()
    about = slots.about(other)
    if about is None or about.get("sha256") != release.sha256:
        return None
    return Manifest.from_bytes((slots.root / other / "manifest.json").read_bytes())


def _build(
    place: Place, slots: Slots, release: Release, python: str, step: Callable[[str], None]
) -> Manifest:
    source = place.updates / release.path
    if not source.is_file():
        raise UpdateFault(
            f"{release.version} is offered and was not fetched; run: menshen-firmware update fetch {release.version}"
        )
    claimed = bundle.manifest_of(source)  # for the questions of room and fit; believed only when hashed
    current = slots.current()
    running = slots.about(current) if current else None
    if running and (why := keeps_going(claimed.stores, _stores(running))):
        raise UpdateFault(f"{release.version} is not installed: {why}")
    _room_for(slots, claimed, source)
    slot = slots.forget_other()
    step("other forgotten")
    folder = slots.root / slot
    if folder.exists():
        shutil.rmtree(folder)
    step("other removed")
    folder.mkdir(mode=0o755)
    with _cleared_if_refused(folder):
        manifest = bundle.unpack(source, folder / "bundle", release.sha256)
        step("unpacked")
        if (manifest.version, manifest.floor, manifest.fits) != (
            release.version,
            release.terms.floor,
            release.terms.fits,
        ):
            raise UpdateFault(f"the bundle calls itself {manifest.version}, and {release.version} was signed")
        _install(folder, python, step)
        _try(folder, manifest, place)
        _finish(folder, manifest, release.sha256, step)
    step("whole")
    slots.note_staged(manifest.version)
    return manifest


def first(slots: Slots, source: Path, python: str = "/usr/bin/python3") -> Manifest:
    """Build slot a from a bundle, and let it be the one that runs: for the maker of an image, who trusts it.

    Raises:
        UpdateFault: there is a slot already, or the bundle is not whole.
    """
    if slots.current() or slots.about("a"):
        raise UpdateFault(
            f"found slots in {slots.root}, wanted none; on a gate: menshen-firmware update stage"
        )
    try:
        slots.root.mkdir(mode=0o755, parents=True, exist_ok=True)
        folder = slots.root / "a"
        folder.mkdir(mode=0o755)
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with _cleared_if_refused(folder):
            manifest = bundle.unpack(source, folder / "bundle", digest)
            _install(folder, python, lambda _name: None)
            _finish(folder, manifest, digest, lambda _name: None)
        slots.begin()
    except (OSError, BundleFault, GuardFault) as fault:
        raise UpdateFault(f"the first slot can't be built: {fault}") from fault
    return manifest


def _finish(folder: Path, manifest: Manifest, sha256: str, step: Callable[[str], None]) -> None:
    """Flush all that a slot holds, and only then let it say that it is whole."""
    for name in ("units", "boards", "migrations", "manifest.json", "sbom.cdx.json", LOCK):
        if (folder / "bundle" / name).exists():
            (folder / "bundle" / name).rename(folder / name)
    shutil.rmtree(folder / "bundle")
    step("installed")
    sync_tree(folder)
    sync_directory(folder.parent)
    step("flushed")
    about = {
        "version": manifest.version,
        "floor": manifest.floor,
        "built_utc": manifest.built_utc,
        "sha256": sha256,
        "stores": {name: store.model_dump() for name, store in manifest.stores.items()},
    }
    write_new(folder / "slot.json", json.dumps(about, indent=1).encode(), 0o644)


@contextmanager
def _cleared_if_refused(folder: Path) -> Iterator[None]:
    """What was built of a slot that can't be is no use to anybody, and takes room."""
    try:
        yield
    except (UpdateFault, BundleFault, OSError):
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _install(folder: Path, python: str, step: Callable[[str], None]) -> None:
    seen = "--system-site-packages" if _has_apt_camera(python) else "--without-pip"
    _run(
        [python, "-m", "venv", "--without-pip", seen, str(folder / "venv")],
        _TRY_S,
        "the environment can't be made",
    )
    step("environment made")
    wheels = folder / "bundle" / "wheels"
    _run(
        [sys.executable, "-m", "pip", "--python", str(folder / "venv" / "bin" / "python"), *_QUIET, "install",
         *_FROM_THE_BUNDLE, "--find-links", str(wheels), "-r", str(folder / "bundle" / LOCK)],
        _PIP_S,
        "the wheels can't be installed",
    )  # fmt: skip
    step("wheels installed")


def _try(folder: Path, manifest: Manifest, place: Place) -> None:
    """The new code must start, be what it says, and accept the configuration that the running code accepts."""
    agent = str(folder / "venv" / "bin" / "menshen-agent")
    said = _run([agent, "--version"], _TRY_S, f"{manifest.version} does not start").split()
    if not said or said[-1] != manifest.version:
        raise UpdateFault(
            f"the bundle calls itself {manifest.version}, and its code says {' '.join(said)[:80]!r}"
        )
    try:
        _check(agent, place, f"{manifest.version} refuses this gate's configuration")
    except UpdateFault:
        running = place.slots.root / "current" / "venv" / "bin" / "menshen-agent"
        try:
            _check(str(running), place, "so does what runs")
        except UpdateFault:
            return  # spoilt already: an update must be able to mend it
        raise


def _check(agent: str, place: Place, what: str) -> None:
    _run([agent, "check", "--config", str(place.config)], _TRY_S, what)


def _run(command: Sequence[str], within_s: float, what: str) -> str:
    """Run a program that must end well.

    Raises:
        UpdateFault: what, and the program's last line.
        OSError: it found no room.
    """
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONSAFEPATH": "1",
        "LANG": "C.UTF-8",
        "HOME": "/nonexistent",
        "PIP_CONFIG_FILE": os.devnull,
    }
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=within_s,
            check=False,
            text=True,
            errors="replace",
            env=environment,
        )
    except subprocess.TimeoutExpired as fault:
        raise UpdateFault(f"{what}: it took longer than {within_s:.0f} s") from fault
    except OSError as fault:
        raise UpdateFault(f"{what}: {fault.strerror} ({command[0]})") from fault
    if done.returncode:
        said = done.stderr + done.stdout
        if os.strerror(errno.ENOSPC) in said:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        raise UpdateFault(f"{what}: {lines[-1][:300] if lines else f'it ended with {done.returncode}'}")
    return done.stdout


def _has_apt_camera(python: str) -> bool:
    """Whether the base system brings picamera2, which a slot must then be able to see."""
    asked = [
        python,
        "-c",
        "import importlib.util, sys; sys.exit(importlib.util.find_spec('picamera2') is None)",
    ]
    try:
        return subprocess.run(asked, capture_output=True, check=False, timeout=_TRY_S).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _room_for(slots: Slots, manifest: Manifest, source: Path) -> None:
    """Refuse before anything is removed, if the slot would not fit in what is free and in what it replaces."""
    free = free_bytes(slots.root) + _size(slots.root / slots.other())
    wanted = int(manifest.unpacked_bytes * _MANY) + source.stat().st_size + _SPARE_BYTES
    if free < wanted:
        raise UpdateFault(
            f"found {free // 10**6} MB for the other slot, what it holds now included, wanted {wanted // 10**6}; "
            "make room on the data partition. What runs is untouched, and so is the other slot"
        )


def _size(folder: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*")) if folder.is_dir() else 0


def _stores(about: Mapping[str, Any]) -> dict[str, Store]:
    return {name: Store.model_validate(one) for name, one in about.get("stores", {}).items()}


def sync_tree(folder: Path) -> None:
    """Bring a whole directory to the disk: contents, names and all.

    One syncfs(2) writes everything out in one go; then each file and directory is flushed by itself,
    which costs little by now and is where a card that could not write is told of.

    Raises:
        OSError: the disk could not take some of it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(descriptor):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
    finally:
        os.close(descriptor)
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(parent) / name
            if not path.is_symlink():
                _sync_file(path)
        sync_directory(Path(parent))


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
