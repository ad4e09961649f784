"""What rv/hot denies is denied at once, and nothing it says can admit anybody."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.allowlist import ListFault, Status
from agent.core.decision import Admit, Reason
from agent.core.hot import MAX_DENIED, Denials
from agent.core.judge import judge
from agent.core.memory import UNUSED
from agent.core.passes import parse
from tests.core.builders import ALICE, BOB, NORTH, at, grant, id_of, listed, rotating, static

DENYING = st.sampled_from([Status.SUSPENDED, Status.REVOKED])


def told(text, allowlist):
    decision = judge(parse(text), allowlist, NORTH, UNUSED, at())
    return "admitted" if isinstance(decision, Admit) else decision.reason


def denying(allowlist, **denied):
    return dataclasses.replace(allowlist, denied={id_of(name): status for name, status in denied.items()})


def test_a_pass_on_the_list_is_refused_from_the_moment_it_is_denied():
    people = listed(grant("alice", ALICE), grant("bob", BOB))
    assert told(rotating("alice", ALICE), people) == "admitted"
    hot = denying(people, alice=Status.REVOKED, bob=Status.SUSPENDED)
    assert told(rotating("alice", ALICE), hot) is Reason.REVOKED
    assert told(rotating("bob", BOB), hot) is Reason.SUSPENDED
    assert told(rotating("alice", ALICE), denying(people, bob=Status.REVOKED)) == "admitted"


def test_a_card_that_no_list_names_yet_is_denied_too():
    people = listed(unlisted_static=True)
    assert told(static("visitor"), people) == "admitted"
    assert told(static("visitor"), denying(people, visitor=Status.REVOKED)) is Reason.REVOKED


def test_a_denial_never_makes_a_revoked_pass_merely_suspended():
    people = listed(grant("alice", ALICE, status=Status.REVOKED))
    assert told(rotating("alice", ALICE), denying(people, alice=Status.SUSPENDED)) is Reason.REVOKED


@given(st.dictionaries(st.binary(min_size=8, max_size=8), DENYING, max_size=20))
def test_what_was_written_is_what_is_read(denied):
    said = Denials("harbour", denied)
    assert Denials.from_bytes(said.to_bytes()) == said


def test_a_pass_in_both_places_is_revoked():
    data = b'{"format":1,"site":"harbour","revoked":["0000000000000001"],"suspended":["0000000000000001"]}'
    assert Denials.from_bytes(data).denied == {bytes(7) + b"\x01": Status.REVOKED}


GOOD = {"format": 1, "site": "harbour", "revoked": [], "suspended": []}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        json.dumps({**GOOD, "format": 2}).encode(),
        json.dumps({**GOOD, "site": "../quarry"}).encode(),
        json.dumps({**GOOD, "site": None}).encode(),
        json.dumps({**GOOD, "revoked": None}).encode(),
        json.dumps({**GOOD, "suspended": {"0000000000000001": 1}}).encode(),
        json.dumps({**GOOD, "revoked": [7]}).encode(),
        json.dumps({**GOOD, "revoked": ["07"]}).encode(),
        json.dumps({**GOOD, "revoked": ["zz"]}).encode(),
        json.dumps({**GOOD, "revoked": [f"{n:016x}" for n in range(MAX_DENIED + 1)]}).encode(),
    ],
)
def test_anything_else_is_a_fault(data):
    with pytest.raises(ListFault, match="publish again"):
        Denials.from_bytes(data)


def test_more_than_it_may_hold_is_for_a_list():
    with pytest.raises(ValueError, match="at most"):
        Denials("harbour", {n.to_bytes(8): Status.REVOKED for n in range(MAX_DENIED + 1)}).to_bytes()
