"""Somebody who moved in today, at a gate whose list is of yesterday."""

import pytest

from agent.core import passes
from agent.core.allowlist import PassKind, Status
from agent.core.curb import BURST
from agent.core.decision import Reason
from agent.core.gatekeeper import Gatekeeper
from agent.core.introductions import KNOWN_S, MOST_KNOWN, Introductions
from agent.core.judge import vouch
from agent.core.moments import Trust
from agent.core.passes import parse
from agent.core.schedule import Window
from tests.core.builders import (
    ALICE,
    BOB,
    DAY,
    ISSUER,
    MALLORY,
    NOON,
    NORTH,
    WAY_OUT,
    at,
    certificate,
    ed25519,
    grant,
    id_of,
    keeper,
    listed,
    public,
    records,
    rotating,
    shown,
    sight,
    static,
    told,
)

ADMITTED = "pass.admitted"
STALE = {"issued_utc": NOON - 3 * DAY}
CAROL = ed25519("carol")


def shows(gate: Gatekeeper, *texts: str, every_s: float = 0.5, now=at) -> list:
    """A phone that shows one code after another; what the gate did, in order."""
    return [action for n, text in enumerate(texts) for action in gate.see(sight(text), now(n * every_s))]


@pytest.mark.parametrize(("name", "holder"), [("carol", CAROL), ("bob", BOB)])
def test_a_holder_unknown_to_a_stale_list_is_admitted_by_certificate_and_code(name, holder):
    gate = keeper(**STALE)
    met = shows(gate, certificate(name, holder))
    assert met == [], "a certificate opens nothing and is no try"
    actions = shows(gate, rotating(name, holder))
    assert told(actions) == [ADMITTED]
    assert records(actions)[0].facts["note"] == "by_certificate list_stale"
    assert records(actions)[0].facts["kind"] == "resident"


def test_whichever_of_the_two_is_read_first():
    gate = keeper(**STALE)
    code, introduction = rotating("carol", CAROL), certificate("carol", CAROL)
    actions = shows(gate, code, introduction, code, introduction, code)
    assert told(actions) == ["pass.refused unknown_pass", ADMITTED]
    assert shown(actions) == ["refused.unknown_pass", "admitted"]


def test_a_phone_held_up_for_a_minute_opens_once():
    gate, actions = keeper(**STALE), []
    introduction = certificate("carol", CAROL)
    for t in range(120):
        now = at(t / 2)
        text = introduction if t % 2 == 0 else rotating("carol", CAROL, now.utc)
        actions += gate.see(sight(text), now)
    assert told(actions) == [ADMITTED]


def test_a_certificate_held_up_for_long_before_the_code_is_read_still_counts():
    gate, introduction = keeper(), sight(certificate("carol", CAROL))
    for t in range(20):
        gate.see(introduction, at(float(t)))
    assert told(gate.see(sight(rotating("carol", CAROL, NOON + 20)), at(20.0))) == [ADMITTED]


def test_an_introduction_is_forgotten_after_a_few_seconds():
    gate = keeper()
    shows(gate, certificate("carol", CAROL))
    late = sight(rotating("carol", CAROL))
    assert told(gate.see(late, at(KNOWN_S))) == ["pass.refused unknown_pass"]


def test_a_photograph_of_a_certificate_opens_nothing():
    gate = keeper()
    stolen = certificate("carol", CAROL)
    assert shows(gate, stolen, stolen) == []
    assert told(shows(gate, rotating("carol", MALLORY))) == ["pass.refused forged"]


def test_a_certificate_that_the_office_never_signed_is_forged_and_introduces_nobody():
    gate = keeper()
    own = certificate("mallory", MALLORY, MALLORY)
    assert told(shows(gate, own, rotating("mallory", MALLORY))) == [
        "pass.refused forged",
        "pass.refused unknown_pass",
    ]
    # Held up together with other forgeries of the same pass, it is told once.
    assert told(shows(keeper(), own, certificate("mallory", BOB, MALLORY))) == ["pass.refused forged"]


def test_forged_certificates_are_curbed_as_other_worthless_codes_are():
    gate = keeper()
    flood = shows(gate, *(certificate(f"nobody {n}", MALLORY, MALLORY) for n in range(40)), every_s=0.01)
    assert told(flood) == ["pass.refused forged"] * BURST


def test_a_certificate_of_another_site_introduces_nobody_here():
    neighbour = listed(neighbours={"plum-court": (public(ISSUER),)})
    theirs = parse(certificate("carol", CAROL, site="plum-court"))
    assert vouch(theirs, listed(), NORTH).reason is Reason.FORGED
    assert vouch(theirs, neighbour, NORTH).reason is Reason.WRONG_SITE
    assert vouch(theirs, None, NORTH).reason is Reason.NO_LIST


@pytest.mark.parametrize(("status", "reason"), [(Status.REVOKED, "revoked"), (Status.SUSPENDED, "suspended")])
def test_what_the_list_says_comes_before_what_a_certificate_says(status, reason):
    gate = keeper(grant("carol", CAROL, status=status))
    assert told(shows(gate, certificate("carol", CAROL), rotating("carol", CAROL))) == [
        f"pass.refused {reason}"
    ]


