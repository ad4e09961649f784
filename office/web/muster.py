"""Who is inside, for a muster: by zone of the gate, then by name, in a handful of queries however many they are."""

from dataclasses import dataclass
from itertools import groupby
from typing import Final

from office.models import Pass
from office.web import lookup
from office.web.models import Inside

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


def inside(*, names: bool) -> list[tuple[str, list[Mustered]]]:
    """Everybody, by zone; within it by name, or by pass for readers who see no names."""
    rows = list(Inside.objects.values_list("pass_id", "gate__name", "gate__zone", "since_utc"))
    held = _held([row[0] for row in rows])
    named = lookup.NAMES.read() if names else {}
    files = lookup.FILES.read() if names else {}
    found = []
    for pass_id, gate, zone, since_utc in rows:
        person, kind = held.get(pass_id, (None, ""))
        name = named.get(person, {}).get("name", "") if person else ""
        unit = files.get(person, {}).get("unit", "") if person else ""
        found.append((zone, Mustered(pass_id, person, name, unit, kind, gate, since_utc)))
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
