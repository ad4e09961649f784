"""Updates killed anywhere, again and again; after each kill a gate must have a whole slot to start from.

    python -m tests.updates.drill 200

The data partition is a small ext4 file system of its own. At each kill two
things are looked at: what a process finds that starts again, and what a
machine finds whose power went at that moment, which is what ext4 had handed to
the disk by then, its journal replayed. Every other kill falls at a certain
step between two writes, the rest anywhere, pip and all.

    python -m tests.updates.drill 40 --without-flush

is the control: the same without the flush of a finished slot, to show that the
power cuts are sharp enough to tell.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from firmware_tools.device import fetching, guard, staging
from tests.updates.shop import Shop

ROOT = Path(__file__).parents[2]
VERSIONS = ("0.2.0", "0.3.0")
DISK_BYTES = 96 << 20
STEPS = (
    "other forgotten", "other removed", "unpacked", "environment made", "wheels installed", "installed", "flushed", "whole",
    "state written", "state flushed", "state renamed", "state kept", "link made", "link renamed", "link flushed",
)  # fmt: skip


@dataclass
class Tally:
    """What a drill saw."""

    kills: int = 0
    cuts: int = 0
    broken: int = 0
    at: Counter = field(default_factory=Counter)
    found: Counter = field(default_factory=Counter)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.updates.drill")
    parser.add_argument("kills", nargs="?", type=int, default=200)
    parser.add_argument("--without-flush", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="menshen-updates-") as folder:
        tally = drill(Path(folder), asked.kills, flush=not asked.without_flush)
    print(f"{tally.kills} kills, {tally.cuts} power cuts looked into; broken after {tally.broken}")
    print("killed at:", ", ".join(f"{name} {n}" for name, n in tally.at.most_common()))
    print("found:", ", ".join(f"{name} {n}" for name, n in tally.found.most_common()))
    raise SystemExit(bool(tally.broken) and not asked.without_flush)


def drill(folder: Path, kills: int, *, flush: bool = True, seed: int = 8) -> Tally:
    """Kill so often, and look each time."""
    dice, tally = random.Random(seed), Tally()
    with partition(folder) as image:
        shop = Shop(folder / "shop")
        shop.first("0.1.0")
        shop.release(*(shop.bundle(version) for version in VERSIONS))
        (folder / "now").write_text(str(shop.site.now))
        slots = shop.slots
        expected = {"0.1.0": digest_of(slots.root / "a")}
        for version in VERSIONS:
            shop.fetch(version=version)
            shop.stage(version)
            expected[version] = digest_of(slots.root / "b")
        (folder / "expected.json").write_text(json.dumps(expected))
        with nursery(folder, flush=flush) as nurse:
            longest_s = 4.0
            for n in range(kills):
                step = dice.choice(STEPS) if n % 2 else ""
                nurse.stdin.write(
                    json.dumps({"step": step, "after": dice.randint(1, 4), "s": dice.uniform(0, longest_s)})
                    + "\n"
                )
                nurse.stdin.flush()
                where = nurse.stdout.readline().strip()
                assert where, "the nursery died"
                tally.kills += 1
                if not tally.kills % 20:
                    print(f"{tally.kills} kills, broken after {tally.broken}", file=sys.stderr, flush=True)
                tally.at[where] += 1
                if image is not None:
                    tally.cuts += 1
                    tally.broken += not powered_on_again(folder, image, tally)
                said = look(folder)
                assert not said, said
    return tally


# --- the disk -------------------------------------------------------------------------


@contextlib.contextmanager
def partition(folder: Path) -> Iterator[Path | None]:
    """An ext4 file system where the gate's data lies; None where this user may not mount one."""
    data = folder / "shop" / "var"
    data.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as memory:
        image = Path(memory) / "disk.img"
        with image.open("wb") as file:
            file.truncate(DISK_BYTES)
        with _mounted(image, data) as mounted:
            yield image if mounted else None


@contextlib.contextmanager
def _mounted(image: Path, data: Path) -> Iterator[bool]:
    made = (
        shutil.which("mkfs.ext4")
        and not subprocess.run(["mkfs.ext4", "-q", "-F", image], capture_output=True, check=False).returncode
    )
    if (
        not made
        or subprocess.run(["mount", "-o", "loop", image, data], capture_output=True, check=False).returncode
    ):
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "-l", data], check=False)


