"""The line is hostile until proven otherwise: frames and messages, whatever is thrown at them."""

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning import fragments, framing, wire
from provisioning.framing import Decoder

payloads = st.binary(min_size=1, max_size=framing.MAX_PAYLOAD)


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@given(st.lists(payloads, max_size=4), st.lists(st.integers(min_value=0), max_size=8))
def test_what_is_sent_arrives_in_whatever_pieces_the_line_gives(sent, cuts):
    decoder = Decoder()
    line = b"".join(framing.encode(payload) for payload in sent)
    assert [p for piece in in_pieces(line, cuts) for p in decoder.feed(piece)] == sent
    assert decoder.faults.total == 0


@given(st.lists(st.binary(max_size=6000), max_size=6))
def test_rubbish_is_counted_never_raised_and_the_next_frame_is_read(pieces):
    decoder = Decoder()
    for piece in pieces:
        for payload in decoder.feed(piece):
            assert 0 < len(payload) <= framing.MAX_PAYLOAD
        assert len(decoder.pending) <= framing.MAX_BODY
    assert decoder.feed(framing.encode(b"after the storm"))[-1] == b"after the storm"


@given(payloads, st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_one_wrong_byte_never_makes_another_payload(payload, place, change):
    frame = bytearray(framing.encode(payload))
    frame[place % len(frame)] ^= change
    assert Decoder().feed(bytes(frame) + b"\0") in ([], [payload])


def test_four_gigabytes_without_an_end_are_never_held():
    decoder = Decoder()
    for _ in range(64):
        decoder.feed(b"\x01" * 65536)
        assert len(decoder.pending) <= framing.MAX_BODY
    assert decoder.feed(framing.encode(b"next")) == [b"next"]
    assert decoder.faults.overlong == 1


def test_a_body_of_zeros_that_unpacks_to_more_than_a_frame_is_dropped():
    raw = bytes(framing.MAX_PAYLOAD + 8)
    body = framing.cobs.encode(raw + framing.zlib.crc32(raw).to_bytes(4))
    decoder = Decoder()
    assert decoder.feed(body + b"\0") == []
    assert decoder.faults.overlong == 1


@pytest.mark.parametrize("size", [0, framing.MAX_PAYLOAD + 1])
def test_a_payload_that_no_frame_holds_is_refused_before_the_line(size):
    with pytest.raises(ValueError, match="wanted 1 to 4096"):
        framing.encode(bytes(size))


@given(payloads, st.randoms())
def test_fragments_gather_over_repetitions_and_are_given_once_in_a_round(payload, chance):
    joiner = fragments.Joiner()
    given_out = []
    for _ in range(60):
        arrived = [one for one in fragments.split(payload) if chance.random() < 0.6]
        given_out += [whole for one in arrived if (whole := joiner.feed(one)) is not None]
    assert set(given_out) == {payload}
    assert len(given_out) <= 60


@given(st.lists(st.binary(max_size=60), max_size=30))
def test_no_fragment_however_strange_raises_or_is_held_for_ever(pieces):
    joiner = fragments.Joiner()
    for piece in pieces:
        joiner.feed(b"\x02" + piece)
    assert len(joiner._on_the_way) <= fragments._HELD


@given(st.binary(max_size=600))
def test_any_bytes_are_a_message_or_unreadable(payload):
    wire.unpack(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 4000,
        b'{"a":' * 800,
        b"9" * 4000,
        b'{"jsonrpc":"2.0","id":"a.1","method":"hello","extra":1}',
        b'{"jsonrpc":"1.0","id":"a.1","method":"hello"}',
        b'{"jsonrpc":"2.0","id":7,"method":"hello"}',
        b'{"jsonrpc":"2.0","id":"a.1","error":{"code":1,"message":"\\u001b]0;owned\\u0007"}}',
        b'{"jsonrpc":"2.0","method":"progress","params":{"stage":"\\u001b[2J"}}',
    ],
)
def test_deep_huge_foreign_and_terminal_moving_messages_are_unreadable(payload):
    assert isinstance(wire.unpack(payload), wire.Unreadable)


def test_each_message_reads_back_as_it_was_written():
    for message in (
        wire.Request(id="ab.1", method="hello", params={"protocol": 1}),
        wire.Answer(id="ab.1", result={"have": 1}),
        wire.Failure(id=None, error=wire.ErrorFacts(code=1, message="门", data={"faults": ["a"]})),
        wire.Notification(params={"stage": "checking"}),
        wire.Piece(b"abcd", 70_000, b"\0\1\2"),
    ):
        assert wire.unpack(wire.pack(message)) == message


def test_the_protocol_page_names_every_method_code_and_file():
    page = (Path(__file__).parents[2] / "docs" / "provisioning-protocol.md").read_text()
    codes = [str(code) for name, code in vars(wire.Code).items() if name.isupper()]
    for name in (*wire.METHODS, *codes, *wire.MAX_FILE, str(framing.MAX_PAYLOAD), str(wire.MAX_CHUNK)):
        assert f"`{name}`" in page
    assert f"`{framing.encode(b'{}').hex(' ')}`" in page


def test_the_largest_chunk_fits_a_frame():
    chunk = wire.PutParams.model_construct(
        transfer="0" * 32, file="broker.password", offset=262144, data=bytes(wire.MAX_CHUNK)
    )
    params = json.loads(chunk.model_dump_json())
    payload = wire.pack(wire.Request(id="f" * 32, method="enrol.put", params=params))
    assert len(payload) <= framing.MAX_PAYLOAD
    assert wire.PutParams.model_validate(params).data == bytes(wire.MAX_CHUNK)
