"""Gates of one site tell each other who passed: what is believed, what it means here, and what is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.allowlist import PassKind
from agent.core.events import Kind, Place
from agent.core.gatekeeper import Gatekeeper
from agent.core.hearsay import ALARM_LIVES_S, MOST_ALARMS, AlarmsHeard, believe, counts_here
from agent.core.judge import Post
from agent.core.memory import UNUSED, Memory, Use, Way
from agent.core.moments import Trust
from agent.core.notices import Alarm, FalseWord, Passage, Told
from agent.core.passback import Mode, Passback
from agent.core.passes import step_at
from agent.core.rules import Rules
from tests.core.a_fellow import SOUTH_KEY, Journal
from tests.core.builders import (
    ALICE,
    MALLORY,
    NOON,
    NORTH,
    SITE,
    at,
    ed25519,
    grant,
    id_of,
    keeper,
    listed,
    public,
    records,
    rotating,
    sight,
    static,
    told,
)

KEYS = {"south": public(SOUTH_KEY), "north": public(ed25519("north"))}
GARAGE = Post(SITE, "garage", "main")
STEP = step_at(NOON)


def kinds(actions) -> list[str]:
    return [str(event.kind) for event in records(actions)]


# --- believing ------------------------------------------------------------------


def test_a_fellows_journal_says_who_passed_and_what_alarmed():
    journal = Journal().wrote(Kind.JOURNAL_OPENED).admitted(step=STEP).wrote(Kind.TAMPER_ON, NOON + 1)
    word = believe(*journal.run(), KEYS, SITE)
    assert word == Told(
        None,
        Place(SITE, "south", journal.epoch, 3),
        (Passage("south", id_of("alice"), "main", Use(0, STEP, Way.IN, NOON), True),),
        (Alarm(Place(SITE, "south", journal.epoch, 3), Kind.TAMPER_ON, NOON + 1),),
    )


def test_a_run_from_the_middle_is_believed_as_well():
    journal = Journal().wrote(Kind.JOURNAL_OPENED).admitted().admitted("bob", direction="both", way="out")
    (passage,) = journal.heard(first=3).passages
    assert (passage.pass_id, passage.use.way) == (id_of("bob"), Way.OUT)


def test_a_stranger_is_not_believed():
    header, bodies = Journal("east").wrote(Kind.JOURNAL_OPENED).run()
    assert believe(header, bodies, KEYS, SITE) == f"{SITE}/east is no gate that the list of {SITE} names"
    header, bodies = Journal().wrote(Kind.JOURNAL_OPENED).run()
    assert "no gate that the list of elsewhere names" in believe(header, bodies, KEYS, "elsewhere")


def test_nobody_speaks_for_another_gate():
    header, bodies = Journal(key=MALLORY).wrote(Kind.JOURNAL_OPENED).admitted().run()
    assert believe(header, bodies, KEYS, SITE) == "the head is not signed by this gate's key"


def test_a_word_that_was_changed_on_the_way_is_not_believed():
    header, bodies = Journal().wrote(Kind.JOURNAL_OPENED).admitted().run()
    bodies[1] = bodies[1].replace(b'"in"', b'"out"')
    assert believe(header, bodies, KEYS, SITE) == "the events do not hash to the head"


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"pass": "b6c1", "direction": "in", "zone": "main"},
        {"pass": id_of("alice").hex(), "direction": "both", "zone": "main"},
        {"pass": id_of("alice").hex(), "direction": "in", "zone": "main", "step": "7"},
        {"pass": id_of("alice").hex(), "direction": "in", "zone": "main", "uses": None},
        {"pass": id_of("alice").hex(), "direction": "in"},
    ],
)
def test_what_a_later_version_says_is_passed_over_and_the_rest_believed(facts):
    journal = Journal().wrote(Kind.JOURNAL_OPENED).wrote(Kind.ADMITTED, **facts).admitted("bob")
    assert [passage.pass_id for passage in journal.heard().passages] == [id_of("bob")]


# --- what it means here -----------------------------------------------------------


def passage(use: Use, zone="main", sure=True) -> Passage:
    return Passage("south", id_of("alice"), zone, use, sure)


def test_a_passage_in_the_same_zone_counts_whole():
    use = Use(2, STEP, Way.IN, NOON - 5)
    assert counts_here(passage(use), "main", at(), used_codes=True) == use
    assert counts_here(passage(use), "main", at(), used_codes=False) == Use(2, None, Way.IN, NOON - 5)


def test_of_a_passage_in_another_zone_only_the_used_code_counts():
    use = Use(2, STEP, Way.IN, NOON - 5)
    assert counts_here(passage(use, zone="tower-b"), "main", at(), used_codes=True) == Use(step=STEP)


def test_a_clock_that_is_ahead_elsewhere_shuts_nobody_out_here():
    ahead = Use(0, STEP + 240, Way.IN, NOON + 3600)
    assert counts_here(passage(ahead), "main", at(), used_codes=True) == Use(0, None, Way.IN, NOON)
    unsure = at(utc=NOON - 86400, trust=Trust.UNKNOWN)
    assert counts_here(passage(ahead), "main", unsure, used_codes=True) == ahead, "here the clock is behind"


def test_a_way_out_by_a_clock_that_is_behind_counts_from_now():
    old = NOON - 86400
    assert counts_here(passage(Use(0, None, Way.OUT, old), sure=False), "main", at(), used_codes=True) == Use(
        0, None, Way.OUT, NOON
    )
    assert counts_here(passage(Use(0, None, Way.IN, old), sure=False), "main", at(), used_codes=True) == Use(
        0, None, Way.IN, old
    )


USES = st.builds(
    Use,
    st.integers(0, 9),
    st.none() | st.integers(0, 9),
    st.sampled_from([Way.IN, Way.OUT]),
    st.integers(1, 9).map(float),
)


@given(st.lists(st.tuples(st.sampled_from(["south", "east"]), USES), max_size=8), st.randoms())
def test_told_twice_late_or_in_another_order_it_comes_to_the_same(words, chance):
    # One gate's clock gives no second twice to one pass, so neither does this one's.
    words = list({(gate, use.at_utc): (gate, use) for gate, use in words}.values())
    straight, shuffled = Memory(), Memory()
    for gate, use in words:
        straight.hear(gate, b"alice---", use)
    again = words * 2
    chance.shuffle(again)
    for gate, use in again:
        shuffled.hear(gate, b"alice---", use)
    one, other = straight.of(b"alice---"), shuffled.of(b"alice---")
    assert (one.count, one.step, one.at_utc) == (other.count, other.step, other.at_utc)


# --- at the gate ------------------------------------------------------------------


def test_c05_a_copied_code_that_opened_one_gate_is_refused_at_the_next_and_the_office_hears_of_it():
    gate = Gatekeeper.at(GARAGE, listed(grant("alice", ALICE)))
    assert gate.hear(Journal().admitted(step=STEP, at_utc=NOON).heard(), at()) == ()
    actions = gate.see(sight(rotating("alice", ALICE)), at(1.0))
    assert kinds(actions) == ["pass.refused", "gate.alert"]
    refused, alert = records(actions)
    assert refused.facts["reason"] == "replayed"
    assert refused.facts["detail"] == "this code or a later one has opened gate south"
    assert alert.facts == {"what": "two_gates", "pass": id_of("alice").hex(), "gate": "south"}


def test_the_next_code_of_the_same_phone_opens():
    gate = Gatekeeper.at(GARAGE, listed(grant("alice", ALICE)))
    gate.hear(Journal().admitted(step=STEP).heard(), at())
    assert told(gate.see(sight(rotating("alice", ALICE, later=1)), at(16.0))) == ["pass.admitted"]


def test_a_door_a_few_steps_behind_another_takes_the_same_code():
    gate = Gatekeeper.at(GARAGE, listed(grant("alice", ALICE)))
    gate.doorkeeper.rules = Rules(used_codes=False)
    gate.hear(Journal().admitted(step=STEP).heard(), at())
    assert told(gate.see(sight(rotating("alice", ALICE)), at(1.0))) == ["pass.admitted"]


def test_a_code_that_opened_here_is_no_copy_from_elsewhere():
    gate = Gatekeeper.at(GARAGE, listed(grant("alice", ALICE)))
    gate.see(sight(rotating("alice", ALICE)), at())
    gate.hear(Journal().admitted(step=STEP).heard(), at(1.0))
    (refused,) = records(gate.see(sight(rotating("alice", ALICE)), at(5.0)))
    assert refused.facts["detail"] == "this code or a later one has opened already"


def test_one_alert_a_minute_for_one_copied_code():
    gate = Gatekeeper.at(GARAGE, listed(grant("alice", ALICE)))
    gate.hear(Journal().admitted(step=STEP).heard(), at())
    shown = [kinds(gate.see(sight(rotating("alice", ALICE)), at(mono))) for mono in (1.0, 5.0, 62.0)]
    assert [("gate.alert" in one) for one in shown] == [True, False, True]


def hard(**fields):
    rules = {PassKind.RESIDENT: Passback(Mode.HARD), PassKind.VISITOR: Passback(Mode.HARD)}
    return listed(grant("alice", ALICE), grant("visitor"), passback=rules, **fields)


def test_hard_passback_where_way_in_and_way_out_are_two_gates():
    way_in = Gatekeeper.at(NORTH, hard())
    assert told(way_in.see(sight(rotating("alice", ALICE)), at())) == ["pass.admitted"]
    (refused,) = records(way_in.see(sight(rotating("alice", ALICE, NOON + 60)), at(60.0)))
    assert refused.facts["reason"] == "passed_back"
    way_in.hear(Journal().admitted(direction="out", at_utc=NOON + 90).heard(), at(91.0))
    assert told(way_in.see(sight(rotating("alice", ALICE, NOON + 120)), at(120.0))) == ["pass.admitted"]


def test_a_pass_handed_back_over_the_fence_is_refused_at_the_other_way_in_too():
    other = Gatekeeper.at(GARAGE, hard())
    other.hear(Journal("north", ed25519("north")).admitted(at_utc=NOON).heard(), at(1.0))
    (refused,) = records(other.see(sight(rotating("alice", ALICE, NOON + 60)), at(60.0)))
    assert refused.facts["reason"] == "passed_back"


def test_a_way_out_told_late_does_not_undo_a_later_way_in():
    way_in = Gatekeeper.at(NORTH, hard())
    way_in.see(sight(rotating("alice", ALICE, NOON + 600)), at(600.0))
    way_in.hear(Journal().admitted(direction="out", at_utc=NOON).heard(), at(601.0))
    (refused,) = records(way_in.see(sight(rotating("alice", ALICE, NOON + 660)), at(660.0)))
    assert refused.facts["reason"] == "passed_back"


def test_coming_through_the_outer_gate_is_not_coming_into_the_house():
    house = Gatekeeper.at(Post(SITE, "tower", "tower-b"), hard())
    house.hear(Journal().admitted(at_utc=NOON).heard(), at(1.0))
    assert told(house.see(sight(rotating("alice", ALICE, NOON + 60)), at(60.0))) == ["pass.admitted"]


def test_one_use_is_one_use_at_all_gates_of_a_zone():
    plumber = static("plumber", uses=1)
    north, garage = (Gatekeeper.at(post, listed(unlisted_static=True)) for post in (NORTH, GARAGE))
    (admitted,) = records(north.see(sight(plumber), at()))
    assert admitted.facts["uses"] == 1
    journal = Journal("north", ed25519("north")).wrote(Kind.ADMITTED, **admitted.facts)
    garage.hear(journal.heard(), at(1.0))
    (refused,) = records(garage.see(sight(plumber), at(60.0)))
    assert (refused.facts["reason"], refused.facts["detail"]) == ("used_up", "1 of 1")


def test_a_pass_without_a_limit_is_not_counted_aloud():
    (admitted,) = records(keeper(grant("alice", ALICE)).see(sight(rotating("alice", ALICE)), at()))
    assert "uses" not in admitted.facts


def test_c19_one_printed_card_at_two_gates_within_seconds_is_two_cards():
    gate = Gatekeeper.at(GARAGE, listed(grant("visitor")))
    gate.hear(Journal().admitted("visitor", at_utc=NOON).heard(), at(1.0))
    actions = gate.see(sight(static("visitor")), at(4.0))
    assert kinds(actions) == ["pass.admitted", "gate.alert"]
    assert records(actions)[1].facts == {"what": "two_gates", "pass": id_of("visitor").hex(), "gate": "south"}


@pytest.mark.parametrize(("zone", "after_s"), [("main", 60.0), ("tower-b", 4.0)])
def test_whoever_walks_from_gate_to_gate_raises_no_alert(zone, after_s):
    gate = Gatekeeper.at(GARAGE, listed(grant("visitor")))
    gate.hear(Journal().admitted("visitor", zone=zone, at_utc=NOON).heard(), at(1.0))
    assert kinds(gate.see(sight(static("visitor")), at(after_s))) == ["pass.admitted"]


def test_the_same_two_cards_are_told_once_a_minute():
    gate = Gatekeeper.at(GARAGE, listed(grant("visitor")))
    journal = Journal()
    shown = []
    for mono in (0.0, 8.0):
        gate.hear(journal.admitted("visitor", at_utc=NOON + mono).heard(), at(mono + 1))
        shown.append(kinds(gate.see(sight(static("visitor")), at(mono + 2))))
    assert shown == [["pass.admitted", "gate.alert"], ["pass.admitted"]]


# --- alarms -------------------------------------------------------------------------


def test_a_fellows_alarm_is_told_once_more_and_once_only():
    gate = Gatekeeper.at(GARAGE)
    journal = Journal().wrote(Kind.JOURNAL_OPENED).wrote(Kind.DOOR_FORCED, NOON)
    (event,) = records(gate.hear(journal.heard(), at(1.0)))
    assert event.kind is Kind.FELLOW_ALARM
    assert event.facts == {"gate": "south", "what": "door.forced", "epoch": journal.epoch, "seq": 2}
    assert gate.hear(journal.heard(), at(2.0)) == ()


def test_an_alarm_of_yesterday_is_history():
    journal = Journal().wrote(Kind.FIRE_ON, NOON - ALARM_LIVES_S)
    assert Gatekeeper.at(GARAGE).hear(journal.heard(), at()) == ()


def test_only_so_many_alarms_are_remembered():
    heard = AlarmsHeard()
    alarms = [Alarm(Place(SITE, "south", "0" * 16, n), Kind.ALERT, NOON) for n in range(MOST_ALARMS + 1)]
    assert len(heard.news(alarms, NOON)) == MOST_ALARMS + 1
    assert heard.news(alarms, NOON) == alarms[:1], "the oldest is forgotten"


def test_a_false_word_raises_an_alert_and_not_one_each_second():
    gate = Gatekeeper.at(GARAGE)
    (event,) = records(gate.hear(FalseWord("south", "not signed"), at()))
    assert (event.kind, event.facts) == (Kind.ALERT, {"what": "false_word", "gate": "south"})
    assert gate.hear(FalseWord("south", "not signed"), at(30.0)) == ()
    assert gate.hear(FalseWord("south", "not signed"), at(61.0)) != ()


# --- memory -------------------------------------------------------------------------


def test_what_others_say_is_bounded_too():
    memory = Memory(most=2)
    for name in (b"a", b"b", b"c"):
        memory.hear("south", name, Use(1))
    assert [memory.of(name).count for name in (b"a", b"b", b"c")] == [0, 1, 1]


def test_the_gate_that_a_pass_went_through_last():
    memory = Memory()
    assert memory.last_elsewhere(b"a") is None
    memory.hear("south", b"a", Use(step=3))
    assert memory.last_elsewhere(b"a") is None, "a used code in another zone is no passage"
    memory.hear("east", b"a", Use(0, None, Way.IN, NOON))
    memory.hear("south", b"a", Use(0, None, Way.OUT, NOON + 5))
    assert memory.last_elsewhere(b"a") == ("south", NOON + 5)
    assert memory.here(b"a") == UNUSED
