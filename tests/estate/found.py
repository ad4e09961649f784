"""What is found after the day: in the gates' journals, and at the offices."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.config import GateConfig, load
from agent.core.moments import from_iso
from agent.stores.journal_reader import JournalReader
from office import home as homes
from office.home import prepare
from tests.estate.plan import GatePlan, Plan
from tests.estate.site import Estate, EstateFault, Size

Event = dict[str, Any]


@dataclass(slots=True)
class Found:
    """Everything that anybody kept of the day.

    Args:
        journals: of each gate, as it wrote them.
        copies: of the kiosk with the copied card, only what it wrote itself, under the gate's key.
        feeds: each site's, as its office has it.
        inside: each site's passes, as its office counts them.
        reconciled: each gate's line of `menshen-office reconcile`.
        alerts: each site's lines of `menshen-office alerts`.
        worn: each site's passes in `menshen-office worn`.
        saw: what the conductor saw, see tests.estate.day.
    """

    journals: dict[str, list[Event]] = field(default_factory=dict)
    copies: dict[str, list[Event]] = field(default_factory=dict)
    feeds: dict[str, list[Event]] = field(default_factory=dict)
    inside: dict[str, set[str]] = field(default_factory=dict)
    reconciled: dict[str, tuple[str, int, int, str]] = field(default_factory=dict)
    alerts: dict[str, list[list[str]]] = field(default_factory=dict)
    worn: dict[str, set[str]] = field(default_factory=dict)
    saw: dict[str, Any] = field(default_factory=dict)


def found(size: Size, plan: Plan, saw: dict[str, Any]) -> Found:
    """Read it all."""
    all_found = Found(saw=saw)
    for site in plan.sites:
        estate = Estate(size, site)
        for gate in plan.gates_of(site):
            _gate(estate, gate, all_found)
        _office(estate, size.date, all_found)
    return all_found


def journal(config: GateConfig) -> list[Event]:
    """Every event of a gate's journal."""
    with closing(JournalReader(config.journal_file)) as reader:
        return [json.loads(line) for _, line in reader.bodies()]


def _gate(estate: Estate, gate: GatePlan, into: Found) -> None:
    into.journals[gate.key] = journal(load(estate.toml(gate.name)))
    copy = estate.toml(f"{gate.name}-copy")
    if copy.exists():
        known = {event["id"] for event in into.journals[gate.key]}
        into.copies[gate.key] = [event for event in journal(load(copy)) if event["id"] not in known]


def _office(estate: Estate, day: str, into: Found) -> None:
    site = estate.site
    use(estate)
    into.feeds[site] = [json.loads(line) for line in estate.office("feed", "--format", "jsonl").splitlines()]
    into.inside[site] = set(mustered(estate))
    into.alerts[site] = [line.split("\t") for line in estate.office("alerts").splitlines()]
    into.worn[site] = {line.split("\t")[0] for line in estate.office("worn").splitlines()}
    for line in _reconciled(estate, day):
        gate, verdict, events, missing, detail = line.split("\t")
        into.reconciled[f"{site}/{gate}"] = (verdict, int(events), int(missing), detail)


def _reconciled(estate: Estate, day: str) -> Iterator[str]:
    try:
        yield from estate.office("reconcile", day).splitlines()
    except EstateFault as fault:  # it ends with 1 unless every day adds up; the lines say which does not
        yield from (line for line in str(fault).partition(": ")[2].splitlines() if line.count("\t") == 4)


def use(estate: Estate) -> None:
    """Work on this site's database from here on."""
    prepare()
    homes.use(estate.home)


def mustered(estate: Estate) -> list[str]:
    """The passes of those who are inside, as the office's muster list has them now."""
    return [line.split("\t")[3] for line in estate.office("muster").splitlines()]


def kept_upto(estate: Estate, gate: str, epoch: str) -> int:
    """How far the office has an epoch of a gate."""
    prepare()
    if _current() != estate.home:
        homes.use(estate.home)
    from office.models import Epoch  # noqa: PLC0415  its models want the home

    return Epoch.objects.filter(gate__name=gate, name=epoch).values_list("upto", flat=True).first() or 0


def _current() -> Path | None:
    try:
        return homes.current().path
    except Exception:  # noqa: BLE001  none yet
        return None


def at_s(event: Event, size: Size) -> float:
    """The second of the day at which something happened, by the gate's clock."""
    return from_iso(event["time"]) - size.midnight_utc
