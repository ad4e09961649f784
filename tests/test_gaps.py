"""Events that a gate let go of before a restored office had them: seen, accepted by a person, on record for good."""

import json
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection, connections

from agent.brokers.config import BrokerConfig
from agent.brokers.paho import PahoBroker
from agent.core.closing import Statement, counted_as
from agent.core.events import TYPE_PREFIX, Kind, Place
from agent.core.events import Event as GateEvent
from agent.core.feed import Purged, ack_topic, status_topic
from agent.stores import acknowledged
from agent.stores.housekeeping import STEP_EVERY_S, Housekeeping
from agent.stores.journal import JournalStore
from agent.stores.journal_reader import JournalReader
from agent.stores.pointer import PointerStore
from agent.uplink import Uplink
from office.cli import main
from tests import brokers
from tests.core.builders import DAY, at, listed
from tests.signing_gate import NOON, SITE, Desk, SigningGate
from tests.small_office import eventually
from tests.test_ingest import ingester

from office import feed, gaps  # isort: skip  after signing_gate has set Django up
from office.faults import OfficeFault  # isort: skip
from office.models import Act, Epoch, Event, Gap  # isort: skip
from office.reconcile import Verdict, reconcile  # isort: skip
from office.retention import events as letting_go  # isort: skip

MORNING, EVENING = "00000000000000a1", "00000000000000b2"
BROUGHT = "restored from the backup of 1 March"


pytest_plugins = "tests.desk_plugin"


@pytest.fixture
def gate(desk: Desk) -> SigningGate:
    """A gate of 300 events, of which the office, as restored, holds 100."""
    north = SigningGate().opened().busy(299)
    desk.knows(north)
    desk.takes(north, north.message(1, 100))
    return north


def rest(gate: SigningGate, gone: int = 200) -> bytes:
    """All that the gate still has."""
    return gate.message(gone + 1, min(gone + 200, len(gate.bodies)), gone=gate.gone(gone))


def accept(desk: Desk) -> Gap:
    return gaps.accept(SITE, "north", by="wang", why=BROUGHT, sign=desk.keys.ack.sign)


def said(desk: Desk, *words: str) -> str:
    done = CliRunner().invoke(main, [*words, "--home", str(desk.home)])
    assert done.exit_code == 0, done.output
    return done.stdout


def places(*parts: tuple[str, int, int]) -> list[tuple[str, int]]:
    return [(epoch, seq) for epoch, first, last in parts for seq in range(first, last + 1)]


# --- seen, accepted, closed -----------------------------------------------------------


def test_a_gap_is_seen_at_once_and_the_feed_waits_for_a_person(desk: Desk, gate: SigningGate) -> None:
    for _ in range(2):
        assert desk.takes(gate, rest(gate)) == [(MORNING, 100)]
    assert desk.keeps() == places((MORNING, 1, 100))
    assert desk.alerts() == {"gap": 2}
    assert said(desk, "gap", "list") == f"north\t{MORNING}/100\t{MORNING}/200\tseen\t-\t-\n"
    assert "\tgap\t" in said(desk, "alerts")
    assert "menshen-office gap" in said(desk, "alerts")


def test_behind_an_accepted_gap_the_feed_goes_on(desk: Desk, gate: SigningGate) -> None:
    desk.takes(gate, rest(gate))
    said(desk, "gap", "accept", "north", "--by", "wang", "--why", BROUGHT)
    assert "\taccepted\twang " in said(desk, "gap", "list")
    assert desk.takes(gate, rest(gate)) == [(MORNING, 300)]
    assert desk.keeps() == places((MORNING, 1, 100), (MORNING, 201, 300))
    assert "\tclosed\twang " in said(desk, "gap", "list")
    assert (
        Act.objects.filter(what=gaps.ACCEPTED).latest("n").why == f"{MORNING}/100 to {MORNING}/200: {BROUGHT}"
    )
    gate.busy(5)
    assert desk.takes(gate, gate.message(301, 305)) == [(MORNING, 305)]
    assert desk.alerts() == {"gap": 1}


