"""A gate's signed account of who passed last, and several laid together."""

import json

import pytest

from agent.core.feed import FeedFault
from agent.core.memory import Way
from agent.core.moments import Trust
from agent.core.muster import MAX_BYTES, Muster, Seen, newest
from tests.core.builders import ed25519, public

ANA, BO = "00000000000000aa", "00000000000000bb"
GATE, OTHER = ed25519("north"), ed25519("south")


def seen(pass_id: str, way: Way, at_utc: int, gate: str = "north") -> Seen:
    return Seen(pass_id, gate, "main", way, at_utc)


def account(*passages: Seen) -> Muster:
    bare = Muster("harbour", "north", 1_800_000_000, Trust.SYNCED, passages)
    return bare.signed(GATE.sign(bare.signed_by_gate()))


def test_what_is_read_is_what_was_signed():
    said = account(seen(ANA, Way.IN, 5), seen(BO, Way.OUT, 7, "garage"))
    read = Muster.from_bytes(said.to_bytes())
    assert read == said
    assert read.holds(public(GATE))
    assert not read.holds(public(OTHER))
    altered = Muster.from_bytes(said.to_bytes().replace(b'"out"', b'"in"'))
    assert not altered.holds(public(GATE))


def test_an_account_of_a_whole_estate_is_signed_and_fits():
    many = account(*(seen(f"{number:016x}", Way.IN, number) for number in range(20_000)))
    assert Muster.from_bytes(many.to_bytes()).holds(public(GATE))
    assert len(many.to_bytes()) < MAX_BYTES


def test_of_each_pass_the_newest_passage_counts_and_in_doubt_it_is_inside():
    told = [seen(ANA, Way.IN, 5), seen(ANA, Way.OUT, 9, "garage"), seen(BO, Way.OUT, 7), seen(BO, Way.IN, 7)]
    for order in (told, told[::-1]):
        last = newest(order)
        assert (last[ANA].way, last[BO].way) == (Way.OUT, Way.IN)


GOOD = json.loads(account(seen(ANA, Way.IN, 5)).to_bytes())


@pytest.mark.parametrize(
    "harm",
    [
        {"v": 2},
        {"muster": "names"},
        {"site": "Harbour"},
        {"gate": 7},
        {"at": 1.5},
        {"at": -1},
        {"at": True},
        {"clock": "sure"},
        {"seen": [["aa", "north", "main", "in", 5]]},
        {"seen": [[ANA, "north", "main", "up", 5]]},
        {"seen": [[ANA, "north", "main", "in"]]},
        {"seen": 7},
        {"sig": "00"},
    ],
)
def test_whatever_else_it_may_be_it_is_no_account(harm):
    with pytest.raises(FeedFault):
        Muster.from_bytes(json.dumps({**GOOD, **harm}).encode())


def test_bytes_that_are_none_are_refused():
    for data in (b"", b"[]", b"{}", b"\xff", b"[" * 100_000, bytes(MAX_BYTES + 1)):
        with pytest.raises(FeedFault):
            Muster.from_bytes(data)
