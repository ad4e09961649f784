"""What is wrong with a gate and what to do about it: the doctor's rules, from figures alone.

One finding for each part, always the same ten and in the order in which a technician would
look. Only what a person standing at the gate can mend is called wrong.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from agent.core.health import GateHealth
from agent.core.machine_watch import FULL_MB, HOT_C, SLOWED, UNDER_VOLTAGE, throttling
from agent.core.wellness import FRESH_S

LIVELY_FPS: Final = 5.0
"""Under this a person waits visibly for a code to be read."""
LAGGING: Final = 1000
"""Events that a gate in reach of its office gathers only if nobody takes them."""
_WORN_TENTHS: Final = 9
_SINCE_BOOT: Final = 16


class State(StrEnum):
    """How a part is."""

    GOOD = "good"
    LOOK = "look"  # works, and somebody should look when there is time
    WRONG = "wrong"
    UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Finding:
    """One part: how it is, what was found, and what to do next where something is to be done."""

    part: str
    state: State
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was gathered of a gate; None where it could not be.

    Args:
        installed: version of the software that asks.
        now_utc: Unix seconds by this machine's clock.
        faults: of the configuration, a sentence each.
        on_last_good: it can't be used, and the gate runs with the last one that could.
        configured: there is one of the two.
        health, health_age_s: what the gate process said last, and how long ago; None if it has not.
        journal_fault: why its journal can't be read; "" if it can.
        events: in the journal.
        stored_list, list_expires_utc: what sync has brought.
        list_refusal: why sync refused what it was offered since; "" if it did not.
        list_source: where sync looks; "" if it was not told.
        broker: HOST:PORT, None if none is configured.
        online: whether sync reaches it.
        queue: events that the office does not have yet.
        update: see agent.stores.release_news.
        temperature_c, throttled, free_mb: see agent.core.machine_watch.Reading.
        wear: eMMC's own estimate, two words such as `0x02 0x01`, in tenths of its life.
        first_start_over: whether this kiosk has made itself its own; so of a machine that is no kiosk.
        safe_why: why the guard chose safe mode; "" if it did not.
    """

    installed: str
    now_utc: float
    faults: tuple[str, ...] = ()
    on_last_good: bool = False
    configured: bool = True
    health: GateHealth = field(default_factory=GateHealth)
    health_age_s: float | None = None
    journal_fault: str = ""
    events: int = 0
    stored_list: int | None = None
    list_expires_utc: float = 0.0
    list_refusal: str = ""
    list_source: str = ""
    broker: str | None = None
    online: bool = False
    queue: int | None = None
    update: str | None = None
    temperature_c: float | None = None
    throttled: int | None = None
    free_mb: int | None = None
    wear: str | None = None
    first_start_over: bool = True
    safe_why: str = ""

    @property
    def answers(self) -> bool:
        return self.health_age_s is not None and self.health_age_s <= FRESH_S


def examined(seen: Seen) -> tuple[Finding, ...]:
    """The ten findings of a gate."""
    settings = _settings(seen)
    if not seen.configured:
        return (settings, *_without_settings(), _machine(seen))
    return (
        settings,
        _gate(seen),
        *_by_word_of_the_gate(seen),
        _journal(seen),
        _list(seen),
        _office(seen),
        _software(seen),
        _machine(seen),
    )


def _without_settings() -> Iterator[Finding]:
    for part in ("gate", "camera", "door", "clock", "journal", "list", "office", "software"):
        yield Finding(part, State.UNKNOWN, "not known without settings")


def _settings(seen: Seen) -> Finding:
    part = "settings"
    if not seen.faults:
        return Finding(part, State.GOOD, "no fault")
    more = f" (and {len(seen.faults) - 1} more)" if len(seen.faults) > 1 else ""
    kept = "; the gate runs with the last good ones" if seen.on_last_good else ""
    advice = "menshen-agent check names each fault; a kiosk that is no gate yet: menshen-provision"
    return Finding(part, State.WRONG, f"{seen.faults[0]}{more}{kept}", advice)


