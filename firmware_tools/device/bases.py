#!/usr/bin/python3 -I
"""Which of two base systems the machine starts, and the way back to the one before.

RAUC writes a base system into the partition that does not run. What starts is decided here: this is RAUC's boot loader
(`bootloader=custom`), it watches a base system on its first start, and it is what a technician calls. It is part of the base
system: one file, the standard library alone.

It speaks with systemd-boot by files on the boot partition, which is FAT and has no journal:

    menshen-base-b/vmlinuz, initrd            a copy, out of the base system itself
    loader/entries/menshen-base-b+3.conf      on trial, three starts left; systemd-boot counts by renaming
    loader/entries/menshen-base-b+0-3.conf    on its last start, or left
    loader/entries/menshen-base-b.conf        good

systemd-boot starts the entry with the highest `version` that has starts left. An entry is taken away before anything
that it names is written, and comes back last, by renaming: wherever the power goes, what ran before still starts.

    what lies there            what has happened                     what starts
    a                          nothing, or b is being written        a
    a, b+3 to b+1              b is on trial                         b
    a, b+0                     b did not come up three times,        a
                               or was not well
    a, b                       b was well                            b

A Raspberry Pi starts otherwise (`tryboot`, once, no counter): another class in place of Entries, with the same methods.
Source: the Boot Loader Specification and Automatic Boot Assessment (systemd.io); RAUC's manual, "Custom" boot loader.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

BOOT: Final = Path("/boot")
HELD: Final = Path("/var/lib/menshen/base")
SLOTS: Final = Path("/var/lib/menshen/slots")
CONFIG: Final = Path("/etc/menshen/gate.toml")
RAUC: Final = Path("/etc/rauc/system.conf")
NAMES: Final = ("a", "b")
TRIES: Final = 3
HEALTH_S: Final = 300.0
LEAST_S: Final = 60.0
"""A trial lasts that long at least: what falls over soon after its start has done so by then."""
LOOK_EVERY_S: Final = 5.0
KERNEL: Final = ("vmlinuz", "initrd")
INSIDE: Final = Path("usr/lib/menshen/boot")
"""Where a base system has its kernel, its initrd, and the kernel's options."""
_ENTRY: Final = re.compile(r"menshen-base-([ab])(?:\+(\d+)(?:-(\d+))?)?\.conf")
_ROOT: Final = re.compile(r"\broot=PARTLABEL=menshen-base-([ab])\b")
_KEPT_HISTORY: Final = 16


class BaseFault(Exception):
    """What was asked can't be done; says what was found, what was wanted and what to do."""


@dataclass(frozen=True)
class Entry:
    """One base system as the boot loader sees it.

    Args:
        left: starts that it still has; None for one that is good.
        rank: of those that may start, the highest does.
    """

    path: Path
    name: str
    left: int | None
    rank: int
    version: str

    @property
    def starts(self) -> bool:
        """Whether the boot loader would start it."""
        return self.left != 0