def test_the_gap_stands_in_the_feed_where_the_events_would(desk: Desk, gate: SigningGate) -> None:
    desk.takes(gate, rest(gate))
    accept(desk)
    desk.takes(gate, rest(gate))
    lines = [json.loads(line) for line in said(desk, "feed", "--format", "jsonl").splitlines()]
    assert [line["seq"] for line in lines[98:103]] == [99, 100, 200, 201, 202]
    assert (lines[100]["kind"], lines[100]["number"]) == ("feed.gap", lines[99]["number"])
    assert lines[100]["data"] == {
        "after": f"{MORNING}/100",
        "to": f"{MORNING}/200",
        "by": "wang",
        "why": BROUGHT,
    }
    note = f"missing after {MORNING}/100, to {MORNING}/200; accepted by wang: {BROUGHT}"
    assert said(desk, "feed", "--format", "csv").splitlines()[101].endswith(f',{MORNING},200,"{note}"')
    assert said(desk, "feed").splitlines()[101].endswith(note)


def test_whoever_follows_the_feed_is_told_once(desk: Desk, gate: SigningGate) -> None:
    desk.takes(gate, rest(gate))
    accept(desk)
    seen = feed.newest()
    assert list(feed.entries(feed.Wish(), seen)) == []
    desk.takes(gate, rest(gate))
    told = [entry.kind for entry in feed.entries(feed.Wish(), seen)]
    assert told == [feed.GAP, *["pass.refused"] * 100]
    seen = feed.newest()
    gate.busy(1)
    desk.takes(gate, gate.message(301, 301))
    assert [entry.kind for entry in feed.entries(feed.Wish(), seen)] == ["pass.refused"]


@pytest.mark.parametrize(
    ("words", "is_shown"),
    [
        (("--result", "expired"), True),  # it may be among what is missing
        (("--gate", "north"), True),
        (("--gate", "south"), False),
        (("--kind", "pass.admitted"), False),
        (("--kind", "feed.gap"), True),
        (("--since", "2026-03-01T20:03"), True),
        (("--since", "2026-03-01T20:04"), False),
        (("--until", "2026-03-01T20:02"), True),
        (("--until", "2026-03-01T20:01"), False),
    ],
)
def test_a_wish_for_something_else_hides_it(
    desk: Desk, gate: SigningGate, words: tuple[str, ...], is_shown: bool
) -> None:
    """The last event before it was at 20:01:40 on the site's clock, the first one behind it at 20:03:21."""
    desk.takes(gate, rest(gate))
    accept(desk)
    desk.takes(gate, rest(gate))
    assert ("feed.gap" in said(desk, "feed", *words)) is is_shown


def test_a_person_says_who_and_why_and_of_which_gate(desk: Desk, gate: SigningGate) -> None:
    def refused(name: str, why: str) -> str:
        with pytest.raises(OfficeFault) as told:
            gaps.accept(SITE, name, by="wang", why=why, sign=desk.keys.ack.sign)
        return str(told.value)

    assert "has not said that it let go" in refused("north", BROUGHT)
    desk.takes(gate, rest(gate))
    assert "say why" in refused("north", "  ")
    assert "say why" in refused("north", "x" * 501)
    assert "gate list" in refused("south", BROUGHT)
    done = CliRunner().invoke(
        main, ["gap", "accept", "south", "--by", "w", "--why", "x", "--home", str(desk.home)]
    )
    assert (done.exit_code, "Traceback" in done.output) == (1, False)


# --- only what the gate signed, only what was accepted --------------------------------------


def _by_another(gate: SigningGate) -> Purged:
    return replace(gate, key=Ed25519PrivateKey.generate()).gone(200)


def _as_a_head(gate: SigningGate) -> Purged:
    point = gate.gone(200).checkpoint
    return Purged(point, gate.key.sign(point.signed_by_gate()))


def _of_another_gate(gate: SigningGate) -> Purged:
    there = replace(gate, name="south").gone(200)
    return Purged(gate.gone(200).checkpoint, there.signature)


def _elsewhere(gate: SigningGate) -> Purged:
    return gate.gone(199)


def _with_another_head(gate: SigningGate) -> Purged:
    point = replace(gate.gone(200).checkpoint, head=bytes(32))
    return Purged(point, gate.key.sign(point.signed_as_purged()))


