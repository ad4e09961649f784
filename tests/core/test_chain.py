"""The journal's chain: one head speaks for every event before it."""

import hashlib

import cbor2
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent.core.chain import GENESIS, Checkpoint, extend, extend_all
from agent.core.events import Place
from agent.core.keys import Alg

BODIES = st.lists(st.binary(max_size=40), min_size=1, max_size=8)


def test_an_epoch_begins_at_zero_and_grows_by_sha_256():
    assert bytes(32) == GENESIS
    assert extend(GENESIS, b"first") == hashlib.sha256(bytes(32) + b"first").digest()
    assert extend_all(GENESIS, [b"a", b"b"]) == extend(extend(GENESIS, b"a"), b"b")
    assert extend_all(b"any head at all", []) == b"any head at all"


@given(BODIES, BODIES)
def test_two_different_days_never_have_one_head(one, other):
    assume(one != other)
    assert extend_all(GENESIS, one) != extend_all(GENESIS, other)


@given(BODIES, st.integers(0, 8))
def test_a_day_can_be_told_in_parts(bodies, cut):
    assert extend_all(extend_all(GENESIS, bodies[:cut]), bodies[cut:]) == extend_all(GENESIS, bodies)


@pytest.mark.parametrize("alg", Alg)
def test_what_is_signed_names_site_gate_epoch_place_and_head(alg):
    point = Checkpoint(Place("willow-court", "north", "00ff00ff00ff00ff", 258), bytes(range(32)))
    payload = bytes.fromhex("00ff00ff00ff00ff") + b"\x00\x00\x00\x00\x00\x00\x01\x02" + bytes(range(32))
    protected = cbor2.dumps({1: -8 if alg is Alg.ED25519 else -7})
    for signed, aad in [
        (point.signed_by_gate(alg), b"menshen/1/head/willow-court/north"),
        (point.signed_by_office(alg), b"menshen/1/ack/willow-court/north"),
        (point.signed_as_purged(alg), b"menshen/1/purged/willow-court/north"),
    ]:
        assert cbor2.loads(signed) == ["Signature1", protected, aad, payload]


def test_a_gates_signature_is_never_an_acknowledgement():
    point = Checkpoint(Place("willow-court", "north", "00ff00ff00ff00ff", 1), GENESIS)
    assert point.signed_by_gate() != point.signed_by_office()
