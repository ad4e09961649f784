"""Who is inside, for a muster: by zone of the gate, then by name, in a handful of queries however many they are."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from agent.core.muster import Muster
from office import mustering
from office.models import Pass
from office.web import lookup

_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Mustered:
    """One who has to be found.

    Args:
        person: the number of the file; None for a pass that the office does not know.
        name, unit: empty where the reader sees no names.
    """

    pass_id: str
    person: int | None
    name: str
    unit: str
    kind: str
    gate: str
    since_utc: float
    told_by_gates: bool


def inside(accounts: Iterable[Muster] = (), *, names: bool) -> list[tuple[str, list[Mustered]]]:
    """Everybody, by zone; within it by name, or by pass for readers who see no names.

    Args:
        accounts: of gates that the office has not heard.
    """
    rows = mustering.within(accounts)
    held = _held([row.pass_id for row in rows])
    named = lookup.NAMES.read() if names else {}
    files = lookup.FILES.read() if names else {}
    found = []
    for row in rows:
        person, kind = held.get(row.pass_id, (None, ""))
        name = named.get(person, {}).get("name", "") if person else ""
        unit = files.get(person, {}).get("unit", "") if person else ""
        one = Mustered(row.pass_id, person, name, unit, kind, row.gate, row.since_utc, row.told_by_gates)
        found.append((row.zone, one))
    found.sort(key=lambda one: (one[0], (one[1].name or one[1].pass_id).casefold()))
    return [(zone, [one for _, one in those]) for zone, those in groupby(found, key=lambda one: one[0])]


def _held(pass_ids: list[str]) -> dict[str, tuple[int | None, str]]:
    found: dict[str, tuple[int | None, str]] = {}
    for first in range(0, len(pass_ids), _CHUNK):
        passes = Pass.objects.filter(pass_id__in=pass_ids[first : first + _CHUNK])
        found |= {
            pass_id: (person, kind)
            for pass_id, person, kind in passes.values_list("pass_id", "person_id", "kind")
        }
    return found