@pytest.mark.parametrize("word", [_by_another, _as_a_head, _of_another_gate, _elsewhere, _with_another_head])
def test_a_word_that_is_forged_or_does_not_fit_makes_no_gap(
    desk: Desk, gate: SigningGate, word: Callable[[SigningGate], Purged]
) -> None:
    desk.takes(gate, gate.message(201, 300, gone=word(gate)))
    assert not Gap.objects.exists()
    with pytest.raises(OfficeFault, match="has not said"):
        accept(desk)
    # And beside an accepted one it opens nothing either.
    desk.takes(gate, rest(gate))
    accept(desk)
    assert desk.takes(gate, gate.message(201, 300, gone=word(gate))) == [(MORNING, 100)]
    assert desk.takes(gate, gate.message(201, 300)) == [(MORNING, 100)]
    assert desk.keeps() == places((MORNING, 1, 100))


def test_an_epoch_that_names_another_past_makes_no_gap(desk: Desk, gate: SigningGate) -> None:
    evening = gate.restarted(EVENING)
    desk.takes(gate, evening.message(1, 1, gone=gate.gone(299)))
    mute = SigningGate(gate.name, gate.key, EVENING).busy(1)
    desk.takes(gate, mute.message(1, 1, gone=gate.gone(300)))
    assert not Gap.objects.exists()


def test_what_somebody_keeps_back_is_no_gap_to_accept(desk: Desk, gate: SigningGate) -> None:
    desk.takes(gate, gate.message(201, 300))
    with pytest.raises(OfficeFault, match="keeps its messages back"):
        accept(desk)


def test_a_wider_gap_than_the_accepted_one_wants_a_person_again(desk: Desk, gate: SigningGate) -> None:
    desk.takes(gate, rest(gate))
    accept(desk)
    assert desk.takes(gate, rest(gate, 250)) == [(MORNING, 100)]
    assert [line.split("\t")[3] for line in said(desk, "gap", "list").splitlines()] == ["accepted", "seen"]
    assert accept(desk).to == f"{MORNING}/250"
    assert desk.takes(gate, rest(gate, 250)) == [(MORNING, 300)]
    assert [line.split("\t")[3] for line in said(desk, "gap", "list").splitlines()] == ["over", "closed"]


def test_what_the_gate_spoke_of_last_is_accepted(desk: Desk, gate: SigningGate) -> None:
    """An old message, said again by a broker, does not come between."""
    for gone in (250, 200, 250):
        desk.takes(gate, rest(gate, gone))
    assert accept(desk).to == f"{MORNING}/250"


def test_an_accepted_gap_that_closes_by_itself_is_over(desk: Desk, gate: SigningGate) -> None:
    desk.takes(gate, rest(gate))
    accept(desk)
    assert desk.takes(gate, gate.message(101, 300)) == [(MORNING, 300)]
    assert "\tover\t" in said(desk, "gap", "list")
    assert "feed.gap" not in said(desk, "feed")


@pytest.mark.parametrize(
    "change",
    [
        {"to_head": bytes(32)},
        {"after_head": bytes(32)},
        {"by": "nobody"},
        {"why": "no reason"},
        {"accepted_at": datetime(2026, 3, 2, tzinfo=UTC)},
        {"signature": b""},
    ],
)
def test_a_row_that_somebody_edited_opens_nothing(
    desk: Desk, gate: SigningGate, change: dict[str, object]
) -> None:
    desk.takes(gate, rest(gate))
    accept(desk)
    Gap.objects.update(**change)
    assert desk.takes(gate, rest(gate)) == [(MORNING, 100)]
    assert desk.keeps() == places((MORNING, 1, 100))


def test_an_acceptance_of_one_gap_moved_to_another_opens_nothing(desk: Desk, gate: SigningGate) -> None:
    desk.takes(gate, rest(gate))
    accept(desk)
    Gap.objects.update(to_seq=250, to_head=gate.head(250))
    assert desk.takes(gate, rest(gate, 250)) == [(MORNING, 100)]


# --- the shapes of gaps ---------------------------------------------------------------------


def test_a_gap_that_ends_with_its_epoch(desk: Desk, gate: SigningGate) -> None:
    evening = gate.restarted(EVENING).busy(9)
    message = evening.message(1, 10, gone=gate.gone(300))
    assert desk.takes(gate, message) == [(MORNING, 100)]
    assert accept(desk).to == f"{MORNING}/300"
    assert (EVENING, 10) in desk.takes(gate, message)
    assert desk.keeps() == places((MORNING, 1, 100), (EVENING, 1, 10))
    assert desk.alerts() == {"gap": 1}


