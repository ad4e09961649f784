"""Whether a pass may go through, and each reason why not."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import passes
from agent.core.allowlist import Allowlist, PassKind, Status, shard_number
from agent.core.decision import Admit, Reason, Refuse
from agent.core.judge import Post, judge
from agent.core.keys import Alg
from agent.core.memory import UNUSED, Use, Way
from agent.core.moments import Trust
from agent.core.passes import Malformed, parse
from agent.core.schedule import ALWAYS, HOLIDAY, Window, day_number
from tests.core.builders import (
    ALICE,
    BOB,
    BOTH_WAYS,
    DAY,
    HOUR,
    ISSUER,
    MALLORY,
    NOON,
    NORTH,
    SITE,
    WAY_OUT,
    at,
    ed25519,
    grant,
    id_of,
    listed,
    public,
    rotating,
    static,
)

LIST = listed(grant("alice", ALICE), grant("bob", BOB, kind=PassKind.STAFF), grant("visitor"))
STEP = NOON // 15
NEIGHBOUR = ed25519("the office of plum-court")


def decide(text, allowlist=LIST, *, post=NORTH, used=None, now=None):
    """The judge's answer to a code; used is what that pass has used before."""
    return judge(parse(text), allowlist, post, used or UNUSED, now or at())


def reason(*args, **kwargs) -> Reason | None:
    decision = decide(*args, **kwargs)
    return decision.reason if isinstance(decision, Refuse) else None


# --- let in ------------------------------------------------------------------------


def test_a_resident_is_let_in_by_phone():
    assert decide(rotating("alice", ALICE)) == Admit(id_of("alice"), PassKind.RESIDENT, STEP)


def test_staff_with_the_other_kind_of_phone_is_let_in():
    assert decide(rotating("bob", BOB)) == Admit(id_of("bob"), PassKind.STAFF, STEP)


def test_a_visitor_is_let_in_by_a_printed_card():
    assert decide(static("visitor")) == Admit(id_of("visitor"), PassKind.VISITOR)


def test_a_card_signed_with_the_other_algorithm_is_as_good():
    site = listed(grant("visitor"), issuers={7: public(BOB)})
    assert decide(static("visitor", BOB), site)


# --- not a pass, or not a real one -------------------------------------------------


def test_a_menu_in_a_window_is_malformed():
    menu = Malformed("not a code of this system")
    assert judge(menu, LIST, NORTH, UNUSED, at()) == Refuse(Reason.MALFORMED, detail=menu.detail)
    assert judge(menu, None, NORTH, UNUSED, at()).reason is Reason.MALFORMED


def test_a_card_signed_by_a_stranger_is_forged():
    assert decide(static("visitor", MALLORY)) == Refuse(Reason.FORGED)


def test_a_card_signed_with_a_key_that_the_list_does_not_name_is_forged():
    assert decide(static("visitor", key_id=8)) == Refuse(Reason.FORGED, detail="no issuer key 8 here")


def test_a_code_for_anothers_pass_id_is_forged():
    assert decide(rotating("alice", MALLORY)) == Refuse(Reason.FORGED)
    assert decide(rotating("alice", BOB)) == Refuse(Reason.FORGED)


def test_a_forged_card_says_the_same_whether_or_not_the_pass_exists():
    assert decide(static("visitor", MALLORY)) == decide(static("nobody", MALLORY))


def test_a_forged_code_never_brings_a_pass_id_into_the_journal():
    assert decide(rotating("alice", MALLORY)).pass_id is None


def test_a_phone_code_for_a_pass_that_was_only_ever_printed_is_forged():
    assert decide(rotating("visitor", MALLORY)).reason is Reason.FORGED


def test_a_holder_cannot_lend_the_issuers_name_to_a_card():
    assert reason(static("alice", ALICE)) is Reason.FORGED


def test_a_resident_whom_the_list_does_not_name_is_unknown():
    assert decide(rotating("carol", ed25519("carol"))) == Refuse(Reason.UNKNOWN_PASS, id_of("carol"))


def test_a_genuine_card_whose_grant_has_not_arrived_is_unknown():
    assert decide(static("tomorrow")) == Refuse(Reason.UNKNOWN_PASS, id_of("tomorrow"))


