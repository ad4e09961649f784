"""What travels between a gate and its office, and what is done to it on the way."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import feed
from agent.core.chain import GENESIS, Checkpoint, extend_all
from agent.core.events import Place
from agent.core.feed import Ack, FeedFault, Header, Purged, Rewind, answer, pack_message, unpack_message
from tests.core.builders import BOB, MALLORY, SITE, ed25519, public, signature

DEVICE, OFFICE = ed25519("gate north"), ed25519("office acknowledgements")
EPOCH = "0123456789abcdef"
BODIES = [f"event {number}".encode() for number in range(1, 11)]
NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)
DIGESTS = st.binary(min_size=32, max_size=32)
PLACES = st.builds(
    Place,
    NAMES,
    NAMES,
    st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
    st.integers(1, 2**63 - 1),
)


def run(first: int = 1, last: int = 10, device=DEVICE, gate="north") -> Header:
    """The header of events first to last of a day of ten."""
    before, head = extend_all(GENESIS, BODIES[: first - 1]), extend_all(GENESIS, BODIES[:last])
    unsigned = Header(Place(SITE, gate, EPOCH, first), last, before, head, b"")
    signed = unsigned.checkpoint.signed_by_gate(public(device).alg)
    return replace(unsigned, signature=signature(device, signed))


def ack(upto: int = 10, office=OFFICE) -> Ack:
    point = Checkpoint(Place(SITE, "north", EPOCH, upto), extend_all(GENESIS, BODIES[:upto]))
    return Ack(point, signature(office, point.signed_by_office(public(office).alg)))


def test_a_gate_has_its_own_topics():
    assert feed.log_topic("s", "g") == "site/s/gate/g/log"
    assert feed.ack_topic("s", "g") == "site/s/gate/g/ack"
    assert feed.client_name("s-a", "b") != feed.client_name("s", "a-b")
    assert feed.status_topic("s", "g") == "site/s/gate/g/status"
    assert feed.event_topic("s", "g") == "site/s/gate/g/event"
    assert feed.health_topic("s", "g") == "site/s/gate/g/health"
    assert feed.order_topic("s", "g") == "site/s/gate/g/order"


# --- messages --------------------------------------------------------------------


@pytest.mark.parametrize("device", [DEVICE, BOB], ids=["ed25519", "p256"])
@pytest.mark.parametrize(("first", "last"), [(1, 10), (1, 1), (4, 7), (10, 10)])
def test_a_days_events_arrive_and_are_believed(first, last, device):
    header, packed = unpack_message(pack_message(run(first, last, device), b"packed\nlines"))
    assert (header, packed) == (run(first, last, device), b"packed\nlines")
    assert header.checked(BODIES[first - 1 : last], public(device)) is None


HEADERS = st.builds(
    lambda place, more, *rest: Header(place, place.seq + more, *rest),
    PLACES,
    st.integers(0, 199),
    DIGESTS,
    DIGESTS,
    st.binary(max_size=64),
)


@given(HEADERS, st.binary(max_size=80))
def test_every_header_is_read_as_it_was_written(header, packed):
    assert unpack_message(pack_message(header, packed)) == (header, packed)


@given(st.permutations(BODIES).filter(lambda bodies: bodies != BODIES))
def test_events_in_another_order_are_found(bodies):
    assert run().checked(bodies, public(DEVICE)) == "the events do not hash to the head"


def purged(device=DEVICE) -> Purged:
    """The word of a gate that has let go of the first three events of a day."""
    point = Checkpoint(Place(SITE, "north", EPOCH, 3), extend_all(GENESIS, BODIES[:3]))
    return Purged(point, signature(device, point.signed_as_purged(public(device).alg)))


def test_what_a_gate_let_go_of_travels_with_the_run_after_it():
    header, _ = unpack_message(pack_message(replace(run(4, 10), purged=purged()), b""))
    assert header.purged == purged()
    assert header.purged.holds(public(DEVICE))
    assert not purged(MALLORY).holds(public(DEVICE))


@pytest.mark.parametrize(
    "said", [[], "gone", {"epoch": EPOCH}, {"epoch": EPOCH, "upto": 0, "h": "00" * 32, "sig": ""}]
)
def test_a_word_of_another_shape_about_what_is_gone_is_refused(said):
    line, _, rest = pack_message(run(4, 10), b"").partition(b"\n")
    with pytest.raises(FeedFault, match="header of a wrong shape"):
        unpack_message(json.dumps({**json.loads(line), "purged": said}).encode() + b"\n" + rest)


@given(st.integers(0, 9), st.binary(max_size=20))
def test_an_edited_event_is_found(which, other):
    bodies = [*BODIES[:which], other, *BODIES[which + 1 :]]
    assert (run().checked(bodies, public(DEVICE)) is None) == (other == BODIES[which])


@given(st.sets(st.integers(0, 9), min_size=1))
def test_a_dropped_event_is_found_and_so_is_one_too_many(dropped):
    bodies = [body for number, body in enumerate(BODIES) if number not in dropped]
    assert run().checked(bodies, public(DEVICE)) == f"{len(bodies)} events for a run of 10"
    assert run().checked([*BODIES, b"one more"], public(DEVICE)) == "11 events for a run of 10"


@given(st.integers(0, 9), st.integers(0, 9))
def test_an_event_told_twice_in_anothers_place_is_found(which, place):
    bodies = list(BODIES)
    bodies[place] = BODIES[which]
    assert (run().checked(bodies, public(DEVICE)) is None) == (which == place)


def test_a_run_that_was_cut_short_needs_a_signature_that_nobody_made():
    short = replace(run(), last_seq=9, head=extend_all(GENESIS, BODIES[:9]))
    assert short.checked(BODIES[:9], public(DEVICE)) == "the head is not signed by this gate's key"


@pytest.mark.parametrize(
    "changed",
    [
        {"first": Place(SITE, "south", EPOCH, 1)},
        {"first": Place("plum-court", "north", EPOCH, 1)},
        {"first": Place(SITE, "north", "f" * 16, 1)},
        {"first": Place(SITE, "north", EPOCH, 2), "last_seq": 11},
        {"signature": bytes(64)},
        {"signature": b""},
    ],
    ids=["another gate", "another site", "another epoch", "another place", "zeros", "unsigned"],
)
def test_a_run_told_as_somebody_elses_is_found(changed):
    assert replace(run(), **changed).checked(BODIES, public(DEVICE)) is not None


def test_a_run_signed_by_another_key_or_as_an_acknowledgement_is_found():
    assert run(device=MALLORY).checked(BODIES, public(DEVICE)) == "the head is not signed by this gate's key"
    office_like = replace(run(), signature=signature(DEVICE, run().checkpoint.signed_by_office()))
    assert office_like.checked(BODIES, public(DEVICE)) == "the head is not signed by this gate's key"


def test_an_epoch_cannot_begin_with_a_past():
    past = extend_all(GENESIS, [b"a forgotten morning"])
    unsigned = Header(Place(SITE, "north", EPOCH, 1), 10, past, extend_all(past, BODIES), b"")
    header = replace(unsigned, signature=signature(DEVICE, unsigned.checkpoint.signed_by_gate()))
    assert header.checked(BODIES, public(DEVICE)) == "an epoch that does not begin at its beginning"


# --- rubbish ---------------------------------------------------------------------

GOOD_HEADER = json.loads(pack_message(run(), b"").partition(b"\n")[0])
GOOD_ACK = json.loads(ack().to_bytes())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.binary(max_size=2000) | JSON.map(lambda value: json.dumps(value).encode() + b"\n"))
def test_no_bytes_make_the_office_stumble(message):
    with pytest.raises(FeedFault):
        unpack_message(message)


@given(st.binary(max_size=2000) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_make_the_gate_stumble(data):
    with pytest.raises(FeedFault):
        Ack.from_bytes(data)


@given(st.sampled_from(list(GOOD_HEADER)), JSON)
def test_no_field_of_a_header_makes_the_office_stumble(field, value):
    message = json.dumps({**GOOD_HEADER, field: value}).encode() + b"\n"
    try:
        header, _ = unpack_message(message)
    except FeedFault:
        return
    assert header.checked(BODIES, public(MALLORY)) is not None


@given(st.sampled_from(list(GOOD_ACK)), JSON)
def test_no_field_of_an_acknowledgement_makes_the_gate_stumble(field, value):
    try:
        found = Ack.from_bytes(json.dumps({**GOOD_ACK, field: value}).encode())
    except FeedFault:
        return
    assert not found.holds([public(MALLORY), public(BOB)])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"v": 2}, "not a message of version 1"),
        ({"v": "1"}, "not a message of version 1"),
        ({"from": 0}, "from is not a sequence number"),
        ({"from": True}, "from is not a sequence number"),
        ({"from": 1.0}, "from is not a sequence number"),
        ({"from": 2**63}, "from is not a sequence number"),
        ({"to": 0}, "a run from 1 to 0"),
        ({"to": 201}, "a run from 1 to 201; wanted 1 to 200 events"),
        ({"to": "10"}, "a run from 1 to '10'"),
        ({"to": True}, "a run from 1 to True"),
        ({"epoch": "0123456789ABCDEF"}, "epoch is not 16 hex digits"),
        ({"epoch": "0123456789abcdef\n"}, "epoch is not 16 hex digits"),
        ({"epoch": 123}, "not all text"),
        ({"site": None}, "not all text"),
        ({"gate": ["north"]}, "not all text"),
        ({"site": "willow/court"}, "do not match"),
        ({"gate": "north/log"}, "do not match"),
        ({"gate": "#"}, "do not match"),
        ({"gate": ""}, "do not match"),
        ({"site": "\ud800"}, "do not match"),
        ({"prev": "00"}, "a head is not 64 hex digits"),
        ({"head": None}, "a head is not 64 hex digits"),
        ({"head": "z" * 64}, "non-hexadecimal"),
        ({"sig": 7}, "wrong shape"),
        ({"sig": "abc"}, "wrong shape"),
    ],
)
def test_a_header_says_what_is_wrong_with_it(changed, said):
    with pytest.raises(FeedFault, match=said):
        unpack_message(json.dumps({**GOOD_HEADER, **changed}).encode() + b"\n")


@pytest.mark.parametrize("field", [field for field in GOOD_HEADER if field != "v"])
def test_a_header_without_one_of_its_fields_is_refused(field):
    short = {name: value for name, value in GOOD_HEADER.items() if name != field}
    with pytest.raises(FeedFault, match=f"KeyError '{field}'"):
        unpack_message(json.dumps(short).encode() + b"\n")


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"", "no header line"),
        (b"{}", "no header line"),
        (b"{}\n", "not a message of version 1"),
        (b"[1]\n", "not a message of version 1"),
        (b"[" * 1000 + b"\n", "not JSON"),
        (b"\xff\xfe\n", "not JSON"),
        (b"9" * 1000 + b"\n", "not a message"),
        (b" " * 1025 + b"\n", "no header line"),
        (bytes(feed.MAX_MESSAGE_BYTES + 1), "message of 262145 bytes, wanted at most 262144"),
    ],
    ids=["empty", "no newline", "empty object", "list", "deep", "binary", "number", "long", "endless"],
)
def test_what_is_no_message_is_refused_before_it_is_read(message, said):
    with pytest.raises(FeedFault, match=said):
        unpack_message(message)


def test_a_full_message_is_the_largest_that_is_read():
    line = pack_message(run(), b"")
    full = line + bytes(feed.MAX_MESSAGE_BYTES - len(line))
    assert unpack_message(full)[0] == run()


# --- acknowledgements ------------------------------------------------------------


@pytest.mark.parametrize("office", [OFFICE, BOB], ids=["ed25519", "p256"])
def test_the_offices_word_is_believed(office):
    found = Ack.from_bytes(ack(office=office).to_bytes())
    assert found == ack(office=office)
    assert found.holds([public(MALLORY), public(office)])


def test_the_word_of_anybody_else_is_not():
    assert not ack(office=MALLORY).holds([public(OFFICE)])
    assert not ack().holds([])
    assert not Ack(run().checkpoint, run().signature).holds([public(DEVICE)])


@given(PLACES, DIGESTS, st.binary(max_size=64))
def test_every_acknowledgement_is_read_as_it_was_written(place, head, made):
    found = Ack(Checkpoint(place, head), made)
    assert Ack.from_bytes(found.to_bytes()) == found


@pytest.mark.parametrize(
    "changed",
    [{"upto": 9}, {"h": "00" * 32}, {"epoch": "f" * 16}, {"gate": "south"}, {"site": "plum-court"}],
    ids=lambda changed: next(iter(changed)),
)
def test_an_acknowledgement_changed_on_the_way_does_not_hold(changed):
    assert not Ack.from_bytes(json.dumps({**GOOD_ACK, **changed}).encode()).holds([public(OFFICE)])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b" " * 1025, "acknowledgement of 1025 bytes"),
        (b"", "not JSON"),
        (b"{}", "not a message of version 1"),
        (json.dumps({**GOOD_ACK, "upto": -1}).encode(), "upto is not a sequence number"),
        (json.dumps({**GOOD_ACK, "h": "00"}).encode(), "64 hex digits"),
        (json.dumps({**GOOD_ACK, "sig": None}).encode(), "wrong shape"),
        (json.dumps({**GOOD_ACK, "site": "\ud800"}).encode(), "do not match"),
    ],
)
def test_what_is_no_acknowledgement_is_refused(data, said):
    with pytest.raises(FeedFault, match=said):
        Ack.from_bytes(data)


# --- an office that was restored ----------------------------------------------------

HELD = Checkpoint(Place(SITE, "north", EPOCH, 4), extend_all(GENESIS, BODIES[:4]))


def rewind(held: Checkpoint = HELD, at_ms: int = 1_772_000_000_000, office=OFFICE) -> Rewind:
    made = signature(office, Rewind.signed(held, at_ms, public(office).alg))
    return Rewind(held, at_ms, made)


GOOD_REWIND = json.loads(rewind().to_bytes())


@pytest.mark.parametrize("office", [OFFICE, BOB], ids=["ed25519", "p256"])
@pytest.mark.parametrize("held", [HELD, Rewind.beginning(SITE, "north")], ids=["some", "nothing"])
def test_a_request_to_rewind_is_read_as_it_was_written(held, office):
    asked = rewind(held, office=office)
    assert answer(asked.to_bytes()) == asked
    assert asked.holds([public(MALLORY), public(office)])
    assert not asked.holds([public(MALLORY)])


def test_an_acknowledgement_is_no_request_to_rewind_and_the_other_way_round():
    assert answer(ack().to_bytes()) == ack()
    assert not Ack(HELD, rewind().signature).holds([public(OFFICE)])
    assert not replace(rewind(), signature=ack(4).signature).holds([public(OFFICE)])


@pytest.mark.parametrize(
    "changed", [{"upto": 3}, {"at": 5}, {"h": "00" * 32}, {"epoch": "f" * 16}, {"gate": "south"}]
)
def test_a_request_changed_on_the_way_does_not_hold(changed):
    assert not answer(json.dumps({**GOOD_REWIND, **changed}).encode()).holds([public(OFFICE)])


@given(st.binary(max_size=2000) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_on_the_ack_topic_make_the_gate_stumble(data):
    with pytest.raises(FeedFault):
        answer(data)


@given(st.sampled_from(list(GOOD_REWIND)), JSON)
def test_no_field_of_a_request_makes_the_gate_stumble(field, value):
    try:
        found = answer(json.dumps({**GOOD_REWIND, field: value}).encode())
    except FeedFault:
        return
    assert not found.holds([public(MALLORY)])


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"ask": "open"}, "wanted to rewind"), ({"at": -1}, "wanted to rewind"), ({"upto": -1}, "upto")],
)
def test_what_is_no_request_is_refused(changed, said):
    with pytest.raises(FeedFault, match=said):
        answer(json.dumps({**GOOD_REWIND, **changed}).encode())