class Entries:
    """systemd-boot's, on the boot partition.

    Args:
        boot: where it is mounted.
        step: told before each change; a test ends there, as the power might.
    """

    def __init__(self, boot: Path = BOOT, step: Callable[[str], None] = lambda _name: None) -> None:
        self.boot = boot
        self._step = step
        self._folder = boot / "loader/entries"

    def found(self) -> dict[str, Entry]:
        """By their names."""
        found: dict[str, Entry] = {}
        for path in sorted(self._folder.glob("menshen-base-*.conf")):
            if said := _ENTRY.fullmatch(path.name):
                lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
                facts = {word: rest.strip() for word, _, rest in (line.partition(" ") for line in lines)}
                name, left = said[1], said[2]
                rank = int(facts["version"]) if facts.get("version", "").isdigit() else 0
                version = facts.get("title", "").rpartition(" ")[2]
                found[name] = Entry(path, name, None if left is None else int(left), rank, version)
        return found

    def primary(self) -> str:
        """What the next start starts.

        Raises:
            BaseFault: nothing.
        """
        there = self.found().values()
        if not there:
            raise BaseFault(f"found no base system in {self._folder}, wanted one; write the card anew")
        return max(there, key=lambda entry: (entry.starts, entry.rank)).name

    def starts(self, name: str) -> bool:
        """Whether it would be started if it came to that."""
        entry = self.found().get(name)
        return entry is not None and entry.starts

    def forbid(self, name: str) -> None:
        """Take its entry away: from now on it may be written to.

        Raises:
            BaseFault: nothing else would start.
        """
        there = self.found()
        if not any(entry.starts for entry in there.values() if entry.name != name):
            raise BaseFault(
                f"found nothing to start beside base {name}, so it stays; install the other one first"
            )
        for path in self._folder.glob(f"menshen-base-{name}*.conf"):
            self._step("the entry goes")
            path.unlink()
        _flush(self._folder)

    def prefer(self, name: str, base: Path) -> None:
        """From the next start on it comes first: on trial if it was just written, as it was if it had an entry.

        Args:
            base: where it is mounted, or a folder with its files.
        Raises:
            BaseFault: it holds no kernel.
        """
        there = self.found()
        rank = 1 + max((entry.rank for entry in there.values()), default=0)
        if entry := there.get(name):
            text = re.sub(r"(?m)^version .*$", f"version {rank}", entry.path.read_text(encoding="utf-8"))
            self._step("the rank rises")
            _write(entry.path, text.encode())
            return
        if missing := [part for part in (*KERNEL, "options") if not (base / INSIDE / part).is_file()]:
            raise BaseFault(
                f"found no {', '.join(missing)} in the base system, wanted /{INSIDE} with them; it is of another make"
            )
        for rest in self.boot.glob("FSCK*.REC"):  # what fsck made of a copy that a power cut ended
            rest.unlink()
        folder = self.boot / f"menshen-base-{name}"
        self._step("the old kernel goes")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for part in KERNEL:
            self._step(f"{part} comes")
            with (base / INSIDE / part).open("rb") as source, (folder / part).open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
                target.flush()
                os.fsync(target.fileno())
        _flush(folder)
        _flush(self.boot)
        options = (base / INSIDE / "options").read_text(encoding="utf-8").strip()
        text = entry_text(name, rank, version_of(base), options)
        self._step("the entry comes")
        _write(self._folder / f"menshen-base-{name}+{TRIES}.conf", text.encode())

    def bless(self, name: str) -> None:
        """It is good; nobody counts its starts any more.

        Raises:
            BaseFault: it has no entry.
        """
        self._rename(name, f"menshen-base-{name}.conf")

    def give_up(self, name: str) -> None:
        """It is not; the next start is the other's.

        Raises:
            BaseFault: it has no entry.
        """
        self._rename(name, f"menshen-base-{name}+0-{TRIES}.conf")

    def _rename(self, name: str, to: str) -> None:
        entry = self.found().get(name)
        if entry is None:
            raise BaseFault(f"found no entry of base {name} on the boot partition; install it again")
        self._step("the entry is renamed")
        entry.path.rename(self._folder / to)
        _flush(self._folder / to)
        _flush(self._folder)


def entry_text(name: str, rank: int, version: str, options: str) -> str:
    """An entry for systemd-boot. sort-key makes it go by version, of which the highest is first."""
    return (
        f"title menshen base {name} {version}\nsort-key menshen\nversion {rank}\nlinux /menshen-base-{name}/vmlinuz\n"
        f"initrd /menshen-base-{name}/initrd\noptions root=PARTLABEL=menshen-base-{name} {options}\n"
    )


def version_of(base: Path) -> str:
    """A base system's version, as it says itself in os-release.

    Raises:
        BaseFault: it says none.
    """
    with contextlib.suppress(OSError):
        for line in (base / "usr/lib/os-release").read_text(encoding="utf-8").splitlines():
            word, _, rest = line.partition("=")
            if word == "IMAGE_VERSION":
                return rest.strip('"')
    raise BaseFault(
        f"found no IMAGE_VERSION in {base}/usr/lib/os-release, wanted a base system that an image was built with"
    )


