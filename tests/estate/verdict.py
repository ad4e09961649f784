"""What was found, held against the truth: each deviation is a sentence."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import chain

from agent.core.events import TYPE_PREFIX
from tests.estate.found import Event, Found, at_s
from tests.estate.plan import ADMITTED, Alarm, Plan, Showing
from tests.estate.releases import BAD, FIRST, GOOD
from tests.estate.site import Size

_LATE_S = 6.0
"""How long after it is held up a code may be answered: a picture takes some frames to be read."""
_NAMELESS = frozenset({"malformed", "forged"})
"""Refusals that name no pass, since nothing proves whose it is."""

OF_THE_MACHINE = frozenset({"relay.lost", "card.failing"})
"""Alerts about the machine that plays all this, which may be slow: they are shown, and are no deviation."""


def deviations(plan: Plan, found: Found, size: Size) -> list[str]:
    """Every difference between the day as it was meant and the day as it is on record."""
    return list(
        chain(
            _decisions(plan, found, size),
            _records(plan, found),
            _presence(plan, found, size),
            _reconciled(plan, found),
            _alerts(plan, found),
            _incidents(plan, found),
        )
    )


def answers(events: list[Event]) -> list[Event]:
    """The events that answer a code."""
    return [
        one for one in events if one["type"].removeprefix(TYPE_PREFIX) in {"pass.admitted", "pass.refused"}
    ]


def answered(event: Event) -> str:
    return str(event["data"].get("reason", ADMITTED))


# --- decisions -------------------------------------------------------------------------


def _decisions(plan: Plan, found: Found, size: Size) -> Iterator[str]:
    """Each showing has its answer, and each answer its showing."""
    shown: dict[str, list[Showing]] = defaultdict(list)
    for one in plan.showings:
        shown[f"{one.gate} (copy)" if one.at_clone else one.gate].append(one)
    given = {**found.journals, **{f"{key} (copy)": events for key, events in found.copies.items()}}
    for gate in sorted(shown.keys() | given.keys()):
        yield from _at_gate(gate, shown[gate], answers(given.get(gate, [])), size)


def _at_gate(gate: str, shown: list[Showing], given: list[Event], size: Size) -> Iterator[str]:
    left = [(at_s(event, size), event) for event in given]
    for one in sorted(shown, key=lambda one: one.at_s):
        near = [
            (when, event)
            for when, event in left
            if -0.01 <= when - one.at_s <= _LATE_S and event["data"].get("pass", "") in {one.who.pass_id, ""}
        ]
        who = f"{size.clock(one.at_s)} {gate}: {one.who.name} ({one.who.kind}, pass {one.who.pass_id})"
        ought = "be admitted" if one.answer == ADMITTED else f"be refused, {one.answer}"
        if not near:
            yield f"{who} ought to {ought}, and the gate's journal has no answer"
            continue
        fits = [each for each in near if answered(each[1]) == one.answer] or near
        when, event = fits[0]
        left.remove((when, event))
        if (was := answered(event)) != one.answer:
            yield f"{who} ought to {ought}, and was {'admitted' if was == ADMITTED else f'refused, {was}'}"
        elif one.answer == ADMITTED and (event["data"].get("way") or event["data"]["direction"]) != one.way:
            yield f"{who} went {one.way}, and the gate took it for the way {event['data'].get('way')}"
        elif bool(event["data"].get("pass")) == (one.answer in _NAMELESS):
            yield f"{who} was refused, {was}, and the event names {'a' if one.answer in _NAMELESS else 'no'} pass"
    for when, event in left:
        whose = event["data"].get("pass", "no pass")
        yield f"{size.clock(when)} {gate}: {answered(event)} for {whose}, and nobody in the plan came"


# --- records -----------------------------------------------------------------------------


def _records(plan: Plan, found: Found) -> Iterator[str]:
    """What the gates wrote is at the office, once and as it was."""
    for site, feed in found.feeds.items():
        kept: dict[str, list[Event]] = defaultdict(list)
        for entry in feed:
            kept[f"{site}/{entry['gate']}"].append(entry)
        for gate in plan.gates_of(site):
            wrote = found.journals[gate.key] + found.copies.get(gate.key, [])
            yield from _record(gate.key, wrote, kept[gate.key])


def place_of(entry: Event) -> str:
    return f"{entry['epoch']}/{entry['seq']}"


def _record(gate: str, wrote: list[Event], kept: list[Event]) -> Iterator[str]:
    journaled = {event["id"]: event for event in wrote}
    # Two rows are the same event when they say the same, wherever they stand.
    once: Counter[str] = Counter()
    for entry in kept:
        place = place_of(entry)
        if place in journaled:
            once[place] += 1
            event = journaled[place]
            if (event["time"], event["data"]) != (entry["time"], entry["data"]):
                yield f"{gate}: event {place} is another at the office than at the gate"
        else:
            twin = next(
                (one for one in wrote if (one["time"], one["data"]) == (entry["time"], entry["data"])), None
            )
            if twin is None:
                yield f"{gate}: the office has an event {place} that the gate never wrote ({entry['kind']})"
            else:
                yield f"{gate}: doubled: the office has {twin['id']} ({entry['kind']}) once more as {place}"
    for place, event in journaled.items():
        if not once[place]:
            kind = event["type"].removeprefix(TYPE_PREFIX)
            yield f"{gate}: lost: the office lacks {place} ({kind}, {event['time']})"
        elif once[place] > 1:
            yield f"{gate}: doubled: the office has {place} {once[place]} times"


# --- presence ------------------------------------------------------------------------------


def _presence(plan: Plan, found: Found, size: Size) -> Iterator[str]:
    names = {one.pass_id: one.name for one in plan.people}
    for site in plan.sites:
        yield from _differ(site, plan.inside(site), found.inside[site], names, "at midnight")
    if muster := found.saw.get("muster"):
        when = f"at {size.clock(muster['at_s'])[:5]}"
        truth = plan.inside(muster["site"], muster["at_s"])
        yield from _differ(muster["site"], truth, set(muster["passes"]), names, when)


def _differ(site: str, truth: set[str], counted: set[str], names: dict[str, str], when: str) -> Iterator[str]:
    for pass_id in sorted(truth - counted):
        yield f"{site}: {names[pass_id]} (pass {pass_id}) is inside {when}, and the office does not know"
    for pass_id in sorted(counted - truth):
        who = names.get(pass_id, "nobody of the plan")
        yield f"{site}: {who} (pass {pass_id}) is not inside {when}, and the office counts them"


# --- the office's own sums, and what it was told --------------------------------------------


def _reconciled(plan: Plan, found: Found) -> Iterator[str]:
    for gate in plan.gates:
        verdict, events, missing, detail = found.reconciled.get(gate.key, ("absent", 0, 0, ""))
        if verdict != "complete":
            yield f"{gate.key}: the day does not add up: {verdict}, {missing} missing, {detail}"
        elif not events:
            yield f"{gate.key}: the day adds up to nothing"


def raised(site: str, line: list[str]) -> Alarm:
    """An alert as the office lists it; what its `about` says of an epoch is no matter of the plan's."""
    _, kind, gate, about, _, _ = line
    named = about if len(about) == 16 and kind in {"odd_hour", "two_gates", "refused_again"} else ""
    return Alarm(site, kind, gate, named)