def test_a_site_may_let_genuine_cards_in_before_their_grant_has_arrived():
    site = listed(unlisted_static=True)
    assert decide(static("tomorrow"), site) == Admit(id_of("tomorrow"), PassKind.VISITOR)
    assert reason(static("tomorrow", MALLORY), site) is Reason.FORGED
    assert reason(static("tomorrow", zones=0b10), site) is Reason.WRONG_ZONE
    assert reason(static("tomorrow", uses=1), site, used=Use(1)) is Reason.USED_UP
    assert reason(static("tomorrow"), site, now=at(utc=NOON + 30 * DAY)) is Reason.LIST_DEAD
    assert reason(rotating("carol", ed25519("carol")), site) is Reason.UNKNOWN_PASS


def test_a_card_of_the_neighbours_is_told_so():
    site = listed(grant("visitor"), neighbours={"elm-court": (), "plum-court": (public(NEIGHBOUR),)})
    theirs = static("guest", NEIGHBOUR, site="plum-court")
    assert decide(theirs, site) == Refuse(Reason.WRONG_SITE, detail="a pass of plum-court")
    assert reason(theirs) is Reason.FORGED
    assert reason(static("visitor", NEIGHBOUR), site) is Reason.FORGED


def test_a_code_made_for_another_site_is_forged_here():
    assert reason(rotating("alice", ALICE, site="plum-court")) is Reason.FORGED
    assert reason(static("visitor", site="plum-court")) is Reason.FORGED


def test_a_list_that_strayed_here_from_another_site_opens_nothing():
    theirs = listed(grant("alice", ALICE), grant("visitor"), site="plum-court")
    assert reason(static("visitor", site="plum-court"), theirs) is Reason.FORGED
    assert reason(rotating("alice", ALICE, site="plum-court"), theirs) is Reason.FORGED


# --- what the site has said about it -----------------------------------------------


@pytest.mark.parametrize(
    ("status", "why"), [(Status.REVOKED, Reason.REVOKED), (Status.SUSPENDED, Reason.SUSPENDED)]
)
def test_a_pass_that_was_taken_back_is_told_so(status, why):
    site = listed(grant("alice", ALICE, status=status), grant("visitor", status=status))
    assert decide(rotating("alice", ALICE), site) == Refuse(why, id_of("alice"))
    assert decide(static("visitor"), site) == Refuse(why, id_of("visitor"))


def test_revoked_is_told_before_anything_that_time_might_mend():
    site = listed(grant("alice", ALICE, status=Status.REVOKED), expires_utc=NOON - 1)
    assert reason(rotating("alice", ALICE, NOON - DAY), site) is Reason.REVOKED


def test_a_visitor_whose_day_is_over_is_told_expired():
    card = static("visitor", not_after_utc=NOON)
    assert decide(card) == Refuse(Reason.EXPIRED, id_of("visitor"))
    assert isinstance(decide(card, now=at(-0.001)), Admit)


def test_a_resident_who_has_moved_out_is_told_expired():
    site = listed(grant("alice", ALICE, not_after_utc=NOON))
    assert reason(rotating("alice", ALICE), site) is Reason.EXPIRED


def test_a_card_that_outlives_its_grant_is_expired():
    site = listed(grant("visitor", not_before_utc=NOON - DAY, not_after_utc=NOON - 600))
    assert reason(static("visitor"), site) is Reason.EXPIRED


def test_a_visitor_who_comes_a_day_early_is_told_not_yet_valid():
    card = static("visitor", not_before_utc=NOON + 60)
    assert reason(card) is Reason.NOT_YET_VALID
    assert reason(card, now=at(60)) is None


def test_a_resident_who_moves_in_tomorrow_is_told_not_yet_valid():
    site = listed(grant("alice", ALICE, not_before_utc=NOON + DAY))
    assert reason(rotating("alice", ALICE), site) is Reason.NOT_YET_VALID


def test_a_grant_for_more_than_a_leap_year_is_too_long_whoever_signed_it():
    year = grant("alice", ALICE, not_before_utc=NOON, not_after_utc=NOON + 366 * DAY)
    more = grant("alice", ALICE, not_before_utc=NOON, not_after_utc=NOON + 366 * DAY + 600)
    assert reason(rotating("alice", ALICE), listed(year)) is None
    assert decide(rotating("alice", ALICE), listed(more)).detail == "366.0 days"
    assert reason(rotating("alice", ALICE), listed(more)) is Reason.TOO_LONG