class Trials:
    """What is on trial, and what became of those before; on the data partition."""

    def __init__(self, folder: Path = HELD) -> None:
        self._trial = folder / "trial.json"
        self._history = folder / "history.json"

    def begin(self, name: str, version: str, *, online: bool) -> None:
        """Note it before it is written, so that whatever starts next knows."""
        self._trial.parent.mkdir(parents=True, exist_ok=True)
        _write(self._trial, json.dumps({"name": name, "version": version, "online": online}).encode())

    def current(self) -> dict[str, Any] | None:
        """None if nothing is."""
        try:
            said = json.loads(self._trial.read_bytes())
            return {
                "name": str(said["name"]),
                "version": str(said["version"]),
                "online": bool(said["online"]),
            }
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def end(self, what: str, why: str = "") -> None:
        """It is over; told, and then forgotten."""
        version = (self.current() or {"version": "?"})["version"]
        entry = {"at": int(time.time()), "what": what, "version": version, "why": why[:200]}
        _write(self._history, json.dumps([*self.history(), entry][-_KEPT_HISTORY:], indent=1).encode())
        self._trial.unlink(missing_ok=True)
        _flush(self._trial.parent)

    def left(self, version: str) -> str:
        """Why a version did not prove well here; empty if it did, or was never tried."""
        return next(
            (
                str(told["why"])
                for told in self.history()
                if (told["what"], told["version"]) == ("left", version)
            ),
            "",
        )

    def history(self) -> list[dict[str, Any]]:
        """The newest last."""
        try:
            return list(json.loads(self._history.read_bytes()))
        except (OSError, ValueError, TypeError):
            return []


def watch(  # noqa: PLR0913  what a test sets beside the check
    trials: Trials,
    entries: Entries,
    running: str,
    ails: Callable[[bool], str],
    *,
    within_s: float,
    every_s: float = LOOK_EVERY_S,
    least_s: float = LEAST_S,
) -> tuple[bool | None, str]:
    """After a start: what became of a base system on trial.

    Args:
        running: which base system this is.
        ails: says what is wrong, empty if nothing is; asked with whether the office must be reached.
        within_s, every_s, least_s: it has so long to be well, is asked so often, and is not good before.
    Returns:
        Whether it is good, and a sentence; False means that the machine is to start anew, None that nothing is to be done.
    """
    trial = trials.current()
    if trial is None:
        return None, "no base system is on trial"
    name = trial["name"]
    if running != name:
        entry = entries.found().get(name)
        if entry and entry.starts:
            return None, f"base {name} is on trial from the next start on"
        why = "it was started three times and did not come up" if entry else "it was not written to its end"
        trials.end("left" if entry else "cut short", why)
        return None, f"base {running} runs again: of {trial['version']} {why}"
    began = time.monotonic()
    while True:
        why = ails(trial["online"])
        now = time.monotonic()
        if not why and now - began >= least_s:
            entries.bless(name)
            trials.end("kept")
            return True, f"base {name}, {trial['version']}, is good"
        if why and now + every_s > began + within_s:
            entries.give_up(name)
            trials.end("left", why)
            return False, f"base {name}, {trial['version']}, is left: {why}"
        time.sleep(every_s)


def install(bundle: Path, trials: Trials, running: str, *, anyway: bool, slots: Path = SLOTS) -> str:
    """Let RAUC verify a bundle and write it to the other partition, to be on trial from the next start on.

    Raises:
        BaseFault: it is refused, or RAUC did not do it; what runs is as it was.
    """
    if not RAUC.exists():
        raise BaseFault(
            f"found no {RAUC}: this image was built without its maker's certificate and takes no base system; write a new image"
        )
    if trials.current():
        raise BaseFault(
            "a base system is on trial already; restart, and wait until `menshen-base status` says what became of it"
        )
    if _releases_on_trial(slots):
        raise BaseFault(
            "a release is on trial; wait until `menshen-firmware update status` says what became of it"
        )
    found, ours = str(_info(bundle)["version"]), version_of(Path("/"))
    if not anyway and _order(found) <= _order(ours):
        raise BaseFault(
            f"{bundle.name} is {found} and {ours} runs, wanted a newer one; --anyway takes it all the same"
        )
    if not anyway and (why := trials.left(found)):
        raise BaseFault(f"{found} was left here before: {why}; --anyway tries it again")
    name = NAMES[1 - NAMES.index(running)]
    trials.begin(name, found, online=not _ails(online=True))
    done = subprocess.run(
        ["rauc", "install", str(bundle)], check=False, capture_output=True, text=True, errors="replace"
    )
    if done.returncode:
        why = _last(done.stderr + done.stdout) or f"rauc ended with {done.returncode}"
        trials.end("not installed", why)
        raise BaseFault(f"{bundle.name} was not installed: {why}")
    return f"base {name} is {found} now, and on trial from the next start on: systemctl reboot"


