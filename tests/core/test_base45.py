"""The alphabet on the card: base45 there and back."""

import base45 as outside
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import base45

RFC_9285 = {"AB": "BB8", "Hello!!": "%69 VD92EX0", "base-45": "UJCLQE7W581", "ietf!": "QED8WEX0", "": ""}


@pytest.mark.parametrize(("plain", "coded"), RFC_9285.items())
def test_the_examples_of_the_standard_hold_both_ways(plain, coded):
    assert base45.encode(plain.encode()) == coded
    assert base45.decode(coded) == plain.encode()


@given(st.binary(max_size=200))
def test_what_is_printed_is_read_back(data):
    assert base45.decode(base45.encode(data)) == data


@given(st.binary(max_size=200))
def test_another_library_writes_the_same_text(data):
    assert base45.encode(data) == outside.b45encode(data).decode()


@given(st.text(base45.ALPHABET, max_size=60))
def test_another_library_reads_the_same_bytes_and_refuses_the_same_texts(text):
    try:
        wanted = outside.b45decode(text)
    except ValueError:
        wanted = None
    assert base45.decode(text) == wanted


@given(st.text(max_size=60))
def test_a_text_that_is_read_is_the_only_one_for_its_bytes(text):
    data = base45.decode(text)
    assert data is None or base45.encode(data) == text


@pytest.mark.parametrize(
    "text",
    {
        "one left over": "A",
        "four": "BB8A",
        "lower case": "bb8",
        "outside the alphabet": "B!8",
        "accent": "BB8é0",
        "chinese": "門神門",
        "control": "\x00\x00\x00",
        "half a surrogate pair": "\ud80000",
        "65536": "GGW",
        "91124": ":::",
        "256": "V5",
        "2024": "::",
    }.values(),
)
def test_a_text_that_the_standard_rejects_is_none(text):
    assert base45.decode(text) is None


def test_the_largest_groups_still_count():
    assert base45.decode("FGW") == b"\xff\xff"
    assert base45.decode("U5") == b"\xff"
