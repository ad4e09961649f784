"""A Pi without a battery wakes in 1970: the gate as it is wired, started again and again."""

import json
import threading
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

import pytest

from agent.core.moments import Moment, Trust, from_iso
from agent.core.passes import PassKind
from agent.stores.journal_reader import JournalReader
from agent.wiring.gate import gate_process
from tests.house import House


@dataclass
class Told:
    """A clock that says what a story tells."""

    utc: float
    trust: Trust
    mono: float = 0.0

    def now(self) -> Moment:
        self.mono += 0.02
        return Moment(self.utc + self.mono, self.mono, self.trust)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("willow-court"))
    house.grant("wang")
    house.publish(admit_when_clock_unknown=frozenset({PassKind.VISITOR}))
    return house


def lived(gate, clock) -> None:
    """One start of the gate, a look at the camera's first frames, and its end."""
    with gate_process(gate.config, clock=clock) as parts:
        timer = threading.Timer(2.5, parts.stop)
        timer.start()
        parts.kiosk.serve()
        timer.join()


def lines(gate) -> list[dict]:
    with closing(JournalReader(gate.config.journal_file)) as journal:
        return [json.loads(line) for _, line in journal.bodies()]


def test_time_never_goes_back_over_a_reboot_and_each_event_says_how_sure_it_is(house):
    gate = house.enrol("north")
    gate.bring_list()
    gate.script({"at_s": 0.2, "seconds": 2.0, "text": house.card("wang"), "medium": "card"})
    today = datetime.now().astimezone().timestamp()
    starts = [
        Told(today + 3600, Trust.SYNCED),
        Told(0.0, Trust.UNKNOWN),  # the battery that it has not
        Told(today - 5 * 86400, Trust.SYNCED),  # a time server that lies
        Told(today + 7200, Trust.HOLDOVER),
    ]
    for clock in starts:
        lived(gate, clock)
    events = lines(gate)
    times = [from_iso(event["time"]) for event in events]
    assert times == sorted(times)
    assert times[0] > today
    epochs = list(dict.fromkeys(event["id"].split("/")[0] for event in events))
    trusts = [{event["data"]["clock"] for event in events if event["id"].startswith(one)} for one in epochs]
    assert trusts == [{"synced"}, {"unknown"}, {"unknown"}, {"holdover"}], "behind the floor is not synced"
    passes = [event["type"] for event in events if event["type"].startswith("menshen.pass.")]
    assert passes == ["menshen.pass.admitted"] * 4


def test_while_the_clock_is_unsure_only_the_kinds_that_the_site_chose_come_in(house):
    house.publish(admit_when_clock_unknown=frozenset({PassKind.STAFF}))
    gate = house.enrol("south")
    gate.bring_list()
    gate.script({"at_s": 0.2, "seconds": 2.0, "text": house.card("wang"), "medium": "card"})
    lived(gate, Told(0.0, Trust.UNKNOWN))
    (refused,) = (event for event in lines(gate) if event["type"] == "menshen.pass.refused")
    assert (refused["data"]["reason"], refused["data"]["clock"]) == ("clock_unsure", "unknown")