def test_a_card_for_more_than_a_leap_year_is_too_long_although_its_grant_is_not():
    body = parse(static("visitor")).body[:-2] + (0xFFFF).to_bytes(2)
    text = passes.compose(body, ISSUER.sign(passes.to_be_signed(Alg.ED25519, SITE, body)))
    assert decide(text) == Refuse(Reason.TOO_LONG, id_of("visitor"), "455.1 days")


def test_a_pass_for_the_garage_does_not_open_the_main_gate():
    site = listed(grant("alice", ALICE, zones=0b010), grant("visitor"))
    assert decide(rotating("alice", ALICE), site) == Refuse(Reason.WRONG_ZONE, id_of("alice"))
    assert reason(rotating("alice", ALICE), site, post=Post(SITE, "ramp", "garage")) is None
    assert reason(static("visitor", zones=0b010), site) is Reason.WRONG_ZONE


def test_a_card_opens_only_where_both_it_and_its_grant_say_so():
    site = listed(grant("visitor", zones=0b110))
    assert reason(static("visitor", zones=0b011), site) is Reason.WRONG_ZONE
    assert reason(static("visitor", zones=0b011), site, post=Post(SITE, "ramp", "garage")) is None


def test_a_gate_in_a_zone_that_the_list_does_not_know_says_which():
    lost = Post(SITE, "shed", "garden")
    assert decide(static("visitor"), post=lost).detail == "the list knows no zone garden"
    assert reason(static("visitor"), post=lost) is Reason.WRONG_ZONE


def test_a_ninth_zone_has_no_bit_and_opens_to_nobody():
    site = listed(grant("alice", ALICE, zones=0xFF), zones=tuple(f"z{i}" for i in range(9)))
    assert reason(rotating("alice", ALICE), site, post=Post(SITE, "x", "z7")) is None
    assert reason(rotating("alice", ALICE), site, post=Post(SITE, "x", "z8")) is Reason.WRONG_ZONE


def test_a_ticket_for_one_opens_once():
    card = static("visitor", uses=1)
    assert reason(card) is None
    assert decide(card, used=Use(1)) == Refuse(Reason.USED_UP, id_of("visitor"), "1 of 1")


def test_of_two_limits_the_lower_holds():
    site = listed(grant("visitor", uses=3), grant("alice", ALICE, uses=2))
    assert reason(static("visitor", uses=5), site, used=Use(2)) is None
    assert decide(static("visitor", uses=5), site, used=Use(3)).detail == "3 of 3"
    assert decide(static("visitor"), site, used=Use(3)).detail == "3 of 3"
    assert reason(rotating("alice", ALICE), site, used=Use(2, STEP - 1)) is Reason.USED_UP


# --- the same code twice -----------------------------------------------------------


def test_a_photograph_of_a_code_that_has_opened_is_replayed():
    assert reason(rotating("alice", ALICE), used=Use(1, STEP)) is Reason.REPLAYED
    assert reason(rotating("alice", ALICE, later=1), used=Use(1, STEP)) is None
    assert reason(rotating("alice", ALICE, later=-1), used=Use(1, STEP)) is Reason.REPLAYED


def test_the_mirrored_signature_of_a_used_code_is_replayed_all_the_same():
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    code = parse(rotating("bob", BOB))
    s = int.from_bytes(code.signature[32:])
    twin = type(code)(
        code.pass_id, code.alg, code.step, code.body, code.signature[:32] + (order - s).to_bytes(32)
    )
    assert isinstance(judge(twin, LIST, NORTH, UNUSED, at()), Admit)
    assert judge(twin, LIST, NORTH, Use(1, STEP), at()).reason is Reason.REPLAYED


@pytest.mark.parametrize("later", [-1, 0, 1])
def test_a_phone_whose_clock_is_a_step_off_is_believed(later):
    assert reason(rotating("alice", ALICE, later=later)) is None


@pytest.mark.parametrize(
    ("later", "detail"),
    [
        (-2, "made 30 s ago"),
        (2, "made 30 s from now"),
        (-5760, "made 86400 s ago"),
        (5760, "made 86400 s from now"),
    ],
)
def test_a_code_from_another_time_is_replayed(later, detail):
    assert decide(rotating("alice", ALICE, later=later)) == Refuse(Reason.REPLAYED, id_of("alice"), detail)