def test_a_gap_over_whole_epochs(desk: Desk, gate: SigningGate) -> None:
    between = gate.restarted("00000000000000c3").busy(4)
    evening = between.restarted(EVENING).busy(9)
    message = evening.message(6, 10, gone=evening.gone(5))
    assert desk.takes(gate, message) == [(MORNING, 100)]
    accept(desk)
    assert (EVENING, 10) in desk.takes(gate, message)
    assert desk.keeps() == places((MORNING, 1, 100), (EVENING, 6, 10))
    night = evening.restarted("00000000000000d4")
    assert (night.epoch, 1) in desk.takes(gate, night.message(1, 1))
    assert desk.alerts() == {"gap": 1}


def test_a_gap_to_the_end_of_an_epoch_that_was_never_heard_of(desk: Desk, gate: SigningGate) -> None:
    between = gate.restarted("00000000000000c3").busy(4)
    evening = between.restarted(EVENING).busy(9)
    message = evening.message(1, 10, gone=between.gone(5))
    desk.takes(gate, message)
    accept(desk)
    assert (EVENING, 10) in desk.takes(gate, message)
    assert desk.keeps() == places((MORNING, 1, 100), (EVENING, 1, 10))


def test_an_office_that_holds_nothing(desk: Desk) -> None:
    north = SigningGate().opened().busy(299)
    desk.knows(north)
    assert desk.takes(north, rest(north)) == []
    assert said(desk, "gap", "list") == f"north\tthe beginning\t{MORNING}/200\tseen\t-\t-\n"
    accept(desk)
    assert desk.takes(north, rest(north)) == [(MORNING, 300)]
    assert desk.keeps() == places((MORNING, 201, 300))
    first = json.loads(said(desk, "feed", "--format", "jsonl").splitlines()[0])
    assert (first["kind"], first["number"]) == ("feed.gap", 0)


def test_a_gap_in_an_epoch_that_is_not_the_newest(desk: Desk, gate: SigningGate) -> None:
    """A cloned card began an epoch of its own meanwhile; the gate goes on with the older one."""
    other = SigningGate(gate.name, gate.key, EVENING).opened()
    desk.takes(gate, other.message(1, 1))
    assert (MORNING, 100) in desk.takes(gate, rest(gate))
    assert accept(desk).after == f"{MORNING}/100"
    assert (MORNING, 300) in desk.takes(gate, rest(gate))


def test_two_gaps_one_after_the_other(desk: Desk, gate: SigningGate) -> None:
    for gone in (150, 250):
        message = gate.message(gone + 1, gone + 50, gone=gate.gone(gone))
        desk.takes(gate, message)
        accept(desk)
        desk.takes(gate, message)
    assert desk.keeps() == places((MORNING, 1, 100), (MORNING, 151, 200), (MORNING, 251, 300))
    for first, last in ((120, 160), (170, 180), (190, 260), (1, 50)):
        assert (MORNING, 300) in desk.takes(gate, gate.message(first, last))
    assert desk.alerts() == {"gap": 2}


# --- what turns up later --------------------------------------------------------------------


@pytest.fixture
def torn(desk: Desk, gate: SigningGate) -> SigningGate:
    """Events 101 to 200 of 300 are an accepted gap."""
    desk.takes(gate, rest(gate))
    accept(desk)
    assert desk.takes(gate, rest(gate)) == [(MORNING, 300)]
    return gate


@pytest.mark.parametrize(
    "runs",
    [
        ((1, 100), (101, 200), (201, 300)),
        ((1, 150), (151, 300)),
        ((101, 120), (121, 180), (181, 250)),
        ((90, 210),),
        ((130, 140), (101, 129), (141, 200)),
    ],
)
def test_events_of_a_gap_that_turn_up_are_taken_in(
    desk: Desk, torn: SigningGate, runs: tuple[tuple[int, int], ...]
) -> None:
    """As from a card that was put back; its window moves on, and what it brings is not lost."""
    for _ in range(2):
        for first, last in runs:
            assert (MORNING, last) in desk.takes(torn, torn.message(first, last))
    assert sorted(desk.keeps()) == places((MORNING, 1, 300))
    assert desk.alerts() == {"gap": 1}
    torn.busy(1)
    assert desk.takes(torn, torn.message(301, 301)) == [(MORNING, 301)]


