"""A pass that comes in twice."""

import pytest

from agent.core.allowlist import Allowlist, PassKind, Status
from agent.core.decision import Admit, Reason, Refuse
from agent.core.gatekeeper import Gatekeeper
from agent.core.judge import LEAVES_WITHIN_S, judge
from agent.core.memory import Use, Way
from agent.core.moments import Trust
from agent.core.passback import OFF, Mode, Passback
from agent.core.passes import parse
from tests.core.builders import (
    ALICE,
    BOTH_WAYS,
    DAY,
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
    sight,
    static,
    told,
)

ADMITTED = "pass.admitted"
MINUTE = 60.0


def site(rule: Passback, **fields) -> Allowlist:
    return listed(grant("alice", ALICE), grant("visitor"), passback={PassKind.RESIDENT: rule}, **fields)


def phone(mono: float):
    return sight(rotating("alice", ALICE, NOON + mono)), at(mono)


def test_without_a_rule_a_pass_may_come_in_as_often_as_it_likes():
    assert Passback(Mode.OFF) == OFF
    gate = keeper(grant("alice", ALICE))
    assert [told(gate.see(*phone(mono))) for mono in (0.0, 60.0)] == [[ADMITTED]] * 2


def test_soft_passback_lets_in_and_tells_the_office():
    gate = Gatekeeper.at(NORTH, site(Passback(Mode.SOFT)))
    assert told(gate.see(*phone(0.0))) == [ADMITTED]
    again = gate.see(*phone(60.0))
    assert told(again) == [ADMITTED, "pass.passback"]
    assert records(again)[0].facts["note"] == "passed_back"
    assert records(again)[1].facts == {"pass": id_of("alice").hex(), "kind": "resident"}


def test_hard_passback_keeps_a_pass_out_that_was_not_seen_going_out():
    gate = Gatekeeper.at(NORTH, site(Passback(Mode.HARD)))
    assert told(gate.see(*phone(0.0))) == [ADMITTED]
    refused = gate.see(*phone(3600.0))
    assert told(refused) == ["pass.refused passed_back"]
    assert records(refused)[0].facts["detail"] == "came in 3600 s ago"
    assert told(gate.see(*phone(DAY))) == ["pass.refused passed_back"]


def test_hard_passback_lets_a_pass_in_again_after_it_went_out():
    gate = Gatekeeper.at(NORTH, site(Passback(Mode.HARD)))
    gate.see(*phone(0.0))
    gate.memory.once_more(id_of("alice"), None, Way.OUT, NOON + 30)
    assert told(gate.see(*phone(60.0))) == [ADMITTED]


def test_timed_passback_keeps_a_pass_out_for_some_minutes():
    gate = Gatekeeper.at(NORTH, site(Passback(Mode.TIMED, 5)))
    assert told(gate.see(*phone(0.0))) == [ADMITTED]
    assert told(gate.see(*phone(4.9 * MINUTE))) == ["pass.refused passed_back"]
    assert told(gate.see(*phone(5 * MINUTE))) == [ADMITTED]
    assert told(gate.see(*phone(6 * MINUTE))) == ["pass.refused passed_back"], "the time runs from the newest"


def test_a_refused_try_does_not_make_the_wait_longer():
    rule = Passback(Mode.TIMED, 5)
    assert rule.broken_by(Use(1, None, Way.IN, NOON), NOON + 299)
    assert not rule.broken_by(Use(1, None, Way.IN, NOON), NOON + 300)


def test_each_kind_has_its_own_rule():
    gate = Gatekeeper.at(NORTH, site(Passback(Mode.HARD)))
    card = sight(static("visitor"))
    assert [told(gate.see(card, at(mono))) for mono in (0.0, 60.0)] == [[ADMITTED]] * 2


def test_passback_is_remembered_over_a_restart():
    before = Gatekeeper.at(NORTH, site(Passback(Mode.HARD)))
    before.see(*phone(0.0))
    after = Gatekeeper.at(NORTH, site(Passback(Mode.HARD)), before.memory)
    assert told(after.see(*phone(60.0))) == ["pass.refused passed_back"]


