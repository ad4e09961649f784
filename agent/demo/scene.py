"""What is going on at the gates and in the office, from the lines that their commands print."""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from agent.core.answers import CODES
from agent.core.decision import Reason
from agent.demo.cast import GATES

_KEPT: Final = 12


@dataclass(slots=True)
class GateScene:
    """One gate as somebody standing before it sees it."""

    name: str
    zone: str
    released: bool = False
    lamp: str = ""
    tone_hz: int = 0
    last: str = ""  # `admitted`, or the reason
    why: str = ""
    lit: bool = True  # whether the last answer's light has been seen


@dataclass(slots=True)
class Scene:
    """Both gates and the newest lines of the feed."""

    gates: dict[str, GateScene] = field(
        default_factory=lambda: {name: GateScene(name, zone) for name, zone in GATES.items()}
    )
    feed: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    fed: int = 0

    def hear_gate(self, gate: str, line: str) -> str:
        """Take a log line of a gate; a sentence when a bystander would have noticed something, else empty."""
        try:
            entry = json.loads(line)
        except ValueError:
            return line  # not a log line: something went wrong, and it is shown as it is
        at = self.gates[gate]
        match entry.get("event"):
            case "output.changed":
                return self._output(at, entry["output"], entry["value"])
            case "pass.admitted":
                at.last, at.why, at.lit = "admitted", "", False
                return f"admits pass {entry['pass']} ({entry['kind']})"
            case "pass.refused":
                at.last, at.why, at.lit = entry["reason"], entry.get("detail", ""), False
                return f"refuses: {described(entry['reason'], at.why)}"
            case "list.switched":
                return f"uses list {entry['list']}"
            case _:
                return f"{entry['event']}" if entry.get("level") == "error" else ""

    def hear_office(self, line: str) -> Mapping[str, Any]:
        """Take a line of the office's feed."""
        event: Mapping[str, Any] = json.loads(line)
        self.feed.append(event)
        self.fed += 1
        return event

    @staticmethod
    def _output(at: GateScene, output: str, value: bool | int) -> str:
        if output == "relay":
            at.released = bool(value)
            return "lock released" if value else "lock at rest"
        if output == "tone":
            at.tone_hz = int(value)
            return ""
        at.lamp = output if value else ""
        if at.lit or not value:
            return ""
        at.lit = True  # a refusal blinks; its first flash is enough for a line
        return f"{output} light {pattern(at.last)}"


def pattern(answer: str) -> str:
    """A refusal's flashes as they are seen, `━━ ··` for two long and two short."""
    if answer not in set(Reason):
        return "and a rising tone"
    long, short = CODES[Reason(answer)]
    return f"{'━' * long} {'·' * short}, a low tone for each long and a high one for each short"


def described(reason: str, detail: str = "") -> str:
    """A reason for people: its name, and the gate's own words."""
    return f"{reason} ({detail})" if detail else reason


def feed_line(event: Mapping[str, Any]) -> str:
    """An event of the office's feed as a line for people."""
    facts = event["data"]
    who = event["person"] or ""
    what = {
        "pass.admitted": f"admitted  {who}",
        "pass.refused": f"refused   {event['reason']}  {who}",
        "gate.alert": f"alert     {facts.get('what', '')}  {who}",
    }.get(event["kind"], event["kind"])
    list_number = f"  list {facts['list']}" if "list" in facts else ""
    return f"{event['time'][11:19]}  {event['gate']:<8}{what.rstrip()}{list_number}"