def test_the_last_step_there_is_and_the_first_are_only_far_away():
    last = rotating("alice", ALICE, later=2**32 - 1 - STEP)
    assert reason(last) is Reason.REPLAYED
    assert reason(rotating("alice", ALICE, later=-STEP)) is Reason.REPLAYED


# --- a clock that nobody has set ----------------------------------------------------


def unsure(mono=0.0, utc=None):
    return at(mono, utc, Trust.UNKNOWN)


def test_without_a_clock_only_the_kinds_that_the_site_chose_are_let_in():
    site = listed(
        grant("alice", ALICE),
        grant("bob", BOB, kind=PassKind.COURIER),
        admit_when_clock_unknown=frozenset({PassKind.RESIDENT}),
    )
    assert reason(rotating("alice", ALICE), site, now=unsure()) is None
    assert decide(rotating("bob", BOB), site, now=unsure()) == Refuse(Reason.CLOCK_UNSURE, id_of("bob"))
    assert reason(rotating("bob", BOB), site, now=at(trust=Trust.HOLDOVER)) is None


TRUSTING = {"admit_when_clock_unknown": frozenset(PassKind)}


def test_a_clock_that_may_be_behind_believes_codes_from_its_future_once():
    site = listed(grant("alice", ALICE), **TRUSTING)
    tomorrow = rotating("alice", ALICE, later=5760)
    assert reason(tomorrow, site, now=unsure()) is None
    assert reason(tomorrow, site, now=unsure(), used=Use(1, STEP + 5760)) is Reason.REPLAYED
    assert reason(rotating("alice", ALICE, later=-2), site, now=unsure()) is Reason.REPLAYED


def test_a_clock_that_may_be_behind_knows_what_is_over_but_not_what_has_begun():
    site = listed(
        grant("alice", ALICE, schedule=1),
        grant("visitor"),
        schedules={1: ()},
        **TRUSTING,
    )
    assert reason(static("visitor", not_after_utc=NOON), site, now=unsure()) is Reason.EXPIRED
    assert reason(static("visitor", not_before_utc=NOON + DAY), site, now=unsure()) is None
    assert reason(rotating("alice", ALICE), site, now=unsure()) is None
    assert reason(rotating("alice", ALICE), site) is Reason.OUTSIDE_SCHEDULE


# --- an old list, a dead list, no list ----------------------------------------------


def test_a_stale_list_still_lets_people_in_and_says_so():
    soft = NOON - HOUR + DAY
    site = listed(grant("alice", ALICE))
    assert decide(rotating("alice", ALICE, soft - 1), site, now=at(utc=soft - 1)).note == ""
    assert decide(rotating("alice", ALICE, soft), site, now=at(utc=soft)).note == "list_stale"


def test_a_dead_list_lets_in_only_the_kinds_that_the_site_chose_and_says_so():
    site = listed(
        grant("alice", ALICE),
        grant("visitor"),
        expires_utc=NOON,
        admit_when_dead=frozenset({PassKind.RESIDENT}),
    )
    assert decide(rotating("alice", ALICE), site).note == "list_dead"
    assert decide(static("visitor"), site) == Refuse(Reason.LIST_DEAD, id_of("visitor"), "list 7")
    assert reason(static("visitor"), site, now=at(-0.001)) is None


def test_a_gate_without_a_list_lets_nobody_in():
    assert decide(rotating("alice", ALICE), None) == Refuse(Reason.NO_LIST, id_of("alice"))
    assert reason(static("visitor"), None, post=WAY_OUT) is Reason.NO_LIST


def test_a_damaged_store_is_no_list_for_those_it_lost_and_nobody_else():
    names = [f"resident {i}" for i in range(40)]
    keys = {name: ed25519(name) for name in names}
    site = listed(*(grant(name, keys[name]) for name in names))
    lost = next(digest for digest in _digests(site)[1:])
    holes = Allowlist(site.head, site.expires_utc, lambda d: None if d == lost else site.fetch(d))
    answers = {name: decide(rotating(name, keys[name]), holes) for name in names}
    for name, answer in answers.items():
        here = shard_number(id_of(name), 2) == 0
        assert isinstance(answer, Refuse) == here
        assert not here or (answer.reason, "damaged" in answer.detail) == (Reason.NO_LIST, True)
    assert {shard_number(id_of(name), 2) for name in names} == {0, 1, 2, 3}