def _gate(seen: Seen) -> Finding:
    part, log = "gate", "journalctl -u menshen-gate -n 50"
    health = seen.health
    if not seen.answers:
        age = seen.health_age_s
        found = "has said nothing" if age is None else f"has said nothing for {_span(age)}"
        advice = f"see why: {log}; then systemctl restart menshen-gate"
        return Finding(part, State.WRONG, found, advice)
    if health.mode != "normal":
        why = f"; {seen.safe_why}" if seen.safe_why else ""
        found = f"runs in {health.mode} mode: it serves the exit button and the fire input alone{why}"
        return Finding(part, State.WRONG, found, f"see why: {log}; then systemctl restart menshen-gate")
    if health.version != seen.installed:
        found = f"{health.version or 'an older release'} still runs, {seen.installed} is installed"
        return Finding(part, State.LOOK, found, "systemctl restart menshen-gate")
    return Finding(part, State.GOOD, f"answers, {health.version}")


def _by_word_of_the_gate(seen: Seen) -> Iterator[Finding]:
    """Camera, door and clock, which only the gate process can tell of."""
    if not seen.answers:
        for part in ("camera", "door", "clock"):
            yield Finding(part, State.UNKNOWN, "not known while the gate says nothing")
        return
    yield _camera(seen.health)
    yield _door(seen.health)
    yield _clock(seen.health.clock)


def _camera(health: GateHealth) -> Finding:
    part = "camera"
    if health.mode != "normal":
        return Finding(part, State.UNKNOWN, f"not used in {health.mode} mode")
    if health.camera_fps <= 0:
        advice = "press the ribbon cable home at both ends, or plug the USB camera in again; the gate retries"
        return Finding(part, State.WRONG, "no pictures in the last half minute", advice)
    found = f"{health.camera_fps:g} pictures a second, {health.decode_ms:g} ms to look through one"
    if health.camera_fps < LIVELY_FPS:
        advice = "see `machine` below: heat or a weak supply slow it down; else set camera.size smaller"
        return Finding(part, State.LOOK, found + f", wanted {LIVELY_FPS:g} or more", advice)
    return Finding(part, State.GOOD, found)


def _door(health: GateHealth) -> Finding:
    part, found = "door", health.door
    if health.door == "unknown":
        advice = "journalctl -u menshen-gate -n 50 says what became of the process that holds the relay"
        return Finding(part, State.WRONG, "nobody answers for the lock", advice)
    if health.lockdown:
        advice = "the office ends it: menshen-office order GATE release"
        return Finding(part, State.LOOK, f"{found}, in lockdown: only the way out opens", advice)
    if health.door in {"held", "forced"}:
        advice = "shut it; if it is shut, look at the door contact and its wires: menshen-provision test"
        return Finding(part, State.LOOK, f"{found}: it stands open, by its contact", advice)
    return Finding(part, State.GOOD, found)


def _clock(trust: str) -> Finding:
    part = "clock"
    if trust == "unknown":
        advice = "menshen-provision time --set, or give the kiosk a network or a clock module"
        return Finding(part, State.WRONG, "the gate does not know the time: it refuses most passes", advice)
    found = "set by the network" if trust == "synced" else "was set since the start, and runs on"
    return Finding(part, State.GOOD, found)


def _journal(seen: Seen) -> Finding:
    """The journal, and the card that it is on."""
    part, exchange = "journal", "exchange the card: docs/technician.md"
    if seen.journal_fault:
        return Finding(part, State.WRONG, f"can't be read: {seen.journal_fault}", exchange)
    found = f"{seen.events} event{'s' * (seen.events != 1)}"
    if seen.free_mb is None:
        return Finding(part, State.WRONG, f"{found}; the card can't be asked how full it is", exchange)
    if seen.free_mb < FULL_MB:
        advice = (
            "reach the office, so that old events may go; journalctl --vacuum-size=20M frees some at once"
        )
        return Finding(part, State.WRONG, f"{found}; {seen.free_mb} MB free, wanted {FULL_MB}", advice)
    if seen.answers and seen.health.journal != "good":
        return Finding(part, State.WRONG, f"{found}; the card does not take more in time", exchange)
    found = f"{found}, {seen.free_mb} MB free"
    if (tenths := _worn(seen.wear)) >= _WORN_TENTHS:
        found = f"{found}; {tenths * 10} % of the card's life is used"
        return Finding(part, State.LOOK, found, "exchange it at the next visit: docs/technician.md")
    return Finding(part, State.GOOD, found)


def _worn(wear: str | None) -> int:
    """How many tenths of its life an eMMC has used, by the worse of its two estimates."""
    tenths = 0
    for word in (wear or "").split():
        try:
            tenths = max(tenths, int(word, 16))
        except ValueError:
            continue
    return tenths


