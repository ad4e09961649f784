"""The doctor's rules: what each part's figures amount to, and that nothing wrong comes without advice."""

from dataclasses import replace

import pytest

from agent.core.findings import Finding, Seen, State, examined
from agent.core.health import GateHealth

NOW = 1_800_000_000.0
HEALTH = GateHealth(
    version="0.2.0", door="locked", list=7, list_state="fresh", clock="synced", camera_fps=14.9, decode_ms=8.1
)
WELL = Seen(
    installed="0.2.0",
    now_utc=NOW,
    health=HEALTH,
    health_age_s=12.0,
    events=812,
    stored_list=7,
    list_expires_utc=NOW + 9 * 86400,
    list_source="mqtt",
    broker="broker.example:8883",
    online=True,
    queue=0,
    update="kept 0.2.0",
    temperature_c=51.5,
    throttled=0,
    free_mb=9000,
    wear="0x01 0x02",
)
PARTS = ["settings", "gate", "camera", "door", "clock", "journal", "list", "office", "software", "machine"]


def part(seen: Seen, name: str) -> Finding:
    (found,) = [finding for finding in examined(seen) if finding.part == name]
    return found


def test_a_gate_that_is_well():
    findings = examined(WELL)
    assert [finding.part for finding in findings] == PARTS
    assert {finding.state for finding in findings} == {State.GOOD}
    assert not any(finding.advice for finding in findings)
    assert part(WELL, "list").found == "number 7, for 9 days yet"
    assert part(WELL, "machine").found == "51.5 °C supply good"


def of_gate(**health) -> dict[str, object]:
    return {"health": replace(HEALTH, **health)}


FOUND = [
    ("settings", State.WRONG, "and 1 more", {"faults": ("gate: missing", "site: missing")}),
    ("settings", State.WRONG, "last good ones", {"faults": ("gate: missing",), "on_last_good": True}),
    ("gate", State.WRONG, "has said nothing", {"health_age_s": None}),
    ("gate", State.WRONG, "nothing for 3 hours", {"health_age_s": 3 * 3600.0}),
    ("gate", State.WRONG, "nothing for 59 s", {"health_age_s": 59.0}),
    ("gate", State.WRONG, "safe mode", of_gate(mode="safe")),
    (
        "gate",
        State.WRONG,
        "input alone; it failed 3 times",
        {**of_gate(mode="safe"), "safe_why": "it failed 3 times"},
    ),
    ("gate", State.LOOK, "0.1.0 still runs", of_gate(version="0.1.0")),
    ("gate", State.LOOK, "an older release still runs", of_gate(version="")),
    ("camera", State.UNKNOWN, "says nothing", {"health_age_s": None}),
    ("camera", State.UNKNOWN, "not used", of_gate(mode="safe")),
    ("camera", State.WRONG, "no pictures", of_gate(camera_fps=0.0)),
    ("camera", State.LOOK, "2.5 pictures a second", of_gate(camera_fps=2.5)),
    ("door", State.WRONG, "nobody answers", of_gate(door="unknown")),
    ("door", State.LOOK, "lockdown", of_gate(lockdown=True)),
    ("door", State.LOOK, "stands open", of_gate(door="held")),
    ("door", State.LOOK, "stands open", of_gate(door="forced")),
    ("door", State.GOOD, "released", of_gate(door="released")),
    ("clock", State.WRONG, "does not know the time", of_gate(clock="unknown")),
    ("clock", State.GOOD, "runs on", of_gate(clock="holdover")),
    ("journal", State.WRONG, "malformed", {"journal_fault": "database disk image is malformed"}),
    ("journal", State.WRONG, "can't be asked", {"free_mb": None}),
    ("journal", State.WRONG, "120 MB free, wanted 200", {"free_mb": 120}),
    ("journal", State.WRONG, "1 event; the card does not take", {"events": 1, **of_gate(journal="late")}),
    ("journal", State.LOOK, "100 % of the card's life", {"wear": "0x0a 0x02 rubbish"}),
    ("journal", State.GOOD, "812 events, 9000 MB free", {"wear": None}),
    ("list", State.WRONG, "nobody is let in", {"stored_list": None}),
    ("list", State.WRONG, "refused since: expired", {"stored_list": None, "list_refusal": "expired"}),
    ("list", State.WRONG, "over since 2 days", {"list_expires_utc": NOW - 2 * 86400}),
    ("list", State.LOOK, "the gate uses number 6", of_gate(list=6)),
    ("list", State.LOOK, "the gate uses none", of_gate(list=None)),
    ("list", State.GOOD, "number 7", of_gate(mode="safe", list=None, list_state="none")),
    ("list", State.LOOK, "refused since: older", {"list_refusal": "older"}),
    ("list", State.LOOK, "is stale", of_gate(list_state="stale")),
    ("list", State.GOOD, "for 3 minutes", {"list_expires_utc": NOW + 180, "health_age_s": None}),
    ("office", State.LOOK, "no broker", {"broker": None}),
    (
        "office",
        State.WRONG,
        "not reached (broker.example:8883); 40 events to be sent",
        {"online": False, "queue": 40},
    ),
    (
        "office",
        State.WRONG,
        "not reached (broker.example:8883); nothing is lost",
        {"online": False, "queue": None},
    ),
    ("office", State.LOOK, "5000 events", {"queue": 5000}),
    ("office", State.GOOD, "1 event to be sent", {"queue": 1}),
    ("software", State.GOOD, "never updated", {"update": None}),
    ("software", State.LOOK, "no pictures", {"update": "rolled back 0.3.0: no pictures"}),
    ("machine", State.WRONG, "first start is not finished", {"first_start_over": False}),
    ("machine", State.WRONG, "too weak", {"throttled": 0b1}),
    ("machine", State.WRONG, "too hot", {"throttled": 0b100}),
    ("machine", State.WRONG, "too hot", {"temperature_c": 84.0}),
    ("machine", State.LOOK, "sagged since the start", {"throttled": 1 << 16}),
    ("machine", State.GOOD, "supply good", {"temperature_c": None}),
    ("machine", State.UNKNOWN, "tells neither", {"temperature_c": None, "throttled": None}),
]


@pytest.mark.parametrize(("name", "state", "words", "seen"), FOUND)
def test_what_is_found(name, state, words, seen):
    finding = part(replace(WELL, **seen), name)
    assert finding.state is state
    assert words in finding.found
    assert bool(finding.advice) == (state in {State.WRONG, State.LOOK})


def test_where_a_list_would_come_from_decides_the_advice():
    none = replace(WELL, stored_list=None)
    assert part(none, "list").advice == "see `office` below"
    assert "list.source" in part(replace(none, list_source=""), "list").advice


def test_without_settings_nothing_is_claimed():
    findings = examined(Seen(installed="0.2.0", now_utc=NOW, faults=("file: missing",), configured=False))
    assert [finding.part for finding in findings] == PARTS
    assert [finding.state for finding in findings] == [State.WRONG, *[State.UNKNOWN] * 9]
