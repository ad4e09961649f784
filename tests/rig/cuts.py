"""Power cuts: the machine's process is killed at a random moment while passes are shown, and started again.

After each cut the machine must come up by itself, its relay must not have moved but for passes
that its journal admits, and at the end the journal must hold: every event, link and signature, nothing missing
that the office has, and the office must have all of it. What a killed kernel had not written is lost, as with a
plug; what it had handed to the disk is not, which a card's own cache may do: see docs/on-a-real-pi.md.
"""

import json
import random
import time
from dataclasses import dataclass, field

from tests.rig.kiosk import RELAY, SLOT, Kiosk
from tests.rig.street import GATE, Street

LOAD_S = (0.5, 12.0)
TRIES = 3
"""People hold a code up again; on a machine that others use, three seconds may be two frames."""
JOURNAL = "/var/lib/menshen/gate/journal.db"


@dataclass
class Tally:
    """What a run saw."""

    cuts: int = 0
    boots_s: list[float] = field(default_factory=list)
    ready_s: list[float] = field(default_factory=list)
    shown: int = 0
    rises: int = 0
    admitted: int = 0
    events: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        boots, ready = sorted(self.boots_s), sorted(self.ready_s)
        return (
            f"{self.cuts} cuts; up again after {boots[len(boots) // 2]:.0f} s, at most {boots[-1]:.0f}; the gate serves after "
            f"{ready[len(ready) // 2]:.0f} s, at most {ready[-1]:.0f}; {self.rises} pulses for {self.admitted} admissions "
            f"of {self.shown} codes held up; "
            f"{self.events} events, faults: {self.faults or 'none'}"
        )


def run(kiosk: Kiosk, street: Street, cuts: int, seed: int = 7) -> Tally:
    """Cut so often, and look each time.

    Raises:
        RigFault: the machine does not come up again.
    """
    dice, tally = random.Random(seed), Tally()
    known = {_told(event) for event in street.events()}
    prepare(kiosk, street)
    for number in range(cuts):
        kiosk.film()
        time.sleep(dice.uniform(*LOAD_S))
        kiosk.cut()
        tally.cuts += 1
        kiosk.start()
        tally.boots_s.append(kiosk.boot_s)
        began = time.monotonic()
        kiosk.eventually("systemctl is-active menshen-gate && systemctl is-active menshen-sync", within_s=180)
        tally.ready_s.append(kiosk.boot_s + time.monotonic() - began)
        if rises := [at for at, level in kiosk.moments(RELAY) if level]:
            tally.faults.append(f"cut {number + 1}: the relay rose at {rises} before anybody was there")
        known |= {_told(event) for event in street.events()}
        journaled = {_key(event) for event in events(kiosk)}
        if lost := known - journaled:
            tally.faults.append(
                f"cut {number + 1}: the office has {len(lost)} events that the gate has lost: {sorted(lost)[:3]}"
            )
        prepare(kiosk, street)
        shown = dice.randrange(2)
        for _ in range(TRIES):
            kiosk.show(shown)
            tally.shown += 1
            journaled = events(kiosk)
            if admitted := admissions(journaled):
                break
        tally.events = len(journaled)
        rises = [at for at, level in kiosk.moments(RELAY) if level]
        tally.rises += len(rises)
        tally.admitted += len(admitted)
        if len(rises) > len(admitted):
            tally.faults.append(f"cut {number + 1}: {len(rises)} pulses for {len(admitted)} admissions")
        if not admitted:
            tally.faults.append(f"cut {number + 1}: a pass was held up {TRIES} times and nobody was admitted")
        print(f"\n{tally}", flush=True)
    tally.faults += settled(kiosk, street, tally)
    return tally


def careless(kiosk: Kiosk) -> None:
    """The control: a gate that tells its office of events that it has not flushed, which a cut then takes."""
    stores = f"{SLOT}/../lib/python3.*/site-packages/agent/stores"
    kiosk.sh(
        f"sed -i 's/synchronous = FULL/synchronous = OFF/' {stores}/journal.py && grep -q 'synchronous = OFF' {stores}/journal.py"
        f" && rm -f {stores}/__pycache__/journal.*.pyc && sync && systemctl restart menshen-gate"
    )


def prepare(kiosk: Kiosk, street: Street) -> None:
    """After a start, memory is empty: draw the codes again."""
    kiosk.draw(*map(street.passes, ("Zhao Min", "Tang Wei", "Sun Yue")))


def events(kiosk: Kiosk) -> list[dict]:
    """What the gate's journal has, in order."""
    return [
        json.loads(line) for line in kiosk.menshen("menshen-agent", "journal", "export", JOURNAL).splitlines()
    ]


def settled(kiosk: Kiosk, street: Street, tally: Tally) -> list[str]:
    """After the last cut: the journal holds, and office and gate have the same."""
    faults = []
    kiosk.put("/run/north.json", (street.folder / f"{GATE}.json").read_text())
    ran = kiosk.run(
        f"{SLOT}/menshen-agent", "journal", "verify", JOURNAL, "--key", "/run/north.json", within_s=300
    )
    if ran.code:
        faults.append(f"the journal does not hold: {ran.out.strip()[-500:]} {ran.err.strip()[-300:]}")
    ours = [_key(event) for event in events(kiosk)]
    tally.events = len(ours)
    until = time.monotonic() + 120
    while (theirs := [_told(event) for event in street.events()])[
        : len(ours)
    ] != ours and time.monotonic() < until:
        time.sleep(1.0)
    if missing := set(ours) - set(theirs):
        faults.append(f"the office lacks {len(missing)} events: {sorted(missing)[:3]}")
    if len(theirs) != len(set(theirs)):
        faults.append("the office has an event twice")
    return faults


def _key(event: dict) -> str:
    """Epoch and number, of an event in the journal."""
    return event["id"]


def _told(event: dict) -> str:
    """The same, of an event in the office."""
    return f"{event['epoch']}/{event['seq']}"


def admissions(journaled: list[dict]) -> list[dict]:
    """Those since the gate's last start."""
    epoch = journaled[-1]["id"].split("/")[0]
    return [
        event
        for event in journaled
        if event["id"].startswith(f"{epoch}/") and event["type"].endswith("pass.admitted")
    ]
