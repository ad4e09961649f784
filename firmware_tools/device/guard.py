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
CONFIG: Final = Path("/etc/menshen/gate.toml")
NAMES: Final = ("a", "b")
RESTARTED: Final = ("menshen-gate.service", "menshen-sync.service", "menshen-guard-watch.service")
MOST_STARTS: Final = 3
HEALTH_S: Final = 240.0
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


# --- the machine around it ----------------------------------------------------


def adopt(slots: Slots, units: Path) -> int:
    """Put the running slot's units where systemd looks before the base system's.

    The guard's own stay the base system's, whatever a release says.

    Returns:
        How many differ from what was there.
    """
    current = slots.current()
    changed = 0
    if current is None:
        return 0
    theirs = slots.root / current / "units"
    for path in sorted(theirs.glob("menshen-*")):
        if not path.is_file() or path.name.startswith("menshen-guard"):
            continue
        data, target = path.read_bytes(), units / path.name
        if not target.is_file() or target.read_bytes() != data:
            target.write_bytes(data)
            changed += 1
    for target in units.glob("menshen-*"):
        if target.is_file() and not (theirs / target.name).is_file():
            target.unlink()
            changed += 1
    return changed


def watch(
    slots: Slots, check: Sequence[str], within_s: float = HEALTH_S, every_s: float = LOOK_EVERY_S
) -> bool | None:
    """Ask a slot on trial whether it is well, until it is or its time is over; then keep it or go back.

    Args:
        check: the health check, which says in its last line what is wrong and ends with 0 if nothing is.
    Returns:
        Whether it was kept; None if nothing was on trial.
    """
    trial = slots.state().trial
    if trial is None:
        return None
    until, why = time.monotonic() + within_s, "its health check never answered"
    while True:
        well, found = _ask([*check, *(["--online"] if trial.online else [])], min(LOOK_LONGEST_S, within_s))
        why = found or why
        state = slots.state()
        if state.trial is None or state.trial.slot != trial.slot or state.trial.verdict:
            return None  # the gate was started once too often meanwhile, or a person has decided
        if well:
            slots.keep()
            return True
        if time.monotonic() + every_s > until:
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


def unwatched() -> str:
    """Why nobody here would restart the gate and watch a trial; empty if somebody would."""
    if not shutil.which("systemctl") or not Path("/run/systemd/system").is_dir():
        return "this machine is not run by systemd"
    asked = ["systemctl", "cat", *RESTARTED]
    if subprocess.run(asked, capture_output=True, check=False, timeout=60).returncode:
        return f"systemd does not know all of {', '.join(RESTARTED)}"
    return ""


def restart(*, gate: bool = True, watcher: bool = False) -> None:
    """Let systemd read its units again and start what runs from a slot anew.

    Args:
        gate: the gate as well; it needs no telling when it is being started.
        watcher: watch a trial, too.
    """
    if why := unwatched():
        print(f"{why}: start the gate and sync anew")
        return
    commands = [
        ["daemon-reload"],
        ["--no-block", "restart", *(["menshen-gate.service"] if gate else []), "menshen-sync.service"],
        ["--no-block", "try-restart", "menshen-provision.service"],
        *([["--no-block", "restart", "menshen-guard-watch.service"]] if watcher else []),
    ]
    for command in commands:
        subprocess.run(["systemctl", *command], check=False, timeout=60)


def hand_over(slots: Slots, units: Path | None = None, *, gate: bool = True, watcher: bool = False) -> None:
    """After the link has changed: its units and its code run from now on, or somebody is told to see to it.

    Args:
        units: where they go; None is where systemd looks, if it runs the gate.
        gate, watcher: see restart.
    """
    if units is None and (why := unwatched()):
        print(f"{why}: start the gate and sync anew from {slots.root / 'current'}")
        return
    adopt(slots, units or UNITS)
    restart(gate=gate, watcher=watcher)


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
    """menshen-guard begin|adopt|watch|back, for systemd's units."""
    parser = argparse.ArgumentParser(
        prog="menshen-guard", description="Which of two slots runs, and the way back."
    )
    parser.add_argument("what", choices=("begin", "adopt", "watch", "back"))
    parser.add_argument("--slots", type=Path, default=SLOTS)
    parser.add_argument("--units", type=Path, help=f"default: {UNITS}, where systemd runs the gate")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--within", type=float, default=HEALTH_S, metavar="SECONDS")
    parser.add_argument("--every", type=float, default=LOOK_EVERY_S, metavar="SECONDS")
    asked = parser.parse_args(arguments)
    slots = Slots(asked.slots)
    before = slots.current()
    try:
        if asked.what == "begin":
            if said := slots.begin():
                print(f"guard: {said}")
            if slots.current() != before:
                hand_over(slots, asked.units, gate=False)
        elif asked.what == "adopt":
            slots.begin() if slots.state().trial is None else None
            print(f"guard: {adopt(slots, asked.units or UNITS)} units of slot {slots.current()} taken")
        elif asked.what == "watch":
            agent = asked.slots / "current" / "venv" / "bin" / "menshen-agent"
            kept = watch(
                slots, [str(agent), "healthy", "--config", str(asked.config)], asked.within, asked.every
            )
            print("guard: " + {None: "nothing is on trial", True: "kept", False: "went back"}[kept])
        else:
            print(f"guard: {slots.go_back('asked to')}")
        if asked.what in {"watch", "back"} and slots.current() != before:
            hand_over(slots, asked.units)
    except (GuardFault, OSError) as fault:
        print(f"guard: {fault}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