def powered_on_again(folder: Path, image: Path, tally: Tally) -> bool:
    """Mount what had reached the disk, in a mount namespace of its own, at the same place, and look."""
    copy = image.with_name("cut.img")
    subprocess.run(["cp", "--sparse=always", image, copy], check=True)
    script = 'mount --make-rprivate / && mount -o loop "$1" "$2" && exec "$3" -m tests.updates.look "$4"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", copy, folder / "shop" / "var", sys.executable, folder],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    found = (done.stdout.strip() or done.stderr.strip()).splitlines()[-1]
    tally.found[found] += 1
    if done.returncode:
        print(f"after a power cut: {found}", flush=True)
    return done.returncode == 0


def look(folder: Path) -> str:
    """What is wrong with what a starting gate finds here; nothing if nothing."""
    slots = guard.Slots(folder / "shop" / "var" / "slots")
    expected = json.loads((folder / "expected.json").read_text())
    try:
        slots.begin()
    except guard.GuardFault as fault:
        return f"no start: {fault}"
    current = slots.current()
    about = slots.about(current) if current else None
    if about is None:
        return f"the link leads to {current}, which is not whole"
    if (found := digest_of(slots.root / current)) != expected[about["version"]]:
        return f"slot {current} says it is {about['version']} and holds other files ({found[:12]})"
    agent = slots.root / "current" / "venv" / "bin" / "menshen-agent"
    done = subprocess.run([agent, "--version"], capture_output=True, text=True, check=False)
    if about["version"] not in done.stdout:
        return f"{about['version']} does not start: {done.stderr[-200:]}"
    state = slots.state()
    if state.trial and state.trial.slot != current:
        return f"{state.trial} is on trial, and {current} runs"
    if state.floor != "0.0.0":
        return f"the floor went to {state.floor}"
    return ""


def digest_of(slot: Path) -> str:
    """One hash over a slot's files, wherever it stands; bytecode must be there, and is not compared."""
    digest = hashlib.sha256()
    for path in sorted(slot.rglob("*")):
        if path.name == "slot.json" or path.is_symlink() or path.is_dir():
            continue
        name, data = str(path.relative_to(slot)), path.read_bytes()
        if (
            path.suffix == ".pyc" or path.name == "RECORD"
        ):  # RECORD has the hash of a script that names its slot
            data = bytes(len(data) > 16)
        digest.update(
            f"{name} {len(data)}\n".encode() + data.replace(f"slots/{slot.name}/".encode(), b"slots/X/")
        )
    return digest.hexdigest()


# --- those who are killed -----------------------------------------------------------------


@contextlib.contextmanager
def nursery(folder: Path, *, flush: bool) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", "from tests.updates.drill import nurse; nurse()", str(folder), str(flush)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        try:
            yield process
        finally:
            process.stdin.close()


def nurse() -> None:
    """In a process of its own: for each line, an installer that lives as long as it says."""
    folder, flush = Path(sys.argv[1]), sys.argv[2] == "True"
    if not flush:
        staging.sync_tree = lambda _folder: None
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            os.setsid()
            with Path(os.devnull).open("w") as quiet, contextlib.suppress(BaseException):
                os.dup2(quiet.fileno(), 2)
                install_for_ever(folder, asked["step"], asked["after"])
            os._exit(0)
        began = time.monotonic()
        where = f"step {asked['step']}"
        while not os.waitpid(child, os.WNOHANG)[0]:
            if (not asked["step"] and time.monotonic() - began > asked["s"]) or time.monotonic() - began > 60:
                where = "any time"
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                break
            time.sleep(0.003)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # pip, if it outlived its parent
        print(where, flush=True)


def install_for_ever(folder: Path, fatal: str, after: int) -> None:
    """One release after the other: tried, kept or left."""
    times = 0

    def step(name: str) -> None:
        nonlocal times
        times += name == fatal
        if name == fatal and times >= after:
            os.killpg(0, signal.SIGKILL)

    shop = Shop.standing(folder / "shop")
    shop.site.now = float((folder / "now").read_text())
    slots = guard.Slots(shop.slots.root, step)
    dice = random.Random()
    while True:
        slots.begin()
        if slots.state().trial is None:
            running = slots.about(slots.current())["version"]
            version = VERSIONS[1] if running == VERSIONS[0] else VERSIONS[0]
            fetching.fetch(shop.place, shop.place.source, shop.site.moment(), version)
            place = Standing(shop.place, slots)
            staging.stage(place, shop.site.moment(), version, sys.executable, step)
            slots.switch(online=False)
            slots.begin()
        if dice.random() < 0.5:
            slots.keep()
        else:
            slots.go_back("the drill says so")


class Standing:
    """A place whose slots tell of their steps."""

    def __init__(self, place, slots) -> None:
        self._place, self.slots = place, slots

    def __getattr__(self, name: str):
        return getattr(self._place, name)


if __name__ == "__main__":
    main()
