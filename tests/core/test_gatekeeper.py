"""A day at the gate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import answers
from agent.core.actions import HoldUnlocked, Lock, Record, Remember, Show, Unlock
from agent.core.allowlist import Status
from agent.core.curb import BURST
from agent.core.decision import Reason
from agent.core.door import Door, State, Timing
from agent.core.doorkeeper import Doorkeeper
from agent.core.events import Kind
from agent.core.gatekeeper import Gatekeeper
from agent.core.memory import Use, Way
from agent.core.moments import Trust
from agent.core.notices import (
    CameraChanged,
    CameraState,
    ListRefused,
    ListSwitched,
    Order,
    Wire,
    WireChanged,
)
from agent.core.presence import AWAY_S
from agent.core.rules import Rules
from agent.core.schedule import Window
from agent.core.sighting import Sighting
from agent.core.suspicion import GUESSES
from tests.core.builders import (
    ALICE,
    BOB,
    BOTH_WAYS,
    DAY,
    HOUR,
    MALLORY,
    NOON,
    NORTH,
    WAY_OUT,
    at,
    grant,
    id_of,
    keeper,
    listed,
    records,
    rotating,
    shown,
    sight,
    static,
    told,
)

PEOPLE = grant("alice", ALICE), grant("bob", BOB), grant("visitor"), grant("guest")
ADMITTED, REFUSED = "pass.admitted", "pass.refused"


def opened(actions) -> bool:
    return any(isinstance(action, Unlock) for action in actions)


def pressed(wire: Wire) -> WireChanged:
    return WireChanged(wire, active=True)


def released(wire: Wire) -> WireChanged:
    return WireChanged(wire, active=False)


# --- a pass before the camera ------------------------------------------------------


def test_a_pass_held_to_the_camera_opens_once():
    gate, code = keeper(*PEOPLE), sight(rotating("alice", ALICE))
    assert [opened(gate.see(code, at(t / 10))) for t in range(50)] == [True] + [False] * 49


def test_a_card_taken_away_and_shown_again_is_a_new_try():
    gate, card = keeper(*PEOPLE), sight(static("visitor"))
    assert [opened(gate.see(card, at(t))) for t in (0.0, 0.1, 0.2, 2.5)] == [True, False, False, True]


def test_a_phones_code_shown_again_after_it_opened_is_replayed():
    gate, code = keeper(*PEOPLE), sight(rotating("alice", ALICE))
    gate.see(code, at(0.0))
    assert told(gate.see(code, at(9.0))) == ["pass.refused replayed"]
    assert told(gate.see(sight(rotating("alice", ALICE, NOON + 15)), at(15.0))) == [ADMITTED]


def test_a_phone_held_up_while_its_code_changes_opens_once():
    gate, answered = keeper(*PEOPLE), []
    for t in range(600):
        now = at(t / 10)
        answered += gate.see(sight(rotating("alice", ALICE, now.utc)), now)
    assert told(answered) == [ADMITTED]


def test_a_refused_phone_held_up_while_its_code_changes_is_told_once():
    gate, answered = keeper(grant("alice", ALICE, schedule=9)), []
    for t in range(600):
        now = at(t / 10)
        answered += gate.see(sight(rotating("alice", ALICE, now.utc)), now)
    assert told(answered) == ["pass.refused outside_schedule"]


def test_an_admission_is_journaled_with_its_facts_and_without_a_name():
    gate = keeper(*PEOPLE, soft_ttl_s=60)
    actions = gate.see(sight(rotating("alice", ALICE)), at())
    assert actions == (Record(records(actions)[0]), Unlock(5.0), Show(answers.WELCOME))
    assert records(actions)[0].facts == {
        "pass": id_of("alice").hex(),
        "kind": "resident",
        "direction": "in",
        "zone": "main",
        "list": 7,
        "effort": 0.0,
        "step": NOON // 15,
        "note": "list_stale",
    }


def test_a_card_is_admitted_without_a_step_and_a_fresh_list_without_a_note():
    facts = records(keeper(*PEOPLE).see(sight(static("visitor")), at()))[0].facts
    assert not {"step", "note"} & set(facts)


def test_how_hard_a_card_was_to_read_is_journaled_so_that_it_can_be_printed_anew():
    worn = Sighting(static("visitor"), stage="b", effort=0.678)
    assert records(keeper(*PEOPLE).see(worn, at()))[0].facts["effort"] == 0.68


def test_a_refusal_is_journaled_with_its_reason_and_shown():
    actions = keeper(*PEOPLE).see(sight(static("visitor", not_after_utc=NOON)), at())
    assert records(actions)[0].facts == {
        "reason": "expired",
        "direction": "in",
        "pass": id_of("visitor").hex(),
    }
    assert shown(actions) == ["refused.expired"]
    assert not opened(actions)


def test_why_a_code_is_no_pass_goes_to_the_journal_and_never_the_code():
    menu = sight("https://example.com/menu")
    assert records(keeper().see(menu, at()))[0].facts == {
        "reason": "malformed",
        "direction": "in",
        "detail": "not a code of this system",
    }


def test_a_gate_without_a_list_answers_all_the_same():
    assert told(Gatekeeper.at(NORTH).see(sight(static("visitor")), at())) == ["pass.refused no_list"]


def test_a_ticket_for_one_is_used_up_at_the_second_try_and_after_a_restart():
    gate, ticket = keeper(*PEOPLE), sight(static("visitor", uses=1))
    assert told(gate.see(ticket, at(0.0)) + gate.see(ticket, at(5.0))) == [
        ADMITTED,
        "pass.refused used_up",
    ]
    rebooted = Gatekeeper.at(NORTH, listed(*PEOPLE), gate.memory)
    assert told(rebooted.see(ticket, at(9.0))) == ["pass.refused used_up"]


def test_a_gate_that_restarts_remembers_the_steps_that_opened():
    gate, code = keeper(*PEOPLE), sight(rotating("alice", ALICE))
    gate.see(code, at())
    rebooted = Gatekeeper.at(NORTH, listed(*PEOPLE), gate.memory)
    assert told(rebooted.see(code, at(1.0))) == ["pass.refused replayed"]


def test_showing_the_card_does_not_make_a_photograph_of_the_phone_good_again():
    gate, code = keeper(*PEOPLE), rotating("alice", ALICE)
    gate.see(sight(code), at(0.0))
    assert told(gate.see(sight(static("alice")), at(4.0))) == [ADMITTED]
    assert told(gate.see(sight(code), at(8.0))) == ["pass.refused replayed"]


def test_on_the_way_out_an_older_code_does_not_turn_the_newest_back():
    gate = keeper(*PEOPLE, post=WAY_OUT)
    gate.see(sight(rotating("alice", ALICE)), at(0.0))
    out = gate.see(sight(rotating("alice", ALICE, later=-1)), at(4.0))
    assert records(out)[0].facts["note"] == "replayed"
    assert gate.memory.of(id_of("alice")) == Use(0, NOON // 15, Way.OUT, NOON + 4.0)


# --- several codes, and people who mean harm ---------------------------------------


def test_ten_codes_in_one_frame_each_get_their_answer_and_the_light_stays_green():
    gate, now = keeper(*PEOPLE), at()
    frame = [
        *(f"poster {n}" for n in range(4)),
        rotating("alice", ALICE),
        static("visitor"),
        static("guest", MALLORY),
        static("guest", not_after_utc=NOON),
        *(f"poster {n}" for n in range(4, 6)),
    ]
    answered = [gate.see(sight(text), now) for text in frame]
    assert [told(each) for each in answered] == [
        *[["pass.refused malformed"]] * 4,
        [ADMITTED],
        [ADMITTED],
        ["pass.refused forged"],
        ["pass.refused expired"],
        *[["pass.refused malformed"]] * 2,
    ]
    assert [name for each in answered for name in shown(each)] == ["refused.malformed"] * 4 + ["admitted"] * 2


def test_after_the_green_light_a_refusal_is_shown_again():
    gate = keeper(*PEOPLE)
    gate.see(sight(static("visitor")), at(0.0))
    over = answers.WELCOME.lasts_s
    assert shown(gate.see(sight("poster"), at(over - 0.01))) == []
    assert shown(gate.see(sight("another"), at(over))) == ["refused.malformed"]


def test_a_forged_phone_held_up_while_its_code_changes_is_told_once():
    gate = keeper(grant("alice", ALICE))
    forged = [sight(rotating("alice", MALLORY, later=step)) for step in (0, 0, 1, 1)]
    answers = [gate.see(code, at(t)) for code, t in zip(forged, (13.9, 14.9, 15.1, 16.0), strict=True)]
    assert [bool(answer) for answer in answers] == [True, False, False, False]


def test_a_forged_code_with_somebodys_pass_id_cannot_keep_them_out():
    gate = keeper(*PEOPLE)
    gate.see(sight(rotating("alice", ALICE)), at(0.0))
    for t in range(1, 40):
        forged = sight(rotating("alice", MALLORY, later=t))
        assert told(gate.see(forged, at(float(t))))[:1] in (["pass.refused forged"], [])
    assert told(gate.see(sight(rotating("alice", ALICE, NOON + 40)), at(40.0))) == [ADMITTED]


def test_a_photograph_of_somebodys_used_code_cannot_keep_them_out():
    gate, old = keeper(*PEOPLE), sight(rotating("alice", ALICE))
    gate.see(old, at(0.0))
    for t in range(5, 31):
        gate.see(old, at(float(t)))
    assert told(gate.see(sight(rotating("alice", ALICE, NOON + 31)), at(31.0))) == [ADMITTED]


def test_a_forgery_is_recorded_although_its_victim_stands_there():
    gate = keeper(*PEOPLE)
    gate.see(sight(rotating("alice", ALICE)), at(0.0))
    assert told(gate.see(sight(rotating("alice", MALLORY)), at(0.5))) == ["pass.refused forged"]


WORTHLESS = {
    Reason.MALFORMED: lambda n: f"poster {n}",
    Reason.FORGED: lambda n: static(f"visitor {n}", MALLORY),
    Reason.UNKNOWN_PASS: lambda n: rotating(f"nobody {n}", MALLORY),
}


@pytest.mark.parametrize("reason", WORTHLESS)
def test_a_flood_of_worthless_codes_is_curbed_counted_and_told(reason):
    gate, flood = keeper(*PEOPLE), []
    for n in range(100):
        flood += gate.see(sight(WORTHLESS[reason](n)), at(n / 100))
    assert told(flood) == [f"pass.refused {reason}"] * BURST
    assert shown(flood) == [f"refused.{reason}"] * GUESSES, "and then the answers slow down"
    later = gate.tick(at(40.0))
    assert [(event.kind, dict(event.facts)) for event in records(later)] == [
        (Kind.REFUSALS_CURBED, {"count": 90})
    ]
    assert gate.tick(at(80.0)) == ()


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (Reason.FORGED, lambda n: rotating("alice", MALLORY, later=n)),
        (Reason.REPLAYED, lambda n: rotating("alice", ALICE, later=-n - 2)),
    ],
)
def test_many_codes_that_claim_one_pass_are_one_try_and_counted(reason, code):
    gate, flood = keeper(*PEOPLE), []
    for n in range(100):
        flood += gate.see(sight(code(n)), at(n / 100))
    assert told(flood) == [f"pass.refused {reason}"]
    assert [dict(event.facts) for event in records(gate.tick(at(40.0)))] == [{"count": 99}]


def test_a_flood_hides_no_refusal_of_a_real_pass_and_nobody_waits():
    gate = keeper(*PEOPLE)
    for n in range(100):
        gate.see(sight(f"poster {n}"), at(n / 100))
    assert told(gate.see(sight(static("visitor", not_after_utc=NOON)), at(1.0))) == ["pass.refused expired"]
    assert opened(gate.see(sight(rotating("alice", ALICE)), at(1.1)))


def test_a_flood_does_not_make_a_held_card_open_again():
    gate, card = keeper(*PEOPLE), sight(static("visitor", uses=2))
    gate.see(card, at(0.0))
    for n in range(100):
        gate.see(sight(f"poster {n}"), at(n / 100))
    assert gate.see(card, at(1.0)) == ()
    assert gate.memory.of(id_of("visitor")).count == 1


# --- lockdown -------------------------------------------------------------------------


def test_in_a_lockdown_nobody_comes_in_and_everybody_gets_out():
    gate = keeper(*PEOPLE)
    assert told(gate.hear(Order(lockdown=True, by="guard"), at())) == ["lockdown.on"]
    refused = gate.see(sight(rotating("alice", ALICE)), at(1.0))
    assert (told(refused), shown(refused)) == (["pass.refused locked_down"], ["refused.locked_down"])
    assert opened(gate.hear(pressed(Wire.EXIT), at(2.0)))
    both = keeper(*PEOPLE, post=BOTH_WAYS)
    both.hear(Order(lockdown=True), at())
    assert not opened(both.see(sight(rotating("alice", ALICE)), at(1.0)))
    out = keeper(*PEOPLE, post=WAY_OUT)
    out.hear(Order(lockdown=True), at())
    assert opened(out.see(sight(rotating("alice", ALICE)), at(1.0)))


def test_a_lockdown_uses_no_ticket_and_no_code():
    gate, code = keeper(*PEOPLE), sight(rotating("alice", ALICE))
    gate.hear(Order(lockdown=True, by="guard"), at())
    gate.see(code, at(1.0))
    over = gate.hear(Order(lockdown=False, by="guard"), at(2.0))
    assert [(event.kind, event.facts) for event in records(over)] == [(Kind.LOCKDOWN_OFF, {"by": "guard"})]
    assert opened(gate.see(code, at(2.0 + AWAY_S)))


def test_in_a_lockdown_a_worthless_code_is_told_what_it_is():
    gate = keeper(*PEOPLE)
    gate.hear(Order(lockdown=True), at())
    assert told(gate.see(sight(rotating("alice", MALLORY)), at())) == ["pass.refused forged"]


def test_an_order_never_moves_the_lock():
    gate = keeper(*PEOPLE)
    for lockdown in (True, False):
        actions = gate.hear(Order(lockdown), at())
        assert all(isinstance(action, Record | Remember) for action in actions)


# --- abnormal use -----------------------------------------------------------------------


def alerts(actions) -> list[str]:
    return [event.facts["what"] for event in records(actions) if event.kind is Kind.ALERT]


def test_a_guesser_is_told_to_the_office_at_the_fifth_try_and_the_next_honest_person_waits_for_nothing():
    gate, said = keeper(*PEOPLE), []
    for n in range(50):
        said += gate.see(sight(f"guess {n}"), at(n / 10))
    assert alerts(said) == ["guessing"]
    assert len(shown(said)) < 10
    honest = gate.see(sight(static("visitor")), at(5.0))
    assert (opened(honest), shown(honest)) == (True, ["admitted"])


def test_somebody_refused_for_their_own_pass_is_answered_at_once_beside_a_guesser():
    gate = keeper(*PEOPLE)
    for n in range(50):
        gate.see(sight(f"guess {n}"), at(n / 10))
    over = gate.see(sight(static("visitor", not_after_utc=NOON)), at(5.0))
    assert shown(over) == ["refused.expired"]


def test_a_pass_that_is_refused_again_and_again_is_told():
    gate, said = keeper(grant("visitor", status=Status.SUSPENDED)), []
    for n in range(3):
        said += gate.see(sight(static("visitor")), at(5.0 * n))
    assert alerts(said) == ["refused_again"]


def test_coming_at_an_odd_hour_is_told_at_once():
    gate = keeper(grant("visitor", schedule=9))
    assert alerts(gate.see(sight(static("visitor")), at())) == ["odd_hour"]


def test_coming_again_in_a_lockdown_is_nobodys_fault():
    gate, said = keeper(*PEOPLE), []
    gate.hear(Order(lockdown=True), at())
    for n in range(5):
        said += gate.see(sight(static("visitor")), at(5.0 * n))
    assert alerts(said) == []


# --- free passage -----------------------------------------------------------------------

WORKDAY = {"schedules": {1: (Window(frozenset(range(1, 6)), 8 * 60, 18 * 60),)}}


def free_keeper(**fields) -> Gatekeeper:
    doorkeeper = Doorkeeper(rules=Rules(free_schedule=1))
    return Gatekeeper.at(NORTH, listed(*PEOPLE, **{**WORKDAY, **fields}), doorkeeper=doorkeeper)


def test_in_the_hours_that_the_list_signs_the_gate_stands_free_and_then_it_is_shut():
    gate = free_keeper()
    assert told(gate.tick(at(0.0))) == ["free.on"]
    assert told(gate.tick(at(6 * 3600.0))) == ["free.off"]


def test_free_passage_wants_a_list_a_clock_and_a_schedule_that_is_known():
    assert told(free_keeper().tick(at(trust=Trust.UNKNOWN))) == []
    assert told(free_keeper(schedules={}).tick(at())) == []
    assert told(free_keeper(expires_utc=NOON).tick(at())) == ["list.dead"]
    listless = Gatekeeper.at(NORTH, doorkeeper=Doorkeeper(rules=Rules(free_schedule=1)))
    assert told(listless.tick(at())) == []


def test_two_doors_of_an_interlock_refuse_and_the_pass_is_not_used_up():
    gate = Gatekeeper.at(NORTH, listed(*PEOPLE), doorkeeper=Doorkeeper(rules=Rules(interlock=True)))
    gate.hear(pressed(Wire.SECOND), at())
    code = sight(rotating("alice", ALICE))
    assert told(gate.see(code, at(1.0))) == ["pass.refused interlocked"]
    gate.hear(released(Wire.SECOND), at(2.0))
    assert opened(gate.see(code, at(4.0)))


# --- buttons, contacts, fire -----------------------------------------------------------


def test_the_exit_button_lets_out_and_is_journaled():
    gate = keeper(*PEOPLE)
    actions = gate.hear(pressed(Wire.EXIT), at())
    assert told(actions) == ["exit.pressed"]
    assert [type(action) for action in actions] == [Record, Unlock, Show]
    assert gate.hear(released(Wire.EXIT), at(0.2)) == ()


def test_the_exit_button_lets_out_without_a_list_without_a_clock_and_in_every_state_of_the_door():
    gate = Gatekeeper.at(NORTH)
    for t, before in enumerate([(), (pressed(Wire.DOOR),), (released(Wire.DOOR), pressed(Wire.DOOR))]):
        for notice in before:
            gate.hear(notice, at(100.0 * t))
        gate.tick(at(100.0 * t + 50))
        assert opened(gate.hear(pressed(Wire.EXIT), at(100.0 * t + 60, trust=Trust.UNKNOWN)))


def test_a_person_goes_through_and_the_door_is_journaled():
    gate = Gatekeeper.at(NORTH, listed(*PEOPLE), doorkeeper=Doorkeeper(Door(Timing(open_s=3.0))))
    assert Unlock(3.0) in gate.see(sight(static("visitor")), at(0.0))
    assert told(gate.hear(pressed(Wire.DOOR), at(1.0))) == ["door.opened"]
    closed = gate.hear(released(Wire.DOOR), at(2.0))
    assert (closed[0], told(closed)) == (Lock(), ["door.closed"])
    assert gate.tick(at(9.0)) == ()


def test_a_person_who_does_not_go_through_finds_it_locked_again():
    gate = keeper(*PEOPLE)
    gate.see(sight(static("visitor")), at(0.0))
    assert gate.tick(at(4.9)) == ()
    assert gate.tick(at(5.0)) == (Lock(),)
    assert gate.tick(at(5.1)) == ()


def test_a_propped_door_is_told_once_in_light_and_sound():
    gate = keeper(*PEOPLE)
    gate.see(sight(static("visitor")), at(0.0))
    gate.hear(pressed(Wire.DOOR), at(1.0))
    late = gate.tick(at(60.0))
    assert (late[0], told(late), shown(late)) == (Lock(), ["door.held"], ["door.held"])
    assert gate.tick(at(61.0)) == ()


def test_a_forced_door_raises_the_alarm():
    actions = keeper(*PEOPLE).hear(pressed(Wire.DOOR), at())
    assert (told(actions), shown(actions)) == (["door.forced"], ["alarm"])
    assert not opened(actions)


def test_in_a_fire_the_lock_is_released_before_anything_is_written():
    gate = keeper(*PEOPLE)
    actions = gate.hear(pressed(Wire.FIRE), at())
    assert (actions[0], told(actions), shown(actions)) == (HoldUnlocked(), ["fire.on"], ["free"])
    assert gate.hear(pressed(Wire.FIRE), at(1.0)) == ()
    assert gate.tick(at(9999.0)) == ()
    over = gate.hear(released(Wire.FIRE), at(10000.0))
    assert (over[0], told(over)) == (Lock(), ["fire.off"])


def test_in_a_fire_passes_and_buttons_are_still_journaled_and_the_lock_stays_released():
    gate = keeper(*PEOPLE)
    gate.hear(Order(lockdown=True), at())
    gate.hear(pressed(Wire.FIRE), at())
    gate.hear(Order(lockdown=False), at())
    for actions in (gate.see(sight(static("visitor")), at(1.0)), gate.hear(pressed(Wire.EXIT), at(2.0))):
        assert [type(action) for action in actions] == [Record, Show]
    assert gate.door.state is State.RELEASED


def test_a_housing_that_is_opened_raises_the_alarm_and_closing_it_is_journaled():
    gate = keeper()
    opening, closing = gate.hear(pressed(Wire.TAMPER), at()), gate.hear(released(Wire.TAMPER), at(9.0))
    assert (told(opening), shown(opening)) == (["tamper.on"], ["alarm"])
    assert (told(closing), shown(closing)) == (["tamper.off"], [])


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (CameraState.LOST, "camera.lost"),
        (CameraState.FROZEN, "camera.frozen"),
        (CameraState.GOOD, "camera.back"),
    ],
)
def test_the_cameras_health_is_journaled(state, kind):
    assert told(keeper().hear(CameraChanged(state), at())) == [kind]


# --- lists ----------------------------------------------------------------------------


def test_a_new_list_is_used_from_the_next_code_on():
    gate, card = Gatekeeper.at(NORTH), sight(static("visitor"))
    assert not opened(gate.see(card, at(0.0)))
    switched = gate.hear(ListSwitched(listed(*PEOPLE)), at(1.0))
    assert [(event.kind, event.facts) for event in records(switched)] == [
        (Kind.LIST_SWITCHED, {"list": 7, "issued": NOON - HOUR})
    ]
    assert opened(gate.see(card, at(3.0)))


def test_a_list_that_is_refused_leaves_the_old_one_in_use():
    gate = keeper(*PEOPLE)
    refused = gate.hear(ListRefused("allowlist 6 is older than 7"), at())
    assert [(event.kind, event.facts) for event in records(refused)] == [
        (Kind.LIST_REFUSED, {"why": "allowlist 6 is older than 7"})
    ]
    assert opened(gate.see(sight(static("visitor")), at(1.0)))


def test_a_list_that_ages_is_told_once_at_each_step_and_a_new_one_starts_again():
    gate = keeper(*PEOPLE)
    heard = []
    for hours in range(24 * 16):
        heard += told(gate.tick(at(hours * 3600.0)))
    assert heard == ["list.stale", "list.dead"]
    gate.hear(ListSwitched(listed(*PEOPLE, issued_utc=NOON + 16 * DAY, expires_utc=NOON + 30 * DAY)), at())
    assert gate.tick(at(16.0 * DAY)) == ()
    assert told(gate.tick(at(17.0 * DAY))) == ["list.stale"]


def test_a_gate_that_wakes_with_a_dead_list_says_so():
    gate = keeper(*PEOPLE, expires_utc=NOON)
    assert told(gate.tick(at())) == ["list.dead"]


def test_a_list_that_was_only_thought_stale_is_not_announced_as_fresh():
    gate = keeper(*PEOPLE)
    assert told(gate.tick(at(0.0, utc=NOON + 2 * DAY))) == ["list.stale"]
    assert gate.tick(at(1.0)) == ()


# --- any day at all -------------------------------------------------------------------

CODES = [
    *(static(name, uses=uses) for name in ("visitor", "guest") for uses in (0, 1)),
    *(
        rotating(name, key, later=later)
        for name, key in (("alice", ALICE), ("bob", BOB))
        for later in range(3)
    ),
    rotating("alice", MALLORY),
    rotating("nobody", MALLORY),
    static("visitor", not_after_utc=NOON),
    "poster",
]
THINGS = (
    st.sampled_from(CODES).map(sight)
    | st.builds(WireChanged, st.sampled_from(Wire), st.booleans())
    | st.builds(CameraChanged, st.sampled_from(CameraState))
    | st.builds(Order, st.booleans())
    | st.sampled_from([ListSwitched(listed(*PEOPLE)), ListSwitched(listed()), ListRefused("older")])
    | st.floats(0, 50)
)
DAYS = st.lists(THINGS, max_size=60)


def lived(day, gate):
    """A day, thing by thing: what each was answered with."""
    mono = 0.0
    for thing in day:
        if isinstance(thing, float):
            mono += thing
            yield gate.tick(at(mono))
        elif isinstance(thing, Sighting):
            yield gate.see(thing, at(mono))
        else:
            yield gate.hear(thing, at(mono))


@given(DAYS, st.sampled_from([NORTH, BOTH_WAYS, WAY_OUT]))
def test_on_any_day_the_record_of_an_opening_comes_before_it(day, post):
    for actions in lived(day, keeper(*PEOPLE, post=post)):
        kinds = [action.event.kind if isinstance(action, Record) else type(action) for action in actions]
        if Unlock in kinds:
            assert kinds.index(Unlock) == 1
            assert kinds[0] in {Kind.ADMITTED, Kind.EXIT}
        if Kind.REFUSED in kinds:
            assert not {Unlock, HoldUnlocked, Lock} & set(kinds)
        assert kinds.count(Show) <= 1


@given(DAYS)
def test_on_any_day_each_code_of_a_phone_opens_once_and_later_ones_only_after_earlier_ones(day):
    steps: dict[str, int] = {}
    for actions in lived(day, keeper(*PEOPLE)):
        for event in records(actions):
            if event.kind is Kind.ADMITTED and "step" in event.facts:
                holder, step = event.facts["pass"], event.facts["step"]
                assert steps.get(holder, -1) < step
                steps[holder] = step


@given(DAYS)
def test_on_any_day_a_gate_told_again_says_the_same(day):
    assert list(lived(day, keeper(*PEOPLE))) == list(lived(day, keeper(*PEOPLE)))
