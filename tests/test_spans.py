"""Events of a span of time are found by number, and none is left out."""

import pytest

from office.home import prepare

prepare()

from office.feed import Wish, entries  # noqa: E402
from office.spans import within  # noqa: E402
from tests.signing_gate import NOON, Desk, SigningGate  # noqa: E402

pytest_plugins = "tests.desk_plugin"


@pytest.fixture
def late(desk: Desk, gate: SigningGate) -> None:
    """A second gate was away: its events of the same minute came in behind those of the first."""
    gate.busy(59)
    south = SigningGate("south", epoch="00000000000000b2").opened().busy(59)
    desk.knows(south)
    for one in (gate, south):
        desk.takes(one, one.message(1, 60))


@pytest.mark.usefixtures("late")
@pytest.mark.parametrize("wide", [5, 20, 21, 200_000])
def test_what_came_late_is_of_its_own_time(wide: int) -> None:
    found = within(NOON + 11, NOON + 21, wide).order_by("pk")
    assert [(one.gate.name, one.seq) for one in found] == [
        (gate, seq) for gate in ("north", "south") for seq in range(11, 21)
    ]


@pytest.mark.usefixtures("late")
def test_open_ends_and_empty_spans() -> None:
    assert within(None, None).count() == 120
    assert within(NOON + 51, None).count() == 20
    assert within(None, NOON + 11).count() == 20
    assert within(NOON + 90, None).count() == within(None, 0.0).count() == 0


@pytest.mark.usefixtures("late")
def test_the_feed_of_a_span_goes_on_from_where_it_was() -> None:
    wish = Wish(gates=("south",), since_utc=NOON + 11, until_utc=NOON + 21)
    assert [one.seq for one in entries(wish)] == list(range(11, 21))
    assert [one.seq for one in entries(wish, after=75)] == list(range(16, 21))
    assert [one.seq for one in entries(wish, upto=75)] == list(range(11, 16))