def test_a_clock_that_stood_still_makes_the_wait_longer_never_shorter():
    here = site(Passback(Mode.TIMED, 5), admit_when_clock_unknown=frozenset(PassKind))
    used = Use(1, NOON // 15, Way.IN, NOON)
    stuck = at(3600.0, utc=NOON, trust=Trust.UNKNOWN)
    code = parse(rotating("alice", ALICE, later=240))
    assert judge(code, here, NORTH, used, stuck).reason is Reason.PASSED_BACK


def test_the_way_out_knows_no_passback():
    gate = Gatekeeper.at(WAY_OUT, site(Passback(Mode.HARD)))
    assert [told(gate.see(*phone(mono))) for mono in (0.0, 60.0)] == [[ADMITTED]] * 2


@pytest.mark.parametrize(
    ("mode", "minutes"), [(Mode.TIMED, 0), (Mode.TIMED, 7 * 24 * 60 + 1), (Mode.HARD, 5), (Mode.OFF, -1)]
)
def test_minutes_belong_to_timed_passback(mode, minutes):
    with pytest.raises(ValueError, match=f"found {minutes} minutes for passback {mode}"):
        Passback(mode, minutes)


# --- a gate for both ways -----------------------------------------------------------------


def ways(gate: Gatekeeper, card, *monos: float) -> list[str]:
    """How each showing was counted, or why it was refused."""
    events = [records(gate.see(card, at(mono)))[0] for mono in monos]
    return [str(event.facts.get("way", event.facts.get("reason"))) for event in events]


def test_a_visitor_with_one_use_gets_in_and_out_of_a_gate_for_both_ways_once():
    gate, card = keeper(grant("visitor"), post=BOTH_WAYS), sight(static("visitor", uses=1))
    assert ways(gate, card, 0.0, 3600.0, 3700.0) == ["in", "out", "used_up"]


def test_a_visitor_with_two_uses_gets_in_and_out_twice():
    gate, card = keeper(grant("visitor", uses=2), post=BOTH_WAYS), sight(static("visitor"))
    assert ways(gate, card, 0.0, 60.0, 120.0, 180.0, 240.0) == ["in", "out", "in", "out", "used_up"]


def test_a_visitor_who_stayed_too_long_is_let_out_once_and_the_office_hears_of_it():
    gate = keeper(grant("visitor"), post=BOTH_WAYS)
    card = sight(static("visitor", not_after_utc=NOON + 600))
    gate.see(card, at(0.0))
    out = records(gate.see(card, at(7200.0)))[0]
    assert (out.kind, out.facts["way"], out.facts["note"]) == (ADMITTED, "out", "expired")
    assert told(gate.see(card, at(7300.0))) == ["pass.refused expired"]


def test_a_day_later_a_showing_is_a_way_in_again():
    code = parse(static("visitor"))
    used = Use(1, None, Way.IN, NOON)
    there = listed(grant("visitor", uses=1))
    leaves = judge(code, there, BOTH_WAYS, used, at(LEAVES_WITHIN_S - 1.0))
    assert isinstance(leaves, Admit)
    assert leaves.way is Way.OUT
    assert judge(code, there, BOTH_WAYS, used, at(float(LEAVES_WITHIN_S))).reason is Reason.USED_UP


def test_a_gate_for_both_ways_opens_to_nobody_whom_the_site_has_barred():
    barred = listed(grant("visitor", status=Status.REVOKED))
    decision = judge(parse(static("visitor")), barred, BOTH_WAYS, Use(1, None, Way.IN, NOON), at(60.0))
    assert decision == Refuse(Reason.REVOKED, id_of("visitor"))


def test_at_a_gate_for_both_ways_there_is_nothing_for_passback_to_find():
    gate = Gatekeeper.at(BOTH_WAYS, site(Passback(Mode.HARD)))
    assert [told(gate.see(*phone(mono))) for mono in (0.0, 60.0, 120.0)] == [[ADMITTED]] * 3
    two_days = Use(1, None, Way.IN, NOON - 2 * DAY)
    assert isinstance(
        judge(parse(rotating("alice", ALICE)), site(Passback(Mode.HARD)), BOTH_WAYS, two_days, at()), Admit
    )