def from_stick(stick: Path, trials: Trials, running: str) -> str:
    """Install what is on a memory stick. One that stays plugged in changes nothing more.

    Raises:
        BaseFault: as for install(), or there is not one bundle on it.
    """
    found = sorted(stick.glob("*.raucb"))
    if len(found) != 1:
        raise BaseFault(f"found {len(found)} files *.raucb on the stick, wanted one")
    return install(found[0], trials, running, anyway=False)


def status(trials: Trials, entries: Entries, running: str) -> Iterator[str]:
    """What runs, what else is there, and what became of those before."""
    there = entries.found()
    for name in NAMES:
        entry = there.get(name)
        if entry is None:
            yield f"base {name}    empty"
            continue
        how = {None: "good", 0: "left"}.get(entry.left, f"on trial, {entry.left} starts left")
        now = f"runs{'' if entry.left is None else ', on trial'}" if name == running else how
        yield f"base {name}    {entry.version}    {now}"
    for told in trials.history():
        at = time.strftime("%Y-%m-%d %H:%M", time.gmtime(told["at"]))
        yield f"{at}    {told['version']}    {told['what']}{': ' if told['why'] else ''}{told['why']}"


def running_base(cmdline: str) -> str:
    """Which base system a kernel was started for.

    Raises:
        BaseFault: none of an image's.
    """
    if said := _ROOT.search(cmdline):
        return said[1]
    raise BaseFault(
        "found no root=PARTLABEL=menshen-base-a or -b on the kernel's command line; this machine runs from no menshen image"
    )


