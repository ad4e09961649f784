"""Many kiosks in a row, by a list; resumable, and none twice.

What is done is what has a record on the bench's disk. A kiosk that was enrolled
just before the cable, the bench or the power went has none yet: it says which gate it
is, the very same enrolment is begun again, and it answers that it has it.
"""

import csv
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from provisioning import wire
from provisioning.bench import Bench, BenchFault
from provisioning.credentials import Credentials
from provisioning.enrol import Progress, Record, enrol
from provisioning.link import LinkLost
from provisioning.site_file import Direction, GatePlan, Site, SiteFault
from provisioning.usb import Port
from provisioning.wire import Name, Text

OpenBench: TypeAlias = Callable[[], Bench]
_COLUMNS: Final = ("gate", "name", "direction", "zone")
_MOST_GATES: Final = 10_000
_LARGEST: Final = 4 * 1024 * 1024
_LOOK_AGAIN_S: Final = 0.5
_STILL_THERE_S: Final = 1.0  # each look at a kiosk is a session in its record
_PATIENCE_S: Final = 30.0


class _Row(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    gate: Name
    name: Annotated[Text, StringConstraints(max_length=80)]
    direction: Direction
    zone: Name


def read(path: Path) -> list[GatePlan]:
    """The gates of a list, in its order.

    Raises:
        SiteFault: with every fault, one to a line, by line number.
    """
    text = _text(path)
    rows = csv.DictReader(text.splitlines(), restkey="more")
    if tuple(rows.fieldnames or ()) != _COLUMNS:
        raise SiteFault(f"{path}: found the heading {rows.fieldnames}, wanted {','.join(_COLUMNS)}")
    plans: dict[str, GatePlan] = {}
    faults = []
    try:
        for cells in rows:
            try:
                row = _Row.model_validate(cells)
            except ValidationError as fault:
                faults += [f"{path}: line {rows.line_num}: {why}" for why in _sentences(fault)]
                continue
            if row.gate in plans:
                faults.append(f"{path}: line {rows.line_num}: gate {row.gate} is there twice; name it anew")
            plans[row.gate] = GatePlan(row.gate, row.direction, row.zone, row.name)
    except csv.Error as fault:
        faults.append(f"{path}: line {rows.line_num}: {fault}")
    if not plans and not faults:
        faults.append(f"{path}: found no gate")
    if len(plans) > _MOST_GATES:
        faults.append(f"{path}: found {len(plans)} gates, wanted at most {_MOST_GATES}")
    if faults:
        raise SiteFault("\n".join(wire.plain(fault) for fault in faults))
    return list(plans.values())


def _sentences(fault: ValidationError) -> Iterator[str]:
    """Each cell that is not as wanted; a row of a list holds no secret."""
    for one in fault.errors(include_url=False):
        column = ".".join(map(str, one["loc"]))
        if column in {"gate", "zone"} and one["type"] == "string_pattern_mismatch":
            yield f"{column}: found {one['input']!r}, wanted 1 to 32 of a-z, 0-9 and -, not beginning with -"
        elif one["type"] == "literal_error":
            yield f"{column}: found {one['input']!r}, wanted {one['ctx']['expected']}"
        else:
            yield f"{column}: {one['msg']}"


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise SiteFault(f"{path}: found more than {_LARGEST} bytes; this is another kind of file")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as fault:
        raise SiteFault(f"{path}: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise SiteFault(f"{path}: found bytes that are not UTF-8; save the table as CSV UTF-8") from fault
    return text


def run(  # noqa: PLR0913, PLR0917  as enrol
    plans: Sequence[GatePlan],
    site: Site,
    records: Path,
    next_bench: Callable[[set[str]], OpenBench],
    progress: Progress,
    held: Credentials,
) -> Iterator[Record]:
    """Enrol a kiosk for each gate that has no record yet; yields each record, kept already.

    Args:
        records: a folder; GATE.json in it is a gate's record.
        next_bench: waits for a kiosk that is none of these device ids, and gives what opens its port.
    Raises:
        BenchFault, LinkLost, AuthorityFault, SiteFault, OSError: the batch stops here; run it again to go on.
    """
    records.mkdir(parents=True, exist_ok=True)
    by_gate = {plan.gate: plan for plan in plans}
    done = kept(plans, records)
    still = ""
    while waiting := [gate for gate in by_gate if gate not in done]:
        open_bench = next_bench({record.device_id for record in done.values()})
        kiosk = _looked_at(open_bench, progress)
        gate = waiting[0]
        if any(kiosk.device_id == record.device_id for record in done.values()):
            if kiosk.device_id != still:  # once, not at every look
                progress.say(f"kiosk {kiosk.device_id} is gate {kiosk.gate} already; plug in the next")
            still = kiosk.device_id
            time.sleep(_STILL_THERE_S)
            continue
        if kiosk.sealed:
            if kiosk.site != site.facts.site or kiosk.gate not in waiting:
                raise BenchFault(
                    f"kiosk {kiosk.device_id} is gate {kiosk.gate} of site {kiosk.site} already; "
                    "decommission it first, or plug in another"
                )
            gate = kiosk.gate  # it has its configuration, and we have no record
        progress.say(f"kiosk {kiosk.device_id}: gate {gate} ({len(done) + 1} of {len(by_gate)})")
        record = enrol(open_bench, site, by_gate[gate], progress, _PATIENCE_S, held)
        record.write(records / f"{gate}.json")
        done[gate] = record
        yield record


def kept(plans: Sequence[GatePlan], records: Path) -> dict[str, Record]:
    """The records that are on the disk already, by gate.

    Raises:
        BenchFault: one is damaged.
    """
    found = {}
    for plan in plans:
        path = records / f"{plan.gate}.json"
        if path.exists():
            try:
                found[plan.gate] = Record(**json.loads(path.read_bytes()))
            except (ValueError, TypeError) as fault:
                raise BenchFault(f"{path} is no record of ours; move it away, then run this again") from fault
    return found


def wait_for_kiosk(ports: Callable[[], Sequence[Port]], done: set[str], say: Callable[[str], None]) -> str:
    """The port of a kiosk that is none of those, once exactly one such is plugged in."""
    told = ""
    while True:
        kiosks = [port for port in ports() if port.kiosk and port.serial not in done]
        if len(kiosks) == 1:
            return kiosks[0].path
        words = "plug in the next kiosk" if not kiosks else f"{len(kiosks)} kiosks are in; leave one"
        if words != told:
            say(words)
            told = words
        time.sleep(_LOOK_AGAIN_S)


def summary(plans: Sequence[GatePlan], records: Path) -> str:
    """A line for each gate: its kiosk and when."""
    done = kept(plans, records)
    return "\n".join(
        f"{gate}\t{record.device_id}\t{record.enrolled_at}" for gate, record in sorted(done.items())
    )


def _looked_at(open_bench: OpenBench, progress: Progress) -> wire.IdentifyResult:
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with open_bench() as bench:
                bench.hello()
                return bench.call(wire.IDENTIFY, wire.Nothing())
        except LinkLost as fault:
            if time.monotonic() > until:
                raise
            progress.say(f"{fault}; waiting for it")
            time.sleep(_LOOK_AGAIN_S / 5)
