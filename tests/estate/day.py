"""The conductor: plays a plan at an estate of real parts, and does to it what the plan's steps say.

Time is the plan's: the gates' clocks go from one showing to the next, while the real clock goes as
fast as the machine can. Ten minutes of the day are played at all gates at once; before somebody comes
to a second gate, the gates have had their time to tell each other.
"""

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import tomli_w

from agent.config import GateConfig, load
from agent.core.notices import Wire
from hw.sim import line
from hw.sim.wires import SimulatedWires
from tests import brokers
from tests.estate.plan import DAY, MINUTE, SLICE_S, GatePlan, Plan, Showing, Step
from tests.estate.releases import BAD, GOOD, Releases
from tests.estate.site import Estate, EstateFault, Size

CLOSES_S: Final = DAY + 5 * MINUTE
"""When the gates are asked for their statements of the day."""
_PATIENCE_S: Final = 120.0
Say = Callable[[str], None]


class Program:
    """One program of the product, ended by its id."""

    def __init__(self, words: list[str], log: Path, *, talks: bool = False) -> None:
        self.log = log
        pipe = subprocess.PIPE if talks else subprocess.DEVNULL
        root = str(Path(__file__).parents[2])
        with log.open("ab") as told:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *words],
                stdin=pipe,
                stdout=pipe if talks else told,
                stderr=told,
                env={**os.environ, "PYTHONPATH": root},
                cwd=root,
                text=True,
            )

    def kill(self) -> None:
        self._ended(self.process.kill)

    def stop(self) -> None:
        """End it in good order: what takes cues ends when there are no more."""
        stdin = self.process.stdin
        self._ended(stdin.close if stdin else self.process.terminate)

    def _ended(self, how: Callable[[], None]) -> None:
        if self.process.poll() is None:
            how()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()


@dataclass(slots=True)
class GateAtWork:
    """A gate's two processes, and how the conductor speaks with them."""

    plan: GatePlan
    toml: Path
    config: GateConfig
    gate: Program | None = None
    sync: Program | None = None
    newest: str = ""
    unread: list[Showing] = field(default_factory=list)
    _said: "queue.SimpleQueue[str]" = field(default_factory=queue.SimpleQueue)

    @classmethod
    def at(cls, plan: GatePlan, toml: Path) -> "GateAtWork":
        return cls(plan, toml, load(toml))

    @property
    def on(self) -> bool:
        return self.gate is not None

    @property
    def online(self) -> bool:
        return self.on and self.sync is not None

    def start(self, utc: float) -> None:
        """Begin both processes; ready() waits for them."""
        self._said = queue.SimpleQueue()
        folder = self.toml.parent
        self.gate = Program(["tests.estate.gate", str(self.toml), str(utc)], folder / "gate.log", talks=True)
        self.plug_in()
        threading.Thread(target=self._listen, args=(self.gate, self._said), daemon=True).start()

    def plug_in(self) -> None:
        """Begin the process with the network."""
        self.sync = Program(["agent.cli", "sync", "--config", str(self.toml)], self.toml.parent / "sync.log")

    @staticmethod
    def _listen(program: Program, said: "queue.SimpleQueue[str]") -> None:
        for told in program.process.stdout or ():
            said.put(told)
        said.put("")

    def ready(self) -> None:
        self.hear()

    def tell(self, do: str, **more: Any) -> None:
        stdin = self.gate.process.stdin
        stdin.write(json.dumps({"do": do, **more}) + "\n")
        stdin.flush()

    def hear(self) -> dict[str, Any]:
        """The gate's next answer.

        Raises:
            EstateFault: it died, or says nothing.
        """
        try:
            told = self._said.get(timeout=_PATIENCE_S)
        except queue.Empty:
            told = ""
        if not told:
            last = self.gate.log.read_text()[-2000:]
            raise EstateFault(f"gate {self.plan.key} does not answer; its last words:\n{last}")
        answer: dict[str, Any] = json.loads(told)
        self.newest = answer.get("newest", self.newest)
        return answer

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        self.tell(do, **more)
        return self.hear()

    def end(self, how: Callable[[Program], None]) -> None:
        for program in filter(None, (self.gate, self.sync)):
            how(program)
        self.gate = self.sync = None

    def wire(self, wire: Wire, *, active: bool) -> None:
        wires = SimulatedWires(self.config.simulated_wires)
        wires.put(wire, active=active)
        wires.close()

    def released(self) -> line.Trace:
        return line.look(self.config.simulated_relay)