def test_a_run_from_within_a_gap_to_what_is_new(desk: Desk, torn: SigningGate) -> None:
    torn.busy(20)
    assert desk.takes(torn, torn.message(151, 320)) == [(MORNING, 320)]
    assert sorted(desk.keeps()) == places((MORNING, 1, 100), (MORNING, 151, 320))


def test_another_history_of_a_gap_is_a_fork(desk: Desk, torn: SigningGate) -> None:
    other = replace(torn, bodies=[*torn.bodies[:150], torn.bodies[151], *torn.bodies[151:]])
    for first, last in ((101, 200), (140, 210), (201, 250)):
        assert (MORNING, last) not in desk.takes(torn, other.message(first, last))
    assert desk.alerts() == {"gap": 1, "fork": 3}
    assert len(desk.keeps()) == 200


def test_another_history_of_what_a_gap_got_back_is_a_fork(desk: Desk, torn: SigningGate) -> None:
    desk.takes(torn, torn.message(101, 180))
    other = replace(torn, bodies=[*torn.bodies[:150], torn.bodies[151], *torn.bodies[151:]])
    assert (MORNING, 190) not in desk.takes(torn, other.message(145, 190))
    assert desk.alerts() == {"gap": 1, "fork": 1}


def test_whole_epochs_of_a_gap_that_turn_up_are_taken_in(desk: Desk, gate: SigningGate) -> None:
    between = gate.restarted("00000000000000c3").busy(4)
    evening = between.restarted(EVENING).busy(9)
    message = evening.message(6, 10, gone=evening.gone(5))
    desk.takes(gate, message)
    accept(desk)
    desk.takes(gate, message)
    for one, first, last in ((gate, 101, 300), (between, 1, 5), (evening, 1, 5), (evening, 6, 10)):
        assert (one.epoch, last) in desk.takes(gate, one.message(first, last))
    assert len(desk.keeps()) == 315
    assert desk.alerts() == {"gap": 1}


# --- deletion on schedule -------------------------------------------------------------------


@pytest.fixture
def wide(desk: Desk) -> SigningGate:
    """A gap of 10,900 events, wider than what is deleted in one go; 100 events on either side."""
    north = SigningGate().opened().busy(11_099)
    desk.knows(north)
    desk.takes(north, north.message(1, 100))
    desk.takes(north, rest(north, 11_000))
    accept(desk)
    assert desk.takes(north, rest(north, 11_000)) == [(MORNING, 11_100)]
    return north


def test_deletion_goes_over_a_gap_and_honest_gates_stay_honest(desk: Desk, wide: SigningGate) -> None:
    """C10."""
    epoch = Epoch.objects.get()
    assert letting_go.count({epoch.pk: 11_050}) == 150
    assert letting_go.delete({epoch.pk: 11_050}) == 150
    epoch.refresh_from_db()
    assert (epoch.let_go, bytes(epoch.let_go_head)) == (11_050, wide.head(11_050))
    for first, last in ((1, 100), (1, 60), (11_001, 11_060), (11_055, 11_080), (11_001, 11_100)):
        assert (MORNING, 11_100) in desk.takes(wide, wide.message(first, last))
    assert desk.alerts() == {"gap": 1}
    other = replace(wide, bodies=list(wide.bodies))
    other.bodies[11_059] = other.bodies[11_058]
    desk.takes(wide, other.message(11_055, 11_080))
    assert desk.alerts() == {"gap": 1, "fork": 1}


def test_deletion_never_stands_still_inside_a_gap(desk: Desk, wide: SigningGate) -> None:
    """C10: the ingester may look between two pieces."""
    (epoch,) = Epoch.objects.all()
    assert letting_go._piece(epoch.pk, 11_050) == 100
    epoch.refresh_from_db()
    assert (epoch.let_go, bytes(epoch.let_go_head)) == (11_000, wide.head(11_000))


