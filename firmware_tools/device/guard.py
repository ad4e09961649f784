#!/usr/bin/python3 -I
"""The guard: decides which of two slots runs, and goes back by itself when the new one does not prove well.

It is part of the base system and not of any slot, so that no release can
break it: one file, the standard library alone, the system's own Python. A
slot's files lie in SLOTS/a and SLOTS/b; the link SLOTS/current says which
runs, and everything that starts goes through it. What has been decided lies
in SLOTS/state.json. Both change by renaming, so a power cut leaves the old or
the new; and the order of the two is such that every state between says what
to do next:

    trial  link   verdict   what has happened                     what start does
    none   good   -         nothing                               nothing
    b      a      -         the power went before the switch      forgets the trial
    b      b      -         b is on trial                         counts; after three starts, goes back
    b      b, a   bad       the power went while going back       goes back

A trial ends by `watch`, which asks the slot's own health check: well, and it
is kept; not well within its time, or not started three times, and the slot
before runs again. The floor below which nothing is installed rises when a
release is kept, never before.

A gate that fails three times within half an hour on a slot that was kept gets
no other slot but safe mode (menshen-safe.service), and `retry` has it tried
again later. That is counted in memory: a machine that starts begins anew.

The guard believes that a slot which says it is whole was verified when it was
built (firmware_tools.device.staging); it checks no signatures.
"""

import argparse
import contextlib
import fcntl
import functools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

SLOTS: Final = Path("/var/lib/menshen/slots")
UNITS: Final = Path("/run/systemd/system")
BASE_UNITS: Final = Path("/usr/lib/systemd/system")
CONFIG: Final = Path("/etc/menshen/gate.toml")
MEMORY: Final = Path("/run/menshen-guard")
HEALTH: Final = Path("/run/menshen-gate/health.json")
NAMES: Final = ("a", "b")
RESTARTED: Final = ("menshen-gate.service", "menshen-sync.service", "menshen-guard-watch.service")
TARGET: Final = "menshen-kiosk.target"
MOST_STARTS: Final = 3
MOST_FAILURES: Final = 3
FAILURES_WITHIN_S: Final = 1800.0
"""Longer than a gate without a camera waits for one, three times (agent.core.camera_watch)."""
NEEDED: Final = ("opening", "released")
"""A door in one of these states needs the process that holds it."""
HEALTH_S: Final = 240.0
LEAST_S: Final = 30.0
"""A trial lasts that long at least: what falls over a few seconds after its start has done so by then."""
LOOK_EVERY_S: Final = 5.0
LOOK_LONGEST_S: Final = 60.0
_KEPT_HISTORY: Final = 16
_KEPT_FAILED: Final = 8
_MAX_BYTES: Final = 64 * 1024


class GuardFault(Exception):
    """What was asked can't be done; says what was found, what was wanted and what to do."""


@dataclass(frozen=True)
class Trial:
    """A slot that has still to prove well.

    Args:
        starts: how often the gate was started on it.
        online: whether the broker was reached before, so that it must be again.
        verdict: why it is being left; empty while it is not.
    """

    slot: str
    version: str
    starts: int = 0
    online: bool = False
    verdict: str = ""


@dataclass(frozen=True)
class State:
    """What has been decided.

    Args:
        good: the slot that runs when nothing is on trial.
        floor: nothing older is installed any more.
        failed: versions that did not prove well here, and why; the newest last.
        history: what became of releases, numbered; for the journal.
    """

    good: str
    floor: str = "0.0.0"
    trial: Trial | None = None
    failed: dict[str, str] = field(default_factory=dict)
    history: tuple[dict[str, Any], ...] = ()

    def told(self, what: str, version: str, why: str = "") -> "State":
        """The same with one more line of history."""
        n = self.history[-1]["n"] + 1 if self.history else 1
        entry = {"n": n, "at": int(time.time()), "what": what, "version": version, "why": why[:200]}
        return replace(self, history=(*self.history, entry)[-_KEPT_HISTORY:])

    def to_bytes(self) -> bytes:
        """As it lies in state.json."""
        return json.dumps({"format": 1, **asdict(self)}, indent=1).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "State":
        """Read it again.

        Raises:
            ValueError: it is none.
        """
        try:
            found = json.loads(data)
            trial = Trial(**found["trial"]) if found["trial"] else None
            state = cls(found["good"], found["floor"], trial, found["failed"], tuple(found["history"]))
            _order(state.floor)
        except (KeyError, TypeError, AttributeError, RecursionError) as fault:
            raise ValueError(f"not a state: {fault!r}") from fault
        if found["format"] != 1 or state.good not in NAMES or (trial and trial.slot not in NAMES):
            raise ValueError("not a state of this form")
        return state


