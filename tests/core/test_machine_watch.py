"""A machine that runs hot, starves and wears out, told once each and not at every flicker."""

import pytest

from agent.core.events import Kind
from agent.core.gatekeeper import Gatekeeper
from agent.core.machine_watch import MachineWatch, Reading
from agent.core.notices import MachineChanged
from tests.core.builders import NORTH, at

DIP = 1 << 16


def told(readings, every_s=10.0, watch=None):
    watch = watch or MachineWatch()
    return [str(said.kind) for n, seen in enumerate(readings) for said in watch.look(seen, n * every_s)]


def test_a_machine_at_work_is_not_worth_a_word():
    assert told([Reading(51.2, 0, 20_000, 12.0, "")] * 50) == []


def test_a_machine_that_says_nothing_is_taken_in_good_faith():
    assert told([Reading()] * 50) == []


def test_heat_is_told_once_and_ends_well_below_where_it_began():
    degrees = [79.9, 80.0, 79.0, 81.0, 72.1, 72.0, 75.0, 79.0]
    assert told([Reading(each) for each in degrees]) == ["machine.hot", "machine.cool"]


@pytest.mark.parametrize("bit", [1, 2, 3])
def test_a_processor_that_slows_itself_down_is_hot_whatever_the_sensor_says(bit):
    watch = MachineWatch()
    (hot,) = watch.look(Reading(60.0, 1 << bit), 0.0)
    assert (hot.kind, hot.facts["temperature_c"]) == (Kind.MACHINE_HOT, 60.0)
    assert hot.facts["throttled"] in ("capped", "throttled", "hot")
    assert [said.kind for said in watch.look(Reading(60.0, 0), 10.0)] == [Kind.MACHINE_COOL]


def test_a_hot_processor_whose_sensor_falls_silent_counts_as_cool_when_it_runs_at_full_speed():
    assert told([Reading(85.0, 0), Reading(None, 0)]) == ["machine.hot", "machine.cool"]


def test_a_supply_that_flickers_is_told_once_and_is_good_after_a_minute():
    bits = [0, 1 | DIP, DIP, 1 | DIP, *[DIP] * 5, DIP, DIP]
    watch = MachineWatch()
    assert told([Reading(throttled=each) for each in bits], watch=watch) == ["power.low", "power.good"]
    assert watch.look(Reading(throttled=DIP), 500.0) == ()


def test_a_dip_between_two_looks_is_told_all_the_same():
    watch = MachineWatch()
    (dip,) = watch.look(Reading(throttled=DIP), 0.0)
    assert (dip.kind, dip.facts) == (Kind.POWER_LOW, {"now": False})
    assert watch.look(Reading(throttled=DIP), 10.0) == ()


def test_a_full_card_is_told_until_there_is_real_room():
    rooms = [201, 199, 250, 399, 400, 300, 201]
    assert told([Reading(free_mb=each) for each in rooms]) == ["card.failing", "card.good"]


def test_a_full_card_that_can_not_be_asked_is_still_full():
    assert told([Reading(free_mb=10), Reading(free_mb=None)]) == ["card.failing"]


@pytest.mark.parametrize(
    ("reading", "why"),
    [
        (Reading(free_mb=900, write_ms=2000.1, card=""), "slow"),
        (Reading(free_mb=900, write_ms=5.0, card="Read-only file system"), "Read-only file system"),
        (Reading(free_mb=10, write_ms=5.0, card="Input/output error"), "Input/output error"),
        (Reading(free_mb=10, write_ms=None, card=""), "full"),
    ],
)
def test_a_card_that_fails_its_trial_is_told_with_the_reason(reading, why):
    (failing,) = MachineWatch().look(reading, 0.0)
    assert (failing.kind, failing.facts["why"]) == (Kind.CARD_FAILING, why)


def test_a_bad_card_stays_bad_until_it_is_tried_again():
    bad, untried, good = (
        Reading(card="EIO"),
        Reading(free_mb=900),
        Reading(free_mb=900, write_ms=9.0, card=""),
    )
    assert told([bad, untried, untried, good]) == ["card.failing", "card.good"]


def test_the_gatekeeper_records_it():
    (record,) = Gatekeeper.at(NORTH).hear(MachineChanged(Kind.POWER_LOW, {"now": True}), at(1.0))
    assert (record.event.kind, record.event.facts) == (Kind.POWER_LOW, {"now": True})