def _list(seen: Seen) -> Finding:
    part = "list"
    why = f"; refused since: {seen.list_refusal}" if seen.list_refusal else ""
    if seen.stored_list is None:
        advice = "see `office` below" if seen.list_source else "set list.source, such as mqtt"
        return Finding(part, State.WRONG, f"none was ever brought: nobody is let in{why}", advice)
    found = f"number {seen.stored_list}"
    left_s = seen.list_expires_utc - seen.now_utc
    if left_s <= 0:
        return Finding(
            part,
            State.WRONG,
            f"{found} is over since {_span(-left_s)}{why}",
            "the office publishes, and renews what is published: menshen-office renew",
        )
    reads_it = seen.answers and seen.health.mode == "normal"
    if reads_it and seen.health.list != seen.stored_list:
        used = "none" if seen.health.list is None else f"number {seen.health.list}"
        advice = "wait half a minute; else journalctl -u menshen-gate -n 50 says why it does not take it"
        return Finding(part, State.LOOK, f"{found} was brought, the gate uses {used}{why}", advice)
    if seen.list_refusal:
        return Finding(part, State.LOOK, f"{found}{why}", "tell the office: its copy or its clock is wrong")
    if reads_it and seen.health.list_state not in {"fresh", "none"}:
        advice = "see `office` below; the office must run menshen-office renew"
        return Finding(part, State.LOOK, f"{found} is {seen.health.list_state}", advice)
    return Finding(part, State.GOOD, f"{found}, for {_span(left_s)} yet")


def _office(seen: Seen) -> Finding:
    part = "office"
    waiting = "" if seen.queue is None else f"; {seen.queue} event{'s' * (seen.queue != 1)} to be sent"
    if seen.broker is None:
        return Finding(part, State.LOOK, "no broker is configured, so events stay here", "set broker.host")
    if not seen.online:
        advice = "look at cable and Wi-Fi: menshen-provision network; then journalctl -u menshen-sync -n 20"
        found = f"the broker is not reached ({seen.broker}){waiting}; nothing is lost meanwhile"
        return Finding(part, State.WRONG, found, advice)
    if seen.queue is not None and seen.queue > LAGGING:
        advice = "if it does not fall: is menshen-office ingest running?"
        return Finding(part, State.LOOK, f"{seen.broker} is reached{waiting}", advice)
    return Finding(part, State.GOOD, f"{seen.broker} is reached{waiting}")


def _software(seen: Seen) -> Finding:
    part = "software"
    if seen.update is None:
        return Finding(part, State.GOOD, f"{seen.installed}, never updated")
    if seen.update.startswith(("rolled back", "not fetched", "refused")):
        return Finding(part, State.LOOK, f"{seen.installed}; {seen.update}", "menshen-firmware update status")
    return Finding(part, State.GOOD, f"{seen.installed}; {seen.update}")


def _machine(seen: Seen) -> Finding:
    part, bits, warm = "machine", seen.throttled or 0, seen.temperature_c
    if not seen.first_start_over:
        advice = "see why: journalctl -u menshen-first-boot; then start it anew"
        return Finding(part, State.WRONG, "its first start is not finished", advice)
    found = " ".join(
        word for word in ("" if warm is None else f"{warm:g} °C", _supply(seen.throttled)) if word
    )
    supply = "use a supply of 5.1 V and 3 A, with a short thick cable, and nothing else on it"
    if bits & UNDER_VOLTAGE:
        return Finding(part, State.WRONG, f"{found}: the supply is too weak", supply)
    if bits & SLOWED or (warm is not None and warm >= HOT_C):
        return Finding(part, State.WRONG, f"{found}: too hot, it slows down", "shade and air for the case")
    if bits >> _SINCE_BOOT & UNDER_VOLTAGE:
        return Finding(part, State.LOOK, f"{found}: the supply sagged since the start", supply)
    if not found:
        return Finding(part, State.UNKNOWN, "tells neither heat nor supply")
    return Finding(part, State.GOOD, found)


def _supply(bits: int | None) -> str:
    said = throttling(bits)
    return "supply good" if said == "none" else said or ""


def _span(seconds: float) -> str:
    """Such as `40 s`, `5 minutes`, `3 hours`, `12 days`: for people, so rounded."""
    for unit_s, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"
