"""The screen of a kiosk's first console: which machine this is, how it does, and what is wrong.

For whoever stands before it with a monitor. What is wrong, and what to do about
it, it has from the doctor's rules (agent.core.findings) and from nowhere else.
It takes nothing in, knows no secret, and says of people nothing at all.
English, since a text console has no Chinese letters.
"""

import contextlib
import json
import subprocess
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.config import GateConfig
from agent.core.findings import Finding, Seen, State, examined
from agent.wiring.seeing import STATE, see
from agent.wiring.version import installed_version

WIDTH: Final = 78
LINES: Final = 24
"""Of the smallest console, 80 x 25, and none to scroll away."""
_SERIAL: Final = Path("/proc/device-tree/serial-number")
_HEADS: Final = ((State.WRONG, "WRONG"), (State.LOOK, "WANTS A LOOK"))


@dataclass(frozen=True, slots=True)
class Facts:
    """What the screen tells of.

    Args:
        seen: what the doctor's rules are told; None if this user may not look.
        config: None where there is none that can be used.
        blank: whether nobody has enrolled this kiosk yet.
    """

    version: str
    serial: str
    addresses: Sequence[str]
    seen: Seen | None = None
    config: GateConfig | None = None
    blank: bool = True


def look(config_path: Path) -> Facts:
    """What is so now; whatever can't be read is left out."""
    seen, config = None, None
    with contextlib.suppress(PermissionError):
        seen, config = see(config_path, with_broker=False)
    return Facts(
        version=installed_version(),
        serial=_text(_SERIAL) or _text((config.state if config else STATE) / "device-id") or "unknown",
        addresses=tuple(_addresses()),
        seen=seen,
        config=config,
        blank=config is None and not config_path.exists(),
    )


def screen(facts: Facts) -> str:
    """The whole screen, a page of lines no longer than the console's."""
    head = ["", f"menshen {facts.version}", "", *(f"{name:<9}{text}" for name, text in _rows(facts)), ""]
    foot = ["", "Technicians: plug the USB cable in and run menshen-provision."]
    body = ["What is wrong is not known: this user may not look; root may."]
    if facts.seen is not None:
        body = _told(told(facts), LINES - len(head) - len(foot))
    return "\n".join("  " + _plain(line)[: WIDTH - 2] for line in (*head, *body, *foot)) + "\n"


def told(facts: Facts) -> tuple[Finding, ...]:
    """The doctor's findings that call for somebody; that a kiosk is no gate yet is no fault of its own."""
    findings = examined(facts.seen) if facts.seen else ()
    return tuple(
        finding
        for finding in findings
        if finding.state in {State.WRONG, State.LOOK} and not (facts.blank and finding.part == "settings")
    )


def _rows(facts: Facts) -> Iterator[tuple[str, str]]:
    config, seen = facts.config, facts.seen
    if config:
        yield "gate", f"{config.gate} of site {config.site}, zone {config.zone}, way {config.direction}"
    else:
        yield "gate", "none yet" if facts.blank else "unknown"
    yield "kiosk", facts.serial
    yield "address", ", ".join(facts.addresses) or "none"
    if seen is None or config is None:
        return
    health = seen.health
    if seen.answers:
        known = f"list {health.list} ({health.list_state})" if health.list is not None else "no list"
        yield (
            "state",
            f"{health.mode}, door {health.door}, {known}, clock {health.clock}, {health.camera_fps:.0f} fps",
        )
    yield "office", "reached" if seen.online else "not reached"
    if seen.update:
        yield "update", seen.update


def _told(findings: Sequence[Finding], room: int) -> list[str]:
    """The findings in at most so many lines: with what to do about them, or else without."""
    whole = list(_lines(findings, with_advice=True))
    if len(whole) <= room:
        return whole
    short = list(_lines(findings, with_advice=False))
    return short if len(short) <= room else [*short[: room - 1], "- and more: menshen-agent doctor"]


def _lines(findings: Sequence[Finding], *, with_advice: bool) -> Iterator[str]:
    if not any(finding.state is State.WRONG for finding in findings):
        yield "Nothing is wrong."
    for state, head in _HEADS:
        of_it = [finding for finding in findings if finding.state is state]
        if of_it:
            yield head
        for finding in of_it:
            yield from _wrapped("- ", f"{finding.part}: {finding.found}")
            if with_advice:
                yield from _wrapped("  -> ", finding.advice)


def _wrapped(mark: str, text: str) -> list[str]:
    return textwrap.wrap(
        _plain(text),
        WIDTH - 2,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_on_hyphens=False,
    )


def _addresses() -> Iterator[str]:
    """Such as `eth0 192.0.2.7/24`, by `ip`, which asks the kernel."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, subprocess.TimeoutExpired):
        done = subprocess.run(["ip", "-json", "address"], capture_output=True, check=False, timeout=10)
        for one in json.loads(done.stdout):
            for address in one.get("addr_info", ()):
                if address.get("scope") == "global":
                    yield f"{one['ifname']} {address['local']}/{address['prefixlen']}"


def _text(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace").strip("\0\n ")[:300]
    return ""


def _plain(text: str) -> str:
    """Nothing that could move a cursor or change a colour."""
    text = text.replace("°C", "C")
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in text)