def test_a_lost_phone_that_was_denied_since_is_refused_although_the_list_never_knew_it():
    stale = listed(**STALE)
    denied = type(stale)(stale.head, stale.expires_utc, stale.fetch, denied={id_of("carol"): Status.REVOKED})
    gate = Gatekeeper.at(NORTH, denied)
    assert told(shows(gate, certificate("carol", CAROL), rotating("carol", CAROL))) == [
        "pass.refused revoked"
    ]


def test_the_lists_key_for_a_pass_comes_before_the_certificates():
    gate = keeper(grant("alice", ALICE))
    assert told(shows(gate, certificate("alice", CAROL), rotating("alice", CAROL))) == ["pass.refused forged"]
    assert told(shows(gate, rotating("alice", ALICE))) == [ADMITTED]


def test_a_site_may_wait_for_its_list():
    gate = keeper(unlisted_holders=False)
    assert told(shows(gate, certificate("carol", CAROL), rotating("carol", CAROL))) == [
        "pass.refused unknown_pass"
    ]


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"not_before_utc": NOON + DAY}, "not_yet_valid"),
        ({"not_after_utc": NOON}, "expired"),
        ({"zones": 0b010}, "wrong_zone"),
    ],
)
def test_a_certificate_goes_no_further_than_it_says(terms, reason):
    gate = keeper()
    assert told(shows(gate, certificate("carol", CAROL, **terms), rotating("carol", CAROL))) == [
        f"pass.refused {reason}"
    ]


def test_a_certificate_for_more_than_a_year_is_too_long_although_it_is_signed():  # C04
    body = parse(certificate("carol", CAROL)).body
    body = body[:14] + (0xFFFF).to_bytes(2) + body[16:]
    text = passes.compose(body, ISSUER.sign(passes.to_be_signed(public(ISSUER).alg, "willow-court", body)))
    assert told(shows(keeper(), text, rotating("carol", CAROL))) == ["pass.refused too_long"]


def test_the_rules_of_its_kind_hold_for_who_comes_by_certificate():
    night = {7: (Window(frozenset(range(1, 8)), 22 * 60, 6 * 60),)}
    fields = {"schedules": night, "kind_schedules": {PassKind.CONTRACTOR: 7}}
    introduction = certificate("carol", CAROL, kind=PassKind.CONTRACTOR)
    assert told(shows(keeper(**fields), introduction, rotating("carol", CAROL))) == [
        "pass.refused outside_schedule"
    ]
    unsure = keeper(admit_when_clock_unknown=frozenset({PassKind.RESIDENT}))

    def now(mono):
        return at(mono, trust=Trust.UNKNOWN)

    assert told(shows(unsure, introduction, rotating("carol", CAROL), now=now)) == [
        "pass.refused clock_unsure"
    ]
    assert told(shows(unsure, certificate("erin", BOB), rotating("erin", BOB), now=now)) == [ADMITTED]


def test_each_code_of_an_introduced_holder_opens_once():
    gate, introduction = keeper(), certificate("carol", CAROL)
    shows(gate, introduction, rotating("carol", CAROL))
    again = [gate.see(sight(text), at(9.0)) for text in (introduction, rotating("carol", CAROL))]
    assert told(again[1]) == ["pass.refused replayed"]


def test_on_the_way_out_an_introduced_holder_is_let_through_whatever_is_wrong():
    gate = keeper(post=WAY_OUT)
    out = shows(gate, certificate("carol", CAROL, zones=0), rotating("carol", CAROL))
    assert records(out)[0].facts["note"] == "by_certificate wrong_zone"


def test_a_card_shown_by_somebody_introduced_is_still_unknown():
    gate = keeper()
    assert told(shows(gate, certificate("carol", CAROL), static("carol"))) == ["pass.refused unknown_pass"]


def test_a_gate_without_a_list_says_so_to_a_certificate_too():
    assert told(Gatekeeper.at(NORTH).see(sight(certificate("carol", CAROL)), at())) == [
        "pass.refused no_list"
    ]


def test_so_many_introductions_are_remembered_and_no_more():
    known = Introductions()
    names = [f"holder {n}" for n in range(MOST_KNOWN + 1)]
    for n, name in enumerate(names):
        known.introduce(name, parse(certificate(name, CAROL)), n / 100)
    assert known.of(id_of(names[0]), 1.0) is None
    assert all(known.of(id_of(name), 1.0) for name in names[1:])


def test_of_two_certificates_for_one_pass_the_one_seen_last_counts():
    known = Introductions()
    old, new = (parse(certificate("carol", holder)) for holder in (ALICE, CAROL))
    known.introduce("old", old, 0.0)
    known.introduce("new", new, 1.0)
    assert known.of(id_of("carol"), 2.0) == new
    known.still_shows("old", 3.0)
    known.still_shows("never seen", 3.0)
    assert known.of(id_of("carol"), 3.0) == old
    assert known.of(id_of("nobody"), 3.0) is None