_P = ParamSpec("_P")
_R = TypeVar("_R")


def _alone(method: Callable[Concatenate["Slots", _P], _R]) -> Callable[Concatenate["Slots", _P], _R]:
    """Nobody else decides while a method runs."""

    @functools.wraps(method)
    def held(self: "Slots", /, *args: _P.args, **named: _P.kwargs) -> _R:
        with self.alone():
            return method(self, *args, **named)

    return held


class Slots:
    """The two slots and the link between them.

    Args:
        step: called between any two changes on the disk; for drills.
    """

    def __init__(self, root: Path = SLOTS, step: Callable[[str], None] = lambda _name: None) -> None:
        self.root, self._step = root, step
        self._held = 0

    # --- what is -------------------------------------------------------------

    def current(self) -> str | None:
        """Where the link leads; None if nowhere that is a slot."""
        try:
            name = str((self.root / "current").readlink())
        except OSError:
            return None
        return name if name in NAMES else None

    def other(self) -> str:
        """The slot that does not run."""
        return _other(self.current() or self.state().good)

    def about(self, slot: str) -> dict[str, Any] | None:
        """What a slot says of itself, if it is whole; the file is written last when it is built."""
        try:
            with (self.root / slot / "slot.json").open("rb") as file:
                found = json.loads(file.read(_MAX_BYTES))
            _order(found["version"])
            _order(found["floor"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if os.access(self.root / slot / "venv" / "bin" / "python", os.X_OK) else None

    def state(self) -> State:
        """What has been decided; as little as the link says, if the file is lost."""
        with contextlib.suppress(OSError, ValueError), (self.root / "state.json").open("rb") as file:
            return State.from_bytes(file.read(_MAX_BYTES))
        about = self.about(self.current() or NAMES[0])
        return State(self.current() or NAMES[0], about["floor"] if about else "0.0.0")

    # --- what is done --------------------------------------------------------

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from deciding meanwhile; may be nested."""
        if self._held:
            yield
            return
        with (self.root / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._held += 1
            try:
                yield
            finally:
                self._held -= 1

    @_alone
    def begin(self) -> str:
        """Before each start of the gate: finish what a power cut left, and count.

        Returns:
            What was done, as a sentence; empty if nothing.
        Raises:
            GuardFault: no slot is whole.
        """
        state, current = self.state(), self.current()
        trial = state.trial
        if trial is None:
            return self._repair(state)
        if trial.verdict:
            return self._go_back(state)
        if current != trial.slot:
            self._keep(
                replace(state, trial=None).told(
                    "abandoned", trial.version, "the power went before the switch"
                )
            )
            return (
                f"the switch to {trial.version} was not made, the power went before it; {self._repair(state)}"
            )
        if self.about(trial.slot) is None:
            return self.go_back("its slot is damaged")
        if trial.starts >= MOST_STARTS:
            return self.go_back(f"started {trial.starts} times and did not prove well")
        self._keep(replace(state, trial=replace(trial, starts=trial.starts + 1)))
        return f"{trial.version} is on trial, start {trial.starts + 1} of {MOST_STARTS}"

    @_alone
    def switch(self, *, online: bool) -> str:
        """Put the slot that does not run on trial.

        Args:
            online: whether the broker is reached now.
        Returns:
            Its version.
        Raises:
            GuardFault: there is nothing whole to switch to, or another trial runs.
        """
        state, current = self.state(), self.current()
        if state.trial:
            raise GuardFault(f"{state.trial.version} is on trial; wait until it is kept or left")
        slot = _other(current or state.good)
        about = self.about(slot)
        if about is None:
            raise GuardFault("found nothing whole in the other slot; run: menshen-firmware update stage")
        self._allow(state, about, current)
        version = str(about["version"])
        self._keep(
            replace(state, good=current or state.good, trial=Trial(slot, version, online=online)).told(
                "switched", version
            )
        )
        self._point(slot)
        return version

    @_alone
    def keep(self) -> str:
        """The trial has proved well: from now on it is the good one, and its floor holds.

        Returns:
            Its version.
        Raises:
            GuardFault: nothing is on trial.
        """
        state = self.state()
        trial = state.trial
        if trial is None or trial.verdict or self.current() != trial.slot:
            raise GuardFault("found nothing on trial; there is nothing to keep")
        about = self.about(trial.slot)
        floor = max(state.floor, str(about["floor"]) if about else "0.0.0", key=_order)
        failed = {version: why for version, why in state.failed.items() if version != trial.version}
        kept = replace(state, good=trial.slot, floor=floor, trial=None, failed=failed)
        self._keep(kept.told("kept", trial.version))
        return trial.version

    @_alone
    def go_back(self, why: str) -> str:
        """Run the slot before again: it ends a trial, or undoes the last release if there is none.

        Returns:
            What was done, as a sentence.
        Raises:
            GuardFault: the other slot is not whole, or may not run any more.
        """
        state, current = self.state(), self.current()
        if state.trial:
            state = replace(state, trial=replace(state.trial, verdict=why[:200] or "asked to"))
            self._keep(state)
            return self._go_back(state)
        slot = _other(current or state.good)
        about = self.about(slot)
        if about is None:
            raise GuardFault("found nothing whole in the other slot, so there is nothing to go back to")
        self._allow(state, about, current)
        self._point(slot)
        self._keep(replace(state, good=slot).told("undone", str(about["version"]), why))
        return f"{about['version']} runs again: {why}"

    @_alone
    def note_staged(self, version: str) -> None:
        """Remember that the other slot has been built."""
        self._keep(self.state().told("staged", version))

    @_alone
    def forget_other(self) -> str:
        """Make the slot that does not run unusable, before it is built anew.

        Returns:
            Its name.
        Raises:
            GuardFault: it is the one to go back to while a trial runs.
        """
        state = self.state()
        if state.trial:
            raise GuardFault(
                f"{state.trial.version} is on trial, and the other slot is the way back; wait until it is kept or left"
            )
        slot = self.other()
        (self.root / slot / "slot.json").unlink(missing_ok=True)
        if (self.root / slot).is_dir():
            _flush(self.root / slot)
        return slot

    def _allow(self, state: State, about: dict[str, Any], current: str | None) -> None:
        """Whether a slot may run after the one that runs now."""
        if _order(str(about["version"])) < _order(state.floor):
            raise GuardFault(
                f"{about['version']} is below the floor {state.floor}, and nothing older runs here any more"
            )
        ours = self.about(current) if current else None
        for name, one in (ours or {}).get("stores", {}).items():
            reads = about.get("stores", {}).get(name, {}).get("reads", [one["writes"]])
            if one["writes"] not in reads:
                raise GuardFault(
                    f"{about['version']} can't read form {one['writes']} of the {name}, which {ours and ours['version']} has written"
                )

    def _go_back(self, state: State) -> str:
        trial = state.trial
        assert trial is not None  # noqa: S101  both callers have looked
        if self.about(state.good) is None:
            # Nothing to go back to: a slot that starts badly is better than none.
            self._keep(
                replace(state, trial=None, good=trial.slot).told("stuck", trial.version, trial.verdict)
            )
            raise GuardFault(
                f"{trial.version} did not prove well ({trial.verdict}), and the slot before is damaged"
            )
        self._point(state.good)
        failed = {**state.failed, trial.version: trial.verdict}
        failed = dict(list(failed.items())[-_KEPT_FAILED:])
        self._keep(
            replace(state, trial=None, failed=failed).told("rolled back", trial.version, trial.verdict)
        )
        return f"{trial.version} was left, and the slot before runs again: {trial.verdict}"

    def _repair(self, state: State) -> str:
        """With no trial, the link leads to the good slot, or to the other if that is all there is."""
        current = self.current()
        if current and self.about(current) is not None:
            return ""
        for slot in (state.good, *NAMES):
            if (about := self.about(slot)) is not None:
                self._point(slot)
                what = "repaired" if state.history else "installed"
                self._keep(replace(state, good=slot, trial=None).told(what, str(about["version"])))
                return f"the link led nowhere; {about['version']} in slot {slot} runs"
        raise GuardFault(f"found no whole slot in {self.root}; install a release with a stick or a new card")

    def _point(self, slot: str) -> None:
        beside = self.root / ".current.new"
        beside.unlink(missing_ok=True)
        beside.symlink_to(slot)
        self._step("link made")
        beside.replace(self.root / "current")
        self._step("link renamed")
        _flush(self.root)
        self._step("link flushed")

    def _keep(self, state: State) -> None:
        beside = self.root / ".state.new"
        with beside.open("wb") as file:
            file.write(state.to_bytes())
            self._step("state written")
            file.flush()
            os.fsync(file.fileno())
        self._step("state flushed")
        beside.replace(self.root / "state.json")
        self._step("state renamed")
        _flush(self.root)
        self._step("state kept")


# --- a gate that keeps failing --------------------------------------------------


class Failures:
    """How often the gate has failed of late, on one slot, since the machine was started.

    Args:
        memory: a folder that a restart of the machine empties.
    """

    def __init__(self, memory: Path = MEMORY) -> None:
        self._path = memory / "failed.json"

    def note(self, slot: str, at: float) -> int:
        """A run of the gate failed at a moment, in seconds since the machine was started.

        Returns:
            How many did within the time that counts; none if this one was counted before, since then nothing
            has failed that was not answered yet.
        """
        before = [one for one in self._noted(slot) if 0 <= at - one < FAILURES_WITHIN_S]
        if at in before:
            return 0
        counted = [*before, at][-MOST_FAILURES:]
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps({"slot": slot, "at": counted}))
        beside.replace(self._path)
        return len(counted)

    def _noted(self, slot: str) -> list[float]:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads(self._path.read_bytes()[:_MAX_BYTES])
            if found["slot"] == slot:
                return [float(one) for one in found["at"]]
        return []


def last_failure() -> tuple[str, float] | None:
    """How the gate's last run failed, in systemd's word for it, and when; None if it did not, or nobody says."""
    properties = "Result", "ExecMainExitTimestampMonotonic"
    asked = ["systemctl", "show", f"--property={','.join(properties)}", "menshen-gate.service"]
    try:
        said = subprocess.run(asked, capture_output=True, check=False, text=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    how, at_us = (found.get(name, "") for name in properties)
    return (how, int(at_us) / 1e6) if how != "success" and at_us.isdecimal() else None


def _start(unit: str) -> None:
    subprocess.run(["systemctl", "--no-block", "start", unit], check=False, timeout=60)


def to_safe_mode(why: str, memory: Path = MEMORY) -> None:
    """Serve the way out alone; systemd stops the gate, and whatever start of it is waiting."""
    (memory / "why").write_text(f'WHY="{why}"\n')
    _start("menshen-safe.service")


def retry(
    health: Path = HEALTH,
    wait: Callable[[float], None] = time.sleep,
    start: Callable[[str], None] = _start,
) -> str:
    """Try the gate itself again in place of safe mode, as soon as nobody is just being let out.

    Returns:
        What was done, as a sentence.
    """
    quiet(health, wait)
    start("menshen-gate.service")
    return "the gate is tried again"


def quiet(health: Path = HEALTH, wait: Callable[[float], None] = time.sleep) -> str:
    """Return when nobody is just being let out, and no fire holds the door.

    Returns:
        How the door is, as a sentence.
    """
    while (door := _door(health)) in NEEDED:
        print(f"guard: the door is {door}; later", flush=True)
        wait(LOOK_EVERY_S)
    return f"the door is {door}"


def _door(health: Path) -> str:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return str(json.loads(health.read_bytes()[:_MAX_BYTES]).get("door"))
    return "unknown"


# --- the machine around it ----------------------------------------------------


def adopt(slots: Slots, units: Path, base: Path = BASE_UNITS) -> int:
    """Put those of the running slot's units that the base system does not have where systemd looks first.

    The guard's own stay the base system's, whatever a release says.

    Returns:
        How many differ from what was there.
    """
    current = slots.current()
    changed = 0
    if current is None:
        return 0
    theirs = slots.root / current / "units"
    wanted = {
        path.name: path.read_bytes()
        for path in theirs.glob("menshen-*")
        if path.is_file() and not path.name.startswith("menshen-guard")
    }
    for name in [name for name, data in wanted.items() if _holds(base / name, data)]:
        del wanted[name]
    for name, data in wanted.items():
        if not _holds(units / name, data):
            (units / name).write_bytes(data)
            changed += 1
    for target in units.glob("menshen-*"):
        if target.is_file() and target.name not in wanted:
            target.unlink()
            changed += 1
    return changed


def _names(units: Path) -> set[str]:
    return {path.name for path in units.glob("menshen-*.*") if path.is_file()}


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


def watch(  # noqa: PLR0913  what a test sets beside the check
    slots: Slots,
    check: Sequence[str],
    within_s: float = HEALTH_S,
    every_s: float = LOOK_EVERY_S,
    *,
    least_s: float = 0.0,
    fallen: Callable[[], str] = str,
) -> bool | None:
    """Ask a slot on trial whether it is well, until it is or its time is over; then keep it or go back.

    Args:
        check: the health check, which says in its last line what is wrong and ends with 0 if nothing is.
        least_s: it is not kept before.
        fallen: says what else of the slot does not stand; empty if all does.
    Returns:
        Whether it was kept; None if nothing was on trial.
    """
    trial = slots.state().trial
    if trial is None:
        return None
    began, why = time.monotonic(), "its health check never answered"
    while True:
        well, found = _ask([*check, *(["--online"] if trial.online else [])], min(LOOK_LONGEST_S, within_s))
        if well and (found := fallen()):
            well = False
        why = found or why
        state = slots.state()
        if state.trial is None or state.trial.slot != trial.slot or state.trial.verdict:
            return None  # the gate was started once too often meanwhile, or a person has decided
        now = time.monotonic()
        if well and now - began >= least_s:
            slots.keep()
            return True
        if now + every_s > began + within_s:
            slots.go_back(why)
            return False
        time.sleep(every_s)


def _ask(check: Sequence[str], within_s: float) -> tuple[bool, str]:
    try:
        done = subprocess.run(
            check, capture_output=True, timeout=within_s, check=False, text=True, errors="replace"
        )
    except subprocess.TimeoutExpired:
        return False, f"its health check took longer than {within_s:.0f} s"
    except OSError as fault:
        return False, f"its health check does not start: {fault.strerror}"
    lines = [line.strip() for line in (done.stdout or done.stderr).splitlines() if line.strip()]
    said = (
        "".join(c if c.isprintable() else "?" for c in lines[-1])
        if lines
        else f"ended with {done.returncode}"
    )
    return done.returncode == 0, said


def fallen() -> str:
    """Whether the technician's link falls over again and again; empty if it stands, or nobody says.

    A gate that does well and has no such link would be nobody's to mend.
    """
    asked = ["systemctl", "show", "--property=NRestarts", "--value", "menshen-provision.service"]
    try:
        said = subprocess.run(asked, capture_output=True, check=False, text=True, timeout=60).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return f"menshen-provision was started {said} times over" if said not in {"", "0"} else ""


def unwatched() -> str:
    """Why nobody here would restart the gate and watch a trial; empty if somebody would."""
    if not shutil.which("systemctl") or not Path("/run/systemd/system").is_dir():
        return "this machine is not run by systemd"
    asked = ["systemctl", "cat", *RESTARTED]
    if subprocess.run(asked, capture_output=True, check=False, timeout=60).returncode:
        return f"systemd does not know all of {', '.join(RESTARTED)}"
    return ""


def hand_over(slots: Slots, units: Path | None = None, *, gate: bool = True, watcher: bool = False) -> None:
    """After the link has changed: its units and its code run from now on, or somebody is told to see to it.

    Args:
        units: where they go; None is where systemd looks, if it runs the gate.
        gate: start the gate anew as well; it needs no telling when it is being started.
        watcher: watch a trial, too.
    """
    why = unwatched()  # before a unit is taken away that systemd knows until it reads them again
    if why and units is None:
        print(f"{why}: start the gate and sync anew from {slots.root / 'current'}")
        return
    had = _names(units or UNITS)
    adopt(slots, units or UNITS)
    if why:
        print(f"{why}: start the gate and sync anew")
        return
    gone = had - _names(units or UNITS) - _names(BASE_UNITS)
    commands = [
        *([["--no-block", "stop", *sorted(gone)]] if gone else []),  # what only the slot before had
        ["daemon-reload"],
        ["--no-block", "restart", *(["menshen-gate.service"] if gate else []), "menshen-sync.service"],
        ["--no-block", "try-restart", "menshen-provision.service", "menshen-console.service"],
        *([["--no-block", "restart", "menshen-guard-watch.service"]] if watcher else []),
        ["--no-block", "start", TARGET],  # whatever else this slot wants to run
    ]
    for command in commands:
        subprocess.run(["systemctl", *command], check=False, timeout=60)


def _other(slot: str) -> str:
    return NAMES[1 - NAMES.index(slot)]


def _order(version: str) -> tuple[int, ...]:
    parts = tuple(int(part) for part in version.split("."))
    if len(parts) != 3 or min(parts) < 0:
        raise ValueError(f"found the version {version!r}, wanted three numbers such as 1.2.3")
    return parts


def _flush(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def main(arguments: Sequence[str] | None = None) -> int:
    """menshen-guard begin|adopt|watch|back|retry|well|quiet, for systemd's units and for whoever watches a base system."""
    parser = argparse.ArgumentParser(
        prog="menshen-guard", description="Which of two slots runs, and the way back."
    )
    parser.add_argument("what", choices=_DEEDS)
    parser.add_argument("--slots", type=Path, default=SLOTS)
    parser.add_argument("--units", type=Path, help=f"default: {UNITS}, where systemd runs the gate")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--within", type=float, default=HEALTH_S, metavar="SECONDS")
    parser.add_argument("--every", type=float, default=LOOK_EVERY_S, metavar="SECONDS")
    parser.add_argument("--online", action="store_true", help="well: the broker must be reached, too")
    asked = parser.parse_args(arguments)
    try:
        if said := _DEEDS[asked.what](Slots(asked.slots), asked):
            print(f"guard: {said}")
    except (GuardFault, OSError) as fault:
        print(f"guard: {fault}", file=sys.stderr)
        return 3
    return 0


def _begins(slots: Slots, asked: argparse.Namespace) -> str:
    before = slots.current()
    if said := slots.begin():
        print(f"guard: {said}")
    if slots.current() != before:
        hand_over(slots, asked.units, gate=False)
    elif slots.state().trial is None:
        return _count(slots)
    return ""


def _count(slots: Slots) -> str:
    """Before a start on a slot that was kept: has the gate failed too often?"""
    if not (current := slots.current()) or unwatched() or not (failure := last_failure()):
        return ""
    how, at = failure
    if not (times := Failures().note(current, at)):
        return "the gate is given another try"
    if times < MOST_FAILURES:
        return f"the gate has failed, {how}; that makes {times}, and {MOST_FAILURES} make safe mode"
    why = f"the gate failed {times} times within {FAILURES_WITHIN_S / 60:.0f} minutes, the last time: {how}"
    to_safe_mode(why)
    return f"safe mode, because {why}"


def _adopts(slots: Slots, asked: argparse.Namespace) -> str:
    if slots.state().trial is None:
        slots.begin()
    changed = adopt(slots, asked.units or UNITS)
    if changed and not unwatched():
        for command in (["daemon-reload"], ["--no-block", "start", TARGET]):
            subprocess.run(["systemctl", *command], check=False, timeout=60)
    return f"slot {slots.current()} runs, and {changed} of its units were taken"


def _watches(slots: Slots, asked: argparse.Namespace) -> str:
    agent = slots.root / "current" / "venv" / "bin" / "menshen-agent"
    check = [str(agent), "healthy", "--config", str(asked.config)]
    kept = watch(
        slots, check, asked.within, asked.every, least_s=min(LEAST_S, asked.within / 4), fallen=fallen
    )
    if kept is False:
        hand_over(slots, asked.units)
    return {None: "nothing is on trial", True: "kept", False: "went back"}[kept]


def _backs(slots: Slots, asked: argparse.Namespace) -> str:
    before = slots.current()
    said = slots.go_back("asked to")
    if slots.current() != before:
        hand_over(slots, asked.units)
    return said


def _is_well(slots: Slots, asked: argparse.Namespace) -> str:
    """Whether this machine is well: its gate and the technician's link, or the link alone where there is no gate yet.

    Raises:
        GuardFault: it is not; says what is wrong.
    """
    if asked.config.exists():
        agent = slots.root / "current" / "venv" / "bin" / "menshen-agent"
        check = [
            str(agent),
            "healthy",
            "--config",
            str(asked.config),
            *(["--online"] if asked.online else []),
        ]
    else:
        check = ["systemctl", "is-active", "menshen-provision.service"]
    well, found = _ask(check, LOOK_LONGEST_S)
    if not asked.config.exists():
        found = f"menshen-provision is {found}"
    if why := fallen() if well else found:
        raise GuardFault(why)
    return "all is well"


_DEEDS: Final[dict[str, Callable[[Slots, argparse.Namespace], str]]] = {
    "begin": _begins,
    "adopt": _adopts,
    "watch": _watches,
    "back": _backs,
    "retry": lambda _slots, _asked: retry(),
    "well": _is_well,
    "quiet": lambda _slots, _asked: quiet(),
}


if __name__ == "__main__":
    raise SystemExit(main())