def _alerts(plan: Plan, found: Found) -> Iterator[str]:
    got = {raised(site, line) for site, lines in found.alerts.items() for line in lines}
    for missed in sorted(plan.alarms - got):
        yield f"{missed.site}/{missed.gate}: no alert {missed.kind} {missed.about}".rstrip()
    for more in sorted(got - plan.alarms - plan.perhaps):
        if more.kind not in OF_THE_MACHINE:
            yield f"{more.site}/{more.gate}: an alert {more.kind} {more.about} that nothing in the plan explains"


# --- incidents --------------------------------------------------------------------------------


def _incidents(plan: Plan, found: Found) -> Iterator[str]:
    for gate in plan.gates:
        yield from _troubles(gate.key, found.journals[gate.key], cuts=int(gate.key in plan.cut))
    for site in plan.sites:
        wanted = {pass_id for where, pass_id in plan.worn if where == site}
        if found.worn[site] != wanted:
            yield f"{site}: the office names {found.worn[site] or 'no'} cards as worn, wanted {wanted or 'none'}"
    for word, not_so in (
        ("released", "was not released by the fire"),
        ("locked", "did not lock after the fire"),
    ):
        for gate, so in found.saw.get(word, {}).items():
            if not so:
                yield f"{gate}: its lock {not_so}"
    yield from _releases(plan, found)
    for gate, until_s in found.saw.get("unread", []):
        yield f"{gate}: a code shown before {until_s / 3600:.2f} h could not be read"


def _releases(plan: Plan, found: Found) -> Iterator[str]:
    """The bad release was left, the good one kept, and nobody but the canary was offered the bad one."""
    bad, good = found.saw["bad"], found.saw["good"]
    if bad["runs"] != FIRST or BAD not in bad["failed"]:
        yield f"{plan.canary}: after the bad release {bad['runs']} runs, wanted {FIRST}"
    if good["runs"] != GOOD:
        yield f"{plan.canary}: after the good release {good['runs']} runs, wanted {GOOD}"
    for gate in found.saw["others_due"]:
        yield f"{gate}: release {BAD} is due, and it was for the canary alone"
    for gate in found.saw["others_not_due"]:
        yield f"{gate}: release {GOOD} is not due, and it was for all"


def _troubles(gate: str, events: list[Event], cuts: int) -> Iterator[str]:
    """What no gate ought to have journaled."""
    kinds = Counter(event["type"].removeprefix(TYPE_PREFIX) for event in events)
    if kinds["power.cut"] != cuts:
        yield f"{gate}: {kinds['power.cut']} power cuts on record, {cuts} in the plan"
    for kind in ("gate.fault", "list.refused", "camera.lost", "camera.frozen", "door.forced"):
        if kinds[kind]:
            yield f"{gate}: {kinds[kind]} times {kind}"