def test_deletion_up_to_a_gap_goes_to_its_end(desk: Desk, wide: SigningGate) -> None:
    """C10: the first young event is the one behind it."""
    wanted = letting_go.due(datetime.fromtimestamp(NOON + 11_001, UTC))
    assert wanted == {Epoch.objects.get().pk: 11_000}
    assert letting_go.delete(wanted) == 100
    epoch = Epoch.objects.get()
    assert (epoch.let_go, bytes(epoch.let_go_head)) == (11_000, wide.head(11_000))
    assert desk.takes(wide, wide.message(11_001, 11_100)) == [(MORNING, 11_100)]
    # What turns up of it now is older than the office keeps events.
    assert (MORNING, 200) in desk.takes(wide, wide.message(101, 200))
    assert desk.keeps() == places((MORNING, 11_001, 11_100))
    assert desk.alerts() == {"gap": 1}


def test_deletion_before_a_gap_leaves_the_chain_whole(desk: Desk, torn: SigningGate) -> None:
    """C10: a run between what was let go of and the gap is hashed on to the gap, not over it."""
    assert letting_go.delete({Epoch.objects.get().pk: 50}) == 50
    for first, last in ((1, 100), (61, 70), (40, 60), (71, 100), (211, 220)):
        assert (MORNING, 300) in desk.takes(torn, torn.message(first, last))
    assert desk.alerts() == {"gap": 1}
    other = replace(torn, bodies=list(torn.bodies))
    other.bodies[20] = other.bodies[21]
    desk.takes(torn, other.message(61, 70))
    assert desk.alerts() == {"gap": 1, "fork": 1}


def test_a_gap_that_got_some_back_is_let_go_of_whole(desk: Desk, torn: SigningGate) -> None:
    """C10: no head is known inside a gap, so deletion waits at its beginning for all of it."""
    desk.takes(torn, torn.message(121, 160))
    (epoch,) = Epoch.objects.all()
    assert letting_go.due(datetime.fromtimestamp(NOON + 140, UTC)) == {epoch.pk: 100}
    assert letting_go.delete({epoch.pk: 139}) == 100
    assert letting_go.delete({epoch.pk: 250}) == 40 + 50
    epoch.refresh_from_db()
    assert bytes(epoch.let_go_head) == torn.head(250)


def test_an_epoch_that_lies_wholly_in_a_gap_holds_nothing_up(desk: Desk, gate: SigningGate) -> None:
    between = gate.restarted("00000000000000c3").busy(4)
    evening = between.restarted(EVENING).busy(9)
    message = evening.message(1, 10, gone=between.gone(5))
    desk.takes(gate, message)
    accept(desk)
    desk.takes(gate, message)
    wanted = letting_go.due(datetime.fromtimestamp(NOON + 10_000, UTC))
    assert letting_go.count(wanted) == letting_go.delete(wanted) == 109
    assert desk.keeps() == [(EVENING, 10)]
    assert letting_go.due(datetime.fromtimestamp(NOON + 10_000, UTC)) == {}


def test_the_gap_stays_in_the_feed_when_the_events_around_it_are_gone(desk: Desk, torn: SigningGate) -> None:
    letting_go.delete({Epoch.objects.get().pk: 299})
    lines = [json.loads(line) for line in said(desk, "feed", "--format", "jsonl").splitlines()]
    assert [(line["kind"], line["seq"]) for line in lines] == [("feed.gap", 200), ("pass.refused", 300)]
    assert lines[0]["time"].startswith("2026-03-01T12:03:21")


# --- does the day add up? -------------------------------------------------------------------