class Day:
    """An estate at work. `saw` is what the conductor saw with its own eyes: facts for the verdict."""

    def __init__(self, size: Size, plan: Plan, stack: ExitStack, say: Say) -> None:
        self.size, self.plan, self.say = size, plan, say
        self.folder = Path(size.folder)
        self.saw: dict[str, Any] = {"released": {}, "muster": {}, "unread": []}
        self.sites: dict[str, Estate] = {}
        self._stack = stack
        self._broker = stack.enter_context(brokers.mosquitto(self.folder / "broker", port=size.broker))
        self.gates: dict[str, GateAtWork] = {}
        self._ingesters: dict[str, Program] = {}
        self._clone: GateAtWork | None = None
        self._releases: Releases | None = None

    # --- before midnight -----------------------------------------------------------------

    def build(self) -> None:
        """Build the sites, beside each other, and start everything."""
        day = self.size.write()
        builders = {
            site: Program(["tests.estate.site", str(day), site], self.folder / f"{site}.log")
            for site in self.plan.sites
        }
        for site, builder in builders.items():
            builder.process.wait(900)
            if builder.process.returncode:
                raise EstateFault(f"site {site} was not built: {builder.log.read_text()[-2000:]}")
            self.sites[site] = Estate(self.size, site).recall()
        if time.time() > self.size.midnight_utc:
            raise EstateFault(
                "building the sites took longer than half an hour; play a smaller day on this machine"
            )
        for site in self.sites:
            self._take_in(site)
            self._stack.callback(lambda site=site: self._ingesters[site].stop())
        for gate in self.plan.gates:
            self.gates[gate.key] = GateAtWork.at(gate, self.sites[gate.site].toml(gate.name))
            self._stack.callback(self.gates[gate.key].end, Program.stop)
            self.gates[gate.key].start(self.size.midnight_utc)
        for gate in self.gates.values():
            gate.ready()
        for site in self.sites:
            self._until_lists(site, 1)

    def _take_in(self, site: str) -> None:
        """Begin the office's process that takes events in."""
        words = ["office.cli", "ingest", "--broker", self.size.address, "--home", str(self.sites[site].home)]
        self._ingesters[site] = Program(words, self.folder / f"{site}.ingest.log")

    # --- the day -------------------------------------------------------------------------

    def play(self) -> None:
        """From midnight to midnight, and until the office has everything."""
        steps = [*self.plan.steps]
        waiting = list(self.plan.showings)
        slices = {SLICE_S * n for n in range(1, int(DAY / SLICE_S) + 1)}
        words = {one.at_s for one in waiting if one.after_word}
        before: dict[str, str] = {}
        for until_s in sorted(slices | words | {step.at_s for step in steps}):
            now = [one for one in waiting if one.at_s < until_s]
            del waiting[: len(now)]
            if now or (steps[:1] and steps[0].at_s <= until_s) or until_s in words:
                cut = {
                    key
                    for step in steps
                    if step.at_s == until_s and step.what == "power_off"
                    for key in step.where
                }
                self._play(now, until_s, cut)
                self._until_heard(before, self.plan.sites)
                before = self._newest()
            if until_s in words:
                self._until_heard(before, {one.who.site for one in waiting if one.at_s == until_s})
            while steps and steps[0].at_s <= until_s:
                self._do(steps.pop(0))
                before = self._newest()  # whoever was started anew goes on from elsewhere
        self._play(waiting, CLOSES_S)
        for gate in self.gates.values():
            gate.ask("close_day")
        self._until("every gate has closed its day", lambda: all(map(_closed, self.gates.values())))
        self._until_kept(self.plan.sites)

    def _newest(self) -> dict[str, str]:
        return {key: gate.newest for key, gate in self.gates.items() if gate.online}

    def _play(self, showings: Iterable[Showing], until_s: float, cut: Iterable[str] = ()) -> None:
        """Let people come to the gates at once; whose power is cut dies as soon as its lock is released.

        Raises:
            EstateFault: a gate died by itself, or the plan sends people to one that is not there.
        """
        shown: dict[str, list[Showing]] = defaultdict(list)
        for one in showings:
            shown["clone" if one.at_clone else one.gate].append(one)
        stages = {key: gate for key, gate in self.gates.items() if gate.on}
        if self._clone:
            stages["clone"] = self._clone
        until = self.size.midnight_utc + until_s
        dying = {key: gate.released().rises for key, gate in stages.items() if key in cut and shown.get(key)}
        for key, gate in stages.items():
            gate.tell("play", until=until, shown=[self._cue(one) for one in shown.pop(key, ())])
        if shown:
            raise EstateFault(f"the plan sends people to {', '.join(shown)}, which is not there")
        for key, rises in dying.items():
            gate = stages.pop(key)
            self._until("the lock is released", lambda gate=gate, rises=rises: gate.released().rises > rises)
            gate.end(Program.kill)
        for gate in stages.values():
            if gate.hear()["unread"]:
                self.saw["unread"].append([gate.plan.key, until_s])

    def _cue(self, one: Showing) -> dict[str, Any]:
        cue: dict[str, Any] = {
            "at": self.size.midnight_utc + one.at_s,
            "text": self.sites[one.who.site].text(one),
        }
        if one.rendered:
            cue |= {"rendered": True, "medium": one.medium, "condition": one.condition, "worn": one.worn}
            cue["seed"] = one.who.number + int(one.at_s) % 977
        return cue

    # --- steps -----------------------------------------------------------------------------

    def _do(self, step: Step) -> None:
        getattr(self, f"_{step.what}")(step.at_s, *step.where)

    def _told(self, at_s: float, sentence: str) -> None:
        self.say(f"{self.size.clock(at_s)[:5]}  {sentence}")

    def _bad_release(self, at_s: float, key: str) -> None:
        gate = self.gates[key].plan
        estate = self.sites[gate.site]
        self._releases = Releases(estate, gate.name)
        self._releases.as_delivered()
        self._releases.release(BAD, health="the camera gives no pictures")
        others = [one.name for one in self.plan.gates_of(gate.site) if one != gate]
        self.saw["others_due"] = [name for name in others if self._releases.is_due(name, BAD)]
        self.saw["bad"] = self._tried(at_s, key, 2.0)
        self._told(at_s, f"{key}: release {BAD} does not do well, and {self.saw['bad']['runs']} runs again")

    def _good_release(self, at_s: float, key: str) -> None:
        self._releases.release(GOOD, percent=100)
        gate = self.gates[key].plan
        others = [one.name for one in self.plan.gates_of(gate.site) if one != gate]
        self.saw["others_not_due"] = [name for name in others if not self._releases.is_due(name, GOOD)]
        self.saw["good"] = self._tried(at_s, key, 20.0)
        self._told(
            at_s, f"{key}: release {self.saw['good']['runs']} does well and is kept; all others may have it"
        )

    def _tried(self, at_s: float, key: str, within_s: float) -> dict[str, Any]:
        """A switch of slots ends the gate's processes and begins them anew, and so does the way back."""
        self._releases.take()
        self._restart(at_s, key)
        found = self._releases.tried(within_s)
        if found["failed"]:
            self._restart(at_s, key)
        return found

    def _restart(self, at_s: float, key: str) -> None:
        gate = self.gates[key]
        gate.end(Program.stop)
        gate.start(self.size.midnight_utc + at_s)
        gate.ready()
        self._until_lists(gate.plan.site, 1)

    def _revoke(self, at_s: float, site: str, pass_id: str) -> None:
        self._told(at_s, f"{site}: a card is reported stolen; the office revokes it")
        self.sites[site].office("revoke", pass_id, "--by", "chen", "--why", "reported stolen")
        gates = [gate for gate in self.gates.values() if gate.plan.site == site]
        self._until(
            "the gates bar the stolen card",
            lambda: all(g.ask("barred", card=pass_id)["barred"] for g in gates),
        )

    def _new_keys(self, at_s: float, site: str, pass_id: str) -> None:
        self._told(
            at_s, f"{site}: the office's keys were stolen; it makes new ones, and prints every card anew"
        )
        late = next(one for one in self.plan.people if one.pass_id == pass_id)
        self._until_kept([site])
        self._ingesters[site].stop()
        self.sites[site].new_keys(late)
        self._take_in(site)
        self._until_lists(site, 3)

    def _broker_off(self, at_s: float) -> None:
        self._told(at_s, "the broker is killed")
        self._broker.kill()

    def _broker_on(self, at_s: float) -> None:
        self._told(at_s, "the broker is back, and remembers nothing")
        self._broker.start()
        self._until_kept(self.plan.sites)

    def _fire_on(self, at_s: float, site: str) -> None:
        self._told(at_s, f"{site}: the fire panel's relay closes")
        gates = [gate for gate in self.gates.values() if gate.plan.site == site]
        self._until_kept([site])
        for gate in gates:
            gate.wire(Wire.FIRE, active=True)
        self._until("fire releases every door", lambda: all(_door(gate) == "released" for gate in gates))
        self.saw["released"] = {gate.plan.key: gate.released().active for gate in gates}
        self._until_kept([site])
        self.saw["muster"] = {"site": site, "at_s": at_s, "passes": self._mustered(site)}

    def _fire_off(self, at_s: float, site: str) -> None:
        self._told(at_s, f"{site}: the fire panel is reset")
        gates = [gate for gate in self.gates.values() if gate.plan.site == site]
        for gate in gates:
            gate.wire(Wire.FIRE, active=False)
        self._until("every lock rests again", lambda: all(_door(gate) == "locked" for gate in gates))
        self.saw["locked"] = {gate.plan.key: not gate.released().active for gate in gates}

    def _mustered(self, site: str) -> list[str]:
        from tests.estate.found import mustered  # noqa: PLC0415  it sets Django up

        return mustered(self.sites[site])

    def _power_off(self, at_s: float, *keys: str) -> None:
        self._told(at_s, f"the power is cut at {' and '.join(keys)}")
        for key in keys:
            self.gates[key].end(Program.kill)
            # The machine that wakes is another boot than the one that fell asleep.
            self.gates[key].config.running_file.write_text("the boot before\n")
            self._until(
                "the lock rests without its gate", lambda key=key: not self.gates[key].released().active
            )

    def _power_on(self, at_s: float, *keys: str) -> None:
        self._told(at_s, f"the power is back at {' and '.join(keys)}")
        for key in keys:
            self.gates[key].start(self.size.midnight_utc + at_s)
        for key in keys:
            self.gates[key].ready()
        for key in keys:
            self._until_lists(self.gates[key].plan.site, 1)

    def _cable_off(self, at_s: float, key: str) -> None:
        self._told(at_s, f"{key}: its cable is cut")
        self.gates[key].sync.kill()
        self.gates[key].sync = None

    def _cable_on(self, at_s: float, key: str) -> None:
        gate = self.gates[key]
        self._until_kept([gate.plan.site])
        self._told(at_s, f"{key}: its cable is mended")
        gate.plug_in()

    def _clone_on(self, at_s: float, key: str) -> None:
        self._told(at_s, f"{key}: its card is copied, and a kiosk elsewhere runs from the copy")
        gate = self.gates[key]
        copy = gate.toml.parent.with_name(f"{gate.plan.name}-copy")
        gate.ask("look")
        shutil.copytree(gate.toml.parent, copy)
        settings = tomllib.loads((copy / "gate.toml").read_text())
        settings["fellows"] = {"broker": False}
        (copy / "gate.toml").write_text(tomli_w.dumps(settings))
        self._clone = GateAtWork.at(gate.plan, copy / "gate.toml")
        self._stack.callback(self._clone.end, Program.stop)
        self._clone.start(self.size.midnight_utc + at_s)
        self._clone.ready()

    def _clone_off(self, at_s: float, key: str) -> None:
        self._until("the office has the copy's events", lambda: self._lacks(self._clone) == 0)
        self._until_kept([self.gates[key].plan.site])
        self.saw["fork_s"] = at_s
        self._clone.end(Program.stop)
        self._clone = None
        self._told(at_s, f"{key}: the kiosk with the copied card is switched off")

    # --- waiting -----------------------------------------------------------------------------

    def _until(self, what: str, true: Callable[[], object], within_s: float = _PATIENCE_S) -> None:
        give_up = time.monotonic() + within_s
        while not true():
            if time.monotonic() > give_up:
                raise EstateFault(f"waited {within_s:.0f} s, and it was not so: {what}")
            time.sleep(0.05)

    def _until_lists(self, site: str, number: int) -> None:
        gates = [gate for gate in self.gates.values() if gate.plan.site == site and gate.on]
        self._until(
            f"the gates of {site} have list {number}",
            lambda: all(g.ask("look")["list"] >= number for g in gates),
        )

    def _until_heard(self, newest: dict[str, str], sites: Iterable[str]) -> None:
        """Wait until each gate that is on has heard its fellows up to these events, or what came later."""
        for site in sites:
            gates = [gate for gate in self.gates.values() if gate.plan.site == site and gate.online]
            try:
                self._until(
                    f"the gates of {site} have told each other",
                    lambda gates=gates: all(_has_heard(gate, gates, newest) for gate in gates),
                )
            except EstateFault as fault:
                heard = {gate.plan.name: gate.ask("look")["heard"] for gate in gates}
                raise EstateFault(f"{fault}; wanted {newest}, heard {heard}") from None

    def _until_kept(self, sites: Iterable[str]) -> None:
        """Wait until the office has everything that the gates of these sites have journaled."""
        gates = [gate for gate in self.gates.values() if gate.plan.site in sites and gate.online]
        self._until("the office has every event", lambda: not any(map(self._lacks, gates)))

    def _lacks(self, gate: GateAtWork) -> int:
        """How many of a gate's events its office does not have."""
        from tests.estate.found import kept_upto  # noqa: PLC0415  it sets Django up

        epoch, _, seq = gate.ask("look")["newest"].partition("/")
        return int(seq) - kept_upto(self.sites[gate.plan.site], gate.plan.name, epoch)


def _has_heard(gate: GateAtWork, fellows: list[GateAtWork], newest: dict[str, str]) -> bool:
    """Whether a gate has heard its fellows up to these events, or to later ones of the same start."""
    heard = gate.ask("look")["heard"]
    for fellow in fellows:
        epoch, _, seq = newest.get(fellow.plan.key, "").partition("/")
        if fellow is not gate and epoch and heard.get(fellow.plan.name, {}).get(epoch, 0) < int(seq):
            return False
    return True


def _door(gate: GateAtWork) -> str:
    return str(gate.ask("look")["door"])


def _closed(gate: GateAtWork) -> bool:
    from tests.estate.found import journal  # noqa: PLC0415  it sets Django up

    gate.ask("look")
    return any(event["type"] == "menshen.day.closed" for event in journal(gate.config))