def _digests(site: Allowlist) -> list[bytes]:
    index = site.fetch(site.head.indexes[0])
    return [site.head.indexes[0], *(index[i : i + 32] for i in range(0, len(index), 32))]


# --- the hours of the week ----------------------------------------------------------

WORK = (Window(frozenset({1, 2, 3, 4, 5}), 9 * 60, 18 * 60),)
NIGHT = (Window(frozenset({5}), 22 * 60, 1440), Window(frozenset({6}), 0, 6 * 60))  # Friday night
MONDAY = NOON - 12 * HOUR


def hours(windows, *, offset_min=0):
    return listed(
        grant("visitor", schedule=3),
        schedules={3: windows},
        utc_offset_min=offset_min,
        expires_utc=NOON + 99 * DAY,
    )


def open_at(site, utc) -> bool:
    card = static("visitor", not_before_utc=utc - utc % 60, not_after_utc=utc + HOUR)
    decision = decide(card, site, now=at(utc=utc))
    assert isinstance(decision, Admit) or decision == Refuse(
        Reason.OUTSIDE_SCHEDULE, id_of("visitor"), "schedule 3"
    )
    return isinstance(decision, Admit)


@pytest.mark.parametrize(
    ("day", "hour", "minute", "wanted"),
    [
        (0, 8, 59, False),
        (0, 9, 0, True),
        (0, 17, 59, True),
        (0, 18, 0, False),
        (4, 12, 0, True),
        (5, 12, 0, False),
        (6, 12, 0, False),
        (7, 12, 0, True),
    ],
)
def test_the_cleaner_comes_in_working_hours(day, hour, minute, wanted):
    assert open_at(hours(WORK), MONDAY + day * DAY + hour * HOUR + minute * 60) is wanted


@pytest.mark.parametrize(
    ("day", "hour", "minute", "wanted"),
    [
        (4, 21, 59, False),
        (4, 22, 0, True),
        (4, 23, 59, True),
        (5, 0, 0, True),
        (5, 5, 59, True),
        (5, 6, 0, False),
    ],
)
def test_the_night_guards_shift_goes_across_midnight_as_two_windows(day, hour, minute, wanted):
    assert open_at(hours(NIGHT), MONDAY + day * DAY + hour * HOUR + minute * 60) is wanted


def test_hours_are_the_sites_own():
    shanghai = hours(WORK, offset_min=480)
    assert open_at(shanghai, MONDAY + 1 * HOUR)  # Monday 09:00
    assert not open_at(shanghai, MONDAY + 10 * HOUR)  # Monday 18:00
    assert not open_at(shanghai, MONDAY + 4 * DAY + 17 * HOUR)  # Saturday 01:00
    assert open_at(hours(NIGHT, offset_min=480), MONDAY + 4 * DAY + 17 * HOUR)
    newfoundland = hours(WORK, offset_min=-210)
    assert not open_at(newfoundland, MONDAY + 12 * HOUR + 29 * 60)
    assert open_at(newfoundland, MONDAY + 12 * HOUR + 30 * 60)
    assert not open_at(newfoundland, MONDAY + 2 * HOUR)  # still Sunday there


def test_a_pass_without_a_schedule_of_its_own_follows_its_kinds():
    weekend = {4: (Window(frozenset({6, 7}), 0, 1440),), 3: WORK}
    site = listed(
        grant("visitor"),
        grant("alice", ALICE),
        grant("bob", BOB, kind=PassKind.VISITOR, schedule=3),
        grant("freer", schedule=ALWAYS),
        schedules=weekend,
        kind_schedules={PassKind.VISITOR: 4},
    )
    assert decide(static("visitor"), site).detail == "schedule of visitor"
    assert reason(static("visitor"), site) is Reason.OUTSIDE_SCHEDULE
    assert reason(rotating("alice", ALICE), site) is None
    assert reason(rotating("bob", BOB), site) is None
    assert reason(static("freer"), site) is None