class Week:
    """A gate that closes each day at midnight; the office lacks what is from the 3rd to the 5th of March."""

    def __init__(self, desk: Desk) -> None:
        self.gate = SigningGate().opened()
        self.desk = desk
        self.first, self.days = 1, [datetime(2026, 3, day, tzinfo=UTC) for day in range(1, 8)]
        self.ends: dict[int, int] = {}
        desk.knows(self.gate)

    def passes(self) -> None:
        for day in self.days:
            self._journal(day.timestamp() + 3600, 20)
            self._close(day)
            self.ends[day.day] = len(self.gate.bodies)

    def _journal(self, utc: float, events: int) -> None:
        for _ in range(events):
            self._write(utc, Kind.REFUSED, {"reason": "expired"})

    def _close(self, day: datetime) -> None:
        last = len(self.gate.bodies)
        lines = map(json.loads, self.gate.bodies[self.first - 1 :])
        kinds = Counter(counted_as(line["type"].removeprefix(TYPE_PREFIX), line["data"]) for line in lines)
        statement = Statement(
            f"{day:%Y-%m-%d}", self._place(self.first), self._place(last), self.gate.head(last), kinds
        )
        signature = self.gate.key.sign(statement.signed_by_gate())
        self.first = last + 1
        # The site is eight hours ahead: its midnight is at 16:00.
        self._write(
            day.timestamp() + 16 * 3600 + 5,
            Kind.DAY_CLOSED,
            replace(statement, signature=signature).facts(),
        )

    def _place(self, seq: int) -> Place:
        return Place(SITE, "north", self.gate.epoch, seq)

    def _write(self, utc: float, kind: Kind, facts: dict[str, object]) -> None:
        self.gate.journal(kind, **facts)
        stamp = datetime.fromtimestamp(utc, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        line = json.loads(self.gate.bodies[-1])
        old = line["time"]
        self.gate.bodies[-1] = self.gate.bodies[-1].replace(
            old.encode(), old.replace(old[:19], stamp).encode()
        )

    def arrives(self) -> None:
        before, behind = self.ends[2] + 5, self.ends[5] - 5
        self.desk.takes(self.gate, self.gate.message(1, before))
        last = len(self.gate.bodies)
        message = self.gate.message(behind + 1, last, gone=self.gate.gone(behind))
        self.desk.takes(self.gate, message)
        accept(self.desk)
        assert self.desk.takes(self.gate, message) == [(self.gate.epoch, last)]

    def verdicts(self) -> dict[int, tuple[Verdict, bool]]:
        """By day of March: how it stands, and whether the gap is told."""
        found = {}
        for day in (*self.days, datetime(2026, 3, 8, tzinfo=UTC)):
            (one,) = reconcile(SITE, f"{day:%Y-%m-%d}", self.desk.keys.ack.sign)
            found[day.day] = one.verdict, BROUGHT in one.said
        return found


@pytest.fixture
def week(desk: Desk) -> Week:
    one = Week(desk)
    one.passes()
    one.arrives()
    return one


def test_days_that_a_gap_touches_are_missing_and_say_why(week: Week) -> None:
    """C20: the others are complete, also behind the gap."""
    touched = (Verdict.MISSING, True)
    assert week.verdicts() == {
        1: (Verdict.COMPLETE, False),
        2: (Verdict.COMPLETE, False),
        3: touched,
        4: touched,
        5: touched,
        6: (Verdict.COMPLETE, False),
        7: (Verdict.COMPLETE, False),
        8: (Verdict.WAITING, False),
    }


def test_a_day_in_which_a_gap_ends_waits_for_its_statement(desk: Desk) -> None:
    """C20: it is closed at its end, which is behind the gap."""
    one = Week(desk)
    one.passes()
    del one.gate.bodies[one.ends[5] - 1 :]
    one.arrives()
    assert one.verdicts()[4] == (Verdict.MISSING, True)
    assert one.verdicts()[5] == (Verdict.WAITING, True)


def test_no_other_day_is_blamed_when_the_events_before_the_gap_are_deleted(week: Week) -> None:
    """C10, C20."""
    letting_go.delete({Epoch.objects.get().pk: week.ends[2] + 5})
    found = week.verdicts()
    assert [found[day] for day in (1, 2)] == [(Verdict.WAITING, False)] * 2
    assert [found[day] for day in (3, 4)] == [(Verdict.MISSING, True)] * 2
    assert found[6] == (Verdict.COMPLETE, False)


def test_a_day_behind_a_gap_adds_up_when_deletion_has_passed_it(week: Week) -> None:
    """C10, C20."""
    letting_go.delete({Epoch.objects.get().pk: week.ends[5] - 1})
    found = week.verdicts()
    assert found[5] == (Verdict.LET_GO, True)
    assert found[6] == found[7] == (Verdict.COMPLETE, False)


def test_days_of_a_gap_that_came_back_add_up(week: Week) -> None:
    """C20."""
    gap = Gap.objects.get()
    week.desk.takes(week.gate, week.gate.message(gap.after_seq + 1, gap.to_seq))
    assert {verdict for verdict, _ in [*week.verdicts().values()][:7]} == {Verdict.COMPLETE}
    event = Event.objects.get(seq=gap.to_seq - 1)
    event.body = bytes(event.body).replace(b"expired", b"Expired")
    event.save()
    assert week.verdicts()[5][0] is Verdict.FORK


# --- from end to end -------------------------------------------------------------------------


@contextmanager
def sync(place: Path, port: int, desk: Desk) -> Iterator[Uplink]:
    """The gate's sync at work, which keeps the office's word for the gate to purge by."""
    config = BrokerConfig(host=brokers.LOOPBACK, port=port, retry_first_s=0.05, retry_most_s=0.2)
    broker = PahoBroker(
        config,
        client_id="north",
        status_topic=status_topic(SITE, "north"),
        topics=(ack_topic(SITE, "north"),),
    )
    uplink = Uplink(
        SITE,
        "north",
        broker=broker,
        open_journal=lambda: JournalReader(place / "journal.db"),
        open_pointer=lambda: PointerStore(place / "pointer.db"),
        ack_keys=lambda: (desk.keys.ack.public,),
        keep_ack=lambda ack: acknowledged.keep(place / "ack.json", ack),
        save_every_s=0.5,
    )
    stop = threading.Event()
    thread = threading.Thread(target=uplink.serve, args=(stop,), name="uplink")
    thread.start()
    try:
        yield uplink
    finally:
        stop.set()
        thread.join()
        broker.close()


class Clock:
    def now(self):
        return at(200 * DAY)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the backup here is a copy of SQLite's file")
def test_an_office_restored_from_an_old_backup_goes_on(desk: Desk, tmp_path: Path) -> None:
    """A real journal that purges by the office's word, sync, Mosquitto, the ingester and the commands."""
    key = Ed25519PrivateKey.generate()
    desk.knows(SigningGate(key=key))
    store = JournalStore(tmp_path / "journal.db", SITE, "north", key.sign)
    head = listed(ack_keys=(desk.keys.ack.public,)).head
    house = Housekeeping(
        SITE,
        "north",
        clock=Clock(),
        head=lambda: head,
        ack_file=tmp_path / "ack.json",
        keep_days=180,
    )

    def purge() -> int:
        done = 0
        while house(store) == STEP_EVERY_S:
            done += 1
        return done

    def happens(day: float, events: int) -> None:
        store.append([GateEvent(Kind.EXIT, at(day * DAY + n)) for n in range(events)])

    backup = tmp_path / "backup.db"
    with brokers.mosquitto(tmp_path / "broker") as broker, sync(tmp_path, broker.port, desk) as uplink:
        with ingester(desk, broker.port, signed_in=False):
            store.begin_epoch(at(0))
            happens(0, 299)
            eventually(lambda: uplink.acked == 300)
            with (
                closing(sqlite3.connect(desk.home / "office.db")) as live,
                closing(sqlite3.connect(backup)) as to,
            ):
                live.backup(to)
            happens(1, 500)
            store.close_day(at(3 * DAY), 0)
            happens(200, 5)
            eventually(lambda: uplink.acked == 806)
            eventually(lambda: acknowledged.recall(tmp_path / "ack.json").checkpoint.place.seq == 806)
        assert purge() == 4
        # The office's disk dies.
        connections.close_all()
        for file in desk.home.glob("office.db*"):
            file.unlink()
        shutil.copy(backup, desk.home / "office.db")
        happens(200, 1)
        with ingester(desk, broker.port, signed_in=False):
            eventually(lambda: "\tseen\t" in said(desk, "gap", "list"))
            eventually(lambda: not (tmp_path / "ack.json").exists())
            assert purge() == 0
            assert "feed.gap" not in said(desk, "feed")
            said(desk, "gap", "accept", "north", "--by", "wang", "--why", BROUGHT)
            newest = store.tip.n
            eventually(lambda: uplink.acked == newest)
        with closing(JournalReader(tmp_path / "journal.db")) as reader:
            left = [line for _, line in reader.bodies()]
    store.close()
    assert [bytes(one) for one in Event.objects.order_by("pk").values_list("body", flat=True)][300:] == left
    assert desk.alerts() == {"gap": desk.alerts()["gap"]}
    lines = [json.loads(line) for line in said(desk, "feed", "--format", "jsonl").splitlines()]
    assert [line["kind"] for line in lines].index("feed.gap") == 300
