"""The day as tables, for a terminal."""

from collections import Counter
from typing import Final

from rich.console import Console
from rich.table import Table

from agent.core.events import TYPE_PREFIX
from agent.core.moments import from_iso
from tests.estate.found import Found
from tests.estate.plan import ADMITTED, IN, OUT, Plan, truth
from tests.estate.releases import BAD
from tests.estate.site import Size
from tests.estate.verdict import answered, answers, place_of

_KINDS: Final = ("resident", "staff", "contractor", "visitor", "courier")


def show(console: Console, plan: Plan, found: Found, size: Size, flaws: list[str]) -> None:
    """Print the day; what is not as it ought to be is red, with what it ought to be."""
    tables = (
        _passages(plan, found),
        _refusals(plan, found),
        _alerts(found, size),
        _incidents(plan, found),
        _sites(plan, found),
    )
    for table in tables:
        console.print()
        console.print(table)
    console.print(f"\n[bold]How the codes were seen[/]  {_seen(plan)}")
    console.print(f"\n[bold]Events[/]  {_events(found)}\n")
    for flaw in flaws:
        console.print(f"[red]WRONG[/]  {flaw}")
    if flaws:
        console.print(
            f"[red]{len(flaws)} {'deviation' if len(flaws) == 1 else 'deviations'} from the truth[/]"
        )
    else:
        console.print(
            "[green]the day on record is the day as it was: nothing lost, nothing twice, nobody miscounted[/]"
        )


def _table(title: str, *columns: str, words: int = 1) -> Table:
    """A table whose first `words` columns are words, and the others numbers."""
    table = Table(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < words else "right", header_style="dim")
    return table


def _given(found: Found) -> Counter[tuple[str, str]]:
    """How often each answer was given, by the journals."""
    counted: Counter[tuple[str, str]] = Counter()
    for events in (*found.journals.values(), *found.copies.values()):
        for event in answers(events):
            data = event["data"]
            if answered(event) == ADMITTED:
                counted[data["kind"], data.get("way") or data["direction"]] += 1
            else:
                counted["refused", answered(event)] += 1
    return counted


def _of(found: int, ought: int) -> str:
    return str(found) if found == ought else f"[red]{found}, not {ought}[/]"


def _passages(plan: Plan, found: Found) -> Table:
    given, ought = _given(found), truth(plan)
    table = _table("Entries and exits", "", "in", "out")
    for kind in _KINDS:
        table.add_row(kind, *(_of(given[kind, way], ought[kind, way]) for way in (IN, OUT)))
    sums = [
        _of(*(sum(counts[kind, way] for kind in _KINDS) for counts in (given, ought))) for way in (IN, OUT)
    ]
    table.add_row("all", *sums, style="bold")
    return table


def _refusals(plan: Plan, found: Found) -> Table:
    given, ought = _given(found), truth(plan)
    table = _table("Refusals", "", "times")
    reasons = sorted(reason for what, reason in given.keys() | ought.keys() if what == "refused")
    for reason in reasons:
        table.add_row(reason, _of(given["refused", reason], ought["refused", reason]))
    total = (sum(counts["refused", reason] for reason in reasons) for counts in (given, ought))
    table.add_row("all", _of(*total), style="bold")
    return table


def _alerts(found: Found, size: Size) -> Table:
    table = _table("Alerts", "at", "kind", "gate", "pass", "times", words=4)
    rows = []
    for site, lines in found.alerts.items():
        for _, kind, gate, about, count, detail in lines:
            # What a gate tells has its own time; what the office finds by itself was found in the incident.
            at_s = _said_at(detail, size) or found.saw.get("fork_s", 0.0)
            named = about if len(about) == 16 and kind != "fork" else ""
            rows.append((at_s, kind, f"{site}/{gate}", named, count))
    for at_s, *rest in sorted(rows):
        table.add_row(size.clock(at_s), *rest)
    return table


def _said_at(detail: str, size: Size) -> float | None:
    try:
        return from_iso(detail[:24]) - size.midnight_utc
    except ValueError:
        return None


def _incidents(plan: Plan, found: Found) -> str:
    """How the day's incidents ended that are neither a passage nor an alert."""
    released, locked, muster = found.saw["released"], found.saw["locked"], found.saw["muster"]
    bad, good = found.saw["bad"], found.saw["good"]
    cuts = sum(event["type"] == "menshen.power.cut" for events in found.journals.values() for event in events)
    inside = _of(len(muster["passes"]), len(plan.inside(muster["site"], muster["at_s"])))
    copied = sum(map(len, found.copies.values()))
    ends = {
        "release": f"{BAD} left ({bad['failed'].get(BAD)}), {bad['runs']} ran on; {good['runs']} kept",
        "fire": f"{_of(sum(released.values()), len(released))} locks released, {_of(sum(locked.values()), len(locked))}"
        f" at rest afterwards; {inside} people on the muster list",
        "power": f"{_of(cuts, len(plan.cut))} cuts on record",
        "worn cards": f"{_of(sum(map(len, found.worn.values())), len(plan.worn))} named",
        "copied card": f"{copied} events of the copy kept, and known for a fork",
    }
    return "\n".join(["[bold]Incidents[/]", *(f"{what:<12} {end}" for what, end in ends.items())])


def _sites(plan: Plan, found: Found) -> Table:
    columns = ("inside", "in truth", "events", "lost", "doubled", "days that add up")
    table = _table("Sites at midnight", "", *columns)
    for site in plan.sites:
        gates = plan.gates_of(site)
        wrote = [
            one["id"]
            for gate in gates
            for one in (*found.journals[gate.key], *found.copies.get(gate.key, ()))
        ]
        kept = Counter(f"{one['gate']} {place_of(one)}" for one in found.feeds[site])
        known = Counter(place_of(one) for one in found.feeds[site])
        whole = sum(found.reconciled.get(gate.key, ("",))[0] == "complete" for gate in gates)
        inside, ought = len(found.inside[site]), len(plan.inside(site))
        lost, doubled = (
            sum(not known[place] for place in wrote),
            sum(kept.values()) - len(set(wrote) & known.keys()),
        )
        table.add_row(
            site,
            _of(inside, ought),
            str(ought),
            str(len(wrote)),
            _of(lost, 0),
            _of(max(0, doubled), 0),
            f"{whole} of {len(gates)}" if whole == len(gates) else f"[red]{whole} of {len(gates)}[/]",
        )
    return table


def _seen(plan: Plan) -> str:
    rendered = sum(one.rendered for one in plan.showings)
    told = sum(one.rendered and bool(one.story) for one in plan.showings)
    return (
        f"{rendered} as pictures, drawn and read by the gate's own reader ({told} of the incidents, "
        f"{rendered - told} of the everyday); {len(plan.showings) - rendered} as the texts that a camera would have read"
    )


def _events(found: Found) -> str:
    kinds = Counter(
        event["type"].removeprefix(TYPE_PREFIX)
        for events in (*found.journals.values(), *found.copies.values())
        for event in events
    )
    return ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