def test_the_cleaner_stays_at_home_on_a_holiday():
    day_off = listed(
        grant("visitor", schedule=3), schedules={3: WORK}, holidays=frozenset({day_number("2026-03-02")})
    )
    assert reason(static("visitor"), day_off) is Reason.OUTSIDE_SCHEDULE
    open_then = (*WORK, Window(frozenset({HOLIDAY}), 11 * 60, 13 * 60))
    assert reason(static("visitor"), listed(grant("visitor", schedule=3), schedules={3: open_then})) is None


def test_a_schedule_that_the_list_forgot_to_define_opens_never():
    site = listed(grant("visitor", schedule=9), schedules={3: WORK})
    assert reason(static("visitor"), site) is Reason.OUTSIDE_SCHEDULE


@given(
    st.integers(MONDAY, MONDAY + 90 * DAY),
    st.integers(-720, 840),
    st.frozensets(st.integers(1, 7), max_size=7),
)
def test_the_week_agrees_with_the_calendar(utc, offset_min, days):
    local = datetime.fromtimestamp(utc, UTC) + timedelta(minutes=offset_min)
    wanted = local.isoweekday() in days and 480 <= local.hour * 60 + local.minute < 1200
    assert open_at(hours((Window(days, 480, 1200),), offset_min=offset_min), utc) is wanted


# --- the way out ----------------------------------------------------------------------

WRONG = {
    Reason.REVOKED: ({"status": Status.REVOKED}, {}),
    Reason.SUSPENDED: ({"status": Status.SUSPENDED}, {}),
    Reason.EXPIRED: ({"not_after_utc": NOON - 600}, {}),
    Reason.NOT_YET_VALID: ({"not_before_utc": NOON + 60}, {}),
    Reason.OUTSIDE_SCHEDULE: ({"schedule": 5}, {}),
    Reason.WRONG_ZONE: ({"zones": 0}, {}),
    Reason.REPLAYED: ({}, {"used": Use(1, STEP)}),
    Reason.CLOCK_UNSURE: ({}, {"now": unsure()}),
    Reason.LIST_DEAD: ({}, {"now": at(utc=NOON + 14 * DAY)}),
    Reason.TOO_LONG: ({"not_after_utc": NOON + 400 * DAY}, {}),
}


@pytest.mark.parametrize("why", WRONG)
def test_on_the_way_out_a_real_pass_is_let_through_and_the_event_says_what_was_wrong(why):
    terms, circumstances = WRONG[why]
    site = listed(grant("alice", ALICE, **terms))
    now = circumstances.get("now", at())
    code = rotating("alice", ALICE, now.utc)
    assert reason(code, site, **circumstances) is why
    assert reason(code, site, post=BOTH_WAYS, **circumstances) is why
    out = decide(code, site, post=WAY_OUT, **circumstances)
    assert out == Admit(id_of("alice"), PassKind.RESIDENT, int(now.utc // 15), why, Way.OUT)


def test_on_the_way_out_what_is_not_real_stays_refused():
    assert reason(rotating("alice", MALLORY), post=WAY_OUT) is Reason.FORGED
    assert reason(static("visitor", MALLORY), post=WAY_OUT) is Reason.FORGED
    assert reason(rotating("carol", MALLORY), post=WAY_OUT) is Reason.UNKNOWN_PASS


def test_every_reason_but_those_of_the_door_has_its_story_here():
    elsewhere = {
        Reason.MALFORMED,
        Reason.FORGED,
        Reason.NO_LIST,
        Reason.UNKNOWN_PASS,
        Reason.WRONG_SITE,
        Reason.LOCKED_DOWN,
        Reason.INTERLOCKED,
        Reason.FULL,
        Reason.USED_UP,  # only ways in are counted
        Reason.PASSED_BACK,
    }
    assert set(WRONG) | elsewhere == set(Reason)


# --- anything at all ---------------------------------------------------------------------


@given(st.text(max_size=130) | st.binary(max_size=80).map(lambda raw: "M1" + raw.hex().upper()), st.data())
def test_the_judge_has_an_answer_to_everything(text, data):
    post = data.draw(st.sampled_from([NORTH, BOTH_WAYS, WAY_OUT]))
    trust = data.draw(st.sampled_from(Trust))
    utc = data.draw(st.floats(-1e12, 1e12))
    decision = judge(parse(text), LIST, post, UNUSED, at(utc=utc, trust=trust))
    assert isinstance(decision, Refuse)