def _info(bundle: Path) -> dict[str, Any]:
    asked = ["rauc", "info", "--output-format=json", str(bundle)]
    done = subprocess.run(asked, check=False, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise BaseFault(f"{bundle} is refused: {_last(done.stderr) or f'rauc ended with {done.returncode}'}")
    try:
        said = json.loads(done.stdout)
        _order(str(said["version"]))
    except (ValueError, KeyError, TypeError) as fault:
        raise BaseFault(
            f"{bundle} does not say which base system it is; make it with menshen-firmware image base"
        ) from fault
    return dict(said)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _releases_on_trial(slots: Path) -> bool:
    try:
        return bool(json.loads((slots / "state.json").read_bytes())["trial"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _ails(online: bool) -> str:
    """What is wrong with the machine, as the guard says; empty if nothing is."""
    done = subprocess.run(
        [*_guard(), "well", *(["--online"] if online else [])],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode == 0:
        return ""
    return (
        _last(done.stderr + done.stdout).removeprefix("guard: ") or f"the guard ended with {done.returncode}"
    )


def _guard() -> list[str]:
    """It lies beside this file."""
    return [sys.executable, "-I", str(Path(__file__).resolve().with_name("guard.py"))]


@contextlib.contextmanager
def _mounted(name: str) -> Iterator[Path]:
    """A base system's partition, read-only, for as long as it takes to copy its kernel."""
    place = Path("/run/menshen-base") / name
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [
            "mount",
            "-t",
            "squashfs",
            "-o",
            "ro,nodev,nosuid,noexec",
            f"/dev/disk/by-partlabel/menshen-base-{name}",
            str(place),
        ],
        check=True,
    )
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=False)


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return "".join(c if c.isprintable() else "?" for c in lines[-1])[:300] if lines else ""


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, and on the disk."""
    new = path.with_name(f"{path.stem}.new")
    with new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _flush(path)
    _flush(path.parent)


def _flush(path: Path) -> None:
    """Bring a file or a directory to the disk.

    After a renaming both: on FAT a file's length and place are in its directory's entry, and the new entry has none
    until the file itself is flushed (linux, fs/fat/namei_vfat.c, vfat_rename).
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def main(arguments: list[str] | None = None) -> int:
    """menshen-base status|install|stick|watch, and the words that RAUC has for a boot loader."""
    parser = argparse.ArgumentParser(
        prog="menshen-base", description="Which of two base systems starts, and the way back."
    )
    parser.add_argument("--boot", type=Path, default=BOOT, help=argparse.SUPPRESS)
    deeds = parser.add_subparsers(dest="what", required=True, metavar="status|install|stick|watch")
    deeds.add_parser("status", help="what runs, what else is there, what became of those before")
    taken = deeds.add_parser("install", help="verify a bundle and write it beside what runs")
    taken.add_argument("bundle", type=Path)
    taken.add_argument("--anyway", action="store_true", help="also one that is no newer than what runs")
    deeds.add_parser(
        "stick", help="install what is on a memory stick, and restart when the door is quiet"
    ).add_argument("stick", type=Path)
    looks = deeds.add_parser("watch", help="after a start: is what is on trial well?")
    looks.add_argument("--within", type=float, default=HEALTH_S, metavar="SECONDS")
    for word in ("get-primary", "get-current"):
        deeds.add_parser(word)
    for word in ("set-primary", "get-state", "set-state"):
        deeds.add_parser(word).add_argument("name", choices=NAMES)
    deeds.choices["set-state"].add_argument("state", choices=("good", "bad"))
    asked = parser.parse_args(arguments)
    try:
        return _DEEDS[asked.what](asked)
    except (BaseFault, OSError, subprocess.CalledProcessError) as fault:
        print(f"base: {fault}", file=sys.stderr)
        return 3


def _running() -> str:
    return running_base(Path("/proc/cmdline").read_text(encoding="utf-8"))


def _say(line: str) -> int:
    print(line, flush=True)
    return 0


def _watches(asked: argparse.Namespace) -> int:
    good, said = watch(
        Trials(),
        Entries(asked.boot),
        _running(),
        _ails,
        within_s=asked.within,
    )
    _say(f"base: {said}")
    if good is False:
        subprocess.run(["systemctl", "--no-block", "reboot"], check=True)
    return 0


def _plugs_in(asked: argparse.Namespace) -> int:
    try:
        _say(f"base: {from_stick(asked.stick, Trials(), _running())}")
    except BaseFault as fault:
        return _say(f"base: {fault}")  # no fault of this machine's
    subprocess.run([*_guard(), "quiet"], check=True)
    subprocess.run(["systemctl", "--no-block", "reboot"], check=True)
    return 0


def _prefers(asked: argparse.Namespace) -> int:
    with _mounted(asked.name) as base:
        Entries(asked.boot).prefer(asked.name, base)
    return 0


def _judges(asked: argparse.Namespace) -> int:
    entries = Entries(asked.boot)
    (entries.bless if asked.state == "good" else entries.forbid)(asked.name)
    return 0


_DEEDS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "status": lambda asked: _say("\n".join(status(Trials(), Entries(asked.boot), _running()))),
    "install": lambda asked: _say(
        install(asked.bundle.absolute(), Trials(), _running(), anyway=asked.anyway)
    ),
    "stick": _plugs_in,
    "watch": _watches,
    "get-primary": lambda asked: _say(Entries(asked.boot).primary()),
    "get-current": lambda _asked: _say(_running()),
    "get-state": lambda asked: _say("good" if Entries(asked.boot).starts(asked.name) else "bad"),
    "set-primary": _prefers,
    "set-state": _judges,
}


if __name__ == "__main__":
    raise SystemExit(main())
